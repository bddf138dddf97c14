"""The console in Chromium against the real daemon, while two phones talk: what its reader sees, and by keys alone."""

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import ConsoleMessage, Page, async_playwright

from signaling.endpoints.process import Phone
from tests.gateway.console.test_routes import TOKEN, serving
from tests.gateway.store.records import ACCOUNT, call, completed, event, leg, recording
from tests.wire.harness_application import Application
from tests.wire.harness_chromium import CHROMIUM
from tests.wire.harness_gateway import PASSWORD, Phones, RunningGateway

pytestmark = pytest.mark.wire

WAIT_MS = 15_000
DOCUMENT = """<Response>
  <Pause length="1" sparkle="yes"/>
  <Dial record="record-from-answer-dual" timeout="20">
    <Client statusCallback="/status?token=sesame" statusCallbackEvent="ringing answered completed">bob</Client>
  </Dial>
</Response>"""

_TOO_WIDE = """width => document.documentElement.scrollWidth <= width ? [] :
  [document.documentElement.scrollWidth, ...[...document.querySelectorAll('body *')]
    .filter(each => each.getBoundingClientRect().right > width)
    .map(each => `${each.tagName} ${each.getAttribute('class')} ${Math.round(each.getBoundingClientRect().right)}`)]"""


@dataclass
class Console:
    """One tab. complaints: errors of the console, of scripts and of the content security policy."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    async def reads(self, selector: str, text: str) -> None:
        """Waits until that part of the page shows this text."""
        place = self.page.locator(selector).filter(has_text=text, visible=True).first
        await place.wait_for(timeout=WAIT_MS)

    async def log_in(self, user: str, secret: str) -> None:
        """With the keyboard alone."""
        await self.page.get_by_label("Account or key SID").fill(user)
        await self.page.keyboard.press("Tab")
        await self.page.keyboard.type(secret)
        await self.page.keyboard.press("Enter")

    async def tab_to(self, text: str) -> None:
        """The focus on the link or button that reads so, by the tabulator."""
        for _ in range(40):
            await self.page.keyboard.press("Tab")
            if text in await self.page.evaluate("document.activeElement.textContent"):
                return
        raise AssertionError(f"the tabulator does not lead to {text}")

    async def part(self, name: str) -> None:
        await self.page.locator(".parts").get_by_role("link", name=name).click()

    async def fits(self, width: int) -> None:
        """Nothing stands out to the right, and there is something to see."""
        await self.page.set_viewport_size({"width": width, "height": 800})
        wide = await self.page.evaluate(_TOO_WIDE, width)
        assert not wide, f"wider than {width}: {wide}"
        picture = Image.open(io.BytesIO(await self.page.screenshot()))
        assert len(picture.convert("L").getcolors(256) or []) > 20

    def heard(self, message: ConsoleMessage) -> None:
        # The refused login is an answer of 401, which Chromium notes by itself.
        if message.type in ("error", "warning") and "401" not in message.text:
            self.complaints.append(message.text)


@asynccontextmanager
async def console(http_url: str) -> AsyncIterator[Console]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian package chromium)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        opened = Console(await browser.new_page(viewport={"width": 1280, "height": 800}))
        opened.page.on("console", opened.heard)
        opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        await opened.page.goto(f"{http_url}/console")
        try:
            yield opened
        finally:
            await browser.close()
    # The driver's transport closes in the background.
    await asyncio.sleep(0)


async def test_console_tells_a_call_from_its_first_ring_to_its_recording(
    gateway: RunningGateway, application: Application, phones: Phones
) -> None:
    application.on("/voice", DOCUMENT)
    application.on("/status", "<Response/>")
    async with console(gateway.daemon.http_url) as at:
        await at.log_in(gateway.secrets.account_sid, "wrong")
        await at.reads("#login-problem", "do not belong together")
        await at.log_in(gateway.secrets.account_sid, gateway.secrets.auth_token)
        await at.reads("#state", "Live")
        await at.reads("#page", "Running now")

        await at.page.get_by_role("link", name="Devices").click()
        await at.reads("#state", "Live")
        alice, bob = await phones("alice", play="tone:600"), await phones("bob", play="tone:1000")
        await at.reads(".devices", "bob")
        await at.page.get_by_role("link", name="Calls", exact=True).click()
        await at.reads("#state", "Live")

        await connected(alice, bob, dialled="support")
        await at.reads("section:first-child .rows .child", "bob")
        await at.reads("section:first-child .rows .badge", "in progress")
        await at.tab_to("support")
        await at.page.keyboard.press("Enter")
        await at.reads(".facts", "in progress")
        await at.reads(".warnings", "line 2")
        await at.reads(".timeline", "<Dial>")
        await at.tab_to("Sound")
        await at.page.keyboard.press("Enter")
        await at.reads(".leg", "PCMU")
        alice.hangup()
        await bob.wait("ended")
        await at.reads(".facts .badge", "completed")

        await at.part("Webhooks")
        await at.page.locator(".exchanges summary", has_text="/voice").click()
        await at.reads(".exchange .pairs", "CallSid")
        await at.reads(".exchange pre", "record-from-answer-dual")
        await at.part("SIP")
        for message in ("401 Unauthorized", "180 Ringing", "200 OK", "BYE"):
            await at.reads(".ladder", message)
        await at.page.locator(".messages summary", has_text="INVITE").nth(1).focus()
        await at.page.keyboard.press("Enter")
        await at.reads(".messages pre", 'Authorization: Digest username="alice"')
        for width in (320, 1280):
            await at.fits(width)
        await at.part("Recordings")
        await at.reads(".recording", "two channels")
        await at.page.locator(".wave svg").nth(1).wait_for(timeout=WAIT_MS)

        async with at.page.expect_download(timeout=WAIT_MS) as coming:
            await at.page.get_by_role("link", name="Download the story").click()
        told = await asyncio.to_thread((await (await coming.value).path()).read_text)
        check_story(told, gateway)
        for width in (320, 1280):
            await at.fits(width)
        await at.page.get_by_role("button", name="Log out").click()
        await at.reads("#login", "Log in")
        assert at.complaints == []


async def connected(alice: Phone, bob: Phone, *, dialled: str) -> None:
    await alice.dial(dialled)
    await bob.wait("ringing")
    bob.answer()
    await bob.wait("answered")


def check_story(text: str, gateway: RunningGateway) -> None:
    story = json.loads(text)
    verbs = [line["details"]["verb"] for line in story["timeline"] if line["name"] == "verb"]
    assert verbs == ["Pause", "Dial"]
    assert {(line["code"], line["line"]) for line in story["warnings"]} == {(12200, 2)}
    first = story["webhooks"][0]
    assert first["details"]["status"] == 200 and first["details"]["body"].startswith("<Response>")
    answered = [leg for leg in story["legs"] if leg["quality"]]
    assert len(answered) == 2 and all(leg["codec"] == "PCMU" for leg in answered)
    assert all(leg["quality"]["received"] > 10 and leg["quality"]["loss_percent"] == 0 for leg in answered)
    assert len(story["recordings"]) == 1 and len(story["children"]) == 1
    secrets = (PASSWORD, gateway.secrets.auth_token, "sesame")
    assert not [secret for secret in secrets if secret in text]
    assert not re.search(r"response=\\?\"[0-9a-f]{32}", text)


HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"


async def test_console_shows_what_strangers_wrote_as_text(tmp_path: Path) -> None:
    """Names, headers, documents and file names that would do something if they were markup."""
    async with serving(tmp_path) as served, console(served.base) as at:
        dialogs: list[str] = []
        at.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        record = replace(completed(call()), from_=f"client:{HOSTILE}\u202e", to=HOSTILE, caller_name=HOSTILE)
        told: dict[str, dict[str, object]] = {
            "document": {"verbs": [HOSTILE]},
            "verb": {"verb": HOSTILE},
            "webhook": {
                "method": HOSTILE, "params": [[HOSTILE, HOSTILE]], "took_ms": 5, "status": 200, "octets": 5,
                "content_type": HOSTILE, "body": f"{HOSTILE}\r\n\u202e", "is_whole": True, "final_url": HOSTILE,
            },
            "sip": {"is_sent": False, "peer": HOSTILE, "text": f"INVITE {HOSTILE}\n\n{HOSTILE}", "is_whole": True},
            "problem": {},
            HOSTILE: {"child_sid": f"javascript:{HOSTILE}"},
        }  # fmt: skip
        lines = [
            replace(event(record.sid, name), message=HOSTILE, url=f"javascript:{HOSTILE}", line=1, details=details)
            for name, details in told.items()
        ]
        warning = replace(lines[4], level="warning", code=12100)
        party = replace(leg(record.sid), device=HOSTILE, target=HOSTILE, codec=HOSTILE, cause=HOSTILE)
        sound = replace(recording(record.sid, "completed"), source=HOSTILE)
        await served.store.write(record, *lines, warning, party, sound)
        await at.log_in(ACCOUNT, TOKEN)
        await at.reads("#state", "Live")
        await at.page.locator(".rows a", has_text=HOSTILE).first.click()
        await at.reads(".facts h2", f"{HOSTILE}\ufffd")
        for part in ("Webhooks", "SIP", "Sound", "Recordings", "Timeline"):
            await at.part(part)
            await at.reads(".part", "<img src=x")
            for summary in await at.page.locator(".part summary").all():
                await summary.click()
            await at.fits(320)
        await at.page.set_viewport_size({"width": 1280, "height": 800})
        await at.page.get_by_role("link", name="Devices").click()
        await at.reads(".devices", "alice")
        assert await at.page.locator("main img, main script, main a[href^=javascript]").count() == 0
        assert dialogs == []
        # The file of the recording is not there, which is told in words.
        assert [each for each in at.complaints if "404" not in each] == []
