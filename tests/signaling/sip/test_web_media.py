"""Browsers' sound in SIP calls: offer, answer and what the connection tells, with a sound that only records."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import pytest

from media.engine import PortEvent, PortsExhausted, SilenceTimeout
from signaling.leg import Answered, DigitReceived, Ended, HangupCause, Held, LegState, Pictured, Resumed
from signaling.peer_media import Connected, Digit, Failed, Gone, PeerMedia, PeerMediaEvent
from signaling.sip.leg import SipLeg
from signaling.sip.message import Response
from signaling.sip.web_media import CONNECT_S, LOST_S, WebLegMedia
from signaling.video import Video, VideoFormat
from tests.signaling.sip.peers import SteppedScheduler, ended, next_event, outbound, settled
from tests.signaling.sip.web_peers import Browser, WebRig, web_rig
from tests.signaling.voice_sdk.peers import RecordingSound, browser_sdp
from tests.signaling.voice_sdk.test_server import eventually


class Sounds:
    """Makes sounds and keeps them. room: how many there may be."""

    def __init__(self, room: int = 10) -> None:
        self.made: list[RecordingSound] = []
        self._room = room

    def __call__(self, *, codec_names: Sequence[str], on_event: Callable[[PeerMediaEvent], None]) -> PeerMedia:
        if len(self.made) == self._room:
            raise PortsExhausted("no port is left")
        self.made.append(RecordingSound(codec_names or ("OPUS", "PCMU"), on_event))
        return self.made[-1]

    @property
    def only(self) -> RecordingSound:
        [sound] = self.made
        return sound


async def up(at: WebRig, browser: Browser) -> SipLeg:
    """A call to the browser that it answered."""
    leg = cast(SipLeg, at.registrar.devices("alice")[0].dial(outbound()))
    invite = await browser.request("INVITE")
    assert invite.body == b"our offer"
    browser.answer(invite, 200, body=browser_sdp(kind="active").encode())
    await browser.request("ACK")
    assert isinstance(await next_event(leg), Answered)
    return leg


@asynccontextmanager
async def called(at: WebRig, browser: Browser) -> AsyncIterator[SipLeg]:
    """A call to the browser, until it is hung up on."""
    leg = await up(at, browser)
    yield leg
    leg.hangup()
    browser.answer(await browser.request("BYE"), 200)
    await settled(at)


async def calling(at: WebRig, browser: Browser, *, offer: str = "") -> tuple[SipLeg, "asyncio.Task[Response]"]:
    invite = browser.make("INVITE", body=(offer or browser_sdp()).encode())
    asking = asyncio.get_running_loop().create_task(browser.ask(invite))
    return await at.incoming(), asking


async def test_web_media_call_to_a_browser_offers_and_takes_its_answer() -> None:
    sounds = Sounds()
    async with web_rig(make_peer_media=sounds) as at, at.browser() as browser:
        async with called(at, browser) as leg:
            assert leg.media is sounds.only.port
            assert [what for what, _ in sounds.only.asked] == ["offer", "accept_answer"]
            sounds.only.tell(Digit("5", 120))
            assert await next_event(leg) == DigitReceived("5", 120)
        assert sounds.only.is_closed


async def test_web_media_call_of_a_browser_is_answered_with_its_sound() -> None:
    sounds = Sounds()
    async with web_rig(make_peer_media=sounds) as at, at.browser() as browser:
        leg, asking = await calling(at, browser)
        assert leg.codec_names == ("PCMU", "OPUS", "G722", "PCMA")
        await leg.answer()
        answer = await asking
        assert (answer.code, answer.body) == (200, b"our answer")
        browser.say(browser.inside("ACK", answer, sequence=answer.cseq.sequence))
        browser.say(browser.inside("BYE", answer))
        await browser.response(200, "BYE")
        await settled(at)
    assert sounds.only.is_closed


VIDEO = Video(formats=(VideoFormat(payload_type=96, name="VP8", clock_rate_hz=90000),))
OTHERS = Video(formats=VIDEO.formats, senders=((7,),))
SECTION = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=sendonly\r\na=mid:1\r\n"


async def test_web_media_caller_that_offers_pictures_is_shown_the_other_partys_in_its_answer() -> None:
    sounds = Sounds()
    async with web_rig(make_peer_media=sounds) as at, at.browser() as browser:
        leg, asking = await calling(at, browser, offer=browser_sdp() + SECTION)
        sounds.only.video_in_offers = VIDEO
        assert isinstance(leg, Pictured) and leg.video == VIDEO
        leg.show(OTHERS)
        await leg.answer()
        assert sounds.only.shown == [OTHERS]
        sounds.only.video = VIDEO
        assert leg.video == VIDEO
        # What is described is described.
        leg.show(None)
        assert sounds.only.shown == [OTHERS]
        answer = await asking
        browser.say(browser.inside("ACK", answer, sequence=answer.cseq.sequence))
        # Pictures that go one way are no hold.
        offer = (browser_sdp() + SECTION).encode()
        browser.say(browser.inside("INVITE", answer, sequence=20, body=offer))
        again = await browser.response(200, "INVITE")
        browser.say(browser.inside("ACK", again, sequence=20))
        browser.say(browser.inside("BYE", answer, sequence=21))
        await browser.response(200, "BYE")
        assert isinstance(await ended(leg), Ended)
        await settled(at)


async def test_web_media_called_browser_is_offered_the_callers_pictures() -> None:
    sounds = Sounds()
    async with web_rig(make_peer_media=sounds) as at, at.browser() as browser:
        leg = cast(SipLeg, at.registrar.devices("alice")[0].dial(outbound(video=OTHERS)))
        browser.answer(await browser.request("INVITE"), 486)
        assert sounds.only.shown == [OTHERS]
        # An answer to our offer is no place to show anything.
        leg.show(None)
        assert sounds.only.shown == [OTHERS]
        await browser.request("ACK")
        await ended(leg)
        await settled(at)


async def test_web_media_early_media_and_answer_have_one_description() -> None:
    sounds = Sounds()
    async with web_rig(make_peer_media=sounds) as at, at.browser() as browser:
        leg, asking = await calling(at, browser)
        await leg.early_media()
        early = await asking
        assert (early.code, early.body) == (183, b"our answer")
        await leg.answer()
        answer = await browser.response(200)
        assert answer.body == b"our answer"
        assert [what for what, _ in sounds.only.asked] == ["answer"]
        browser.say(browser.inside("ACK", answer, sequence=answer.cseq.sequence))
        leg.hangup()
        browser.answer(await browser.request("BYE"), 200)
        await settled(at)


async def test_web_media_hold_and_resume_are_answered_on_the_same_call() -> None:
    sounds = Sounds()
    async with web_rig(make_peer_media=sounds) as at, at.browser() as browser:
        leg, asking = await calling(at, browser)
        await leg.answer()
        answer = await asking
        browser.say(browser.inside("ACK", answer, sequence=answer.cseq.sequence))
        for more, expected in (("a=sendonly\r\n", Held), ("a=sendrecv\r\n", Resumed)):
            body = (browser_sdp() + more).encode()
            browser.say(browser.inside("INVITE", answer, body=body))
            again = await browser.response(200, "INVITE")
            assert again.body.startswith(b"our new answer")
            browser.say(browser.inside("ACK", again, sequence=again.cseq.sequence))
            assert isinstance(await next_event(leg), expected)
        assert [what for what, _ in sounds.only.asked] == ["answer", "restart", "restart"]
        leg.hangup()
        browser.answer(await browser.request("BYE"), 200)
        await settled(at)


async def test_web_media_description_that_cannot_be_used_is_refused_and_the_call_stands() -> None:
    sounds = Sounds()
    async with web_rig(make_peer_media=sounds) as at, at.browser() as browser:
        leg, asking = await calling(at, browser)
        await leg.answer()
        answer = await asking
        browser.say(browser.inside("ACK", answer, sequence=answer.cseq.sequence))
        browser.say(browser.inside("INVITE", answer, body=(browser_sdp() + "a=refuse\r\n").encode()))
        refused = await browser.response(488, "INVITE")
        browser.say(browser.inside("ACK", refused, sequence=refused.cseq.sequence))
        assert leg.events.ended is None
        leg.hangup()
        browser.answer(await browser.request("BYE"), 200)
        await settled(at)


async def test_web_media_first_offer_that_cannot_be_used_is_refused() -> None:
    async with web_rig(make_peer_media=Sounds()) as at, at.browser() as browser:
        leg, asking = await calling(at, browser, offer=browser_sdp() + "a=refuse\r\n")
        await leg.answer()
        assert (await asking).code == 488
        assert (await ended(leg)).cause is HangupCause.NOT_ACCEPTABLE
        await settled(at)


async def test_web_media_answer_that_cannot_be_used_ends_the_call() -> None:
    async with web_rig(make_peer_media=Sounds()) as at, at.browser() as browser:
        leg = cast(SipLeg, at.registrar.devices("alice")[0].dial(outbound()))
        invite = await browser.request("INVITE")
        browser.answer(invite, 200, body=(browser_sdp() + "a=refuse\r\n").encode())
        await browser.request("ACK")
        browser.answer(await browser.request("BYE"), 200)
        assert (await ended(leg)).cause is HangupCause.NOT_ACCEPTABLE
        await settled(at)


async def test_web_media_without_room_is_refused() -> None:
    async with web_rig(make_peer_media=Sounds(room=0)) as at, at.browser() as browser:
        assert (await browser.ask(browser.make("INVITE", body=browser_sdp().encode()))).code == 503
        leg = cast(SipLeg, at.registrar.devices("alice")[0].dial(outbound()))
        assert (await ended(leg)).cause is HangupCause.OVERLOAD
        await settled(at)


@pytest.mark.parametrize("is_inbound", [False, True], ids=["called", "calling"])
async def test_web_media_browser_back_on_another_socket_is_reached_there_at_once(is_inbound: bool) -> None:
    async with web_rig(make_peer_media=Sounds()) as at, AsyncExitStack() as lost:
        before = await lost.enter_async_context(at.browser())
        if is_inbound:
            leg, asking = await calling(at, before)
            await leg.answer()
            answer = await asking
            before.say(before.inside("ACK", answer, sequence=answer.cseq.sequence))
            await eventually(lambda: leg.state is LegState.UP)
        else:
            leg = await up(at, before)
        await lost.aclose()
        await eventually(lambda: not at.registrar.bindings("alice"))
        async with at.browser("bob", tab="8k2"), at.browser(tab="other") as stranger, at.browser() as again:
            assert leg.events.ended is None, "a socket that is lost ends no call"
            leg.hangup()
            again.answer(await again.request("BYE"), 200)
            assert not stranger.has_heard
        await settled(at)


async def test_web_media_phone_on_udp_keeps_rtp() -> None:
    sounds = Sounds()
    async with web_rig(make_peer_media=sounds) as at:
        at.dial("sip:bob@192.0.2.1", [])
        assert sounds.made == []
        await settled(at)


async def test_web_media_closed_connection_ends_the_call() -> None:
    sounds = Sounds()
    async with web_rig(make_peer_media=sounds) as at, at.browser() as browser:
        leg, asking = await calling(at, browser)
        await leg.answer()
        answer = await asking
        browser.say(browser.inside("ACK", answer, sequence=answer.cseq.sequence))
        sounds.only.tell(Connected())
        sounds.only.tell(Gone())
        browser.answer(await browser.request("BYE"), 200)
        assert await ended(leg) == Ended(HangupCause.NORMAL, by_remote=True)
        await settled(at)


@dataclass
class Talker:
    """A leg's end of its sound."""

    events: list[PortEvent] = field(default_factory=list)

    def on_port(self, event: PortEvent) -> None:
        self.events.append(event)

    def end(self, cause: HangupCause, *, reason: str = "", by_remote: bool = False) -> None:
        raise AssertionError(f"expected no end, found {cause} {reason} {by_remote}")


