"""Nothing of another account is ever visible: every route of the REST API, asked for what is somebody else's.

The walk is over the daemon's own table, so that a resource that is added is walked as well.
"""

import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from gateway.app import Gateway
from gateway.config import Configuration
from gateway.demo.daemon import Secrets, loopback_configuration
from gateway.rest.call_events import NOTIFICATION, line_sid
from gateway.rest.dispatch import Resource
from gateway.rest.sip_domains import domain_sid
from gateway.sids import new_sid
from gateway.store import Store
from gateway.store.records import ConferenceRecord, ConfiguredRecord, EventRecord, QueueRecord
from tests.gateway.rest.test_recordings import basic
from tests.gateway.store.records import START, call, recording

pytestmark = pytest.mark.wire

PARAMETER = re.compile(r"\{(\w+)\}")
METHODS = ("GET", "POST", "DELETE")


@dataclass
class House:
    """owners: what the first account has, by the name of the parameter that stands for its sid."""

    base: str
    resources: tuple[Resource, ...]
    first: tuple[str, str]
    second: tuple[str, str]
    owners: dict[str, str]

    async def ask(self, method: str, path: str, who: tuple[str, str], **form: str) -> tuple[int, Any]:
        headers = {"Authorization": basic(*who)}
        async with aiohttp.ClientSession(headers=headers) as session:
            async with session.request(method, f"{self.base}/2010-04-01/{path}", data=form or None) as answer:
                return answer.status, await answer.json() if answer.content_type == "application/json" else None

    async def own(self, path: str, **form: str) -> Any:
        status, made = await self.ask("POST", f"Accounts/{self.first[0]}/{path}.json", self.first, **form)
        assert status == 201, made
        return made

    def paths(self) -> Iterator[tuple[Resource, str]]:
        for resource in self.resources:
            if not resource.is_top:
                yield resource, PARAMETER.sub(lambda found: self.owners[found[1]], resource.path)


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    secrets = Secrets()
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", 0))
    settings = loopback_configuration(
        directory=tmp_path, secrets_=secrets, voice_url="", clients={"alice": "wonderland"}, capacity=8
    )
    # Calls to numbers ring for as long as they like: nobody ever answers there.
    settings["trunks"] = [{"name": "silent", "uri": f"sip:127.0.0.1:{silent.getsockname()[1]}"}]
    first = (secrets.account_sid, secrets.auth_token)
    owned = await _records(settings["storage"]["url"], first[0])
    async with AsyncExitStack() as stack:
        stack.callback(silent.close)
        gateway = Gateway(Configuration.model_validate(settings))
        stack.push_async_callback(gateway.stop)
        await gateway.start()
        house = House(gateway.http_url, tuple(gateway.rest_resources), first, ("", ""), owned)
        status, sub = await house.ask("POST", "Accounts.json", first, FriendlyName="second")
        assert status == 201
        house.second = (sub["sid"], sub["auth_token"])
        house.owners["sid"] = (await house.own("Keys"))["sid"]
        house.owners["application_sid"] = (await house.own("Applications", VoiceUrl="http://app.example.com/"))["sid"]
        house.owners["number_sid"] = (await house.own("IncomingPhoneNumbers", PhoneNumber="+15550100"))["sid"]
        house.owners["domain_sid"] = domain_sid(first[0])
        logins = await house.own("SIP/CredentialLists", FriendlyName="phones")
        house.owners["list_sid"] = logins["sid"]
        login = {"Username": "carol", "Password": "Looking-Glass-1865"}
        made = await house.own(f"SIP/CredentialLists/{logins['sid']}/Credentials", **login)
        house.owners["credential_sid"] = made["sid"]
        yield house


async def _records(url: str, account_sid: str) -> dict[str, str]:
    """A finished call, its recording and a warning on it, a conference and a queue of the account."""
    store = await Store.open(url)
    try:
        ended = replace(call("completed"), account_sid=account_sid)
        conference = ConferenceRecord(
            sid=new_sid("CF"),
            account_sid=account_sid,
            friendly_name="room",
            status="completed",
            date_created=START,
            date_updated=START,
        )
        queue = QueueRecord(
            sid=new_sid("QU"),
            account_sid=account_sid,
            friendly_name="support",
            max_size=10,
            date_created=START,
            date_updated=START,
        )
        # Of the call and of the conference, so that both have a recording by this name.
        sound = replace(recording(ended.sid, "completed"), account_sid=account_sid, conference_sid=conference.sid)
        shown = ConfiguredRecord(
            sid=new_sid("PN"),
            account_sid=account_sid,
            kind="caller-id",
            date_created=START,
            date_updated=START,
            details={"phone_number": "+15550177", "friendly_name": "mobile"},
        )
        warning = EventRecord(
            call_sid=ended.sid, account_sid=account_sid, at=START, name="problem", level="warning", code=12200
        )
        await store.write(ended, sound, conference, queue, warning, shown)
        (written,) = await store.events(ended.sid)
    finally:
        await store.close()
    return {
        "call_sid": ended.sid,
        "notification_sid": line_sid(NOTIFICATION, ended.sid, written.position),
        "recording_sid": sound.sid,
        "conference_sid": conference.sid,
        "participant": ended.sid,
        "queue_sid": queue.sid,
        "stream": new_sid("MZ"),
        "caller_id_sid": shown.sid,
        "subscription_sid": new_sid("ZY"),
    }


