"""SIP logins: lists of user names and passwords, which phones of the account register with.

Every list of an account counts for its phones. A user name is the identity that ``<Client>`` rings, so an account has
each once. Source: rest-api.md 3 of the specification; Twilio SIP CredentialList and Credential resources.
"""

from dataclasses import replace
from typing import Any, Final

from gateway.accounts.entries import Credential, CredentialList
from gateway.parameters import rfc2822
from gateway.rest.dispatch import Ask, Reply, Resource
from gateway.rest.errors import RestError, not_found
from gateway.rest.form import INVALID_PARAMETER, Form, bad_parameter
from gateway.rest.owned import CONFLICT, MAX_NAME, OwnedApi, changeable, check_room, listing, own, uri_of
from gateway.sids import new_sid
from gateway.twiml.addresses import BadAddress, check_identity

MAX_USER: Final = 32
LEAST_PASSWORD: Final = 12
MAX_PASSWORD: Final = 255
_LISTS: Final = "SIP/CredentialLists"


class SipCredentialsApi(OwnedApi):
    def resources(self) -> list[Resource]:
        one_list = {"GET": self._fetch_list, "POST": self._update_list, "DELETE": self._delete_list}
        one = {"GET": self._fetch, "POST": self._update, "DELETE": self._delete}
        return [
            Resource(_LISTS, {"GET": self._lists, "POST": self._create_list}),
            Resource(_LISTS + "/{list_sid}", one_list),
            Resource(_LISTS + "/{list_sid}/Credentials", {"GET": self._list, "POST": self._create}),
            Resource(_LISTS + "/{list_sid}/Credentials/{credential_sid}", one),
        ]

    async def _lists(self, ask: Ask) -> Reply:
        found = self._directory.all(CredentialList, ask.account_sid)
        return listing(ask, "credential_lists", found, list_resource)

    async def _create_list(self, ask: Ask) -> Reply:
        name = ask.form.required("FriendlyName", code=INVALID_PARAMETER, longest=MAX_NAME)
        check_room(self._directory, CredentialList, ask)
        now = self._now()
        entry = CredentialList(
            sid=new_sid("CL"), account_sid=ask.account_sid, friendly_name=name, date_created=now, date_updated=now
        )
        await self._ledger.put(entry)
        return _list_reply(entry, status=201)

    async def _fetch_list(self, ask: Ask) -> Reply:
        return _list_reply(self._own_list(ask))

    async def _update_list(self, ask: Ask) -> Reply:
        entry = changeable(self._own_list(ask))
        name = ask.form.required("FriendlyName", code=INVALID_PARAMETER, longest=MAX_NAME)
        changed = replace(entry, friendly_name=name, date_updated=self._now())
        await self._ledger.put(changed)
        return _list_reply(changed)

    async def _delete_list(self, ask: Ask) -> Reply:
        """With all that is in it: its phones do not get in any more."""
        entry = changeable(self._own_list(ask))
        await self._ledger.remove(*self._of(entry), entry)
        return Reply()

    async def _list(self, ask: Ask) -> Reply:
        return listing(ask, "credentials", self._of(self._own_list(ask)), credential_resource)

    async def _create(self, ask: Ask) -> Reply:
        entry = changeable(self._own_list(ask))
        username = _username(ask.form)
        password = _password(ask.form)
        check_room(self._directory, Credential, ask)
        if self._directory.has_login(ask.account_sid, username):
            raise RestError(409, CONFLICT, f"Username: the account has a login {username!r} already")
        now = self._now()
        credential = Credential(
            sid=new_sid("CR"),
            account_sid=ask.account_sid,
            list_sid=entry.sid,
            username=username,
            password=password,
            date_created=now,
            date_updated=now,
        )
        await self._ledger.put(credential)
        return _reply(credential, status=201)

    async def _fetch(self, ask: Ask) -> Reply:
        return _reply(self._own(ask))

    async def _update(self, ask: Ask) -> Reply:
        credential = changeable(self._own(ask))
        if ask.form.has("Password"):
            credential = replace(credential, password=_password(ask.form), date_updated=self._now())
            await self._ledger.put(credential)
        return _reply(credential)

    async def _delete(self, ask: Ask) -> Reply:
        await self._ledger.remove(changeable(self._own(ask)))
        return Reply()

    def _own_list(self, ask: Ask) -> CredentialList:
        return own(self._directory, CredentialList, ask, ask.parts["list_sid"])

    def _own(self, ask: Ask) -> Credential:
        found = own(self._directory, Credential, ask, ask.parts["credential_sid"])
        if found.list_sid != self._own_list(ask).sid:
            raise not_found(ask.path)
        return found

    def _of(self, entry: CredentialList) -> list[Credential]:
        found = self._directory.all(Credential, entry.account_sid)
        return [each for each in found if each.list_sid == entry.sid]


def _username(form: Form) -> str:
    name = form.required("Username", code=INVALID_PARAMETER, longest=MAX_USER)
    try:
        check_identity(name)
    except BadAddress as error:
        raise bad_parameter(INVALID_PARAMETER, f"Username: {error} expected, found {name!r}") from None
    # What a phone writes before the @ of its own address.
    if not all(each.isascii() and (each.isalnum() or each in "-_.+~!*'()&=$,;?/") for each in name):
        raise bad_parameter(INVALID_PARAMETER, f"Username: expected characters of a SIP user, found {name!r}")
    return name


def _password(form: Form) -> str:
    """Raises RestError without showing it. Source: Twilio Credential resource, Password (strength)."""
    found = form.required("Password", code=INVALID_PARAMETER, longest=MAX_PASSWORD)
    is_mixed = any(map(str.isdigit, found)) and any(map(str.isupper, found)) and any(map(str.islower, found))
    if len(found) < LEAST_PASSWORD or not is_mixed:
        message = (
            f"Password: expected {LEAST_PASSWORD} characters or more with a digit, an upper and a lower case letter"
        )
        raise bad_parameter(INVALID_PARAMETER, message)
    return found


def _list_reply(entry: CredentialList, *, status: int = 200) -> Reply:
    return Reply(resource=list_resource(entry), name="CredentialList", status=status)


def _reply(credential: Credential, *, status: int = 200) -> Reply:
    return Reply(resource=credential_resource(credential), name="Credential", status=status)


def list_resource(entry: CredentialList) -> dict[str, Any]:
    uri = uri_of(entry.account_sid, f"{_LISTS}/{entry.sid}")
    return {
        "sid": entry.sid,
        "account_sid": entry.account_sid,
        "friendly_name": entry.friendly_name,
        "date_created": rfc2822(entry.date_created),
        "date_updated": rfc2822(entry.date_updated),
        "subresource_uris": {"credentials": f"{uri}/Credentials.json"},
        "uri": f"{uri}.json",
    }


def credential_resource(credential: Credential) -> dict[str, Any]:
    """The password is never shown."""
    return {
        "sid": credential.sid,
        "account_sid": credential.account_sid,
        "credential_list_sid": credential.list_sid,
        "username": credential.username,
        "date_created": rfc2822(credential.date_created),
        "date_updated": rfc2822(credential.date_updated),
        "uri": uri_of(credential.account_sid, f"{_LISTS}/{credential.list_sid}/Credentials/{credential.sid}.json"),
    }
