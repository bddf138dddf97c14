"""A TwiML document as values: every verb and noun by name, and the document that holds them.

Pure. The dataclasses live in model_*.py; this is where others import them from. Each has ``tag`` (its element's name)
and ``position``; attributes are converted and defaulted, URLs stay as written (urls.resolve_url).
"""

from dataclasses import dataclass

from gateway.twiml.model_connect import (
    AiSession,
    Autopilot,
    Connect,
    ConnectNoun,
    Conversation,
    ConversationRelay,
    ConversationRelaySession,
    Language,
    Room,
    VirtualAgent,
)
from gateway.twiml.model_dial import Dial, Noun
from gateway.twiml.model_flow import Hangup, Pause, Play, Redirect, Reject
from gateway.twiml.model_nouns import (
    Application,
    Client,
    Header,
    MachineDetection,
    Number,
    Parameter,
    Sim,
    Sip,
    SipUri,
    StatusCallback,
    Video,
    WhatsApp,
)
from gateway.twiml.model_other import Echo, Pay, Prompt, Refer, ReferSip, Sms
from gateway.twiml.model_rooms import Conference, ConferenceStatus, Enqueue, Leave, Queue, Task
from gateway.twiml.model_stream import (
    BackgroundNoun,
    Config,
    Recording,
    Siprec,
    Start,
    Stop,
    Stream,
    Transcription,
)
from gateway.twiml.model_voice import Gather, Record, Say
from gateway.twiml.problems import Problem

Verb = (
    Dial
    | Hangup
    | Pause
    | Play
    | Redirect
    | Reject
    | Say
    | Gather
    | Record
    | Enqueue
    | Leave
    | Refer
    | Start
    | Stop
    | Connect
    | Echo
    | Pay
    | Prompt
    | Sms
    | Queue
)

VERBS: tuple[type[Verb], ...] = (
    *(Dial, Hangup, Pause, Play, Redirect, Reject, Say, Gather, Record, Enqueue),
    *(Leave, Refer, Start, Stop, Connect, Echo, Pay, Prompt, Sms, Queue),
)


@dataclass(frozen=True, kw_only=True)
class Document:
    """Verbs in document order; warnings in the order found (level ``error`` among them does not end the document)."""

    verbs: tuple[Verb, ...]
    warnings: tuple[Problem, ...] = ()

    @property
    def leaves_call_unanswered(self) -> bool:
        """Whether the first verb runs on a call that is not answered yet."""
        return bool(self.verbs) and leaves_call_unanswered(self.verbs[0])


def leaves_call_unanswered(verb: Verb) -> bool:
    """Whether a verb at the head of the flow runs without the call being answered; any other answers it first.

    Source: Twilio <Reject>, <Pause>, <Dial> answerOnBridge; SIP and TwiML Interaction (Redirect).
    """
    match verb:
        case Reject() | Pause() | Redirect():
            return True
        case Dial(answer_on_bridge=on_bridge):
            return on_bridge
        case _:
            return False


__all__ = [
    "AiSession",
    "Application",
    "Autopilot",
    "BackgroundNoun",
    "Client",
    "Conference",
    "ConferenceStatus",
    "Config",
    "Connect",
    "ConnectNoun",
    "Conversation",
    "ConversationRelay",
    "ConversationRelaySession",
    "Dial",
    "Document",
    "Echo",
    "Enqueue",
    "Gather",
    "Hangup",
    "Header",
    "Language",
    "Leave",
    "MachineDetection",
    "Noun",
    "Number",
    "Parameter",
    "Pause",
    "Pay",
    "Play",
    "Prompt",
    "Queue",
    "Record",
    "Recording",
    "Redirect",
    "Refer",
    "ReferSip",
    "Reject",
    "Room",
    "Say",
    "Sim",
    "Sip",
    "SipUri",
    "Siprec",
    "Sms",
    "Start",
    "StatusCallback",
    "Stop",
    "Stream",
    "Task",
    "Transcription",
    "VERBS",
    "Verb",
    "Video",
    "VirtualAgent",
    "WhatsApp",
    "leaves_call_unanswered",
]
