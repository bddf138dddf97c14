"""Who there is: every account with its keys, applications, numbers and SIP logins, looked up by whoever takes a call.

Pure and in memory whole: what is asked for here is asked for at once (a digest, a token, a route), and there is as much
of it as people configure, never as much as calls bring. Owns the indexes; what is kept on disk is ledger.py's.
An account sees what is its own. Only the main account, which the configuration file makes, owns others.
Source: rest-api.md 7 of the specification; README, "Accounts".
"""

import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime
from typing import Final, TypeVar, cast

from gateway.accounts.entries import (
    Account,
    Application,
    CallerId,
    Credential,
    CredentialList,
    Entry,
    Key,
    Limits,
    PhoneNumber,
)
from gateway.config import Configuration
from signaling.scope import account_in, account_label, identity_in, scoped
from signaling.tokens import SigningKey

EntryT = TypeVar("EntryT", bound=Entry)

MOST_OF_A_KIND: Final = 1000
"""How many of one kind an account may have made."""
MOST_ACCOUNTS: Final = 10_000
"""Closed ones count: their calls and recordings are still there."""


class Directory:
    """main: the account of the configuration file. entries: in any order."""

    def __init__(self, main: Account, entries: Iterable[Entry] = ()) -> None:
        self.main = main
        self._entries: dict[str, Entry] = {}
        self._labels: dict[str, str] = {}
        self._numbers: dict[str, PhoneNumber] = {}
        self._logins: dict[str, Credential] = {}
        self._caller_ids: dict[tuple[str, str], CallerId] = {}
        self._owned: dict[tuple[str, type[Entry]], dict[str, Entry]] = {}
        self.put(main)
        for entry in entries:
            self.put(entry)

    @staticmethod
    def of(configuration: Configuration, *, since: datetime) -> "Directory":
        """What the configuration file says. since: shown as the date of all it defines."""
        return Directory(_main(configuration, since), _configured(configuration, since))

    def put(self, entry: Entry) -> None:
        """Add it, or put it in the place of the one with its sid."""
        former = self._entries.get(entry.sid)
        if former is not None:
            # In its place: what is oldest stays the oldest.
            self._unindex(former)
        self._entries[entry.sid] = entry
        self._owned.setdefault((entry.account_sid, type(entry)), {})[entry.sid] = entry
        match entry:
            case Account():
                self._labels[entry.sid.lower()] = entry.sid
                if entry.sid == self.main.sid:
                    self.main = entry
            case PhoneNumber():
                self._numbers[digits_of(entry.phone_number)] = entry
            case Credential():
                self._logins[self._login_of(entry)] = entry
            case CallerId():
                self._caller_ids[entry.account_sid, digits_of(entry.phone_number)] = entry
            case _:
                pass

    def discard(self, entry: Entry) -> None:
        self._entries.pop(entry.sid, None)
        self._owned.get((entry.account_sid, type(entry)), {}).pop(entry.sid, None)
        self._unindex(entry)

    def _unindex(self, entry: Entry) -> None:
        match entry:
            case Account():
                self._labels.pop(entry.sid.lower(), None)
            case PhoneNumber():
                self._numbers.pop(digits_of(entry.phone_number), None)
            case Credential():
                self._logins.pop(self._login_of(entry), None)
            case CallerId():
                self._caller_ids.pop((entry.account_sid, digits_of(entry.phone_number)), None)
            case _:
                pass

    def holds(self, sid: str) -> bool:
        return sid in self._entries

    # What REST shows

    def get(self, kind: type[EntryT], account_sid: str, sid: str) -> EntryT | None:
        """The account's own entry of that sid; an account's own are its sub-accounts and itself."""
        found = self._entries.get(sid)
        if not isinstance(found, kind):
            return None
        owner = found.owner_sid if isinstance(found, Account) and found.sid != account_sid else found.account_sid
        return found if owner == account_sid else None

    def all(self, kind: type[EntryT], account_sid: str) -> list[EntryT]:
        """The account's own of that kind, newest first. Of accounts: itself and those it owns."""
        if kind is Account:
            found = [
                each
                for each in self._entries.values()
                if isinstance(each, Account) and account_sid in (each.sid, each.owner_sid)
            ]
        else:
            found = cast(list[Account], list(self._owned.get((account_sid, cast(type[Entry], kind)), {}).values()))
        return cast(list[EntryT], sorted(found, key=lambda each: (each.date_created, each.sid), reverse=True))

    def oldest(self, kind: type[EntryT], account_sid: str) -> EntryT | None:
        """The account's first of that kind; those of the configuration file come first, in its order."""
        found = self._owned.get((account_sid, cast(type[Entry], kind)), {}).values()
        return next((each for each in found if isinstance(each, kind)), None)

    def has_room(self, kind: type[Entry], account_sid: str) -> bool:
        return len(self.all(kind, account_sid)) < (MOST_ACCOUNTS if kind is Account else MOST_OF_A_KIND)

    # Who may do what

    def account(self, sid: str) -> Account | None:
        found = self._entries.get(sid)
        return found if isinstance(found, Account) else None

    def is_active(self, account_sid: str) -> bool:
        """ "": the main account."""
        account = self.account(account_sid) if account_sid else self.main
        return account is not None and account.status == "active"

    def may_act_for(self, actor_sid: str, account_sid: str) -> bool:
        """An account acts for itself, the main account for every one it owns."""
        account = self.account(account_sid)
        return account is not None and actor_sid in (account.sid, account.owner_sid)

    def limits(self, account_sid: str) -> Limits:
        account = self.account(account_sid)
        return Limits() if account is None else account.limits

    def signing_token(self, account_sid: str) -> str:
        """What requests to the account's applications are signed with.

        The main account's for an account there is not: a record may be older than the configuration's sid.
        """
        return (self.account(account_sid) or self.main).auth_token

    def login(self, user: str, password: str) -> tuple[str, bool] | None:
        """The account whose token or key this is, and whether it is a key; None for a wrong password.

        An unknown user costs the same as a wrong password.
        """
        found = self._entries.get(user)
        if not self._is_secret_of(found, _digest(password)) or found is None:
            return None
        return found.account_sid, isinstance(found, Key)

    def proves(self, user: str, digest: bytes) -> bool:
        """Whether this is the SHA-256 digest of a password that the user logs in with now."""
        found = self._entries.get(user)
        is_right = self._is_secret_of(found, digest)
        return is_right and found is not None and self.is_active(found.account_sid)

    def _is_secret_of(self, found: Entry | None, digest: bytes) -> bool:
        match found:
            case Account():
                secrets = (found.auth_token, found.secondary_token)
            case Key():
                secrets = (found.secret, "")
            case _:
                secrets = ("", "")
        # Both are compared in any case, so that time tells nothing about users.
        return any([hmac.compare_digest(digest, _digest(secret or "\0")) and bool(secret) for secret in secrets])

    def signing_key(self, sid: str) -> SigningKey | None:
        """The key that signs access tokens; none of an account that is not active."""
        found = self._entries.get(sid)
        if not isinstance(found, Key) or not self.is_active(found.account_sid):
            return None
        return SigningKey(account_sid=found.account_sid, secret=found.secret)

    def password(self, login: str) -> str | None:
        """Of a scoped identity's SIP phone."""
        found = self._logins.get(login)
        return found.password if found is not None and self.is_active(account_in(login)) else None

    def has_login(self, account_sid: str, identity: str) -> bool:
        return self.scope(account_sid, identity) in self._logins

    # Whose a call is

    def application(self, account_sid: str, sid: str) -> Application | None:
        return self.get(Application, account_sid, sid)

    def sip_application(self, account_sid: str) -> Application | None:
        """What answers calls of the account's SIP phones."""
        account = self.account(account_sid)
        return None if account is None else self.application(account_sid, account.sip_application_sid)

    def number(self, dialled: str) -> PhoneNumber | None:
        """By its digits, whosever it is: a number belongs to one account."""
        return self._numbers.get(digits_of(dialled))

    def owns(self, account_sid: str, number: str) -> bool:
        found = self.number(number)
        return found is not None and found.account_sid == account_sid

    def is_validated(self, account_sid: str, number: str) -> bool:
        """Whether the account may show it because it asked whoever answers there."""
        return (account_sid, digits_of(number)) in self._caller_ids

    def first_number(self, account_sid: str) -> str | None:
        found = self.oldest(PhoneNumber, account_sid)
        return None if found is None else found.phone_number

    @property
    def has_numbers(self) -> bool:
        """Whether any account has one."""
        return bool(self._numbers)

    def scope(self, account_sid: str, identity: str) -> str:
        """How registries name the identity. Source: signaling/scope.py."""
        return scoped("" if account_sid == self.main.sid else account_sid, identity)

    def account_of(self, login: str) -> str:
        """The sid of the account a scoped identity belongs to."""
        return account_in(login) or self.main.sid

    def account_of_host(self, host: str) -> str:
        """The account that a SIP phone's own host names; "" for the main one's, as is every host that names none."""
        sid = self._labels.get(account_label(host), self.main.sid)
        return "" if sid == self.main.sid else sid

    def _login_of(self, entry: Credential) -> str:
        return self.scope(entry.account_sid, entry.username)


