"""What runs now: an account's calls and their legs, from memory, so that to look at them costs storage nothing."""

from collections.abc import Callable, Iterable
from typing import Final

from gateway.call import CallStatus
from gateway.dialled_calls import DialledCalls
from gateway.live_calls import LiveCalls
from gateway.store.records import CallRecord
from signaling.leg import Leg

MOST_RUNNING: Final = 200


class Running:
    """legs: every leg that is not over, with the sid of its call."""

    def __init__(
        self, *, calls: LiveCalls, dialled: DialledCalls, legs: Callable[[], Iterable[tuple[str, Leg]]]
    ) -> None:
        self._calls = calls
        self._dialled = dialled
        self._legs = legs

    def calls(self, account_sid: str) -> tuple[list[CallRecord], int]:
        """The newest ``MOST_RUNNING`` of the account, newest first, and how many there are."""
        own: dict[str, Callable[[], CallRecord]] = {
            call.facts.sid: call.record
            for call in self._dialled
            if _is_of(account_sid, call.facts.account_sid, call.status)
        }
        own |= {
            call.facts.sid: call.progress.record
            for call in self._calls
            if _is_of(account_sid, call.facts.account_sid, call.status)
        }
        newest = sorted(own, reverse=True)[:MOST_RUNNING]
        return [own[sid]() for sid in newest], len(own)

    def legs_of(self, call_sids: Iterable[str]) -> dict[str, list[Leg]]:
        """By the sid of their call; a call without a leg is not there."""
        wanted = set(call_sids)
        found: dict[str, list[Leg]] = {}
        for sid, leg in self._legs():
            if sid in wanted:
                found.setdefault(sid, []).append(leg)
        return found


def _is_of(account_sid: str, owner_sid: str, status: CallStatus) -> bool:
    return owner_sid == account_sid and not status.is_final
