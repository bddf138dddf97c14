"""Calls with a browser: offered by either side, heard both ways, ended by either."""

from aiortc import RTCSessionDescription

from signaling.peer_media import Connected
from tests.media.phone import PhoneBooth, strongest, until
from tests.signaling.webrtc.browser import Browser
from tests.signaling.webrtc.conftest import Call, Desk

BROWSER_HZ, PHONE_HZ = 1000.0, 440.0


async def bridged(call: Call, browser: Browser, phones: PhoneBooth) -> None:
    """A phone at the other side of the call, then sound both ways, by ear."""
    phone = await phones.phone(frequency_hz=PHONE_HZ)
    phone.port.hear(call.media.port)
    call.media.port.hear(phone.port)
    await phone.talk(1.0)
    await until(lambda: strongest(phone.heard(), BROWSER_HZ) > 4000)
    assert browser.strength(PHONE_HZ) > 4000
    assert strongest(phone.heard(), PHONE_HZ) < 500
    phone.port.close()


async def test_call_browser_offers_sound_goes_both_ways(desk: Desk, phones: PhoneBooth) -> None:
    call, browser = desk.call(), desk.browser(frequency_hz=BROWSER_HZ)
    await browser.take_answer(await call.media.answer(await browser.offer()))
    await call.told(Connected)
    assert call.media.codec_names == ("PCMU",)
    await bridged(call, browser, phones)


async def test_call_browser_answers_sound_goes_both_ways(desk: Desk, phones: PhoneBooth) -> None:
    call, browser = desk.call(), desk.browser(frequency_hz=BROWSER_HZ)
    await call.media.accept_answer(await browser.answer(await call.media.offer()))
    await call.told(Connected)
    await bridged(call, browser, phones)


async def test_call_in_opus_a_g711_phone_hears_and_is_heard(desk: Desk, phones: PhoneBooth) -> None:
    call, browser = desk.call("OPUS", "PCMU"), desk.browser(frequency_hz=BROWSER_HZ)
    answer = await call.media.answer(await browser.offer())
    assert "opus/48000/2" in answer and "PCMU" not in answer
    await browser.take_answer(answer)
    await call.told(Connected)
    assert call.media.codec_names == ("OPUS",)
    await bridged(call, browser, phones)


async def test_call_codec_preferred_before_the_answer_is_answered_and_later_ones_are_too_late(desk: Desk) -> None:
    call, browser = desk.call("OPUS", "PCMU"), desk.browser(frequency_hz=BROWSER_HZ)
    call.media.prefer(["PCMU", "PCMA"])
    answer = await call.media.answer(await browser.offer())
    assert "PCMU/8000" in answer and "opus" not in answer
    call.media.prefer(["OPUS"])
    assert call.media.codec_names == ("PCMU",)


async def test_call_two_browsers_in_opus_hear_each_other(desk: Desk) -> None:
    alice, bob = desk.call("OPUS"), desk.call("OPUS")
    alices, bobs = desk.browser(frequency_hz=BROWSER_HZ), desk.browser(frequency_hz=PHONE_HZ)
    await alices.take_answer(await alice.media.answer(await alices.offer()))
    await bob.media.accept_answer(await bobs.answer(await bob.media.offer()))
    await alice.told(Connected)
    await bob.told(Connected)
    alice.media.port.hear(bob.media.port)
    bob.media.port.hear(alice.media.port)
    await until(lambda: alices.strength(PHONE_HZ) > 4000 and bobs.strength(BROWSER_HZ) > 4000, within_s=5.0)


async def test_call_with_pictures_offered_again_by_us_keeps_both_in_their_places(desk: Desk) -> None:
    call, browser = desk.call(), desk.browser(frequency_hz=BROWSER_HZ)
    browser.pc.addTransceiver("video")
    offer = await browser.offer()
    offered = call.media.offered_video(offer)
    assert offered is not None and call.media.video is None
    # As seen by a party that has all of it too.
    call.media.show(offered)
    await browser.take_answer(await call.media.answer(offer))
    await call.told(Connected)
    agreed = call.media.video
    assert agreed is not None and agreed.payload_types == offered.payload_types
    again = await call.media.offer()
    assert [line.split()[0] for line in again.splitlines() if line.startswith("m=")] == ["m=video", "m=audio"]
    await browser.pc.setRemoteDescription(RTCSessionDescription(again, "offer"))
    await browser.pc.setLocalDescription(await browser.pc.createAnswer())
    await call.media.accept_answer(browser.pc.localDescription.sdp)
    assert call.media.video == agreed and call.media.codec_names == ("PCMU",)


async def test_call_pictures_nobody_shows_are_refused(desk: Desk) -> None:
    call, browser = desk.call(), desk.browser(frequency_hz=BROWSER_HZ)
    browser.pc.addTransceiver("video")
    answer = await call.media.answer(await browser.offer())
    assert "m=video 0 " in answer and call.media.video is None
