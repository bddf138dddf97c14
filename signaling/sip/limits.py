"""How much a stranger may cost us: refusals per source, connections per source, password guesses.

Pure: time comes in as ``clock``. Only what was refused is counted, so a busy trunk or phone is never slowed. Every
table is bounded; a source that behaves again is forgotten. Who counts as trusted is asked from outside.
Source: reliability checks S-01, S-02, S-03, S-09.
"""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass


class RateTable:
    """A token bucket per key that keeps one number per key: when its bucket will be full again.

    (Generic cell rate algorithm.) A key whose bucket is full needs no entry. At most ``limit`` keys: the one entered
    first goes when a new one needs room.
    """

    def __init__(self, *, rate: float, burst: int, clock: Callable[[], float], limit: int = 10_000) -> None:
        self._step_s = 1.0 / rate
        self._depth_s = burst / rate
        self._most_s = self._depth_s + 1e-9 * self._step_s
        self._clock = clock
        self._limit = limit
        self._full_at: dict[str, float] = {}
        self._next_purge = 0.0

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, key: str) -> bool:
        """Takes a token; False if there is none, and then nothing is taken."""
        now = self._clock()
        full_at = self._full_at.get(key)
        if full_at is None:
            self._make_room(now)
            full_at = now
        full_at = max(full_at, now) + self._step_s
        if full_at - now > self._most_s:
            return False
        self._full_at[key] = full_at
        return True

    def level(self, key: str) -> float:
        """Tokens left."""
        full_at = self._full_at.get(key)
        if full_at is None:
            return self._depth_s / self._step_s
        return (self._depth_s - max(0.0, full_at - self._clock())) / self._step_s

    def _make_room(self, now: float) -> None:
        if len(self._full_at) < self._limit:
            return
        if now >= self._next_purge:
            self._next_purge = now + 1.0
            self._full_at = {key: full_at for key, full_at in self._full_at.items() if full_at > now}
        while len(self._full_at) >= self._limit:
            del self._full_at[next(iter(self._full_at))]


@dataclass(frozen=True, kw_only=True)
class SourceLimits:
    """rate and burst: refusals a second that one source gets an answer to. tolerated: refusals beyond those, not
    answered, before nothing of the source is read any more for mute_s."""

    rate: float = 20.0
    burst: int = 60
    tolerated: int = 200
    mute_s: float = 10.0
    sources: int = 10_000


class SourceLimiter:
    """Counts refusals per source address.

    ``charge`` with every request that is challenged or refused; False: send no answer. ``is_muted`` before parsing.
    Trusted sources (trunks, addresses with registered phones) get no more answers than others but are never muted,
    because UDP addresses can be forged.
    """

    def __init__(
        self, limits: SourceLimits, *, clock: Callable[[], float], is_trusted: Callable[[str], bool] = lambda _: False
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._is_trusted = is_trusted
        self._answers = RateTable(rate=limits.rate, burst=limits.burst, clock=clock, limit=limits.sources)
        self._patience = RateTable(
            rate=limits.rate, burst=limits.burst + limits.tolerated, clock=clock, limit=limits.sources
        )
        self._muted: dict[str, float] = {}

    def charge(self, source: str) -> bool:
        if not self._patience.take(source):
            if source not in self._muted and len(self._muted) >= self._limits.sources:
                del self._muted[next(iter(self._muted))]
            self._muted[source] = self._clock() + self._limits.mute_s
        return self._answers.take(source)

    def is_muted(self, source: str) -> bool:
        until = self._muted.get(source)
        if until is None:
            return False
        if self._clock() < until:
            return not self._is_trusted(source)
        del self._muted[source]
        return False


@dataclass(frozen=True, kw_only=True)
class GuessLimits:
    """failures wrong passwords within window_s block their source for block_s, doubled at each block up to most_s.
    account_rate, account_burst: wrong passwords that one user name may collect from everywhere (about 1000 an hour)."""

    failures: int = 10
    window_s: float = 60.0
    block_s: float = 900.0
    most_s: float = 86_400.0
    account_rate: float = 900 / 3600
    account_burst: int = 50
    entries: int = 10_000


@dataclass(slots=True)
class _Offender:
    failures: int = 0
    since: float = 0.0
    blocks: int = 0
    blocked_until: float = 0.0


class GuessGuard:
    """Slows password guessing down, from one address and from many, without locking an owner out.

    Ask ``refuses`` before a password is checked, tell ``failed`` or ``succeeded`` after. A source is blocked whatever
    it sends; an account that is being guessed is closed only to sources that have not logged in to it lately. Of IPv6
    a source is the /64, which one subscriber has all to himself.
    """

    def __init__(
        self,
        limits: GuessLimits,
        *,
        clock: Callable[[], float],
        on_block: Callable[[str, float], None] = lambda _source, _seconds: None,
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._on_block = on_block
        self._offenders: dict[str, _Offender] = {}
        self._accounts = RateTable(
            rate=limits.account_rate, burst=limits.account_burst, clock=clock, limit=limits.entries
        )
        self._owners: dict[tuple[str, str], None] = {}

    def refuses(self, source: str, username: str) -> bool:
        """Whether an answer to a challenge is refused unchecked, right or wrong."""
        source = _subscriber(source)
        offender = self._offenders.get(source)
        if offender is not None and self._clock() < offender.blocked_until:
            return True
        return self._accounts.level(username) < 1 and (source, username) not in self._owners

    def block_left_s(self, source: str) -> float:
        """How long the source stays blocked; 0 if it is not."""
        offender = self._offenders.get(_subscriber(source))
        return 0.0 if offender is None else max(0.0, offender.blocked_until - self._clock())

    def failed(self, source: str, username: str) -> None:
        source = _subscriber(source)
        self._accounts.take(username)
        now = self._clock()
        offender = self._offenders.get(source)
        if offender is None:
            if len(self._offenders) >= self._limits.entries:
                self._forget(now)
            offender = self._offenders[source] = _Offender(since=now)
        if now - offender.since > self._limits.window_s:
            offender.failures, offender.since = 0, now
        offender.failures += 1
        if offender.failures >= self._limits.failures and now >= offender.blocked_until:
            seconds = min(self._limits.block_s * 2**offender.blocks, self._limits.most_s)
            offender.blocks = min(offender.blocks + 1, 16)
            offender.blocked_until = now + seconds
            offender.failures = 0
            self._on_block(source, seconds)

    def succeeded(self, source: str, username: str) -> None:
        """Makes the source an owner of the account. Its own failures stay counted: a login between two guesses is no
        reason to allow ten more."""
        key = (_subscriber(source), username)
        if key in self._owners:
            return
        if len(self._owners) >= self._limits.entries:
            del self._owners[next(iter(self._owners))]
        self._owners[key] = None

    def _forget(self, now: float) -> None:
        """Makes room: first those whose time is over, then the one seen first."""
        horizon = now - self._limits.window_s
        self._offenders = {
            source: offender
            for source, offender in self._offenders.items()
            if offender.blocked_until > now or offender.since > horizon
        }
        while len(self._offenders) >= self._limits.entries:
            del self._offenders[next(iter(self._offenders))]


def _subscriber(source: str) -> str:
    """The /64 of an IPv6 address; anything else as it is. Source: RFC 6177 2."""
    if ":" not in source:
        return source
    try:
        address = ipaddress.IPv6Address(source)
    except ValueError:
        return source
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
