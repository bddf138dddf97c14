"""The softphone page, driven with clicks and keys in Chromium against real signalling."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from signaling.leg import Answered, DigitReceived, Ended, HangupCause, Ringing
from tests.signaling.voice_sdk.peers import ACCOUNT, token
from tests.wire.harness_chromium import Certificate, make_certificate
from tests.wire.harness_softphone import AUTH_TOKEN, Desk, desk
from tests.wire.test_voice_sdk_signalling import eventually, next_of

pytestmark = pytest.mark.wire


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def at(certificate: Certificate, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(certificate, tmp_path) as at:
        yield at


async def test_softphone_loads_without_complaint_and_fits_a_narrow_window(at: Desk) -> None:
    phone = await at.softphone("?identity=alice&to=bob")
    assert await phone.page.get_by_label("Identity").input_value() == "alice"
    await phone.sign_in()
    assert await phone.page.get_by_label("Name or number").input_value() == "bob"
    for width in (320, 480, 1280):
        await phone.page.set_viewport_size({"width": width, "height": 700})
        assert await phone.page.evaluate("document.documentElement.scrollWidth") <= width
    assert phone.complaints == []


async def test_softphone_incoming_shows_parameters_and_is_accepted(at: Desk) -> None:
    phone = await at.softphone()
    await phone.sign_in()
    [leg] = at.rig.dial(parameters={"team": "sales & more", "note": "<b>zoë</b>\u202e"})
    stream = aiter(leg.events)
    await next_of(stream, Ringing)
    await phone.reads("#incoming", "+15550100")
    await phone.reads("#incoming dd", "sales & more")
    await phone.reads("#incoming dd", "<b>zoë</b>\ufffd")
    assert "+15550100 is calling" in await phone.page.title()
    await phone.button("Accept")
    await next_of(stream, Answered)
    await phone.reads("#call-state", "Connected")
    await phone.reads("#call-timer", "00:01")
    await phone.comes_to("document.getElementById('mine').ariaValueNow > 0")
    await phone.button("Mute")
    await phone.comes_to("document.getElementById('mine').ariaValueNow === '0'")
    await phone.button("Unmute")
    await phone.button("5")
    await phone.button("hash")
    assert await next_of(stream, DigitReceived) == DigitReceived("5", is_in_media=False)
    assert await next_of(stream, DigitReceived) == DigitReceived("#", is_in_media=False)
    await phone.button("Hang up")
    assert await next_of(stream, Ended) == Ended(HangupCause.NORMAL, by_remote=True)
    await phone.reads("#dial", "Name or number")
    assert phone.complaints == []


async def test_softphone_rejects_and_sees_cancels(at: Desk) -> None:
    phone = await at.softphone()
    await phone.sign_in()
    [leg] = at.rig.dial()
    await phone.button("Reject")
    await eventually(lambda: leg.events.ended is not None)
    assert leg.events.ended == Ended(HangupCause.DECLINED, by_remote=True, sip_status=603)
    [second] = at.rig.dial(call_sid="CA" + "d" * 32)
    await phone.reads("#incoming", "+15550100")
    second.hangup(HangupCause.CANCELED)
    await phone.page.locator("#incoming section").wait_for(state="detached")


async def test_softphone_calls_with_parameters_by_keyboard_alone(at: Desk) -> None:
    phone = await at.softphone()
    keyboard = phone.page.keyboard

    async def tab_to(name: str) -> None:
        for _ in range(30):
            focused = await phone.page.evaluate(
                "(e => (e.ariaLabel || e.labels?.[0]?.textContent || e.textContent).trim())(document.activeElement)"
            )
            if focused == name:
                return
            await keyboard.press("Tab")
        raise AssertionError(f"expected {name} to be reached by Tab")

    await tab_to("Identity")
    await keyboard.type("alice")
    await keyboard.press("Enter")
    await phone.reads("#state", "Ready")
    assert await phone.page.evaluate("document.activeElement.id") == "to"
    await tab_to("Parameters for the application")
    await keyboard.press("Enter")
    await tab_to("Add a parameter")
    await keyboard.press("Enter")
    await keyboard.type("note")
    await keyboard.press("Tab")
    await keyboard.type("zoë & co + 1")
    await phone.page.get_by_label("Name or number").focus()
    await keyboard.type("+15550101")
    await keyboard.press("Enter")
    await eventually(lambda: len(at.rig.calls) == 1)
    [leg] = at.rig.calls
    assert leg.caller_parameters == {"To": "+15550101", "note": "zoë & co + 1"}
    await leg.ring()
    await phone.reads("#call-state", "Ringing")
    await leg.answer()
    await phone.reads("#call-state", "Connected")
    assert await phone.page.evaluate("document.activeElement.id") == "hang-up"
    stream = aiter(leg.events)
    await keyboard.press("7")
    assert await next_of(stream, DigitReceived) == DigitReceived("7", is_in_media=False)
    await keyboard.press("Enter")
    assert await next_of(stream, Ended) == Ended(HangupCause.NORMAL, by_remote=True)
    assert phone.complaints == []


async def test_softphone_says_why_a_call_failed(at: Desk) -> None:
    phone = await at.softphone()
    await phone.sign_in()
    await phone.page.get_by_label("Name or number").fill("nobody")
    await phone.button("Call")
    await eventually(lambda: len(at.rig.calls) == 1)
    at.rig.calls[0].hangup(HangupCause.NOT_FOUND)
    await phone.reads("#problem", "nobody is not known here.")


async def test_softphone_lost_socket_keeps_the_call_and_comes_back(at: Desk) -> None:
    phone = await at.softphone()
    await phone.sign_in()
    [leg] = at.rig.dial()
    await phone.button("Accept")
    await phone.reads("#call-state", "Connected")
    [connection] = at.rig.agent.connections
    connection.shut()
    await eventually(lambda: leg.connection is not None and leg.connection is not connection)
    await phone.reads("#state", "Ready")
    assert leg.events.ended is None
    leg.hangup()
    await phone.reads("#dial", "Name or number")


async def test_softphone_refused_microphone_is_said_and_the_call_rings_on(at: Desk) -> None:
    phone = await at.softphone()
    await phone.page.add_init_script(
        "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', 'NotAllowedError'); }"
    )
    await phone.page.reload()
    await phone.sign_in()
    [leg] = at.rig.dial()
    await phone.button("Accept")
    await phone.reads("#problem", "The microphone was refused.")
    assert leg.events.ended is None
    await phone.button("Reject")
    await eventually(lambda: leg.events.ended is not None)
    await phone.page.get_by_label("Name or number").fill("bob")
    await phone.button("Call")
    await phone.reads("#problem", "The microphone was refused.")
    assert at.rig.calls == []


async def test_softphone_pasted_token_and_its_end(at: Desk) -> None:
    phone = await at.softphone()
    await phone.page.get_by_label("Sign in with").select_option("token")
    await phone.page.get_by_label("Access token", exact=True).fill(token("bob") + "\n")
    await phone.button("Connect")
    await phone.reads("#state", "Ready")
    await phone.reads("#me", "Signed in as bob")
    at.rig.now += 4000
    [connection] = at.rig.agent.connections
    connection.receive(json.dumps({"type": "listen", "payload": {"token": token("bob", lifetime_s=1)}}))
    await phone.reads("#problem", "The access token has expired.")


async def test_softphone_wrong_token_is_said(at: Desk) -> None:
    phone = await at.softphone()
    await phone.page.get_by_label("Sign in with").select_option("token")
    await phone.page.get_by_label("Access token", exact=True).fill("no.such.token")
    await phone.button("Connect")
    await phone.reads("#problem", "The access token was refused.")
    await phone.reads("#state", "Not connected")


async def test_softphone_signs_in_with_the_account_where_tokens_are_not_free(
    certificate: Certificate, tmp_path: Path
) -> None:
    async with desk(certificate, tmp_path, is_open=False) as at:
        phone = await at.softphone()
        await phone.page.get_by_label("Identity").fill("alice")
        await phone.button("Connect")
        await phone.reads("#problem", "This gateway asks who you are.")
        await phone.page.get_by_label("Account or key SID").fill(ACCOUNT)
        await phone.page.get_by_label("Token or secret").fill("wrong")
        await phone.button("Connect")
        await phone.reads("#problem", "The account was refused.")
        await phone.page.get_by_label("Token or secret").fill(AUTH_TOKEN)
        await phone.button("Connect")
        await phone.reads("#state", "Ready")


async def test_softphone_gateway_away_is_said_and_it_comes_back(at: Desk) -> None:
    phone = await at.softphone()
    await phone.sign_in()
    at.rig.agent.drain()
    [connection] = at.rig.agent.connections
    connection.shut()
    await phone.reads("#problem", "The connection to the gateway is lost.")
    await phone.reads("#state", "Not connected, trying again")


async def test_softphone_closing_page_hangs_up_and_unregisters(at: Desk) -> None:
    phone = await at.softphone()
    await phone.sign_in()
    [leg] = at.rig.dial()
    await phone.button("Accept")
    await phone.reads("#call-state", "Connected")
    await phone.page.close()
    await eventually(lambda: leg.events.ended is not None)
    assert leg.events.ended == Ended(HangupCause.NORMAL, by_remote=True)
    await eventually(lambda: at.rig.agent.devices("alice") == [])


async def test_softphone_second_call_waits_and_replaces_the_first(at: Desk) -> None:
    phone = await at.softphone()
    await phone.sign_in()
    [first] = at.rig.dial()
    await phone.button("Accept")
    await phone.reads("#call-state", "Connected")
    [second] = at.rig.dial(call_sid="CA" + "d" * 32)
    await phone.button("Accept")
    await eventually(lambda: first.events.ended is not None)
    await phone.reads("#call-state", "Connected")
    await asyncio.sleep(0)
    assert second.events.ended is None
    second.hangup()
    await phone.reads("#dial", "Name or number")
    assert phone.complaints == []
