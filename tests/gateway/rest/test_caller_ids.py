"""Numbers that an account may show beside its own: the call that validates one, and what is done with it afterwards."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.accounts.directory import MOST_OF_A_KIND, Directory
from gateway.accounts.entries import CallerId, PhoneNumber
from gateway.accounts.ledger import Ledger
from gateway.config import Sip
from gateway.live_calls import LiveCalls
from gateway.rest.caller_ids import CallerIdsApi
from gateway.rest.sip_domains import SipDomainsApi, domain_sid
from gateway.routing import Router
from gateway.store import Store
from gateway.validation import MOST_TRIES, Keypad, Verdict, new_code
from signaling.leg import HangupCause
from signaling.location import NumberTarget
from tests.gateway.accounts.served import MAIN, VAULT, ask, now, refusal, served
from tests.gateway.peers import ACCOUNT_SID, PeerLeg
from tests.gateway.rest.desk import Desk, asked
from tests.gateway.rooms.house import settle

NUMBER = "+15550177"
OTHER = "AC" + "9" * 32
AT = datetime(2026, 1, 2, tzinfo=UTC)


def caller_id(account_sid: str = MAIN, number: str = NUMBER, **more: Any) -> CallerId:
    known: dict[str, Any] = {"sid": "PN" + "7" * 32, "friendly_name": "mobile", "date_created": AT, "date_updated": AT}
    return CallerId(**{**known, **more}, account_sid=account_sid, phone_number=number)


class ValidatingDesk(Desk):
    """Whose account validates numbers."""

    def open(self) -> None:
        super().open()
        self.directory: Directory = cast(Any, self.all.router)._directory
        ledger = Ledger(self.directory, store=cast(Store, self), vault=VAULT)
        api = CallerIdsApi(ledger, now=self.all.now, calls=self.calls, launch=self.launch)
        self.resources = [*self.resources, *api.resources()]

    async def request(self, **more: str) -> tuple[Any, PeerLeg]:
        """The request, and the leg that rings for it."""
        made = await self.ask("POST", "OutgoingCallerIds", {"PhoneNumber": NUMBER, **more})
        leg = await self.rung(0)
        assert self.targets == [NumberTarget(NUMBER)]
        return made, leg

    async def key_in(self, leg: PeerLeg, keys: str) -> None:
        for key in keys:
            leg.presses(key)
            await asyncio.sleep(0.2)

    @property
    def is_validated(self) -> bool:
        return self.directory.is_validated(ACCOUNT_SID, NUMBER)


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"


def test_number_is_validated_when_its_code_is_keyed_in() -> None:
    async def story(desk: ValidatingDesk) -> None:
        more = {"FriendlyName": "mobile", "StatusCallback": "http://app.example.com/told", "Extension": "42"}
        made, leg = await desk.request(**more)
        assert (made["phone_number"], made["friendly_name"], len(made["validation_code"])) == (NUMBER, "mobile", 6)
        leg.picks_up()
        await asyncio.sleep(3)
        assert leg.done == ["digits 42"] and leg.media.looks_for_tones == [True]
        assert not desk.is_validated
        await desk.key_in(leg, "99#" + made["validation_code"])
        assert desk.is_validated
        await asyncio.sleep(30)
        assert leg.hung_up_with is HangupCause.NORMAL, "thanked, and over"
        said = [text for text, _ in desk.speech.said]
        assert said[0] == "Please enter your validation code." and said[-1].startswith("Thank you.")
        (found,) = await desk.ask("GET", "OutgoingCallerIds")
        (told,) = desk.told("/told")
        assert (told["VerificationStatus"], told["OutgoingCallerIdSid"]) == ("success", found["sid"])
        assert (told["CallSid"], told["To"], told["CallStatus"]) == (made["call_sid"], NUMBER, "completed")
        assert desk.all.router.may_show(NUMBER, account_sid=ACCOUNT_SID)
        assert await desk.refusal("POST", "OutgoingCallerIds", {"PhoneNumber": NUMBER}) == (400, 21450)

    asked(ValidatingDesk(), story)


def test_number_is_not_validated_by_wrong_codes() -> None:
    async def story(desk: ValidatingDesk) -> None:
        made, leg = await desk.request(StatusCallback="http://app.example.com/told")
        leg.picks_up()
        await asyncio.sleep(1)
        for _ in range(MOST_TRIES):
            assert leg.events.ended is None
            await desk.key_in(leg, wrong(made["validation_code"]))
        await settle()
        assert leg.hung_up_with is HangupCause.NORMAL and not desk.is_validated
        (told,) = desk.told("/told")
        assert told["VerificationStatus"] == "failed" and "OutgoingCallerIdSid" not in told

    asked(ValidatingDesk(), story)


@pytest.mark.parametrize("end", ["silent", "busy", "hangs up"])
def test_number_is_not_validated_by_whoever_keys_in_nothing(end: str) -> None:
    async def story(desk: ValidatingDesk) -> None:
        made, leg = await desk.request(StatusCallback="http://app.example.com/told", StatusCallbackMethod="GET")
        if end == "busy":
            leg.hangs_up(HangupCause.BUSY, 486)
        else:
            leg.picks_up()
            await asyncio.sleep(1)
            await desk.key_in(leg, made["validation_code"][:5])
        if end == "hangs up":
            leg.hangs_up()
        await asyncio.sleep(120)
        assert leg.events.ended is not None and not desk.is_validated
        assert [told["VerificationStatus"] for told in desk.told("/told")] == ["failed"]

    asked(ValidatingDesk(), story)


def test_validation_that_is_canceled_before_it_rings_is_told() -> None:
    async def story(desk: ValidatingDesk) -> None:
        form = {"PhoneNumber": NUMBER, "CallDelay": "7", "StatusCallback": "http://app.example.com/told"}
        made = await desk.ask("POST", "OutgoingCallerIds", form)
        await asyncio.sleep(6)
        await desk.ask("POST", f"Calls/{made['call_sid']}", {"Status": "canceled"})
        assert [told["CallStatus"] for told in desk.told("/told")] == ["canceled"] and desk.dialled == []
        await desk.ask("POST", "OutgoingCallerIds", form)
        await asyncio.sleep(8)
        (leg,) = desk.dialled
        leg.hangs_up()

    asked(ValidatingDesk(), story)


def test_two_requests_for_one_number_make_one_caller_id() -> None:
    async def story(desk: ValidatingDesk) -> None:
        first, one = await desk.request()
        second = await desk.ask("POST", "OutgoingCallerIds", {"PhoneNumber": NUMBER})
        two = await desk.rung(1)
        for leg, made in ((one, first), (two, second)):
            leg.picks_up()
            await asyncio.sleep(1)
            await desk.key_in(leg, made["validation_code"])
        await asyncio.sleep(30)
        assert len(await desk.ask("GET", "OutgoingCallerIds")) == 1

    asked(ValidatingDesk(), story)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({}, (400, 21421)),
        ({"PhoneNumber": "nobody"}, (400, 21421)),
        ({"PhoneNumber": NUMBER, "Extension": "12x"}, (400, 21206)),
        ({"PhoneNumber": NUMBER, "CallDelay": "61"}, (400, 20001)),
        ({"PhoneNumber": NUMBER, "StatusCallback": "/told"}, (400, 21502)),
        ({"PhoneNumber": NUMBER, "FriendlyName": "x" * 65}, (400, 20001)),
    ],
)
def test_bad_request_for_a_validation_calls_nobody(form: dict[str, str], expected: tuple[int, int]) -> None:
    async def story(desk: ValidatingDesk) -> None:
        assert await desk.refusal("POST", "OutgoingCallerIds", form) == expected
        assert desk.launched == [] and desk.dialled == []

    asked(ValidatingDesk(), story)


def test_validation_keeps_to_what_the_account_may_do() -> None:
    async def story(desk: ValidatingDesk) -> None:
        desk.has_room = False
        assert await desk.refusal("POST", "OutgoingCallerIds", {"PhoneNumber": NUMBER}) == (429, 20429)
        desk.directory.put(replace(desk.directory.main, allowed_prefixes=("+46",)))
        assert await desk.refusal("POST", "OutgoingCallerIds", {"PhoneNumber": NUMBER}) == (400, 21215)
        desk.directory.put(replace(desk.directory.main, allowed_prefixes=()))
        for number in range(MOST_OF_A_KIND):
            desk.directory.put(caller_id(ACCOUNT_SID, f"+1555{number:07}", sid=f"PN{number:032}"))
        assert await desk.refusal("POST", "OutgoingCallerIds", {"PhoneNumber": NUMBER}) == (409, 20409)

    asked(ValidatingDesk(), story)


@pytest.mark.parametrize(
    ("keys", "verdict"),
    [
        ("12345", Verdict.OPEN),
        ("123456", Verdict.RIGHT),
        ("9*123456", Verdict.RIGHT),
        ("654321123456", Verdict.RIGHT),
        ("1234567", Verdict.CLOSED),
        ("000000" * MOST_TRIES, Verdict.WRONG),
        ("000000" * MOST_TRIES + "123456", Verdict.CLOSED),
        ("0123456", Verdict.OPEN),
    ],
)
def test_keypad_takes_six_digits_at_a_time(keys: str, verdict: Verdict) -> None:
    keypad = Keypad("123456")
    assert [keypad.press(key) for key in keys][-1] is verdict


def test_code_has_six_digits() -> None:
    assert all(len(code) == 6 and code.isdigit() for code in (new_code() for _ in range(100)))


def test_validated_number_may_be_shown_by_its_account_alone() -> None:
    configuration = Desk().configuration
    directory = Directory.of(configuration, since=AT)
    router = Router(configuration, directory)
    number: dict[str, Any] = {"friendly_name": "", "date_created": AT, "date_updated": AT}
    directory.put(PhoneNumber(sid="PN" + "1" * 32, account_sid=OTHER, phone_number="+15550100", **number))
    assert not router.may_show(NUMBER, account_sid=ACCOUNT_SID)
    directory.put(caller_id(ACCOUNT_SID))
    assert router.may_show(NUMBER, account_sid=ACCOUNT_SID) and router.may_show("15550177", account_sid="")
    assert not router.may_show(NUMBER, account_sid=OTHER)
    directory.discard(caller_id(ACCOUNT_SID))
    assert not router.may_show(NUMBER, account_sid=ACCOUNT_SID)


def apis(ledger: Ledger) -> list[Any]:
    def nobody(_: object) -> None:
        return None

    caller_ids = CallerIdsApi(ledger, now=now, calls=LiveCalls(), launch=nobody)
    domains = SipDomainsApi(ledger, now=now, sip=Sip(voice_url="http://127.0.0.1/phones"), domain="sip.example.com")
    return [*caller_ids.resources(), *domains.resources()]


async def test_caller_ids_are_read_renamed_and_given_up_with_the_official_client(tmp_path: Path) -> None:
    async with served(tmp_path, apis) as api:
        await api.ledger.put(caller_id())
        shop, own = await api.sub("shop")
        await api.ledger.put(caller_id(shop.sid, sid="PN" + "8" * 32, friendly_name="of the shop"))
        (found,) = await ask(api.main.outgoing_caller_ids.list)
        assert (found.phone_number, found.friendly_name, found.account_sid) == (NUMBER, "mobile", MAIN)
        assert found.date_created == AT and found.uri.endswith(f"/OutgoingCallerIds/{found.sid}.json")
        changed = await ask(found.update, friendly_name="desk")
        assert changed.friendly_name == "desk" and changed.date_updated > AT
        assert await ask(api.main.outgoing_caller_ids.list, friendly_name="mobile") == []
        assert len(await ask(api.main.outgoing_caller_ids.list, phone_number=NUMBER)) == 1
        assert await refusal(own.outgoing_caller_ids(found.sid).fetch) == (404, 20404)
        assert await refusal(own.outgoing_caller_ids(found.sid).delete) == (404, 20404)
        assert api.directory.is_validated(MAIN, "15550177") and api.directory.is_validated(shop.sid, NUMBER)
        assert await ask(found.delete)
        assert await refusal(found.fetch) == (404, 20404)
        assert not api.directory.is_validated(MAIN, NUMBER) and api.directory.is_validated(shop.sid, NUMBER)
        assert await refusal(api.main.validation_requests.create, NUMBER) == (429, 20429)
        # What was made is there after a restart, as it is.
        fresh = Ledger(Directory(api.directory.main), store=api.ledger._store, vault=VAULT)
        await fresh.load()
        assert fresh.directory.is_validated(shop.sid, NUMBER) and not fresh.directory.is_validated(MAIN, NUMBER)


async def test_sip_domain_is_read_and_changed_in_the_configuration_file_alone(tmp_path: Path) -> None:
    async with served(tmp_path, apis) as api:
        (domain,) = await ask(api.main.sip.domains.list)
        assert (domain.domain_name, domain.auth_type, domain.sip_registration) == (
            "sip.example.com",
            "CREDENTIAL_LIST",
            True,
        )
        assert domain.voice_url == "http://127.0.0.1/phones" and domain.sid == domain_sid(MAIN)
        assert (await ask(domain.fetch)).sid == domain.sid
        assert await refusal(domain.update, friendly_name="x") == (403, 20006)
        assert await refusal(domain.delete) == (403, 20006)
        assert await refusal(api.main.sip.domains.create, "other.sip.example.com") == (403, 20006)
        shop, own = await api.sub("shop")
        (theirs,) = await ask(own.sip.domains.list)
        assert (theirs.domain_name, theirs.voice_url) == (f"{shop.sid.lower()}.sip.example.com", None)
        assert await refusal(own.sip.domains(domain.sid).fetch) == (404, 20404)
        assert await refusal(api.main.sip.domains(theirs.sid).fetch) == (404, 20404)
