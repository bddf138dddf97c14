"""Messages between a client and its application during a call, over REST."""

import asyncio
import gc
import json
import weakref
from typing import Any

import pytest
from twilio.base.exceptions import TwilioRestException

from gateway.call_messages import MOST_KEYS, MOST_SUBSCRIPTIONS
from gateway.rest.errors import RestError
from gateway.rest.messages import content_of
from gateway.store.records import OwedCallback
from signaling.call_message import CallMessage
from tests.gateway.peers import ACCOUNT_SID, PeerLeg
from tests.gateway.rest.desk import Desk, asked
from tests.gateway.rest.serving import client_of
from tests.gateway.rooms.house import Caller, settle

STAY = "<Gather timeout='60'/>"
OTHER = "AC" + "9" * 32
TOLD = "http://app.example.com/told"


class PeerDevice(PeerLeg):
    """A client's leg: what it was told, and that it can be reached."""

    def __init__(self, name: str, **more: Any) -> None:
        super().__init__(name, **more)
        self.on_message: Any = None
        self.messages: list[CallMessage] = []
        self.is_reachable = True

    def send_message(self, message: CallMessage) -> bool:
        if self.is_reachable:
            self.messages.append(message)
        return self.is_reachable

    def says(self, content: object, sid: str = "") -> None:
        if self.on_message is not None:
            self.on_message(CallMessage(content=content, sid=sid))


class ClientDesk(Desk):
    """Everybody comes with a Voice SDK."""

    def __init__(self, documents: Any = None, **more: Any) -> None:
        super().__init__(documents, **more)
        self.leg_type = PeerDevice

    async def subscribe(self, call_sid: str, **more: str) -> Any:
        return await self.ask("POST", f"Calls/{call_sid}/UserDefinedMessageSubscriptions", {"Callback": TOLD, **more})


def device(caller: Caller) -> PeerDevice:
    assert isinstance(caller.leg, PeerDevice)
    return caller.leg


def test_message_reaches_the_client_under_the_sid_of_its_resource() -> None:
    async def story(desk: ClientDesk) -> None:
        ann = await desk.call("ann", STAY)
        sent = await desk.ask("POST", f"Calls/{ann.sid}/UserDefinedMessages", {"Content": '{"key": "välue"}'})
        (message,) = device(ann).messages
        assert (message.content, message.sid) == ({"key": "välue"}, sent["sid"])
        assert (message.content_type, message.message_type) == ("application/json", "user-defined-message")
        assert sent["sid"].startswith("KX") and sent["call_sid"] == ann.sid

    asked(ClientDesk(), story)


def test_message_to_a_dialled_client_goes_to_its_call_and_not_to_its_callers() -> None:
    async def story(desk: ClientDesk) -> None:
        ann = await desk.call("ann", "<Dial><Client>bob</Client></Dial>")
        bob = await desk.rung(0)
        assert bob.request is not None and isinstance(bob, PeerDevice)
        path = f"Calls/{bob.request.call_sid}/UserDefinedMessages"
        assert await desk.refusal("POST", path, {"Content": "1"}) == (400, 21220)
        bob.picks_up()
        await settle()
        await desk.ask("POST", path, {"Content": "1"})
        await desk.ask("POST", f"Calls/{ann.sid}/UserDefinedMessages", {"Content": "2"})
        assert [message.content for message in bob.messages] == [1]
        assert [message.content for message in device(ann).messages] == [2]
        await desk.subscribe(bob.request.call_sid)
        bob.says("hello")
        device(ann).says("not told")
        (told,) = desk.told("/told")
        assert (told["CallSid"], told["Content"]) == (bob.request.call_sid, '"hello"')
        bob.hangs_up()
        await settle()
        assert await desk.refusal("POST", path, {"Content": "1"}) == (400, 21220)

    asked(ClientDesk(), story)


