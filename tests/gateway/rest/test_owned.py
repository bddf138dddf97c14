"""Applications, numbers and SIP logins over REST, as the unmodified twilio-python uses them."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from gateway.rest.applications import ApplicationsApi
from gateway.rest.numbers import NumbersApi, matcher
from gateway.rest.sip_credentials import SipCredentialsApi
from tests.gateway.accounts.served import APPLICATION, MAIN, TOKEN, Served, ask, now, refusal, served
from tests.gateway.rest.test_recordings import basic

PASSWORD = "Looking-Glass-1865"
URL = "http://app.example.com/voice"


@pytest_asyncio.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(
        tmp_path,
        lambda ledger: [
            *ApplicationsApi(ledger, now=now).resources(),
            *NumbersApi(ledger, now=now).resources(),
            *SipCredentialsApi(ledger, now=now).resources(),
        ],
    ) as running:
        yield running


async def test_application_is_made_read_changed_and_deleted(api: Served) -> None:
    made = await ask(
        api.main.applications.create,
        friendly_name="menu",
        voice_url=URL,
        voice_method="GET",
        status_callback="http://app.example.com/over",
    )
    assert made.sid.startswith("AP") and made.account_sid == MAIN and made.api_version == "2010-04-01"
    assert (made.voice_url, made.voice_method, made.voice_fallback_url) == (URL, "GET", None)
    assert (made.sms_url, made.voice_caller_id_lookup, made.public_application_connect_enabled) == (None, False, False)
    assert made.date_created.tzinfo is not None
    known = api.directory.application(MAIN, made.sid)
    assert known is not None and known.status_callback == "http://app.example.com/over"
    changed = await ask(api.main.applications(made.sid).update, voice_fallback_url=f"{URL}/2", status_callback="")
    assert (changed.voice_url, changed.voice_fallback_url, changed.status_callback) == (URL, f"{URL}/2", None)
    assert (await ask(api.main.applications(made.sid).fetch)).friendly_name == "menu"
    assert [each.sid for each in await ask(api.main.applications.list)] == [made.sid, APPLICATION]
    assert [each.sid for each in await ask(api.main.applications.list, friendly_name="menu")] == [made.sid]
    assert await ask(api.main.applications(made.sid).delete)
    assert await refusal(api.main.applications(made.sid).fetch) == (404, 20404)
    assert api.directory.application(MAIN, made.sid) is None


async def test_account_names_an_application_of_its_own_for_its_phones(api: Served) -> None:
    shop, own = await api.sub("shop")
    application = await ask(own.applications.create, voice_url=URL)
    path, login = f"Accounts/{shop.sid}.json", {"user": shop.sid, "password": shop.auth_token}
    status, found = await api.raw(path, method="POST", **login, SipApplicationSid=application.sid)
    assert (status, found["sip_application_sid"]) == (200, application.sid)
    assert api.directory.sip_application(shop.sid) == api.directory.application(shop.sid, application.sid)
    for foreign in (APPLICATION, "AP" + "9" * 32, "menu"):
        status, found = await api.raw(path, method="POST", **login, SipApplicationSid=foreign)
        assert (status, found["code"]) == (400, 21218)
    _, found = await api.raw(path, method="POST", **login, SipApplicationSid="")
    assert found["sip_application_sid"] is None


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"voice_url": "app.example.com"}, 21402),
        ({"voice_fallback_url": "ftp://app.example.com"}, 21402),
        ({"voice_url": URL, "voice_method": "PUT"}, 21403),
        ({"status_callback": "nowhere"}, 21502),
        ({"friendly_name": "x" * 65}, 20001),
    ],
)
async def test_application_that_cannot_be_asked_is_refused(api: Served, parameters: dict[str, str], code: int) -> None:
    assert await refusal(api.main.applications.create, **parameters) == (400, code)
    assert await refusal(api.main.incoming_phone_numbers.create, phone_number="+15550101", **parameters) == (400, code)


async def test_what_the_configuration_file_defines_is_shown_and_not_changed(api: Served) -> None:
    application = await ask(api.main.applications(APPLICATION).fetch)
    assert application.friendly_name == "configured"
    (number,) = await ask(api.main.incoming_phone_numbers.list)
    assert (number.phone_number, number.voice_application_sid) == ("+15550100", APPLICATION)
    (logins,) = await ask(api.main.sip.credential_lists.list)
    (login,) = await ask(api.main.sip.credential_lists(logins.sid).credentials.list)
    assert (logins.friendly_name, login.username) == ("configuration file", "alice")
    own = api.main.sip.credential_lists(logins.sid)
    for refused, more in (
        (api.main.applications(APPLICATION).update, {"voice_url": URL}),
        (api.main.applications(APPLICATION).delete, {}),
        (api.main.incoming_phone_numbers(number.sid).update, {"voice_url": URL}),
        (api.main.incoming_phone_numbers(number.sid).delete, {}),
        (own.update, {"friendly_name": "x"}),
        (own.delete, {}),
        (own.credentials.create, {"username": "bob", "password": PASSWORD}),
        (own.credentials(login.sid).update, {"password": PASSWORD}),
        (own.credentials(login.sid).delete, {}),
    ):
        assert await refusal(refused, **more) == (403, 20006)
    _, found = await api.raw(f"Accounts/{MAIN}/Applications/{APPLICATION}.json", method="DELETE")
    assert found["message"] == f"{APPLICATION} is defined in the configuration file: change it there"


async def test_number_is_written_down_routed_changed_and_deleted(api: Served) -> None:
    _, own = await api.sub("shop")
    application = await ask(own.applications.create, voice_url=URL)
    made = await ask(own.incoming_phone_numbers.create, phone_number="+1 555-0101", voice_url=f"{URL}/number")
    assert (made.phone_number, made.friendly_name) == ("+15550101", "+15550101")
    assert made.capabilities == {"voice": True, "sms": False, "mms": False, "fax": False}
    assert (made.status, made.type, made.voice_receive_mode, made.beta) == ("in-use", "local", "voice", False)
    number = api.directory.number("15550101")
    assert number is not None and number.account_sid == own.account_sid
    changed = await ask(
        own.incoming_phone_numbers(made.sid).update, voice_application_sid=application.sid, friendly_name="front desk"
    )
    assert (changed.voice_application_sid, changed.voice_url) == (application.sid, f"{URL}/number")
    assert (await ask(own.incoming_phone_numbers(made.sid).fetch)).friendly_name == "front desk"
    assert await refusal(own.incoming_phone_numbers(made.sid).update, account_sid=MAIN) == (403, 20006)
    assert await ask(own.incoming_phone_numbers(made.sid).delete)
    assert api.directory.number("+15550101") is None


async def test_number_of_somebody_is_not_available_to_others(api: Served) -> None:
    _, one = await api.sub("one")
    _, two = await api.sub("two")
    await ask(one.incoming_phone_numbers.create, phone_number="+15550101")
    for client in (one, two, api.main):
        # With or without its plus sign it is the same number.
        assert await refusal(client.incoming_phone_numbers.create, phone_number="15550101") == (400, 21422)
    assert await refusal(two.incoming_phone_numbers.create, phone_number="+15550100") == (400, 21422)
    for bad in ("", "front desk", "client:alice", "+"):
        assert await refusal(two.incoming_phone_numbers.create, phone_number=bad) == (400, 21421)
    assert await refusal(two.incoming_phone_numbers.create, area_code="415") == (400, 21421)
    assert await refusal(
        two.incoming_phone_numbers.create, phone_number="+15550102", voice_application_sid=APPLICATION
    ) == (400, 21218)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, 4),
        ({"phone_number": "+15550101"}, 1),
        ({"phone_number": "+1555010*"}, 3),
        ({"phone_number": "555"}, 3),
        ({"phone_number": "*5550102"}, 1),
        ({"phone_number": "+46*"}, 1),
        ({"phone_number": "+1555"}, 0),
        ({"phone_number": "*" * 60}, 4),
        ({"phone_number": "(.*)"}, 0),
        ({"friendly_name": "Sweden"}, 1),
        ({"friendly_name": "Sweden", "phone_number": "+1*"}, 0),
    ],
)
async def test_numbers_are_found_by_pattern_and_name(api: Served, wanted: dict[str, str], found: int) -> None:
    _, own = await api.sub("shop")
    for last in range(1, 4):
        await ask(own.incoming_phone_numbers.create, phone_number=f"+1555010{last}")
    await ask(own.incoming_phone_numbers.create, phone_number="+46700000000", friendly_name="Sweden")
    listed = await ask(own.incoming_phone_numbers.list, **wanted)
    assert len(listed) == found
    assert len(await ask(own.incoming_phone_numbers.local.list, **wanted)) == found
    assert await ask(own.incoming_phone_numbers.toll_free.list) == []


@pytest.mark.parametrize(
    ("pattern", "is_found"),
    [
        ("+15550101", True),
        ("+1555010", False),
        ("5550", True),
        ("+1555*", True),
        ("+1*0101", True),
        ("+1*5*01*1", True),
        ("1*9", False),
        ("5*1", True),
        ("+15550101*15550101", False),
        ("+1555.101", False),
        ("*" * 64, True),
    ],
)
def test_numbers_filter_takes_stars_for_any_digits(pattern: str, is_found: bool) -> None:
    assert matcher(pattern)("+15550101") is is_found


def test_numbers_filter_of_many_stars_costs_nothing() -> None:
    begun = time.thread_time()
    assert not matcher("1*" * 31 + "2")("+" + "1" * 31)
    assert time.thread_time() - begun < 0.1, "milliseconds; a regular expression would never end"


async def test_sip_login_is_made_used_changed_and_deleted(api: Served) -> None:
    shop, own = await api.sub("shop")
    logins = await ask(own.sip.credential_lists.create, friendly_name="phones")
    assert logins.sid.startswith("CL") and logins.subresource_uris["credentials"].endswith("/Credentials.json")
    mine = own.sip.credential_lists(logins.sid)
    made = await ask(mine.credentials.create, username="alice", password=PASSWORD)
    assert made.sid.startswith("CR") and (made.username, made.credential_list_sid) == ("alice", logins.sid)
    scoped = api.directory.scope(shop.sid, "alice")
    assert api.directory.password(scoped) == PASSWORD and api.directory.password("alice") == "wonderland"
    status, shown = await api.raw(made.uri.removeprefix("/2010-04-01/"), user=shop.sid, password=shop.auth_token)
    assert status == 200 and PASSWORD not in str(shown)
    await ask(mine.credentials(made.sid).update, password=f"{PASSWORD}!")
    assert api.directory.password(scoped) == f"{PASSWORD}!"
    assert (await ask(mine.update, friendly_name="desk phones")).friendly_name == "desk phones"
    assert [each.username for each in await ask(mine.credentials.list)] == ["alice"]
    assert await ask(mine.delete)
    assert api.directory.password(scoped) is None
    assert await ask(own.sip.credential_lists.list) == []


async def test_sip_login_is_there_once_in_an_account(api: Served) -> None:
    _, own = await api.sub("shop")
    one, two = [await ask(own.sip.credential_lists.create, friendly_name=name) for name in ("one", "two")]
    first = await ask(own.sip.credential_lists(one.sid).credentials.create, username="bob", password=PASSWORD)
    for sid in (one.sid, two.sid):
        create = own.sip.credential_lists(sid).credentials.create
        assert await refusal(create, username="bob", password=PASSWORD) == (409, 20409)
    # It is in its own list alone.
    assert await refusal(own.sip.credential_lists(two.sid).credentials(first.sid).fetch) == (404, 20404)


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("", PASSWORD),
        ("a b", PASSWORD),
        ("a|b", PASSWORD),
        ("a@b", PASSWORD),
        ("x" * 33, PASSWORD),
        ("bob", ""),
        ("bob", "Short-1"),
        ("bob", "no-upper-case-1"),
        ("bob", "NO-LOWER-CASE-1"),
        ("bob", "No-Digit-In-It"),
        ("bob", "Aa1" * 100),
    ],
)
async def test_sip_login_that_is_weak_or_malformed_is_refused(api: Served, username: str, password: str) -> None:
    _, own = await api.sub("shop")
    logins = await ask(own.sip.credential_lists.create, friendly_name="phones")
    create = own.sip.credential_lists(logins.sid).credentials.create
    assert await refusal(create, username=username, password=password) == (400, 20001)


async def test_lists_are_xml_without_a_suffix(api: Served) -> None:
    async with aiohttp.ClientSession(headers={"Authorization": basic(MAIN, TOKEN)}) as session:
        for path, element in (
            ("IncomingPhoneNumbers", "IncomingPhoneNumber"),
            ("SIP/CredentialLists", "CredentialList"),
            ("Keys", "Key"),
        ):
            async with session.get(f"{api.base}/2010-04-01/Accounts/{MAIN}/{path}") as answer:
                assert f"<{element}>" in await answer.text()
