"""Two accounts on one daemon: their phones, browsers, keys and applications, driven by the unmodified twilio-python."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VoiceGrant
from twilio.rest import Client

from signaling.endpoints.options import Incoming
from tests.wire.harness_application import Application
from tests.wire.harness_gateway import TRUNK_HOST, Phones, RunningGateway

pytestmark = pytest.mark.wire

PASSWORD = "Looking-Glass-1865"


async def ask(work: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
    return await asyncio.to_thread(work, *arguments, **more)


def client_of(gateway: RunningGateway, user: str, password: str, account_sid: str | None = None) -> Client:
    client = Client(user, password, account_sid)
    client.api.base_url = gateway.daemon.http_url
    return client


class Shop:
    """A sub-account of its own for one test, and its application, which takes only what its own token signed."""

    def __init__(self, gateway: RunningGateway, main: Client, account: Any, application: Application) -> None:
        self.gateway = gateway
        self.main = main
        self.account = account
        self.application = application
        self.client = client_of(gateway, account.sid, account.auth_token)

    @property
    def domain(self) -> str:
        return f"{self.account.sid.lower()}.sip.test"

    async def login(self, identity: str) -> None:
        phones = await ask(self.client.sip.credential_lists.create, friendly_name="phones")
        logins = self.client.sip.credential_lists(phones.sid).credentials
        await ask(logins.create, username=identity, password=PASSWORD)


@pytest_asyncio.fixture
async def shop(gateway: RunningGateway) -> AsyncIterator[Shop]:
    main = client_of(gateway, gateway.secrets.account_sid, gateway.secrets.auth_token)
    account = await ask(main.api.accounts.create, friendly_name="shop")
    async with Application(account.auth_token) as application:
        yield Shop(gateway, main, account, application)
        await gateway.assert_idle()
        application.verify()
    await ask(main.api.accounts(account.sid).update, status="closed")


async def test_one_name_in_two_accounts_rings_two_phones(shop: Shop, phones: Phones, application: Application) -> None:
    await shop.login("bob")
    await phones("bob", incoming=Incoming.REJECT)
    await phones("bob", incoming=Incoming.ANSWER, domain=shop.domain, password=PASSWORD)
    shop.application.on("/outbound", "<Response><Record maxLength='1' playBeep='false' trim='do-not-trim'/></Response>")
    shop.application.on("/over", "<Response/>")
    call = await ask(
        shop.client.calls.create,
        to="client:bob",
        from_="client:desk",
        url=shop.application.url("/outbound"),
        status_callback=shop.application.url("/over"),
    )
    asked = await shop.application.wait("/outbound")
    assert (asked["AccountSid"], asked["CallStatus"], asked.is_signed) == (shop.account.sid, "in-progress", True)
    told = await shop.application.wait("/over")
    assert (told["CallStatus"], told["AccountSid"], told.is_signed) == ("completed", shop.account.sid, True)
    own = await ask(shop.client.calls.list)
    assert [each.sid for each in own] == [call.sid]
    assert call.sid not in [each.sid for each in await ask(shop.main.calls.list, limit=50)]
    (recording,) = await ask(shop.client.recordings.list)
    assert recording.account_sid == shop.account.sid and recording.sid not in [
        each.sid for each in await ask(shop.main.recordings.list, limit=50)
    ]
    # The main account's own bob is another one, and busy.
    application.on("/over", "<Response/>")
    over = application.url("/over")
    await ask(shop.main.calls.create, to="client:bob", from_="client:desk", twiml="<Response/>", status_callback=over)
    told = await application.wait("/over")
    assert (told["CallStatus"], told["AccountSid"]) == ("busy", shop.gateway.secrets.account_sid)


async def test_browser_with_a_key_of_its_account_calls_its_applications(shop: Shop, phones: Phones) -> None:
    app = await ask(shop.client.applications.create, voice_url=shop.application.url("/voice"))
    key = await ask(shop.client.new_keys.create, friendly_name="tokens")
    shop.application.on("/voice", "<Response><Play digits='1'/><Pause length='60'/></Response>")
    token = AccessToken(shop.account.sid, key.sid, key.secret, identity="carol")
    token.add_grant(VoiceGrant(outgoing_application_sid=app.sid, incoming_allow=True))
    carol = await phones.browser(
        "carol", token=token.to_jwt(), account="", password="", dial="anybody", hangup_after_s=0.5
    )
    asked = await shop.application.wait("/voice")
    assert (asked["AccountSid"], asked["ApplicationSid"], asked["From"]) == (shop.account.sid, app.sid, "client:carol")
    await carol.wait("ended")


async def test_number_written_down_over_rest_takes_the_trunks_calls(shop: Shop, phones: Phones) -> None:
    number = await ask(
        shop.client.incoming_phone_numbers.create,
        phone_number="+15550177",
        voice_url=shop.application.url("/desk"),
    )
    shop.application.on("/desk", "<Response><Reject reason='busy'/></Response>")
    caller = await phones(
        "carrier",
        is_registered=False,
        server="none",
        local_address=TRUNK_HOST,
        dial=f"sip:{number.phone_number}@{shop.gateway.sip_address}",
    )
    asked = await shop.application.wait("/desk")
    assert (asked["AccountSid"], asked["To"], asked.is_signed) == (shop.account.sid, "+15550177", True)
    assert (await caller.wait("ended"))["cause"] == "busy"
