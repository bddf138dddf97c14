"""API keys: they log in to their account and sign access tokens. The secret is shown once, when the key is made.

Source: rest-api.md 7 of the specification; Twilio Key and SigningKey resources, which are one thing here.
"""

import secrets
from dataclasses import replace
from typing import Any

from gateway.accounts.entries import Key
from gateway.parameters import rfc2822
from gateway.rest.dispatch import Ask, Reply, Resource
from gateway.rest.owned import MAX_NAME, OwnedApi, changeable, check_owner, check_room, listing, own
from gateway.sids import new_sid


class KeysApi(OwnedApi):
    def resources(self) -> list[Resource]:
        one = {"GET": self._fetch, "POST": self._update, "DELETE": self._delete}
        return [
            Resource("Keys", {"GET": self._list, "POST": self._create}),
            Resource("Keys/{sid}", one),
            Resource("SigningKeys", {"GET": self._list_signing, "POST": self._create}),
            Resource("SigningKeys/{sid}", one),
        ]

    async def _list(self, ask: Ask) -> Reply:
        check_owner(ask)
        return listing(ask, "keys", self._directory.all(Key, ask.account_sid), key_resource)

    async def _list_signing(self, ask: Ask) -> Reply:
        check_owner(ask)
        return listing(ask, "signing_keys", self._directory.all(Key, ask.account_sid), key_resource)

    async def _create(self, ask: Ask) -> Reply:
        check_owner(ask)
        check_room(self._directory, Key, ask)
        now = self._now()
        key = Key(
            sid=new_sid("SK"),
            account_sid=ask.account_sid,
            friendly_name=ask.form.text("FriendlyName", longest=MAX_NAME) or "",
            secret=secrets.token_urlsafe(24),
            date_created=now,
            date_updated=now,
        )
        await self._ledger.put(key)
        return Reply(resource={**key_resource(key), "secret": key.secret}, name="Key", status=201)

    async def _fetch(self, ask: Ask) -> Reply:
        check_owner(ask)
        return _reply(own(self._directory, Key, ask, ask.parts["sid"]))

    async def _update(self, ask: Ask) -> Reply:
        check_owner(ask)
        key = changeable(own(self._directory, Key, ask, ask.parts["sid"]))
        name = ask.form.text("FriendlyName", longest=MAX_NAME) or ""
        changed = replace(key, friendly_name=name, date_updated=self._now())
        await self._ledger.put(changed)
        return _reply(changed)

    async def _delete(self, ask: Ask) -> Reply:
        check_owner(ask)
        await self._ledger.remove(changeable(own(self._directory, Key, ask, ask.parts["sid"])))
        return Reply()


def _reply(key: Key) -> Reply:
    return Reply(resource=key_resource(key), name="Key")


def key_resource(key: Key) -> dict[str, Any]:
    return {
        "sid": key.sid,
        "friendly_name": key.friendly_name,
        "date_created": rfc2822(key.date_created),
        "date_updated": rfc2822(key.date_updated),
    }