async def test_no_route_shows_or_changes_what_another_account_has(house: House) -> None:
    first, second = house.first[0], house.second[0]
    seen = 0
    for resource, path in house.paths():
        for method in METHODS:
            # In its owner's account nothing is found, by whatever name.
            status, found = await house.ask(method, f"Accounts/{first}/{path}.json", house.second)
            assert (status, found["code"]) == (404, 20404), f"{method} {path} in another account"
            if method not in resource.methods or (method == "POST" and "{" not in resource.path):
                continue
            seen += 1
            status, found = await house.ask(method, f"Accounts/{second}/{path}.json", house.second)
            if "{" in resource.path:
                # Asked for in one's own account it is not there either.
                assert (status, found["code"]) == (404, 20404), f"{method} {path} in one's own account"
            else:
                (rows,) = [each for each in found.values() if isinstance(each, list)]
                # Every account has a domain from the beginning.
                owners = [second] if path == "SIP/Domains" else []
                assert (status, [row["account_sid"] for row in rows]) == (200, owners), f"the list of {path}"
    assert seen >= 20


async def test_what_goes_on_in_another_account_is_not_there_either(house: House) -> None:
    form = {"To": "+15550101", "From": "+15550100"}
    calling = await house.own("Calls", Twiml="<Response/>", **form)
    invited = await house.own("Conferences/standup/Participants", **form)
    live = {"call_sid": calling["sid"], "conference_sid": invited["conference_sid"], "participant": invited["call_sid"]}
    path = f"Accounts/{house.first[0]}/Conferences/{live['conference_sid']}/Participants/{live['participant']}.json"
    assert (await house.ask("GET", path, house.first))[0] == 200
    house.owners |= live
    for resource, path in house.paths():
        if "{" in resource.path:
            for method in resource.methods:
                status, found = await house.ask(method, f"Accounts/{house.second[0]}/{path}.json", house.second, **form)
                assert (status, found["code"]) == (404, 20404), f"{method} {path}"
    # Another's number is not to be shown; a room of the same name is another room.
    root = f"Accounts/{house.second[0]}"
    status, found = await house.ask("POST", f"{root}/Conferences/standup/Participants.json", house.second, **form)
    assert (status, found["code"]) == (400, 21210)
    form["From"] = "+15550200"
    await house.ask("POST", f"{root}/IncomingPhoneNumbers.json", house.second, PhoneNumber=form["From"])
    status, other = await house.ask("POST", f"{root}/Conferences/standup/Participants.json", house.second, **form)
    assert status == 201 and other["conference_sid"] != live["conference_sid"]


async def test_every_parameter_of_the_walk_is_something_there_is(house: House) -> None:
    """Otherwise a 404 would prove nothing: the owner finds what the other does not."""
    for resource, path in house.paths():
        last = PARAMETER.findall(resource.path)[-1:]
        if "GET" in resource.methods and last not in (["participant"], ["call_sid"]) and resource.path != "SigningKeys":
            status, _ = await house.ask("GET", f"Accounts/{house.first[0]}/{path}.json", house.first)
            assert status == 200, path


async def test_recordings_sound_is_its_accounts(house: House) -> None:
    sid = house.owners["recording_sid"]
    for suffix in ("", ".wav", ".mp3", ".json"):
        for account in (house.first[0], house.second[0]):
            status, found = await house.ask("GET", f"Accounts/{account}/Recordings/{sid}{suffix}", house.second)
            assert (status, found["code"]) == (404, 20404)
    status, _ = await house.ask("DELETE", f"Accounts/{house.second[0]}/Recordings/{sid}.json", house.second)
    assert status == 404
    status, _ = await house.ask("GET", f"Accounts/{house.first[0]}/Recordings/{sid}.json", house.first)
    assert status == 200


async def test_accounts_are_their_owners_alone(house: House) -> None:
    status, _ = await house.ask("GET", f"Accounts/{house.first[0]}.json", house.second)
    assert status == 404
    status, found = await house.ask("GET", "Accounts.json", house.second)
    assert [each["sid"] for each in found["accounts"]] == [house.second[0]]
