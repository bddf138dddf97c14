"""Numbers that an account may show beside its own: validated by a call to them, renamed, given up.

A number is validated when whoever answers it keys in the code of the request, which is called from here like any other
number: by trunk, within the account's limits and prefixes. Source: rest-api.md 3 and 7 of the specification; Twilio
OutgoingCallerId resource.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import structlog

from gateway.accounts.directory import Directory
from gateway.accounts.entries import CallerId
from gateway.accounts.ledger import Ledger
from gateway.live_calls import LiveCalls
from gateway.outgoing import CallOrder
from gateway.parameters import CallDirection, CallFacts, Parameters, call_parameters, rfc2822
from gateway.rest.call_form import BAD_CALLBACK, BAD_DIGITS, BAD_METHOD, DIGITS, MAX_DIGITS, NOT_PERMITTED
from gateway.rest.calls import Launch, formatted, too_many
from gateway.rest.dispatch import Ask, Reply, Resource
from gateway.rest.form import Form, bad_parameter
from gateway.rest.numbers import BAD_NUMBER
from gateway.rest.owned import MAX_NAME, OwnedApi, check_room, listing, own, uri_of
from gateway.routing import Script
from gateway.sids import new_sid
from gateway.store import StorageUnavailable
from gateway.telling import Telling
from gateway.twiml.addresses import BadAddress, clean_number
from gateway.validation import Keypad, Verdict, asking, new_code, thanks
from signaling.leg import DigitReceived
from signaling.location import NumberTarget

VALIDATED_ALREADY: Final = 21450
RINGING_S: Final = 60.0
MOST_DELAY_S: Final = 60
_log = structlog.get_logger(__name__)


class CallerIdsApi(OwnedApi):
    """launch: places a call, as for POST Calls."""

    def __init__(self, ledger: Ledger, *, now: Callable[[], datetime], calls: LiveCalls, launch: Launch) -> None:
        super().__init__(ledger, now=now)
        self._calls = calls
        self._launch = launch

    def resources(self) -> list[Resource]:
        one = {"GET": self._fetch, "POST": self._update, "DELETE": self._delete}
        return [
            Resource("OutgoingCallerIds", {"GET": self._list, "POST": self._validate}),
            Resource("OutgoingCallerIds/{caller_id_sid}", one),
        ]

    async def _list(self, ask: Ask) -> Reply:
        number, name = ask.form.text("PhoneNumber", longest=64), ask.form.text("FriendlyName")
        found = [
            each
            for each in self._directory.all(CallerId, ask.account_sid)
            if number in (None, each.phone_number) and name in (None, each.friendly_name)
        ]
        return listing(ask, "outgoing_caller_ids", found, caller_id_resource)

    async def _validate(self, ask: Ask) -> Reply:
        number = self._number(ask)
        check_room(self._directory, CallerId, ask)
        form, directory = ask.form, self._directory
        url = form.url("StatusCallback", code=BAD_CALLBACK, callback=True)
        validation = Validation(
            ledger=self._ledger,
            calls=self._calls,
            now=self._now,
            facts=CallFacts(
                sid=new_sid("CA"),
                account_sid=ask.account_sid,
                caller=directory.first_number(ask.account_sid) or directory.first_number(directory.main.sid) or number,
                callee=number,
                direction=CallDirection.OUTBOUND_API,
            ),
            friendly_name=form.text("FriendlyName", longest=MAX_NAME) or formatted(number),
            code=new_code(),
            telling=Telling(url=url, method=form.method("StatusCallbackMethod", code=BAD_METHOD)),
        )
        call = self._launch(
            CallOrder(
                facts=validation.facts,
                target=NumberTarget(number),
                script=Script(),
                telling=Telling(),
                timeout_s=RINGING_S,
                document=asking(),
                digits=_extension(form),
                delay_s=form.integer("CallDelay", default=0, lowest=0, highest=MOST_DELAY_S) or 0,
                on_digit=validation.hear,
                afterwards=validation.over,
            )
        )
        if call is None:
            raise too_many()
        return Reply(resource=validation.resource(), name="ValidationRequest")

    async def _fetch(self, ask: Ask) -> Reply:
        return _reply(self._own(ask))

    async def _update(self, ask: Ask) -> Reply:
        entry = self._own(ask)
        name = ask.form.text("FriendlyName", longest=MAX_NAME) or entry.friendly_name
        changed = replace(entry, friendly_name=name, date_updated=self._now())
        await self._ledger.put(changed)
        return _reply(changed)

    async def _delete(self, ask: Ask) -> Reply:
        await self._ledger.remove(self._own(ask))
        return Reply()

    def _own(self, ask: Ask) -> CallerId:
        return own(self._directory, CallerId, ask, ask.parts["caller_id_sid"])

    def _number(self, ask: Ask) -> str:
        written = ask.form.required("PhoneNumber", code=BAD_NUMBER, longest=64)
        try:
            number = clean_number(written)
        except BadAddress as error:
            raise bad_parameter(BAD_NUMBER, f"PhoneNumber: {error} expected, found {written!r}") from None
        if self._directory.is_validated(ask.account_sid, number):
            raise bad_parameter(VALIDATED_ALREADY, f"PhoneNumber: {number} is validated already")
        if not self._directory.limits(ask.account_sid).permits(number):
            raise bad_parameter(NOT_PERMITTED, f"PhoneNumber: the account may not call {number}")
        return number


@dataclass(kw_only=True)
class Validation:
    """One request: its call, and what comes of it. entry: there once the code was keyed in."""

    ledger: Ledger
    calls: LiveCalls
    now: Callable[[], datetime]
    facts: CallFacts
    friendly_name: str
    code: str
    telling: Telling
    entry: CallerId | None = None

    def __post_init__(self) -> None:
        self._keypad = Keypad(self.code)

    def hear(self, pressed: DigitReceived) -> None:
        call = self.calls.get(self.facts.sid)
        if call is None or call.session is None:
            return
        match self._keypad.press(pressed.digit):
            case Verdict.RIGHT:
                call.session.spawn(self._keep(), name="validated caller ID")
                call.redirect(thanks())
            case Verdict.WRONG:
                call.hangup()
            case _:
                pass

    async def _keep(self) -> None:
        now, directory = self.now(), self.ledger.directory
        if not _has_room_for(directory, self.facts):
            return
        self.entry = CallerId(
            sid=new_sid("PN"),
            account_sid=self.facts.account_sid,
            phone_number=self.facts.callee,
            friendly_name=self.friendly_name,
            date_created=now,
            date_updated=now,
        )
        try:
            await self.ledger.put(self.entry)
        except StorageUnavailable as error:
            # It counts, and is written when storage is back.
            _log.warning("caller ID not safe yet", sid=self.entry.sid, reason=str(error))

    def over(self) -> None:
        """The call is: whoever asked is told. Source: Twilio OutgoingCallerId resource, StatusCallback."""
        call = self.calls.get(self.facts.sid)
        if call is None or self.telling.url is None:
            return
        told: Parameters = [
            *call_parameters(self.facts, call.status),
            ("VerificationStatus", "failed" if self.entry is None else "success"),
        ]
        if self.entry is not None:
            told.append(("OutgoingCallerIdSid", self.entry.sid))
        timeline = call.progress.timeline
        key = f"{self.facts.sid} validation"
        timeline.note(timeline.owe(url=self.telling.url, method=self.telling.method, parameters=told, order_key=key))

    def resource(self) -> dict[str, Any]:
        """The ValidationRequest resource: the only place that shows the code."""
        return {
            "account_sid": self.facts.account_sid,
            "call_sid": self.facts.sid,
            "friendly_name": self.friendly_name,
            "phone_number": self.facts.callee,
            "validation_code": self.code,
        }


def _has_room_for(directory: Directory, facts: CallFacts) -> bool:
    """Another request for it, or many others, may have come to their end meanwhile."""
    is_new = not directory.is_validated(facts.account_sid, facts.callee)
    return is_new and directory.has_room(CallerId, facts.account_sid)


def _extension(form: Form) -> str | None:
    digits = form.text("Extension")
    if digits is not None and (len(digits) > MAX_DIGITS or not set(digits) <= DIGITS):
        raise bad_parameter(BAD_DIGITS, f"Extension: expected at most {MAX_DIGITS} of 0-9 A-D # * w W")
    return digits


def _reply(entry: CallerId) -> Reply:
    return Reply(resource=caller_id_resource(entry), name="OutgoingCallerId")


def caller_id_resource(entry: CallerId) -> dict[str, Any]:
    """The OutgoingCallerId resource as Twilio's helpers read it."""
    return {
        "sid": entry.sid,
        "account_sid": entry.account_sid,
        "friendly_name": entry.friendly_name,
        "phone_number": entry.phone_number,
        "date_created": rfc2822(entry.date_created),
        "date_updated": rfc2822(entry.date_updated),
        "uri": uri_of(entry.account_sid, f"OutgoingCallerIds/{entry.sid}.json"),
    }
