"""Accounts: the main one makes others, reads them, renames, suspends and closes them, and sets their limits.

MaxCalls, CallsPerSecond and AllowedPrefixes are ours: an operator has to be able to say them, and no such parameter is
Twilio's; so is SipApplicationSid, which answers the account's phones.
Source: rest-api.md 3 and 7 of the specification; Twilio Account resource, "Suspend or close a subaccount".
"""

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from gateway.accounts.entries import Account
from gateway.accounts.ledger import Ledger
from gateway.live_calls import LiveCalls
from gateway.parameters import rfc2822
from gateway.rest.dispatch import ROOT, Ask, Reply, Resource
from gateway.rest.errors import RestError
from gateway.rest.form import Form, bad_parameter
from gateway.rest.owned import DENIED, MAX_NAME, OwnedApi, changeable, check_owner, check_room, listing, own
from gateway.sids import new_sid
from signaling.leg import HangupCause

STATUSES: Final = ("active", "suspended", "closed")
TOO_MANY_ACCOUNTS: Final = 21480
BAD_VALUE: Final = 20001
BAD_APPLICATION: Final = 21218
MAX_PREFIXES: Final = 1000
_BELOW: Final = (
    ("applications", "Applications"),
    ("calls", "Calls"),
    ("conferences", "Conferences"),
    ("incoming_phone_numbers", "IncomingPhoneNumbers"),
    ("keys", "Keys"),
    ("queues", "Queues"),
    ("recordings", "Recordings"),
    ("signing_keys", "SigningKeys"),
    ("sip", "SIP"),
)


class AccountsApi(OwnedApi):
    def __init__(self, ledger: Ledger, *, calls: LiveCalls, now: Callable[[], datetime]) -> None:
        super().__init__(ledger, now=now)
        self._calls = calls

    def resources(self) -> list[Resource]:
        return [
            Resource("Accounts", {"GET": self._list, "POST": self._create}, is_top=True),
            Resource("Accounts/{sid}", {"GET": self._fetch, "POST": self._update}, is_top=True),
        ]

    async def _list(self, ask: Ask) -> Reply:
        check_owner(ask)
        name, status = ask.form.text("FriendlyName"), ask.form.choice("Status", STATUSES, default=None)
        found = [
            each
            for each in self._directory.all(Account, ask.account_sid)
            if name in (None, each.friendly_name) and status in (None, each.status)
        ]
        return listing(ask, "accounts", found, account_resource)

    async def _create(self, ask: Ask) -> Reply:
        check_owner(ask)
        if ask.account_sid != self._directory.main.sid:
            raise RestError(403, DENIED, "A sub-account has no sub-accounts of its own")
        check_room(self._directory, Account, ask, code=TOO_MANY_ACCOUNTS)
        now = self._now()
        account = Account(
            sid=new_sid("AC"),
            owner_sid=ask.account_sid,
            friendly_name=ask.form.text("FriendlyName", longest=MAX_NAME)
            or f"SubAccount Created at {now:%Y-%m-%d %I:%M %p}",
            auth_token=secrets.token_hex(16),
            date_created=now,
            date_updated=now,
        )
        account = _with_limits(account, ask.form)
        await self._ledger.put(account)
        return _reply(account, status=201)

    async def _fetch(self, ask: Ask) -> Reply:
        check_owner(ask)
        return _reply(own(self._directory, Account, ask, ask.parts["sid"]))

    async def _update(self, ask: Ask) -> Reply:
        check_owner(ask)
        account = changeable(own(self._directory, Account, ask, ask.parts["sid"]))
        status = ask.form.choice("Status", STATUSES, default=account.status) or account.status
        if status != account.status:
            if ask.account_sid != account.owner_sid:
                raise RestError(403, DENIED, "Only the main account suspends or closes its sub-accounts")
            if account.status == "closed":
                raise bad_parameter(BAD_VALUE, "A closed account stays closed")
        name = ask.form.text("FriendlyName", longest=MAX_NAME) or account.friendly_name
        changed = replace(account, friendly_name=name, status=status, date_updated=self._now())
        if ask.form.has("SipApplicationSid"):
            changed = replace(changed, sip_application_sid=self._application_sid(ask.form, account.sid))
        if ask.account_sid == account.owner_sid:
            changed = _with_limits(changed, ask.form)
        await self._ledger.put(changed)
        if changed.status == "closed":
            for call in self._calls:
                if call.facts.account_sid == changed.sid:
                    call.hangup(HangupCause.NORMAL)
        return _reply(changed)

    def _application_sid(self, form: Form, account_sid: str) -> str:
        sid = form.text("SipApplicationSid") or ""
        if sid and self._directory.application(account_sid, sid) is None:
            raise bad_parameter(BAD_APPLICATION, f"SipApplicationSid: {sid[:40]!r} is no application of the account")
        return sid


def _with_limits(account: Account, form: Form) -> Account:
    """A limit that is not mentioned stays, one that is given empty is none. Raises RestError."""
    if form.has("MaxCalls"):
        account = replace(account, max_calls=form.integer("MaxCalls", default=None, lowest=0, highest=100_000))
    if form.has("CallsPerSecond"):
        account = replace(account, calls_per_second=_rate(form.text("CallsPerSecond")))
    if form.has("AllowedPrefixes"):
        prefixes = tuple(word for value in form.all("AllowedPrefixes") for word in value.replace(",", " ").split())
        for prefix in prefixes:
            digits = prefix.removeprefix("+")
            if not (digits.isascii() and digits.isdigit() and len(digits) <= 15):
                raise bad_parameter(BAD_VALUE, f"AllowedPrefixes: expected digits, found {prefix[:40]!r}")
        if len(prefixes) > MAX_PREFIXES:
            raise bad_parameter(BAD_VALUE, f"AllowedPrefixes: expected at most {MAX_PREFIXES}, found {len(prefixes)}")
        account = replace(account, allowed_prefixes=prefixes)
    return account


def _rate(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0.01 <= rate <= 1000:
        raise bad_parameter(BAD_VALUE, f"CallsPerSecond: expected a number from 0.01 to 1000, found {text[:40]!r}")
    return rate


def _reply(account: Account, *, status: int = 200) -> Reply:
    return Reply(resource=account_resource(account), name="Account", status=status)


def account_resource(account: Account) -> dict[str, Any]:
    """The Account resource as Twilio's helpers read it, and our limits."""
    uri = f"{ROOT}/Accounts/{account.sid}"
    return {
        "sid": account.sid,
        "owner_account_sid": account.owner_sid,
        "friendly_name": account.friendly_name,
        "status": account.status,
        "type": "Full",
        "auth_token": account.auth_token,
        "date_created": rfc2822(account.date_created),
        "date_updated": rfc2822(account.date_updated),
        "uri": f"{uri}.json",
        "subresource_uris": {name: f"{uri}/{path}.json" for name, path in _BELOW},
        "sip_application_sid": account.sip_application_sid or None,
        "limits": {
            "max_calls": account.max_calls,
            "calls_per_second": account.calls_per_second,
            "allowed_prefixes": list(account.allowed_prefixes),
        },
    }
