"""Messages between a client and its application, as resources below the client's call.

Source: rest-api.md 4 of the specification (subresource_uris); Twilio UserDefinedMessage and
UserDefinedMessageSubscription resources.
"""

import json
from typing import Any, Final

from gateway.call_messages import Conversation, Conversations, Sent, Subscription, TooManySubscriptions
from gateway.parameters import rfc2822
from gateway.rest.call_form import BAD_CALLBACK, BAD_METHOD
from gateway.rest.calls import WRONG_STATE
from gateway.rest.dispatch import ROOT, Ask, Reply, Resource
from gateway.rest.errors import RestError, not_found
from gateway.rest.form import INVALID_PARAMETER, bad_parameter
from gateway.rest.live import LiveParties
from gateway.rest.owned import CONFLICT
from gateway.services import Services
from signaling.call_message import MAX_CONTENT, MAX_DEPTH, Messaging, is_small

TOO_MANY: Final = 20429
MAX_KEY: Final = 255


class MessagesApi:
    def __init__(self, *, parties: LiveParties, services: Services) -> None:
        self._parties = parties
        self._services = services
        self._conversations = Conversations()

    def resources(self) -> list[Resource]:
        return [
            Resource("Calls/{call_sid}/UserDefinedMessages", {"POST": self._send}),
            Resource("Calls/{call_sid}/UserDefinedMessageSubscriptions", {"POST": self._subscribe}),
            Resource(
                "Calls/{call_sid}/UserDefinedMessageSubscriptions/{subscription_sid}", {"DELETE": self._unsubscribe}
            ),
        ]

    async def _send(self, ask: Ask) -> Reply:
        leg, conversation = await self._conversation(ask)
        key = ask.form.text("IdempotencyKey", longest=MAX_KEY)
        content = content_of(ask.form.required("Content", code=INVALID_PARAMETER))
        sent = conversation.kept(key) or conversation.send(leg, content, key=key)
        if sent is None:
            raise RestError(409, CONFLICT, "The device of the call cannot be reached at the moment")
        if not isinstance(sent, Sent):
            raise _key_in_use()
        return Reply(resource=_shown_message(ask, sent), name="UserDefinedMessage", status=201)

    async def _subscribe(self, ask: Ask) -> Reply:
        _, conversation = await self._conversation(ask)
        key = ask.form.text("IdempotencyKey", longest=MAX_KEY)
        url = ask.form.url("Callback", code=BAD_CALLBACK, callback=True)
        method = ask.form.method("Method", code=BAD_METHOD)
        if url is None:
            raise bad_parameter(BAD_CALLBACK, "Callback is required")
        try:
            made = conversation.kept(key) or conversation.subscribe(url=url, method=method, key=key)
        except TooManySubscriptions as error:
            raise RestError(429, TOO_MANY, str(error)) from None
        if not isinstance(made, Subscription):
            raise _key_in_use()
        return Reply(resource=_shown_subscription(ask, made), name="UserDefinedMessageSubscription", status=201)

    async def _unsubscribe(self, ask: Ask) -> Reply:
        party = await self._parties.party(ask)
        if party is None or not isinstance(party.leg, Messaging):
            raise not_found(ask.path)
        conversation = self._conversations.of(party.leg, self._services, party.facts)
        if not conversation.unsubscribe(ask.parts["subscription_sid"]):
            raise not_found(ask.path)
        return Reply()

    async def _conversation(self, ask: Ask) -> tuple[Messaging, Conversation]:
        party = await self._parties.party(ask)
        if party is None or not isinstance(party.leg, Messaging):
            raise bad_parameter(WRONG_STATE, "Expected a call in progress with a Voice SDK client")
        return party.leg, self._conversations.of(party.leg, self._services, party.facts)


def content_of(text: str) -> Any:
    """The JSON value of a message. Raises RestError."""
    try:
        content = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise bad_parameter(INVALID_PARAMETER, "Content: expected JSON") from None
    if not is_small(content):
        raise bad_parameter(
            INVALID_PARAMETER, f"Content: expected at most {MAX_CONTENT} bytes and {MAX_DEPTH} levels of JSON"
        )
    return content


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _key_in_use() -> RestError:
    return RestError(409, CONFLICT, "The IdempotencyKey was used for something else")


def _shown_message(ask: Ask, sent: Sent) -> dict[str, Any]:
    return {
        "account_sid": ask.account_sid,
        "call_sid": ask.parts["call_sid"],
        "sid": sent.sid,
        "date_created": rfc2822(sent.created_at),
    }


def _shown_subscription(ask: Ask, made: Subscription) -> dict[str, Any]:
    call_sid = ask.parts["call_sid"]
    path = f"Calls/{call_sid}/UserDefinedMessageSubscriptions/{made.sid}"
    return {
        "account_sid": ask.account_sid,
        "call_sid": call_sid,
        "sid": made.sid,
        "date_created": rfc2822(made.created_at),
        "uri": f"{ROOT}/Accounts/{ask.account_sid}/{path}.json",
    }
