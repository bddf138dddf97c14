"""Whole calls between two agents over loopback: what each side's leg sees, and that nothing is left after."""

import pytest

from signaling.leg import Answered, Direction, Ended, HangupCause, LegState, Ringing
from signaling.sip.resolver import Destination
from tests.signaling.sip.peers import FAST, Rig, ended, next_event, outbound, port_of, rig, settled


def place(rig: Rig, index: int = 0, protocol: str = "udp") -> Destination:
    host, port = rig.address(index)
    return Destination(protocol, host, port)  # type: ignore[arg-type]


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
async def test_call_rings_is_answered_and_hung_up_by_the_caller(protocol: str) -> None:
    listen = (f"{protocol}:127.0.0.1:0",)
    async with rig(listen=listen, timers=FAST) as caller, rig(listen=listen, timers=FAST) as called:
        host, port = called.address()
        out = caller.dial(
            f"sip:bob@{host}:{port}",
            [place(called, protocol=protocol)],
            request=outbound(headers={"X-Colour": "blue"}),
        )
        into = await called.incoming()
        assert (into.direction, into.state, into.dialled, into.trunk) == (
            Direction.INBOUND,
            LegState.TRYING,
            "bob",
            "carrier",
        )
        assert into.headers == {"X-Colour": "blue"}
        await into.ring()
        assert await next_event(out) == Ringing()
        await into.answer()
        assert await next_event(out) == Answered()
        assert out.state is into.state is LegState.UP
        assert port_of(out).connected[-1].address == port_of(into).address
        assert port_of(into).connected[-1].address == port_of(out).address
        out.hangup()
        assert await ended(out) == Ended(HangupCause.NORMAL)
        assert await ended(into) == Ended(HangupCause.NORMAL, by_remote=True)
        await settled(caller)
        await settled(called)


async def test_call_is_hung_up_by_the_called_side() -> None:
    async with rig(timers=FAST) as caller, rig(timers=FAST) as called:
        out = caller.dial("sip:bob@there", [place(called)])
        into = await called.incoming()
        await into.answer()
        assert await next_event(out) == Answered()
        into.hangup()
        assert await ended(out) == Ended(HangupCause.NORMAL, by_remote=True)
        await settled(caller)
        await settled(called)
