"""Who is logged in at the console: sessions by a cookie that no script can read.

Pure: time comes in as ``clock``. Bounded: so many sessions an account, the one used longest ago goes; each ends when it
was idle for too long, when it is too old, and when the credentials it was made with are no longer right. A session is
found by the digest of its cookie, so that what is in memory opens nothing.
Source: OWASP Session Management Cheat Sheet (entropy, idle and absolute time-out); RFC 6265bis 5.4.7 (SameSite).
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

IDLE_S: Final = 3600.0
LONGEST_S: Final = 12 * 3600.0
MOST_SESSIONS: Final = 20
MOST_IN_ALL: Final = 1000
_COOKIE_OCTETS: Final = 32


@dataclass(slots=True)
class Session:
    """user: the sid that logged in, an account's or a key's. proof: digest of its secret, to see that it holds."""

    account_sid: str
    user: str
    proof: bytes
    begun_at: float
    used_at: float


class Sessions:
    """still_holds: whether these credentials would let somebody in now. clock: monotonic seconds."""

    def __init__(self, *, clock: Callable[[], float], still_holds: Callable[[Session], bool]) -> None:
        self._clock = clock
        self._still_holds = still_holds
        self._sessions: dict[bytes, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, *, account_sid: str, user: str, secret: str) -> str:
        """A new session; returns its cookie."""
        self._drop_over()
        own = [key for key, session in self._sessions.items() if session.account_sid == account_sid]
        if len(own) >= MOST_SESSIONS:
            self._drop_oldest(own)
        elif len(self._sessions) >= MOST_IN_ALL:
            self._drop_oldest(list(self._sessions))
        cookie = secrets.token_urlsafe(_COOKIE_OCTETS)
        now = self._clock()
        self._sessions[_digest(cookie)] = Session(account_sid, user, _digest(secret), now, now)
        return cookie

    def find(self, cookie: str | None, *, is_use: bool = True) -> Session | None:
        """The session of a cookie if it may still be used; is_use: somebody is there, so the idle time begins anew."""
        if not cookie:
            return None
        key = _digest(cookie)
        session = self._sessions.get(key)
        if session is None:
            return None
        if self._is_over(session) or not self._still_holds(session):
            del self._sessions[key]
            return None
        if is_use:
            session.used_at = self._clock()
        return session

    def end(self, cookie: str | None) -> None:
        if cookie:
            self._sessions.pop(_digest(cookie), None)

    def _is_over(self, session: Session) -> bool:
        now = self._clock()
        return now - session.used_at > IDLE_S or now - session.begun_at > LONGEST_S

    def _drop_over(self) -> None:
        for key in [key for key, session in self._sessions.items() if self._is_over(session)]:
            del self._sessions[key]

    def _drop_oldest(self, keys: list[bytes]) -> None:
        del self._sessions[min(keys, key=lambda key: self._sessions[key].used_at)]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