def test_what_the_client_says_is_told_to_every_subscriber_until_it_unsubscribes() -> None:
    async def story(desk: ClientDesk) -> None:
        ann = await desk.call("ann", STAY)
        device(ann).says("nobody hears this")
        first = await desk.subscribe(ann.sid)
        second = await desk.subscribe(ann.sid, Callback="http://app.example.com/also", Method="GET")
        assert first["sid"].startswith("ZY") and first["uri"].endswith(f"Subscriptions/{first['sid']}.json")
        device(ann).says({"a": [1, "\ud800"]}, sid="KX" + "1" * 32)
        path = f"Calls/{ann.sid}/UserDefinedMessageSubscriptions/{first['sid']}"
        assert await desk.ask("DELETE", path) is None
        assert await desk.refusal("DELETE", path) == (404, 20404)
        device(ann).says(2)
        (told,) = desk.told("/told")
        assert told == {
            "AccountSid": ACCOUNT_SID,
            "CallSid": ann.sid,
            "Sid": "KX" + "1" * 32,
            "Content": '{"a":[1,"?"]}',
            "ContentType": "application/json",
            "SequenceNumber": "1",
            "Timestamp": told["Timestamp"],
        }
        assert told["Timestamp"].endswith(" +0000")
        assert [(also["Content"], also["SequenceNumber"]) for also in desk.told("/also")] == [
            (told["Content"], "1"),
            ("2", "2"),
        ]
        owed = [each for each in desk.written if isinstance(each, OwedCallback) and each.is_user_message]
        assert {(each.method, each.order_key.partition(" ")[0]) for each in owed} == {
            ("POST", first["sid"]),
            ("GET", second["sid"]),
        }

    asked(ClientDesk(), story)


def test_idempotency_key_makes_one_of_a_thing_however_often_it_is_asked_for() -> None:
    async def story(desk: ClientDesk) -> None:
        ann = await desk.call("ann", STAY)
        path = f"Calls/{ann.sid}/UserDefinedMessages"
        sent = [await desk.ask("POST", path, {"Content": "1", "IdempotencyKey": "k"}) for _ in range(3)]
        assert len({each["sid"] for each in sent}) == 1 and len(device(ann).messages) == 1
        made = [await desk.subscribe(ann.sid, IdempotencyKey="s") for _ in range(3)]
        assert len({each["sid"] for each in made}) == 1
        assert await desk.refusal("POST", path, {"Content": "1", "IdempotencyKey": "s"}) == (409, 20409)
        # Deleted, it is made anew.
        await desk.ask("DELETE", f"Calls/{ann.sid}/UserDefinedMessageSubscriptions/{made[0]['sid']}")
        assert (await desk.subscribe(ann.sid, IdempotencyKey="s"))["sid"] != made[0]["sid"]

    asked(ClientDesk(), story)


def test_keys_that_are_remembered_are_bounded() -> None:
    async def story(desk: ClientDesk) -> None:
        ann = await desk.call("ann", STAY)
        path = f"Calls/{ann.sid}/UserDefinedMessages"
        for number in range(MOST_KEYS + 1):
            await desk.ask("POST", path, {"Content": "1", "IdempotencyKey": str(number)})
        before = len(device(ann).messages)
        await desk.ask("POST", path, {"Content": "1", "IdempotencyKey": str(MOST_KEYS)})
        assert len(device(ann).messages) == before
        await desk.ask("POST", path, {"Content": "1", "IdempotencyKey": "0"})
        assert len(device(ann).messages) == before + 1

    asked(ClientDesk(), story)


def test_more_subscriptions_than_a_call_may_have_are_refused() -> None:
    async def story(desk: ClientDesk) -> None:
        ann = await desk.call("ann", STAY)
        for _ in range(MOST_SUBSCRIPTIONS):
            await desk.subscribe(ann.sid)
        path = f"Calls/{ann.sid}/UserDefinedMessageSubscriptions"
        assert await desk.refusal("POST", path, {"Callback": TOLD}) == (429, 20429)

    asked(ClientDesk(), story)


def test_client_that_cannot_be_reached_is_told_nothing_and_its_application_so() -> None:
    async def story(desk: ClientDesk) -> None:
        ann = await desk.call("ann", STAY)
        device(ann).is_reachable = False
        path, form = f"Calls/{ann.sid}/UserDefinedMessages", {"Content": "1", "IdempotencyKey": "k"}
        assert await desk.refusal("POST", path, form) == (409, 20409)
        device(ann).is_reachable = True
        await desk.ask("POST", path, form)
        assert len(device(ann).messages) == 1

    asked(ClientDesk(), story)