def digits_of(number: str) -> str:
    """Numbers are compared without their plus sign, which trunks leave out at will."""
    return number.removeprefix("+")


def is_plain_identity(name: str) -> bool:
    """Whether it may be the name of a SIP login: it must not be mistaken for one of an account."""
    return identity_in(name) == name


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _main(configuration: Configuration, since: datetime) -> Account:
    account = configuration.account
    return Account(
        sid=account.sid,
        owner_sid=account.sid,
        friendly_name=account.friendly_name,
        auth_token=account.auth_token.get_secret_value(),
        allowed_prefixes=account.allowed_prefixes,
        date_created=since,
        date_updated=since,
        is_configured=True,
    )


def _configured(configuration: Configuration, since: datetime) -> Iterable[Entry]:
    account_sid = configuration.account.sid

    def derived(prefix: str, name: str) -> str:
        """A sid that is the same at every start."""
        return prefix + hashlib.blake2s(f"{account_sid} {prefix} {name}".encode(), digest_size=16).hexdigest()

    for key in configuration.api_keys:
        yield Key(
            sid=key.sid,
            account_sid=account_sid,
            friendly_name="configuration file",
            secret=key.secret.get_secret_value(),
            date_created=since,
            date_updated=since,
            is_configured=True,
        )
    for application in configuration.applications:
        yield Application(
            **application.model_dump(),
            account_sid=account_sid,
            date_created=since,
            date_updated=since,
            is_configured=True,
        )
    for number in configuration.numbers:
        yield PhoneNumber(
            **number.model_dump(),
            sid=derived("PN", number.phone_number),
            friendly_name=number.phone_number,
            account_sid=account_sid,
            date_created=since,
            date_updated=since,
            is_configured=True,
        )
    if configuration.clients:
        list_sid = derived("CL", "clients")
        yield CredentialList(
            sid=list_sid,
            account_sid=account_sid,
            friendly_name="configuration file",
            date_created=since,
            date_updated=since,
            is_configured=True,
        )
        for client in configuration.clients:
            yield Credential(
                sid=derived("CR", client.identity),
                account_sid=account_sid,
                list_sid=list_sid,
                username=client.identity,
                password=client.password.get_secret_value(),
                date_created=since,
                date_updated=since,
                is_configured=True,
            )
