"""What a client and its application tell each other beside a call's sound.

A Conversation belongs to a leg and is gone with it: who subscribed to what the client says, and what was asked for
before under the same idempotency key. What the client says goes to every subscriber through the outbox, in order.
Source: Twilio Voice SDK call message events; UserDefinedMessage and UserDefinedMessageSubscription resources.
"""

import json
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from weakref import WeakKeyDictionary

from gateway.parameters import CallFacts, Parameters, rfc2822
from gateway.services import Services
from gateway.sids import new_sid
from gateway.store.records import USER_MESSAGE
from gateway.timeline import Timeline
from signaling.call_message import CallMessage, Messaging
from signaling.leg import Leg

MESSAGE: Final = "KX"
SUBSCRIPTION: Final = "ZY"
MOST_SUBSCRIPTIONS: Final = 8
MOST_KEYS: Final = 1000
"""Of one call, the oldest is forgotten."""


class TooManySubscriptions(Exception):
    """The call has as many as it may."""


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """url: absolute, asked for every message."""

    sid: str
    url: str
    method: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A message to the client."""

    sid: str
    created_at: datetime


class Conversation:
    """facts: of the call. Everybody who subscribed is told in the order in which the client spoke."""

    def __init__(self, services: Services, facts: CallFacts, *, leg_id: str) -> None:
        self._services = services
        self._facts = facts
        self._timeline = Timeline(services, facts, leg_id=leg_id)
        self._subscriptions: dict[str, Subscription] = {}
        self._kept: OrderedDict[str, Sent | Subscription] = OrderedDict()
        self._received = 0

    def __len__(self) -> int:
        """How many subscribed."""
        return len(self._subscriptions)

    def kept(self, key: str | None) -> Sent | Subscription | None:
        """What was made for this idempotency key."""
        return None if key is None else self._kept.get(key)

    def send(self, leg: Messaging, content: object, *, key: str | None = None) -> Sent | None:
        """None: the client cannot be reached now. content: a JSON value that is small (signaling/call_message.py)."""
        sent = Sent(sid=new_sid(MESSAGE), created_at=self._services.now())
        if not leg.send_message(CallMessage(content=content, sid=sent.sid)):
            return None
        self._keep(key, sent)
        return sent

    def subscribe(self, *, url: str, method: str, key: str | None = None) -> Subscription:
        """Raises TooManySubscriptions."""
        if len(self._subscriptions) >= MOST_SUBSCRIPTIONS:
            raise TooManySubscriptions(f"expected at most {MOST_SUBSCRIPTIONS} subscriptions to a call's messages")
        made = Subscription(sid=new_sid(SUBSCRIPTION), url=url, method=method, created_at=self._services.now())
        self._subscriptions[made.sid] = made
        self._keep(key, made)
        return made

    def unsubscribe(self, sid: str) -> bool:
        """Whether there was one. What was said before is still told."""
        gone = self._subscriptions.pop(sid, None)
        if gone is None:
            return False
        # Asked for once more under its key it is made anew.
        for key in [key for key, made in self._kept.items() if made is gone]:
            del self._kept[key]
        return True

    def receive(self, message: CallMessage) -> None:
        """The client says something."""
        self._received += 1
        if not self._subscriptions:
            return
        # Half of a surrogate pair is JSON, and no text.
        content = json.dumps(message.content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        told: Parameters = [
            ("AccountSid", self._facts.account_sid),
            ("CallSid", self._facts.sid),
            ("Sid", message.sid or new_sid(MESSAGE)),
            ("Content", content.decode()),
            ("ContentType", message.content_type),
            ("SequenceNumber", str(self._received)),
            ("Timestamp", rfc2822(self._services.now())),
        ]
        self._timeline.note(
            *(
                self._timeline.owe(
                    url=each.url, method=each.method, parameters=told, order_key=f"{each.sid}{USER_MESSAGE}"
                )
                for each in self._subscriptions.values()
            )
        )

    def _keep(self, key: str | None, made: Sent | Subscription) -> None:
        if key is None:
            return
        self._kept[key] = made
        if len(self._kept) > MOST_KEYS:
            self._kept.popitem(last=False)


class Conversations:
    """Those of all legs there are: one that is over is forgotten with its leg."""

    def __init__(self) -> None:
        self._of_leg: WeakKeyDictionary[Leg, Conversation] = WeakKeyDictionary()

    def of(self, leg: Leg, services: Services, facts: CallFacts) -> Conversation:
        """leg: Messaging."""
        found = self._of_leg.get(leg)
        if found is None:
            assert isinstance(leg, Messaging)
            found = self._of_leg[leg] = Conversation(services, facts, leg_id=leg.leg_id)
            leg.on_message = found.receive
        return found
