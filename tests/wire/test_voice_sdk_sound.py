"""The unmodified Voice SDK in Chromium with the whole of our sound: what it says and hears, by ear at both ends."""

import asyncio
import itertools
import math
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from media.engine import Engine, EngineSettings
from signaling.leg import DigitReceived
from signaling.peer_media import PeerMedia, PeerMediaEvent
from signaling.voice_sdk.leg import VoiceSdkLeg
from signaling.voice_sdk.server import VoiceSdkServer
from signaling.voice_sdk.settings import VoiceSdkSettings
from signaling.webrtc import WebRtc, WebRtcSettings
from tests.media.phone import Phone, PhoneBooth, loudness, until
from tests.signaling.voice_sdk.peers import Rig, token
from tests.tries import keeps
from tests.wire.harness_chromium import (
    Browser,
    Certificate,
    Tab,
    find_sdk,
    page_routes,
    serving,
    visiting,
)

pytestmark = pytest.mark.wire
PHONE_HZ = 1000

# The strongest frequency that the page hears, 0 for silence.
_LISTEN = """async name => {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 8192;
  context.createMediaStreamSource(calls[name].getRemoteStream()).connect(analyser);
  const bins = new Float32Array(analyser.frequencyBinCount);
  for (let round = 0; round < 50; round++) {
    await new Promise(resolve => setTimeout(resolve, 100));
    analyser.getFloatFrequencyData(bins);
    const best = bins.indexOf(Math.max(...bins));
    if (bins[best] > -50) { const hz = best * context.sampleRate / analyser.fftSize; context.close(); return hz; }
  }
  context.close();
  return 0;
}"""


@dataclass(frozen=True)
class Scene:
    rig: Rig
    browser: Browser
    engine: Engine
    phones: PhoneBooth


@pytest.fixture(scope="session")
def sdk(pytestconfig: pytest.Config) -> Path:
    return find_sdk(pytestconfig.cache.mkdir("voice-sdk"))


class SoundRig(Rig):
    """The rig with the whole of our sound."""

    def __init__(self, webrtc: WebRtc) -> None:
        self._webrtc = webrtc
        super().__init__(VoiceSdkSettings(beat_s=1.0))

    def make_media(self, *, codec_names: Sequence[str], on_event: Callable[[PeerMediaEvent], None]) -> PeerMedia:
        return self._webrtc(codec_names=codec_names, on_event=on_event)


@pytest.fixture
async def scene(sdk: Path, certificate: Certificate, debugger: str) -> AsyncIterator[Scene]:
    engine = Engine(EngineSettings(address="127.0.0.1", port_range=(32000, 32767), capacity=20))
    await engine.start()
    webrtc = WebRtc(engine, WebRtcSettings())
    booth = PhoneBooth(engine)
    rig = SoundRig(webrtc)
    tables = [page_routes(sdk), VoiceSdkServer(rig.agent).routes()]
    async with serving(tables, certificate) as url, visiting(debugger, url) as browser:
        yield Scene(rig, browser, engine, booth)
        rig.agent.stop()
        await webrtc.stop()
    booth.close()
    await engine.stop()


async def eventually(is_so: Callable[[], bool], *, within_s: float = 10.0) -> None:
    await until(is_so, within_s=within_s)


async def bridge(scene: Scene, leg: VoiceSdkLeg) -> Phone:
    phone = await scene.phones.phone(frequency_hz=PHONE_HZ)
    phone.port.hear(leg.media)
    leg.media.hear(phone.port)
    return phone


async def heard_both_ways(phone: Phone, tab: Tab, name: str) -> None:
    since = asyncio.get_running_loop().time()
    talking = asyncio.create_task(phone.talk(8.0))
    frequency = await tab.page.evaluate(_LISTEN, name)
    assert abs(frequency - PHONE_HZ) < 20
    # Chromium's false microphone beeps once a second.
    await eventually(lambda: loudness_peak(phone, since) > 500)
    talking.cancel()
    await asyncio.gather(talking, return_exceptions=True)


def loudness_peak(phone: Phone, since: float) -> float:
    heard = phone.heard(since_s=since)
    return max((loudness(heard[start : start + 800]) for start in range(0, len(heard), 800)), default=0.0)


async def incoming(scene: Scene, *codecs: str) -> tuple[Tab, VoiceSdkLeg]:
    """A call that the page has accepted, with its sound up."""
    tab = await scene.browser.tab()
    await tab.register(token(), publishEvents=False)
    [leg] = scene.rig.dial(codec_names=codecs)
    await tab.wait_for("incoming")
    await tab.do("calls.in.accept()")
    await tab.wait_for("in.accept")
    await eventually(lambda: leg.sound.is_up)
    assert leg.codec_names == codecs
    return tab, leg


@pytest.mark.parametrize("codec", ["PCMU", "OPUS"])
async def test_sound_incoming_call_is_heard_at_both_ends(scene: Scene, codec: str) -> None:
    tab, leg = await incoming(scene, codec)
    phone = await bridge(scene, leg)
    await heard_both_ways(phone, tab, "in")
    leg.hangup()
    await tab.wait_for("in.disconnect")
    phone.port.close()


async def test_sound_keys_come_as_telephone_events(scene: Scene) -> None:
    tab, leg = await incoming(scene, "PCMU")
    await tab.do("calls.in.sendDigits('1#')")
    digits = []
    async with asyncio.timeout(10):
        async for event in leg.events:
            if isinstance(event, DigitReceived):
                digits.append(event)
            if len(digits) == 2:
                break
    assert [event.digit for event in digits] == ["1", "#"]
    # A message of the signalling would have no length.
    assert all(event.duration_ms for event in digits)


@pytest.mark.parametrize("codec", ["PCMU", "OPUS"])
async def test_sound_goes_on_after_an_ice_restart(scene: Scene, codec: str) -> None:
    tab, leg = await incoming(scene, codec)
    phone = await bridge(scene, leg)

    async def longest_gap_s() -> float:
        before, since = leg.media.address, asyncio.get_running_loop().time()
        talking = asyncio.create_task(phone.talk(2.0))
        await tab.do("calls.in._mediaHandler.iceRestart()")
        try:
            await eventually(lambda: leg.media.address != before)
        except TimeoutError:
            # A starved browser may miss its turn; the SDK tries again then, and so do we.
            return math.inf
        finally:
            await talking
        times = [packet.time_s for packet in phone.received if packet.time_s >= since]
        return max(later - earlier for earlier, later in itertools.pairwise(times))

    await keeps(0.5, longest_gap_s)
    await heard_both_ways(phone, tab, "in")
    phone.port.close()


@pytest.mark.parametrize("codecs", [["pcmu"], ["opus", "pcmu"]])
async def test_sound_outgoing_call_with_early_media_is_heard_at_both_ends(scene: Scene, codecs: list[str]) -> None:
    tab = await scene.browser.tab()
    await tab.make_device(token(), publishEvents=False, codecPreferences=codecs)
    await tab.do("connect({To: '+15550101'})")
    await eventually(lambda: len(scene.rig.calls) == 1)
    [leg] = scene.rig.calls
    await leg.early_media()
    await eventually(lambda: leg.sound.is_up)
    phone = await bridge(scene, leg)
    await leg.answer()
    await tab.wait_for("out.accept")
    assert leg.codec_names == (codecs[0].upper(),)
    await heard_both_ways(phone, tab, "out")
    await tab.page.close(run_before_unload=False)
    await eventually(lambda: leg.events.ended is not None, within_s=1.0)
    phone.port.close()
