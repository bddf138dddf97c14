"""What the nouns of a <Dial> stand for: whom to dial, as whom, for how long, and who is told of it.

Decides the ways to each party and which of them cannot be dialled at all. How a noun fares then is
gateway/verbs/attempt.py.
Source: Twilio <Number>, <Client>, <Sip>, <Sim>, <WhatsApp>; Twilio <Dial>, timeout and callerId.
"""

import random
from dataclasses import dataclass, field
from typing import TypedDict, assert_never

from gateway import caller_id
from gateway.caller_id import CallerIdRefused
from gateway.codec_choice import sip_target
from gateway.scripted import ScriptedCall
from gateway.telling import Telling
from gateway.twiml import TwimlError, resolve_url
from gateway.twiml.model import Client, Dial, Number, Sim, Sip, SipUri, StatusCallback, WhatsApp
from gateway.verbs.machine_detection import DetectionOrder, detection_order
from gateway.verbs.outcome import Fetch
from gateway.verbs.screening import Screening
from signaling.location import ClientTarget, NumberTarget, SipTarget, Target
from signaling.weight import by_weight

# Twilio always adds this to the timeout that was asked for. Source: Twilio <Dial>, timeout.
TIMEOUT_EXTRA_S = 5
CLIENT_TIMEOUT_S = 60
NOT_PERMITTED = 13227
UNSUPPORTED_NOUN = 13215

Dialled = Number | Client | Sip | Sim | WhatsApp

_chance = random.SystemRandom()


@dataclass(frozen=True)
class Impossible:
    """Why a noun cannot be dialled. code: Twilio's."""

    code: int
    message: str
    level: str = "error"


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to a party. headers: of the INVITE."""

    target: Target
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Order:
    """A noun made ready. ways: the second and later ones are for when the one before cannot be reached.

    callee: the address as applications see it. timeout_s: of ringing. notification: URL to be told that it starts.
    detection: whether a machine answers, told while the call goes on.
    """

    noun: Dialled
    callee: str
    shown: str | CallerIdRefused
    timeout_s: float
    ways: tuple[Way, ...] = ()
    impossible: Impossible | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    telling: Telling = Telling()
    notification: str | None = None
    screening: Screening = Screening()
    detection: DetectionOrder | None = None


def order_for(call: ScriptedCall, verb: Dial, noun: Dialled, base_url: str | None) -> Order:
    """Raises TwimlError for a whisper URL that cannot be requested: an error of the document that holds it."""
    timeout_s = verb.timeout_s + TIMEOUT_EXTRA_S
    match noun:
        case Client(identity=identity):
            return Order(
                noun=noun,
                callee=f"client:{identity}",
                shown=caller_id.for_client(verb.caller_id, call.facts),
                timeout_s=min(verb.timeout_s, CLIENT_TIMEOUT_S) + TIMEOUT_EXTRA_S,
                ways=(Way(target=ClientTarget(identity), headers=dict(noun.headers)),),
                parameters=dict(noun.parameters),
                telling=telling_for(call, noun.status, base_url),
                notification=_notification(call, noun, base_url),
                screening=Screening(whisper=_whisper(noun, base_url)),
            )
        case Number(number=number):
            may_call = call.services.router.may_call(number, account_sid=call.facts.account_sid)
            return Order(
                noun=noun,
                callee=number,
                shown=caller_id.for_number(verb.caller_id, call.facts, call.services.router),
                timeout_s=timeout_s,
                ways=(Way(target=NumberTarget(number), headers=dict(noun.headers)),) if may_call else (),
                impossible=None if may_call else Impossible(NOT_PERMITTED, f"the account may not call {number}"),
                telling=telling_for(call, noun.status, base_url),
                **_once_answered(call, noun, base_url),
            )
        case Sip(uri=uri):
            return Order(
                noun=noun,
                callee=uri,
                shown=caller_id.for_sip(verb.caller_id, call.facts),
                timeout_s=timeout_s,
                ways=tuple(_sip_ways(noun, _chance, call.services.configuration.sip.domain)),
                telling=telling_for(call, noun.status, base_url),
                **_once_answered(call, noun, base_url),
            )
        case Sim(sim_sid=sid):
            configuration = call.services.configuration
            # The cards of the configuration file are the main account's.
            sims = configuration.sims if call.facts.account_sid == configuration.account.sid else ()
            card = next((sim.uri for sim in sims if sim.sid == sid), None)
            unknown = Impossible(UNSUPPORTED_NOUN, f"<Sim>: no [[sims]] has {sid[:40]!r}")
            return Order(
                noun=noun,
                callee=f"sim:{sid}",
                shown=caller_id.for_sip(verb.caller_id, call.facts),
                timeout_s=timeout_s,
                ways=() if card is None else (Way(target=SipTarget(uri=card, is_configured=True)),),
                impossible=unknown if card is None else None,
            )
        case WhatsApp(number=number):
            return Order(
                noun=noun,
                callee=f"whatsapp:{number}",
                shown=verb.caller_id or call.facts.caller,
                timeout_s=timeout_s,
                impossible=Impossible(UNSUPPORTED_NOUN, "<WhatsApp> cannot be dialled from here", level="warning"),
                telling=telling_for(call, noun.status, base_url),
            )
        case _:
            assert_never(noun)


def _sip_ways(noun: Sip, chance: random.Random, domain: str) -> list[Way]:
    """The element's own URI, then its <Uri> children by priority and weight. Headers of the noun go to all of them."""
    first = noun.uris[0]
    is_own = first.position == noun.position
    own, children = noun.uris[:is_own], noun.uris[is_own:]
    # The noun's headers are those of its first URI and then its own.
    common = dict(noun.headers[len(first.headers) :])
    return [_sip_way(uri, common, domain) for uri in (*own, *by_weight(children, chance))]


def _sip_way(uri: SipUri, common: dict[str, str], domain: str) -> Way:
    headers = dict(uri.headers) | common
    return Way(target=sip_target(uri, headers, domain), headers=headers)


class _OnceAnswered(TypedDict):
    screening: Screening
    detection: DetectionOrder | None


def _once_answered(call: ScriptedCall, noun: Number | Sip, base_url: str | None) -> _OnceAnswered:
    detection = detection_order(call, noun.machine_detection, base_url)
    is_awaited = detection is not None and detection.callback_url is None
    return {
        "screening": Screening(
            send_digits=noun.send_digits if isinstance(noun, Number) else None,
            detection=detection if is_awaited else None,
            whisper=_whisper(noun, base_url),
        ),
        "detection": None if is_awaited else detection,
    }


def _whisper(noun: Number | Client | Sip, base_url: str | None) -> Fetch | None:
    return None if noun.url is None else Fetch(url=resolve_url(base_url, noun.url), method=noun.method.value)


def telling_for(call: ScriptedCall, status: StatusCallback | None, base_url: str | None) -> Telling:
    """Who is told of a noun's call; a bad URL is told and means nobody."""
    if status is None or not status.url:
        return Telling()
    try:
        url = resolve_url(base_url, status.url, callback=True)
    except TwimlError as error:
        call.timeline.warn(error.code, f"statusCallback: {error.message}")
        return Telling()
    return Telling(url=url, method=status.method.value, events=frozenset(event.value for event in status.events))


def _notification(call: ScriptedCall, noun: Client, base_url: str | None) -> str | None:
    if noun.client_notification_url is None:
        return None
    try:
        return resolve_url(base_url, noun.client_notification_url, callback=True)
    except TwimlError as error:
        call.timeline.warn(13806, f"clientNotificationUrl: {error.message}", level="error")
        return None
