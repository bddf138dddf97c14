"""Phone numbers of an account: what a call from a trunk is answered by, and what the account may show as a caller.

Nothing is bought here: a number is the account's that has written it down first, and the trunk's calls to it are its.
Source: rest-api.md 7 and 9 of the specification; Twilio IncomingPhoneNumber resource.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from gateway.accounts.entries import PhoneNumber
from gateway.parameters import API_VERSION, rfc2822
from gateway.rest.dispatch import Ask, Reply, Resource
from gateway.rest.errors import RestError
from gateway.rest.form import Form, bad_parameter
from gateway.rest.owned import MAX_NAME, OwnedApi, changeable, check_room, listing, own, uri_of
from gateway.rest.voice_urls import NOT_OF_VOICE, voice_changes, voice_fields
from gateway.sids import new_sid
from gateway.twiml.addresses import BadAddress, clean_number

BAD_NUMBER: Final = 21421
TAKEN: Final = 21422
BAD_APPLICATION: Final = 21218


class NumbersApi(OwnedApi):
    def resources(self) -> list[Resource]:
        one = {"GET": self._fetch, "POST": self._update, "DELETE": self._delete}
        return [
            Resource("IncomingPhoneNumbers", {"GET": self._list, "POST": self._create}),
            Resource("IncomingPhoneNumbers/Local", {"GET": self._list, "POST": self._create}),
            Resource("IncomingPhoneNumbers/Mobile", {"GET": self._list_none, "POST": self._create}),
            Resource("IncomingPhoneNumbers/TollFree", {"GET": self._list_none, "POST": self._create}),
            Resource("IncomingPhoneNumbers/{number_sid}", one),
        ]

    async def _list(self, ask: Ask) -> Reply:
        name, pattern = ask.form.text("FriendlyName"), ask.form.text("PhoneNumber", longest=64)
        is_wanted = matcher(pattern)
        found = [
            each
            for each in self._directory.all(PhoneNumber, ask.account_sid)
            if name in (None, each.friendly_name) and is_wanted(each.phone_number)
        ]
        return listing(ask, "incoming_phone_numbers", found, number_resource)

    # Which kind a number is nobody says here: all are local.
    async def _list_none(self, ask: Ask) -> Reply:
        none: list[PhoneNumber] = []
        return listing(ask, "incoming_phone_numbers", none, number_resource)

    async def _create(self, ask: Ask) -> Reply:
        written = ask.form.text("PhoneNumber", longest=64, code=BAD_NUMBER)
        if written is None:
            raise bad_parameter(BAD_NUMBER, "PhoneNumber is required: numbers are written down here, not bought")
        try:
            number = clean_number(written)
        except BadAddress as error:
            raise bad_parameter(BAD_NUMBER, f"PhoneNumber: {error} expected, found {written!r}") from None
        check_room(self._directory, PhoneNumber, ask)
        if self._directory.number(number) is not None:
            raise bad_parameter(TAKEN, f"PhoneNumber: {number} is not available")
        now = self._now()
        entry = PhoneNumber(
            sid=new_sid("PN"),
            account_sid=ask.account_sid,
            phone_number=number,
            friendly_name=ask.form.text("FriendlyName", longest=MAX_NAME) or number,
            date_created=now,
            date_updated=now,
        )
        entry = replace(entry, **self._changes(ask))
        await self._ledger.put(entry)
        return _reply(entry, status=201)

    async def _fetch(self, ask: Ask) -> Reply:
        return _reply(self._own(ask))

    async def _update(self, ask: Ask) -> Reply:
        number = changeable(self._own(ask))
        name = ask.form.text("FriendlyName", longest=MAX_NAME) or number.friendly_name
        changed = replace(number, friendly_name=name, date_updated=self._now(), **self._changes(ask))
        owner_sid = ask.form.text("AccountSid")
        if owner_sid not in (None, number.account_sid):
            raise RestError(403, 20006, "A number stays with its account: delete it and write it down in the other one")
        await self._ledger.put(changed)
        return _reply(changed)

    async def _delete(self, ask: Ask) -> Reply:
        await self._ledger.remove(changeable(self._own(ask)))
        return Reply()

    def _own(self, ask: Ask) -> PhoneNumber:
        return own(self._directory, PhoneNumber, ask, ask.parts["number_sid"])

    def _changes(self, ask: Ask) -> dict[str, Any]:
        changes = voice_changes(ask.form)
        if ask.form.has("VoiceApplicationSid"):
            changes["application_sid"] = self._application_sid(ask.form, ask.account_sid)
        return changes

    def _application_sid(self, form: Form, account_sid: str) -> str:
        sid = form.text("VoiceApplicationSid") or ""
        if sid and self._directory.application(account_sid, sid) is None:
            raise bad_parameter(BAD_APPLICATION, f"VoiceApplicationSid: {sid[:40]!r} is no application of this account")
        return sid


def matcher(pattern: str | None) -> Callable[[str], bool]:
    """``*`` stands for any digits; a pattern without a plus sign may be anywhere in the number.

    Source: Twilio IncomingPhoneNumber resource, "Filter by partial phone number".
    """
    if pattern is None:
        return lambda _number: True
    is_whole = pattern.startswith("+")
    first, *inner = pattern.split("*")
    last = inner.pop() if inner else ""
    has_star = "*" in pattern

    def fits(number: str) -> bool:
        if not is_whole:
            return _in_order([first, *inner, last], number)
        if not has_star:
            return number == first
        rest = number.removeprefix(first).removesuffix(last)
        is_framed = number.startswith(first) and number[len(first) :].endswith(last)
        return is_framed and _in_order(inner, rest)

    return fits


def _in_order(parts: Sequence[str], text: str) -> bool:
    """Whether the text has them one behind the other. A regular expression would try every way to place the stars."""
    at = 0
    for part in parts:
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return True


def _reply(number: PhoneNumber, *, status: int = 200) -> Reply:
    return Reply(resource=number_resource(number), name="IncomingPhoneNumber", status=status)


def number_resource(number: PhoneNumber) -> dict[str, Any]:
    """The IncomingPhoneNumber resource as Twilio's helpers read it."""
    uri = uri_of(number.account_sid, f"IncomingPhoneNumbers/{number.sid}")
    return {
        "sid": number.sid,
        "account_sid": number.account_sid,
        "api_version": API_VERSION,
        "phone_number": number.phone_number,
        "friendly_name": number.friendly_name,
        **voice_fields(number),
        "voice_application_sid": number.application_sid or None,
        "voice_receive_mode": "voice",
        "status_callback": number.status_callback or None,
        "status_callback_method": number.status_callback_method,
        **NOT_OF_VOICE,
        "sms_application_sid": None,
        "trunk_sid": None,
        "capabilities": {"voice": True, "sms": False, "mms": False, "fax": False},
        "address_requirements": "none",
        "address_sid": None,
        "identity_sid": None,
        "bundle_sid": None,
        "emergency_status": "Inactive",
        "emergency_address_sid": None,
        "emergency_address_status": "unregistered",
        "beta": False,
        "origin": "hosted",
        "status": "in-use",
        "type": "local",
        "date_created": rfc2822(number.date_created),
        "date_updated": rfc2822(number.date_updated),
        "uri": f"{uri}.json",
        "subresource_uris": {"assigned_add_ons": f"{uri}/AssignedAddOns.json"},
    }