def test_phone_has_no_messages() -> None:
    async def story(desk: Desk) -> None:
        alice = await desk.call("alice", STAY)
        path = f"Calls/{alice.sid}/UserDefinedMessage"
        assert await desk.refusal("POST", f"{path}s", {"Content": "1"}) == (400, 21220)
        assert await desk.refusal("POST", f"{path}Subscriptions", {"Callback": TOLD}) == (400, 21220)
        assert await desk.refusal("DELETE", f"{path}Subscriptions/ZY{'0' * 32}") == (404, 20404)

    asked(Desk(), story)


def test_messages_of_another_accounts_call_are_not_there() -> None:
    async def story(desk: ClientDesk) -> None:
        ann = await desk.call("ann", STAY)
        made = await desk.subscribe(ann.sid)
        path = f"Calls/{ann.sid}/UserDefinedMessage"
        for method, asked_path, form in (
            ("POST", f"{path}s", {"Content": "1"}),
            ("POST", f"{path}Subscriptions", {"Callback": TOLD}),
            ("DELETE", f"{path}Subscriptions/{made['sid']}", {}),
        ):
            assert await desk.refusal(method, asked_path, form, account_sid=OTHER) == (404, 20404)
        bob = await desk.call("bob", STAY)
        other = f"Calls/{bob.sid}/UserDefinedMessageSubscriptions/{made['sid']}"
        assert await desk.refusal("DELETE", other) == (404, 20404)
        device(ann).says(1)
        assert len(desk.told("/told")) == 1 and device(ann).messages == []

    asked(ClientDesk(), story)


@pytest.mark.parametrize(
    "text",
    ["", "{", "nonsense", "NaN", "1e999", "[" * 200_0, "[" * 33 + "]" * 33, json.dumps("x" * 11_000), "9" * 5000],
    ids=lambda text: text[:10],
)
def test_content_that_is_no_message_is_refused(text: str) -> None:
    with pytest.raises(RestError) as refused:
        content_of(text)
    assert (refused.value.status, refused.value.code) == (400, 20001)


def test_bad_subscription_is_refused() -> None:
    async def story(desk: ClientDesk) -> None:
        ann = await desk.call("ann", STAY)
        path = f"Calls/{ann.sid}/UserDefinedMessageSubscriptions"
        assert await desk.refusal("POST", path, {}) == (400, 21502)
        assert await desk.refusal("POST", path, {"Callback": "/told"}) == (400, 21502)
        assert await desk.refusal("POST", path, {"Callback": "http://a_b.example.com/"}) == (400, 21502)
        assert await desk.refusal("POST", path, {"Callback": TOLD, "Method": "PUT"}) == (400, 21209)
        assert await desk.refusal("POST", path, {"Callback": TOLD, "IdempotencyKey": "k" * 256}) == (400, 20001)
        assert await desk.refusal("POST", f"Calls/{ann.sid}/UserDefinedMessages", {}) == (400, 20001)

    asked(ClientDesk(), story)


async def test_messages_as_the_official_client_sends_and_subscribes_to_them() -> None:
    desk = ClientDesk()
    desk.open()
    ann = await desk.call("ann", STAY)
    leg = device(ann)
    async with client_of(ACCOUNT_SID, desk.resources) as client:
        call = client.calls(ann.sid)
        sent = await asyncio.to_thread(call.user_defined_messages.create, json.dumps({"message": "ahoy"}))
        assert (leg.messages[0].content, leg.messages[0].sid) == ({"message": "ahoy"}, sent.sid)
        assert sent.date_created is not None and sent.call_sid == ann.sid
        subscriptions = call.user_defined_message_subscriptions
        made = await asyncio.to_thread(subscriptions.create, TOLD, idempotency_key="1", method="POST")
        assert made.date_created is not None and made.account_sid == ACCOUNT_SID
        leg.says({"hello": "world"}, sid="KX1")
        assert [(told["Sid"], told["Content"]) for told in desk.told("/told")] == [("KX1", '{"hello":"world"}')]
        assert await asyncio.to_thread(made.delete)
        with pytest.raises(TwilioRestException) as gone:
            await asyncio.to_thread(made.delete)
        assert gone.value.status == 404
        await ann.hangs_up()
        with pytest.raises(TwilioRestException) as over:
            await asyncio.to_thread(call.user_defined_messages.create, "1")
        assert (over.value.status, over.value.code) == (400, 21220)
    # Nothing is left of a conversation once its leg is gone.
    seen = weakref.ref(leg)
    desk.callers.clear()
    del ann, leg, call, subscriptions
    gc.collect()
    assert seen() is None
