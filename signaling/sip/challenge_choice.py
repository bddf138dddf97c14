"""Which digest algorithms a peer is challenged with, so that old phones get in and new ones get SHA-256.

Pure: time comes in as ``clock``. RFC 8760 has a server send one challenge for each algorithm, the strongest first, and
a client skip those it does not know. Many do not skip: they take the first challenge only, or give up when any of them
is unknown. So a peer that says who it is gets both, strongest first; those known to fail get what they take; and
whoever was given both and comes back later without an answer to either gets MD5 alone from then on.
Owns the table of who did so, bounded. Source: RFC 8760 2.4; RFC 7616 3.7; vendors as named below.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Algorithm(Enum):
    """In the order of strength. Source: RFC 8760 2.4."""

    SHA_256 = "SHA-256"
    MD5 = "MD5"


STRONGEST_FIRST: tuple[Algorithm, ...] = (Algorithm.SHA_256, Algorithm.MD5)
MD5_FIRST: tuple[Algorithm, ...] = (Algorithm.MD5, Algorithm.SHA_256)
MD5_ONLY: tuple[Algorithm, ...] = (Algorithm.MD5,)

# libre before 2.0 ends the registration with "Function not implemented" if any challenge is not MD5.
_FAILS_ON_ANY = re.compile(r"baresip v[01]\.").match
# Asterisk and FreeSWITCH as clients look at the first challenge only (seen with 18.5 and 1.10.6), as does SIPp 3.6,
# which does not say who it is.
_TAKES_THE_FIRST = re.compile(r"(?:Asterisk|FreeSWITCH|FPBX|sipp)", re.IGNORECASE).match

# A request that is repeated sooner is a copy of the first, or several calls at once.
_GAVE_UP_AFTER_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Challenged:
    """Who is challenged. username: the From user it claims to be. user_agent: empty if it does not say.
    has_answered: the request had an answer, though not a good one."""

    source: str
    username: str
    user_agent: str
    has_answered: bool = False


class ChallengeChoice:
    """Remembers, for a source and the user it claims to be, whether it could answer what it was given."""

    def __init__(self, *, clock: Callable[[], float], limit: int = 10_000) -> None:
        self._clock = clock
        self._limit = limit
        self._unanswered_since: dict[tuple[str, str], float] = {}
        self._single: dict[tuple[str, str], None] = {}

    def algorithms(self, peer: Challenged) -> tuple[Algorithm, ...]:
        key = (peer.source, peer.username[:64])
        if key in self._single or _FAILS_ON_ANY(peer.user_agent):
            return MD5_ONLY
        if not peer.has_answered and self._gave_up(key):
            _make_room(self._single, self._limit)
            self._single[key] = None
            return MD5_ONLY
        return MD5_FIRST if not peer.user_agent or _TAKES_THE_FIRST(peer.user_agent) else STRONGEST_FIRST

    def answered(self, *, source: str, username: str) -> None:
        """It has answered a challenge, rightly or not: it can."""
        self._unanswered_since.pop((source, username[:64]), None)

    def _gave_up(self, key: tuple[str, str]) -> bool:
        now = self._clock()
        since = self._unanswered_since.get(key)
        if since is None:
            _make_room(self._unanswered_since, self._limit)
            self._unanswered_since[key] = now
            return False
        if now - since <= _GAVE_UP_AFTER_S:
            return False
        del self._unanswered_since[key]
        return True


def _make_room(table: dict[tuple[str, str], float] | dict[tuple[str, str], None], limit: int) -> None:
    if len(table) >= limit:
        del table[next(iter(table))]
