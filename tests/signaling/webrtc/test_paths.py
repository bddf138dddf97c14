"""Paths that go down, come back or are replaced: what the leg is told, and when."""

import asyncio
import itertools

import pytest

from media.engine import Engine, PortsExhausted
from signaling.errors import PeerError
from signaling.peer_media import Connected, Digit, Failed, Gone
from signaling.webrtc import WebRtc, WebRtcSettings
from signaling.webrtc.media import LOOK_S
from tests.media.phone import PhoneBooth, strongest, until
from tests.signaling.webrtc.browser import Browser, with_digits
from tests.signaling.webrtc.conftest import Call, Desk
from tests.tries import keeps


async def connected(desk: Desk, **browser_options: float) -> tuple[Call, Browser]:
    call, browser = desk.call(), desk.browser(edit=with_digits, **browser_options)
    await browser.take_answer(await call.media.answer(await browser.offer()))
    await call.told(Connected)
    return call, browser


async def test_path_browser_presses_keys_they_are_told(desk: Desk) -> None:
    call, browser = await connected(desk)
    await browser.press(5)
    assert (await call.told(Digit)) == Digit("5", 100)
    await browser.press(11)
    assert isinstance(second := await call.told(Digit, count=2), Digit) and second.digit == "#"


async def test_path_browser_closes_call_is_told_within_a_second(desk: Desk) -> None:
    async def took_s() -> float:
        call, browser = await connected(desk)
        begun = asyncio.get_running_loop().time()
        await browser.close()
        await call.told(Gone)
        assert not any(isinstance(event, Failed) for event in call.events)
        return asyncio.get_running_loop().time() - begun

    await keeps(1.0, took_s)


async def test_path_closed_by_us_browser_is_told_and_nothing_is_left(desk: Desk, engine: Engine) -> None:
    call, browser = await connected(desk)
    call.media.close()
    call.media.close()
    await until(lambda: browser.pc.connectionState == "closed")
    await desk.webrtc.stop()
    await until(lambda: engine.statistics().live_ports == 0)
    assert [type(event) for event in call.events] == [Connected]


async def test_path_browser_vanishes_and_returns_both_are_told(desk: Desk) -> None:
    call, browser = await connected(desk)
    browser.silence()
    await call.told(Failed, within_s=2 * desk.settings.unheard_s + LOOK_S)
    browser.resume()
    await call.told(Connected, count=2)


def test_path_vanished_browser_is_noticed_within_15_s() -> None:
    # The leg waits another 5 s for it to come back.
    assert WebRtcSettings().unheard_s + LOOK_S + 5 <= 15


async def test_path_browser_never_comes_set_up_ends_in_time(desk: Desk) -> None:
    call, browser = desk.call(), desk.browser()
    # Its answer gets lost, so it never checks.
    begun = asyncio.get_running_loop().time()
    await call.media.answer(await browser.offer())
    failed = await call.told(Failed, within_s=desk.settings.set_up_s + 1)
    assert isinstance(failed, Failed) and "no check" in failed.reason
    assert asyncio.get_running_loop().time() - begun >= desk.settings.set_up_s


async def test_path_restart_another_connection_takes_over_without_a_gap(desk: Desk, phones: PhoneBooth) -> None:
    await keeps(0.5, lambda: gap_of_a_restart_s(desk, phones))


async def gap_of_a_restart_s(desk: Desk, phones: PhoneBooth) -> float:
    """The longest pause that the phone, or the browser that restarts, heard."""
    call, before = await connected(desk, frequency_hz=1000.0)
    phone = await phones.phone()
    phone.port.hear(call.media.port)
    call.media.port.hear(phone.port)
    talking = asyncio.create_task(phone.talk(4.0))
    await until(lambda: strongest(phone.heard(), 1000.0) > 4000)
    port, ssrc, number = call.media.port, call.media.port.ssrc, call.media.port.address
    after = desk.browser(frequency_hz=700.0, edit=with_digits)
    await after.take_answer(await call.media.restart(await after.offer()))
    await call.told(Connected, count=2)
    await before.close()
    began = asyncio.get_running_loop().time()
    await until(lambda: strongest(phone.heard(since_s=began), 700.0) > 4000)
    await talking
    assert (call.media.port, call.media.port.ssrc) == (port, ssrc) and call.media.port.address != number
    assert not any(isinstance(event, Gone | Failed) for event in call.events)
    phone.port.close()
    times = [packet.time_s for packet in phone.received]
    heard = sorted(before.heard_times() + after.heard_times())
    return max(later - earlier for all_times in (times, heard) for earlier, later in itertools.pairwise(all_times))