@pytest.mark.parametrize(
    ("told", "after_s"),
    [((), CONNECT_S), ((Connected(), Failed("no consent")), LOST_S), ((Failed("no path"),), LOST_S)],
    ids=["never up", "lost", "failed"],
)
def test_web_media_no_sound_for_too_long_is_told(told: tuple[PeerMediaEvent, ...], after_s: float) -> None:
    sounds, scheduler, talker = Sounds(), SteppedScheduler(), Talker()
    media = WebLegMedia(sounds, talker, codec_names=(), scheduler=scheduler)
    media.watch()
    for event in told:
        sounds.only.tell(event)
    scheduler.advance(after_s - 0.1)
    assert talker.events == []
    scheduler.advance(0.2)
    assert talker.events == [SilenceTimeout()]


def test_web_media_sound_that_comes_back_or_is_closed_is_not_missed() -> None:
    sounds, scheduler, talker = Sounds(), SteppedScheduler(), Talker()
    media = WebLegMedia(sounds, talker, codec_names=(), scheduler=scheduler)
    media.watch()
    for event in (Connected(), Failed("no consent"), Connected()):
        sounds.only.tell(event)
    scheduler.advance(60)
    sounds.only.tell(Failed("no consent"))
    media.close()
    scheduler.advance(60)
    assert talker.events == []
