"""Which calls run: those with a script and those of dialled parties, an account's own only, the newest first."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from gateway.call import CallStatus
from gateway.console import running as running_module
from gateway.console.running import Running
from gateway.dialled_calls import DialledCalls
from gateway.live_calls import LiveCalls
from gateway.parameters import CallDirection, CallFacts
from gateway.store.records import CallRecord
from signaling.leg import Direction
from tests.gateway.peers import PeerLeg
from tests.gateway.store.records import ACCOUNT, call

OTHER = "AC" + "9" * 32


@dataclass
class Runs:
    """A call as its owners show it."""

    sid: str
    account_sid: str = ACCOUNT
    status: CallStatus = CallStatus.IN_PROGRESS

    @property
    def facts(self) -> CallFacts:
        return CallFacts(
            sid=self.sid,
            account_sid=self.account_sid,
            caller="a",
            callee="b",
            direction=CallDirection.INBOUND,
        )

    @property
    def progress(self) -> "Runs":
        return self

    def record(self) -> CallRecord:
        return replace(call(self.status.value, sid=self.sid), account_sid=self.account_sid)


def scene(live: list[Runs], dialled: list[Runs], legs: list[tuple[str, Any]] | None = None) -> Running:
    calls, children = LiveCalls(), DialledCalls()
    for each in live:
        calls.add(each)  # type: ignore[arg-type]  # what Running looks at
    for each in dialled:
        children.add(each)  # type: ignore[arg-type]
    return Running(calls=calls, dialled=children, legs=lambda: legs or [])


def sid(number: int) -> str:
    return f"CA{number:032x}"


def test_running_calls_are_an_accounts_own_newest_first() -> None:
    at = scene([Runs(sid(1)), Runs(sid(4), OTHER), Runs(sid(3))], [Runs(sid(2)), Runs(sid(5), OTHER)])
    found, count = at.calls(ACCOUNT)
    assert [each.sid for each in found] == [sid(3), sid(2), sid(1)] and count == 3


def test_running_call_that_is_over_runs_no_more() -> None:
    at = scene([Runs(sid(1), status=CallStatus.COMPLETED)], [Runs(sid(2), status=CallStatus.CANCELED)])
    assert at.calls(ACCOUNT) == ([], 0)


def test_running_call_that_went_its_own_way_is_there_once() -> None:
    at = scene([Runs(sid(1))], [Runs(sid(1))])
    found, count = at.calls(ACCOUNT)
    assert [each.sid for each in found] == [sid(1)] and count == 1


def test_running_calls_of_very_many_are_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_module, "MOST_RUNNING", 3)
    found, count = scene([Runs(sid(number)) for number in range(9)], []).calls(ACCOUNT)
    assert [each.sid for each in found] == [sid(8), sid(7), sid(6)] and count == 9


def test_running_legs_are_told_by_their_call() -> None:
    mine, other = PeerLeg("a", direction=Direction.INBOUND), PeerLeg("b", direction=Direction.OUTBOUND)
    at = scene([], [], [(sid(1), mine), (sid(1), other), (sid(2), other)])
    assert at.legs_of([sid(1), sid(3)]) == {sid(1): [mine, other]}
