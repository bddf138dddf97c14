"""A TwiML document as values: every verb and noun by name, and the document that holds them.

Pure. The dataclasses live in model_*.py; this is where others import them from. Each has ``tag`` (its element's name)
and ``position``; attributes are converted and defaulted, URLs stay as written (urls.resolve_url).
"""

from dataclasses import dataclass

from gateway.twiml.model_dial import Dial, Noun
from gateway.twiml.model_flow import Hangup, Pause, Play, Redirect, Reject
from gateway.twiml.model_nouns import (
    Client,
    Header,
    MachineDetection,
    Number,
    Parameter,
    Sip,
    SipUri,
    StatusCallback,
    Video,
)
from gateway.twiml.problems import Problem

Verb = Dial | Hangup | Pause | Play | Redirect | Reject

VERBS: tuple[type[Verb], ...] = (Dial, Hangup, Pause, Play, Redirect, Reject)


@dataclass(frozen=True, kw_only=True)
class Document:
    """Verbs in document order; warnings in the order found (level ``error`` among them does not end the document)."""

    verbs: tuple[Verb, ...]
    warnings: tuple[Problem, ...] = ()

    @property
    def leaves_call_unanswered(self) -> bool:
        """Whether the first verb runs before the call is answered; the interpreter decides again after it.

        Source: Twilio <Reject>, <Pause>, <Dial> answerOnBridge; SIP and TwiML Interaction (Redirect).
        """
        match self.verbs[:1]:
            case (Reject(),) | (Pause(),) | (Redirect(),):
                return True
            case (Dial(answer_on_bridge=on_bridge),):
                return on_bridge
            case _:
                return False


__all__ = [
    "VERBS",
    "Client",
    "Dial",
    "Document",
    "Hangup",
    "Header",
    "MachineDetection",
    "Noun",
    "Number",
    "Parameter",
    "Pause",
    "Play",
    "Redirect",
    "Reject",
    "Sip",
    "SipUri",
    "StatusCallback",
    "Verb",
    "Video",
]
