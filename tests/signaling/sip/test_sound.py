"""Calls between two agents with the real engine under them: the sound and the keys of each reach the other."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from media.engine import Engine, EngineSettings
from signaling.leg import Answered, DigitReceived, Ended, HangupCause
from signaling.sip.resolver import Destination
from tests.signaling.sip.peers import FAST, ended, next_event, rig, settled

# The first start on a machine compiles the engine.
pytestmark = pytest.mark.timeout(300)


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[Engine]:
    engine = Engine(EngineSettings(address="127.0.0.1", port_range=(18000, 19999), capacity=8, port_rest_s=0.0))
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


async def test_keys_cross_and_ports_are_given_back(engine: Engine) -> None:
    async with rig(timers=FAST, engine=engine) as caller, rig(timers=FAST, engine=engine) as called:
        out = caller.dial("sip:bob@there", [Destination("udp", *called.address())])
        into = await called.incoming()
        await into.answer()
        assert await next_event(out) == Answered()
        await out.send_digits("5#")
        assert [(await next_event(into)) for _ in range(2)] == [DigitReceived("5", 100), DigitReceived("#", 100)]
        await into.send_digits("*")
        assert await next_event(out) == DigitReceived("*", 100)
        assert out.media.statistics().dropped_foreign == 0
        out.hangup()
        assert await ended(into) == Ended(HangupCause.NORMAL, by_remote=True)
        await settled(caller)
        await settled(called)
        assert engine.statistics().live_ports == 0
