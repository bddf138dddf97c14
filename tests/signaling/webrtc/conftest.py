"""An engine and the maker of WebRTC calls, on loopback only; browsers and phones that are closed after each test."""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import aioice.ice
import pytest
import pytest_asyncio

from media.engine import Engine, EngineSettings
from media.kernel import layout
from media.thread import compile_kernel
from signaling.peer_media import PeerMediaEvent
from signaling.webrtc import WebRtc, WebRtcMedia, WebRtcSettings
from tests.media.phone import PhoneBooth, until
from tests.signaling.webrtc.browser import Browser

PORT_RANGE = (30000, 31999)


@pytest.fixture(scope="session")
def kernel() -> None:
    state = layout.new_state(ports=1, mixes=1, recordings=1, blocks=1, start_ns=time.monotonic_ns())
    compile_kernel(state, lambda step, done, total: None)


@pytest_asyncio.fixture
async def engine(kernel: None) -> AsyncIterator[Engine]:
    engine = Engine(EngineSettings(address="127.0.0.1", port_range=PORT_RANGE, capacity=50))
    await engine.start()
    yield engine
    await engine.stop()


@pytest_asyncio.fixture
async def phones(engine: Engine) -> AsyncIterator[PhoneBooth]:
    booth = PhoneBooth(engine)
    yield booth
    booth.close()


@dataclass
class Call:
    """One call's sound and what was told of it."""

    media: WebRtcMedia
    events: list[PeerMediaEvent] = field(default_factory=list)

    async def told(self, kind: type[PeerMediaEvent], *, count: int = 1, within_s: float = 5.0) -> PeerMediaEvent:
        await until(lambda: sum(isinstance(event, kind) for event in self.events) >= count, within_s=within_s)
        found = [event for event in self.events if isinstance(event, kind)]
        return found[count - 1]


@dataclass
class Desk:
    """Where calls and browsers are made; everything is closed at the end."""

    webrtc: WebRtc
    settings: WebRtcSettings
    calls: list[Call] = field(default_factory=list)
    browsers: list[Browser] = field(default_factory=list)

    def call(self, *codec_names: str) -> Call:
        events: list[PeerMediaEvent] = []
        call = Call(self.webrtc(codec_names=codec_names or ("PCMU",), on_event=events.append), events)
        self.calls.append(call)
        return call

    def browser(self, *, frequency_hz: float = 440.0, edit: Callable[[str], str] = str) -> Browser:
        browser = Browser(frequency_hz=frequency_hz, edit=edit)
        self.browsers.append(browser)
        return browser


async def open_desk(engine: Engine, settings: WebRtcSettings) -> AsyncIterator[Desk]:
    desk = Desk(WebRtc(engine, settings), settings)
    yield desk
    for browser in desk.browsers:
        await browser.close()
    for call in desk.calls:
        call.media.close()
    await desk.webrtc.stop()
    await until(lambda: engine.statistics().live_ports == 0 or not engine.slots_held)


@pytest_asyncio.fixture
async def desk(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    # The browser's own addresses: loopback alone, which it would leave out.
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda *, use_ipv4, use_ipv6: ["127.0.0.1"])
    async for desk in open_desk(engine, WebRtcSettings(set_up_s=3.0, unheard_s=2.0)):
        yield desk
