"""Verbs at the edge of a voice call: Refer, Echo, Sms, Pay and Prompt.

Pure values. Source: Twilio <Refer>, <Pay>, <Prompt>; twilio-python 9.13 for Echo and Sms.
"""

from dataclasses import dataclass
from typing import ClassVar

from gateway.twiml.addresses import Pairs
from gateway.twiml.kinds import BOOL, CALLBACK_URL, METHOD, TEXT, URL, WORD, up_to
from gateway.twiml.model_flow import Pause, Play
from gateway.twiml.model_nouns import Parameter
from gateway.twiml.model_voice import Say
from gateway.twiml.problems import Position
from gateway.twiml.schema import attribute, child, children, text
from gateway.twiml.values import Method


@dataclass(frozen=True, kw_only=True)
class ReferSip:
    """Whom the caller's phone is sent to. headers: those of the URI's query that fit a REFER."""

    tag: ClassVar[str] = "Sip"
    position: Position
    uri: str = text(WORD, default="", code=13243)
    headers: Pairs = ()


@dataclass(frozen=True, kw_only=True)
class Refer:
    tag: ClassVar[str] = "Refer"
    position: Position
    sip: ReferSip = child(ReferSip)
    action: str | None = attribute("action", URL, default=None)
    method: Method = attribute("method", METHOD, default=Method.POST)


@dataclass(frozen=True, kw_only=True)
class Echo:
    """The caller hears itself until it hangs up."""

    tag: ClassVar[str] = "Echo"
    position: Position


@dataclass(frozen=True, kw_only=True)
class Sms:
    tag: ClassVar[str] = "Sms"
    position: Position
    message: str = text(TEXT, default="", code=14103)
    action: str | None = attribute("action", URL, default=None)
    from_: str | None = attribute("from", WORD, default=None)
    method: Method = attribute("method", METHOD, default=Method.POST, code=14104)
    status_callback: str | None = attribute("statusCallback", CALLBACK_URL, default=None, code=14105)
    to: str | None = attribute("to", WORD, default=None)


@dataclass(frozen=True, kw_only=True)
class Prompt:
    tag: ClassVar[str] = "Prompt"
    position: Position
    prompts: tuple[Say | Play | Pause, ...] = children(Say, Play, Pause)
    attempt: str | None = attribute("attempt", WORD, default=None)
    card_type: str | None = attribute("cardType", WORD, default=None)
    error_type: str | None = attribute("errorType", WORD, default=None)
    for_: str | None = attribute("for", WORD, default=None)
    require_matching_inputs: bool = attribute("requireMatchingInputs", BOOL, default=False)


@dataclass(frozen=True, kw_only=True)
class Pay:
    tag: ClassVar[str] = "Pay"
    position: Position
    prompts: tuple[Prompt, ...] = children(Prompt)
    parameters: Pairs = children(Parameter, pairs=True)
    action: str | None = attribute("action", URL, default=None)
    bank_account_type: str | None = attribute("bankAccountType", WORD, default=None)
    charge_amount: str | None = attribute("chargeAmount", WORD, default=None)
    currency: str | None = attribute("currency", WORD, default=None)
    description: str | None = attribute("description", TEXT, default=None)
    input: str | None = attribute("input", WORD, default=None)
    language: str | None = attribute("language", WORD, default=None)
    max_attempts: int = attribute("maxAttempts", up_to(10), default=1)
    min_postal_code_length: int | None = attribute("minPostalCodeLength", up_to(20), default=None)
    payment_connector: str | None = attribute("paymentConnector", WORD, default=None)
    payment_method: str | None = attribute("paymentMethod", WORD, default=None)
    postal_code: str | None = attribute("postalCode", WORD, default=None)
    security_code: bool = attribute("securityCode", BOOL, default=True)
    status_callback: str | None = attribute("statusCallback", CALLBACK_URL, default=None)
    status_callback_method: Method = attribute("statusCallbackMethod", METHOD, default=Method.POST)
    timeout_s: int = attribute("timeout", up_to(600, unit="s"), default=5)
    token_type: str | None = attribute("tokenType", WORD, default=None)
    valid_card_types: str | None = attribute("validCardTypes", WORD, default=None)
