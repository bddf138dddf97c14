"""TwiML applications: where calls that name one get their documents.

Source: rest-api.md 7 of the specification; Twilio Application resource.
"""

from dataclasses import replace
from typing import Any

from gateway.accounts.entries import Application
from gateway.parameters import API_VERSION, rfc2822
from gateway.rest.dispatch import Ask, Reply, Resource
from gateway.rest.owned import MAX_NAME, OwnedApi, changeable, check_room, listing, own, uri_of
from gateway.rest.voice_urls import NOT_OF_VOICE, voice_changes, voice_fields
from gateway.sids import new_sid


class ApplicationsApi(OwnedApi):
    def resources(self) -> list[Resource]:
        one = {"GET": self._fetch, "POST": self._update, "DELETE": self._delete}
        return [
            Resource("Applications", {"GET": self._list, "POST": self._create}),
            Resource("Applications/{application_sid}", one),
        ]

    async def _list(self, ask: Ask) -> Reply:
        name = ask.form.text("FriendlyName")
        found = self._directory.all(Application, ask.account_sid)
        wanted = [each for each in found if name in (None, each.friendly_name)]
        return listing(ask, "applications", wanted, application_resource)

    async def _create(self, ask: Ask) -> Reply:
        check_room(self._directory, Application, ask)
        now = self._now()
        application = Application(
            sid=new_sid("AP"),
            account_sid=ask.account_sid,
            friendly_name=ask.form.text("FriendlyName", longest=MAX_NAME) or "",
            date_created=now,
            date_updated=now,
        )
        application = replace(application, **voice_changes(ask.form))
        await self._ledger.put(application)
        return _reply(application, status=201)

    async def _fetch(self, ask: Ask) -> Reply:
        return _reply(self._own(ask))

    async def _update(self, ask: Ask) -> Reply:
        application = changeable(self._own(ask))
        name = ask.form.text("FriendlyName", longest=MAX_NAME) or application.friendly_name
        changed = replace(application, friendly_name=name, date_updated=self._now(), **voice_changes(ask.form))
        await self._ledger.put(changed)
        return _reply(changed)

    async def _delete(self, ask: Ask) -> Reply:
        await self._ledger.remove(changeable(self._own(ask)))
        return Reply()

    def _own(self, ask: Ask) -> Application:
        return own(self._directory, Application, ask, ask.parts["application_sid"])


def _reply(application: Application, *, status: int = 200) -> Reply:
    return Reply(resource=application_resource(application), name="Application", status=status)


def application_resource(application: Application) -> dict[str, Any]:
    """The Application resource as Twilio's helpers read it."""
    return {
        "sid": application.sid,
        "account_sid": application.account_sid,
        "api_version": API_VERSION,
        "friendly_name": application.friendly_name,
        **voice_fields(application),
        "status_callback": application.status_callback or None,
        "status_callback_method": application.status_callback_method,
        **NOT_OF_VOICE,
        "sms_status_callback": None,
        "message_status_callback": None,
        "public_application_connect_enabled": False,
        "date_created": rfc2822(application.date_created),
        "date_updated": rfc2822(application.date_updated),
        "uri": uri_of(application.account_sid, f"Applications/{application.sid}.json"),
    }
