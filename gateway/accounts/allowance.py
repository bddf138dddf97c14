"""How many calls an account may have: at once, and a second.

Owns the paces. What runs is live_calls.py's, what an account is allowed the directory's. Time comes in.
Source: Twilio error 10004 (concurrency); Twilio Call resource, queue_time (calls per second of an account).
"""

from gateway.accounts.directory import Directory
from gateway.live_calls import LiveCalls
from gateway.pace import Pace
from signaling.errors import Fault, GatewayError


class AllInUse(GatewayError):
    """The account has as many calls at once as it may. code: Twilio's."""

    fault = Fault.CLIENT
    code = 10004

    def __init__(self) -> None:
        super().__init__("Call concurrency limit exceeded")


class Allowance:
    """most: calls at once of all accounts. per_second: of an account that has no limit of its own."""

    def __init__(
        self, directory: Directory, calls: LiveCalls, *, most: int, per_second: float, longest_wait_s: float
    ) -> None:
        self._directory = directory
        self._calls = calls
        self._most = most
        self._per_second = per_second
        self._longest_wait_s = longest_wait_s
        self._paces: dict[str, tuple[float, Pace]] = {}

    def has_room(self, account_sid: str) -> bool:
        """For one more call of the account."""
        most = self._directory.limits(account_sid).calls
        is_full = most is not None and self._calls.count_of(account_sid) >= most
        return not is_full and len(self._calls) < self._most

    def reserve(self, account_sid: str, *, now_s: float) -> float | None:
        """How long from now a call to be placed has to wait, or None when there is no place for it. Raises AllInUse."""
        if len(self._calls) >= self._most:
            return None
        if not self.has_room(account_sid):
            raise AllInUse
        per_second = self._directory.limits(account_sid).per_second or self._per_second
        known = self._paces.get(account_sid)
        if known is None or known[0] != per_second:
            known = self._paces[account_sid] = per_second, Pace(per_second, longest_wait_s=self._longest_wait_s)
        return known[1].reserve(now_s)
