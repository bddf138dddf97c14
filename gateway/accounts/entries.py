"""Accounts and what they own besides calls: keys, applications, numbers, SIP logins; and how each is written down.

Pure. An entry is a whole: a change is a new value. Secrets are sealed (vault.py) before an entry becomes a record and
opened when it is read again. ``is_configured``: the configuration file says so; such an entry is never written.
Source: rest-api.md 7 of the specification; Twilio Account, Key, Application, IncomingPhoneNumber, CredentialList.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Final, Protocol

from gateway.store.records import ConfiguredRecord
from signaling.errors import UsageError


class Sealing(Protocol):
    """What of Vault is needed."""

    def seal(self, secret: str) -> str: ...
    def open(self, sealed: str) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Limits:
    """None: no limit of the account's own. prefixes: numbers it may call begin with one of them; none: any."""

    calls: int | None = None
    per_second: float | None = None
    prefixes: tuple[str, ...] = ()

    def permits(self, number: str) -> bool:
        digits = number.removeprefix("+")
        return not self.prefixes or any(digits.startswith(prefix.removeprefix("+")) for prefix in self.prefixes)


@dataclass(frozen=True, kw_only=True)
class _Dated:
    sid: str
    date_created: datetime
    date_updated: datetime
    is_configured: bool = False


@dataclass(frozen=True, kw_only=True)
class _Owned(_Dated):
    account_sid: str


@dataclass(frozen=True, kw_only=True)
class _Voice(_Owned):
    """Where calls get their documents from."""

    friendly_name: str
    voice_url: str = ""
    voice_method: str = "POST"
    voice_fallback_url: str = ""
    voice_fallback_method: str = "POST"
    status_callback: str = ""
    status_callback_method: str = "POST"


@dataclass(frozen=True, kw_only=True)
class Account(_Dated):
    """owner_sid: the main account's; the main one owns itself. secondary_token: valid beside the first.

    sip_application_sid: answers calls of its SIP phones; "": what they dial is called.
    """

    owner_sid: str
    friendly_name: str
    auth_token: str = field(repr=False)
    secondary_token: str = field(default="", repr=False)
    status: str = "active"
    max_calls: int | None = None
    calls_per_second: float | None = None
    allowed_prefixes: tuple[str, ...] = ()
    sip_application_sid: str = ""

    @property
    def account_sid(self) -> str:
        return self.sid

    @property
    def limits(self) -> Limits:
        return Limits(calls=self.max_calls, per_second=self.calls_per_second, prefixes=self.allowed_prefixes)


@dataclass(frozen=True, kw_only=True)
class Key(_Owned):
    """An API key: logs in, and signs access tokens."""

    friendly_name: str
    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Application(_Voice):
    """A TwiML application."""


@dataclass(frozen=True, kw_only=True)
class PhoneNumber(_Voice):
    """application_sid: beats the URLs."""

    phone_number: str
    application_sid: str = ""


@dataclass(frozen=True, kw_only=True)
class CallerId(_Owned):
    """A number that is not the account's and which it may show all the same: whoever answers there agreed."""

    phone_number: str
    friendly_name: str


@dataclass(frozen=True, kw_only=True)
class CredentialList(_Owned):
    friendly_name: str


@dataclass(frozen=True, kw_only=True)
class Credential(_Owned):
    """A SIP phone's digest login. username: the identity it registers."""

    list_sid: str
    username: str
    password: str = field(repr=False)


Entry = Account | Key | Application | PhoneNumber | CallerId | CredentialList | Credential

KINDS: Final[Mapping[str, type[Entry]]] = {
    "account": Account,
    "key": Key,
    "application": Application,
    "number": PhoneNumber,
    "caller-id": CallerId,
    "credential-list": CredentialList,
    "credential": Credential,
}
_NAMES: Final = {kind: name for name, kind in KINDS.items()}
_SECRETS: Final = frozenset({"auth_token", "secondary_token", "secret", "password"})
_COLUMNS: Final = frozenset({"sid", "account_sid", "date_created", "date_updated", "is_configured"})


def record_of(entry: Entry, sealing: Sealing) -> ConfiguredRecord:
    """Raises UsageError for an entry of the configuration file."""
    if entry.is_configured:
        raise UsageError(f"expected an entry of the database, found {entry.sid} of the configuration file")
    details: dict[str, object] = {}
    for name in _details(type(entry)):
        value = getattr(entry, name)
        details[name] = sealing.seal(value) if name in _SECRETS and value else value
    return ConfiguredRecord(
        sid=entry.sid,
        account_sid=entry.account_sid,
        kind=_NAMES[type(entry)],
        date_created=entry.date_created,
        date_updated=entry.date_updated,
        details=details,
    )


def entry_of(record: ConfiguredRecord, sealing: Sealing) -> Entry:
    """Raises SecretUnreadable for a secret sealed with another key, UsageError for a record of no kind we know."""
    kind = KINDS.get(record.kind)
    if kind is None:
        raise UsageError(f"expected one of {' '.join(KINDS)}, found {record.kind} of {record.sid}")
    found: dict[str, Any] = {"sid": record.sid}
    if kind is not Account:
        found["account_sid"] = record.account_sid
    for name in _details(kind):
        # What a former version did not know has its default.
        if name in record.details:
            value = record.details[name]
            if name in _SECRETS and value:
                value = sealing.open(str(value))
            found[name] = tuple(value) if isinstance(value, list) else value
    return kind(**found, date_created=record.date_created, date_updated=record.date_updated)


def _details(kind: type[Entry]) -> list[str]:
    return [each.name for each in fields(kind) if each.name not in _COLUMNS]
