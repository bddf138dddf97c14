"""Session timers: who refreshes a call and how long it lives without a refresh.

Pure: messages in, header fields and a Schedule out; the clock is the session's. A peer without RFC 4028 is
refreshed by us all the same, so that a phone that vanished on hold is noticed: our refresh then fails.
Source: RFC 4028 4, 5, 7, 8, 9, 10.
"""

from dataclasses import dataclass

from signaling.sip.message import Request, Response
from signaling.sip.values import SipParseError

DEFAULT_INTERVAL_S = 1800
MIN_INTERVAL_S = 90


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """What has to happen if nothing refreshes the session before, in seconds from its last refresh.

    refresh_after_s: None if the peer refreshes. expire_after_s: None if only our refresh can fail.
    """

    refresh_after_s: float | None
    expire_after_s: float | None


class IntervalTooSmall(SipParseError):
    """The peer wants refreshes more often than we do; answer 422 with ``fields``."""

    def __init__(self, interval_s: int, request: Request) -> None:
        super().__init__(
            f"expected a session of at least {MIN_INTERVAL_S} s, found {interval_s}", status=422, request=request
        )
        self.fields = (("Min-SE", str(MIN_INTERVAL_S)),)


class SessionTimer:
    """What one dialog agreed on. ``interval_s`` and ``we_refresh`` change with each offer and answer of it."""

    def __init__(self, *, interval_s: int = DEFAULT_INTERVAL_S) -> None:
        self.interval_s = max(interval_s, MIN_INTERVAL_S)
        self.we_refresh = True
        self.peer_supports = False
        self._min_s = MIN_INTERVAL_S

    def ask(self, *, initial: bool) -> list[tuple[str, str]]:
        """Fields for a request of ours. In the first INVITE the peer may choose who refreshes. RFC 4028 7.1, 7.4."""
        refresher = "" if initial else f";refresher={'uac' if self.we_refresh else 'uas'}"
        return [("Session-Expires", f"{self.interval_s}{refresher}"), ("Min-SE", str(self._min_s))]

    def refused(self, response: Response) -> bool:
        """A 422 came: whether asking again with ``ask`` makes sense. RFC 4028 7.3."""
        wanted = response.number("Min-SE")
        if wanted is None or wanted <= self._min_s or wanted > 24 * 3600:
            return False
        self._min_s = wanted
        self.interval_s = max(self.interval_s, wanted)
        return True

    def accepted(self, response: Response) -> Schedule:
        """A 2xx to our INVITE or UPDATE came. RFC 4028 7.2."""
        interval_s = response.number("Session-Expires")
        if interval_s is None:
            self.peer_supports, self.we_refresh = False, True
        else:
            self.peer_supports = True
            self.interval_s = max(interval_s, MIN_INTERVAL_S)
            self.we_refresh = _refresher(response) != "uas"
        return self._schedule()

    def answer(self, request: Request) -> tuple[list[tuple[str, str]], Schedule]:
        """Fields for our 2xx to an INVITE or UPDATE. Raises IntervalTooSmall. RFC 4028 9."""
        self.peer_supports = "timer" in request.tokens("Supported")
        asked_s = request.number("Session-Expires")
        least_s = max(request.number("Min-SE") or MIN_INTERVAL_S, MIN_INTERVAL_S)
        if asked_s is not None:
            if asked_s < MIN_INTERVAL_S and self.peer_supports:
                raise IntervalTooSmall(asked_s, request)
            self.interval_s = max(min(asked_s, max(self.interval_s, least_s)), MIN_INTERVAL_S)
        else:
            self.interval_s = max(self.interval_s, least_s)
        if not self.peer_supports:
            # Table 2: a peer that cannot refresh leaves it to us.
            refresher = "uas"
        else:
            refresher = _refresher(request) or "uac"
        self.we_refresh = refresher == "uas"
        fields = [("Session-Expires", f"{self.interval_s};refresher={refresher}")]
        if refresher == "uac":
            fields.append(("Require", "timer"))
        return fields, self._schedule()

    def _schedule(self) -> Schedule:
        expire_s = self.interval_s - min(32.0, self.interval_s / 3)
        if self.we_refresh:
            return Schedule(
                refresh_after_s=self.interval_s / 2, expire_after_s=expire_s if self.peer_supports else None
            )
        return Schedule(refresh_after_s=None, expire_after_s=expire_s)


def _refresher(message: Request | Response) -> str:
    """``uac``, ``uas`` or nothing."""
    value = (message.headers.get("Session-Expires") or "").lower().replace(" ", "")
    for role in ("uac", "uas"):
        if f";refresher={role}" in value:
            return role
    return ""