async def test_path_restart_is_another_dtls_association_each_time(desk: Desk) -> None:
    """Chromium keeps the one it has, and refuses our role in it, if the fingerprint is the same."""
    call, browser = desk.call(), desk.browser()
    answers = [await call.media.answer(await browser.offer())]
    await browser.take_answer(answers[0])
    for count in (1, 2):
        await call.told(Connected, count=count)
        browser = desk.browser()
        answers.append(await call.media.restart(await browser.offer()))
        await browser.take_answer(answers[-1])
    await call.told(Connected, count=3)
    fingerprints = [answer.split("a=fingerprint:")[1].split()[1] for answer in answers]
    assert all(later != earlier for earlier, later in itertools.pairwise(fingerprints))


async def test_path_restart_after_the_old_one_died_connects_again(desk: Desk) -> None:
    call, before = await connected(desk)
    before.silence()
    await call.told(Failed, within_s=10.0)
    after = desk.browser(edit=with_digits)
    await after.take_answer(await call.media.restart(await after.offer()))
    await call.told(Connected, count=2)


async def test_path_same_connection_offered_again_changes_nothing(desk: Desk, phones: PhoneBooth) -> None:
    call, browser = desk.call(), desk.browser()
    offer = await browser.offer()
    first = await call.media.answer(offer)
    await browser.take_answer(first)
    await call.told(Connected)
    second = await call.media.answer(offer)
    kept = [line for line in first.splitlines() if line[:7] in ("a=ice-u", "a=ice-p", "a=finge", "a=setup", "a=candi")]
    assert len(kept) == 5 and all(line in second.splitlines() for line in kept)
    held = await call.media.restart(offer.replace("a=sendrecv", "a=sendonly"))
    assert "a=recvonly" in held
    assert [type(event) for event in call.events] == [Connected]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda text: "", 400),
        (lambda text: text.replace("a=ice-pwd:", "a=ice-pwd:?"), 400),
        (lambda text: text.replace("a=setup:actpass", "a=setup:holdconn"), 400),
        (lambda text: text.replace("m=audio", "m=video"), 488),
        (lambda text: text.replace("a=rtcp-mux\r\n", ""), 488),
        (lambda text: text.replace("a=fingerprint:", "a=finger:"), 488),
        (lambda text: text.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"), 488),
        (lambda text: text.replace("PCMU/8000", "GSM/8000").replace(" 0 ", " 3 "), 488),
        (lambda text: text.replace("s=-\r\n", "s=-\r\na=ice-lite\r\n"), 488),
    ],
)
async def test_path_offer_of_no_use_is_refused_and_costs_nothing(desk: Desk, change, status: int) -> None:  # type: ignore[no-untyped-def]
    call, browser = desk.call(), desk.browser()
    with pytest.raises(PeerError) as refused:
        await call.media.answer(change(await browser.offer()))
    assert refused.value.status == status
    assert call.events == []


async def test_path_no_port_left_is_said_at_once(engine: Engine) -> None:
    webrtc = WebRtc(engine, WebRtcSettings())
    calls = []
    with pytest.raises(PortsExhausted):
        for _ in range(engine.settings.capacity + 1):
            calls.append(webrtc(codec_names=(), on_event=lambda event: None))
    assert len(calls) == engine.settings.capacity
    for media in calls:
        media.close()
    await webrtc.stop()
    await until(lambda: engine.statistics().live_ports == 0)
