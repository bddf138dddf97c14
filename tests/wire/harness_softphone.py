"""The softphone page in Chromium, on a server with real signalling and real tokens, steered by what its user sees."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import ConsoleMessage, Page
from pydantic import SecretStr

from gateway.config import Account, ApiKey, Configuration
from gateway.rest.auth import Credentials
from gateway.rest.token import TokenApi
from gateway.tokens import TokenIssuer
from gateway.web.routes import web_routes
from signaling.voice_sdk.server import VoiceSdkServer
from signaling.voice_sdk.settings import VoiceSdkSettings
from tests.gateway.accounts.peers import configured
from tests.signaling.voice_sdk.peers import ACCOUNT, KEY, SIGNING
from tests.wire.harness_chromium import Certificate, chromium, serving
from tests.wire.test_voice_sdk_signalling import SdkRig

AUTH_TOKEN = "t" * 32


@dataclass
class Softphone:
    """One tab. complaints: errors of the console, of scripts and of the content security policy."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    async def sign_in(self, identity: str = "alice") -> None:
        await self.page.get_by_label("Identity").fill(identity)
        await self.page.get_by_role("button", name="Connect").click()
        await self.reads("#state", "Ready")

    async def reads(self, selector: str, text: str) -> None:
        """Waits until that part of the page shows this text."""
        await self.page.locator(selector).filter(has_text=text, visible=True).first.wait_for(timeout=10_000)

    async def comes_to(self, claim: str, *, within_s: float = 10.0) -> None:
        """Asked again and again from here: the page's policy lets no string become a script in it."""
        for _ in range(int(within_s / 0.05)):
            if await self.page.evaluate(claim):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"it did not come to {claim}")

    def heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    async def button(self, name: str) -> None:
        await self.page.get_by_role("button", name=name, exact=True).click()


@dataclass
class Desk:
    rig: SdkRig
    url: str
    context: Any

    async def softphone(self, query: str = "") -> Softphone:
        phone = Softphone(await self.context.new_page())
        phone.page.on("console", phone.heard)
        phone.page.on("pageerror", lambda error: phone.complaints.append(str(error)))
        await phone.page.goto(f"{self.url}/{query}")
        return phone


def configuration() -> Configuration:
    return Configuration(
        account=Account(sid=ACCOUNT, auth_token=SecretStr(AUTH_TOKEN)),
        api_keys=(ApiKey(sid=KEY, secret=SecretStr(SIGNING.secret)),),
    )


@asynccontextmanager
async def desk(certificate: Certificate, directory: Path, *, is_open: bool = True) -> AsyncIterator[Desk]:
    """is_open: tokens for this machine without a login, as in development mode."""
    rig = SdkRig(VoiceSdkSettings(beat_s=1.0))
    known = configured(configuration())
    tokens = TokenApi(
        TokenIssuer(known, clock=time.time),
        Credentials(known),
        is_open=is_open,
    )
    tables = [web_routes(), tokens.routes(), VoiceSdkServer(rig.agent).routes()]
    async with serving(tables, certificate) as url, chromium(url, certificate, directory / "profile") as browser:
        yield Desk(rig, url, browser._context)
        rig.agent.stop()
        for sound in rig.opened:
            await sound.closed()
    assert rig.agent.live == {"connections": 0, "registered": 0, "legs": 0}
