"""Calls with a browser: offered by either side, heard both ways, ended by either."""

import asyncio

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
    assert strongest(browser.heard(), PHONE_HZ) > 4000
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
    await asyncio.sleep(0)
