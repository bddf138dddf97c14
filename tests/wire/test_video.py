"""Video between two JsSIP pages on a real daemon: each sees the other's camera, and only where the document asks."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.wire.harness_application import Application
from tests.wire.harness_chromium import Browser, Certificate, Tab, serving, visiting
from tests.wire.harness_gateway import PASSWORD, RunningGateway
from tests.wire.harness_jssip import find_jssip, jssip_routes

pytestmark = pytest.mark.wire


@pytest.fixture(scope="session")
def jssip(pytestconfig: pytest.Config) -> Path:
    return find_jssip(pytestconfig.cache.mkdir("jssip"))


@pytest.fixture
async def browser(jssip: Path, debugger: str, certificate: Certificate) -> AsyncIterator[Browser]:
    async with serving([jssip_routes(jssip)], certificate) as url, visiting(debugger, url) as browser:
        yield browser


async def page(browser: Browser, gateway: RunningGateway, identity: str) -> Tab:
    tab = await browser.tab()
    await tab.page.evaluate(
        "([identity, password, origin]) => make(identity, password, {}, '127.0.0.1', origin)",
        [identity, PASSWORD, gateway.daemon.http_url],
    )
    await tab.wait_for("registered")
    return tab


async def sees_a_picture(tab: Tab, session: str) -> dict[str, Any]:
    """Pictures come, and the last is none of one colour. The camera's is green with a moving disc and a clock."""
    found: dict[str, Any] = {}
    async with asyncio.timeout(25):
        while not (found.get("frames", 0) > 10 and found["mean"] > 20 and found["spread"] > 5):
            found = await tab.do(f"sees('{session}')")
            await asyncio.sleep(0.1)
    return found


async def test_two_pages_see_each_other(gateway: RunningGateway, application: Application, browser: Browser) -> None:
    application.on("/voice", "<Response><Dial><Client>bob<Video enable='true'/></Client></Dial></Response>")
    alice, bob = await page(browser, gateway, "alice"), await page(browser, gateway, "bob")
    await alice.do("call('sip:bob@127.0.0.1', true)")
    await bob.wait_for("session")
    await bob.do("sessions.in.answer({mediaConstraints: {audio: true, video: true}})")
    await alice.wait_for("out.confirmed")
    seen = [await sees_a_picture(alice, "out"), await sees_a_picture(bob, "in")]
    assert all(found["direction"] == ["sendrecv", "sendrecv"] for found in seen), seen
    await alice.do("sessions.out.terminate()")
    await bob.wait_for("in.ended")


async def test_page_answered_before_the_other_is_called_is_seen_and_sees(
    gateway: RunningGateway, application: Application, browser: Browser
) -> None:
    application.on("/voice", "<Response><Pause/><Dial><Client>bob<Video enable='true'/></Client></Dial></Response>")
    alice, bob = await page(browser, gateway, "alice"), await page(browser, gateway, "bob")
    await alice.do("call('sip:bob@127.0.0.1', true)")
    await alice.wait_for("out.confirmed")
    await bob.wait_for("session")
    await bob.do("sessions.in.answer({mediaConstraints: {audio: true, video: true}})")
    seen = [await sees_a_picture(alice, "out"), await sees_a_picture(bob, "in")]
    assert all(found["direction"] == ["sendrecv", "sendrecv"] for found in seen), seen
    # Held, it is shown nothing and not refused either: the picture comes back.
    await alice.do("sessions.out.hold()")
    await alice.page.wait_for_function(
        "sessions.out.connection.getTransceivers().every(each => each.currentDirection === 'sendonly')"
    )
    await alice.do("sessions.out.unhold()")
    await sees_a_picture(alice, "out")
    await alice.do("sessions.out.terminate()")
    await bob.wait_for("in.ended")
