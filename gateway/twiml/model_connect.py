"""<Connect> and what it connects the caller's audio to until that ends.

Pure values. Most of these belong to services of Twilio's; their attributes are kept as written.
Source: Twilio <Connect>, <ConversationRelay>, <VirtualAgent>, <Room>; twilio-python 9.13 for the names.
"""

from dataclasses import dataclass
from typing import ClassVar

from gateway.twiml.addresses import Pairs
from gateway.twiml.kinds import (
    BOOL,
    CALLBACK_URL,
    METHOD,
    RECORDING_EVENTS,
    SOCKET_URL,
    TEXT,
    TRIM,
    URL,
    WHISPER_URL,
    WORD,
)
from gateway.twiml.model_nouns import RECORDING_COMPLETED, Parameter
from gateway.twiml.model_stream import Config, Stream
from gateway.twiml.problems import Position
from gateway.twiml.schema import attribute, children, text
from gateway.twiml.values import Method, RecordingEvent


@dataclass(frozen=True, kw_only=True)
class Language:
    tag: ClassVar[str] = "Language"
    position: Position
    asr_smart_format: str | None = attribute("asrSmartFormat", WORD, default=None)
    code: str | None = attribute("code", WORD, default=None)
    hints: str | None = attribute("hints", WORD, default=None)
    speech_model: str | None = attribute("speechModel", WORD, default=None)
    transcription_provider: str | None = attribute("transcriptionProvider", WORD, default=None)
    tts_language_text_normalization: str | None = attribute("ttsLanguageTextNormalization", WORD, default=None)
    tts_provider: str | None = attribute("ttsProvider", WORD, default=None)
    tts_text_normalization: str | None = attribute("ttsTextNormalization", WORD, default=None)
    voice: str | None = attribute("voice", WORD, default=None)


@dataclass(frozen=True, kw_only=True)
class ConversationRelay:
    tag: ClassVar[str] = "ConversationRelay"
    position: Position
    languages: tuple[Language, ...] = children(Language)
    parameters: Pairs = children(Parameter, pairs=True)
    application_reconnect: str | None = attribute("applicationReconnect", WORD, default=None)
    asr_smart_format: str | None = attribute("asrSmartFormat", WORD, default=None)
    background_noise_reduction: str | None = attribute("backgroundNoiseReduction", WORD, default=None)
    customer_name: str | None = attribute("customerName", WORD, default=None)
    debug: str | None = attribute("debug", WORD, default=None)
    deepgram_smart_format: str | None = attribute("deepgramSmartFormat", WORD, default=None)
    dtmf_detection: bool = attribute("dtmfDetection", BOOL, default=False)
    eager_eot_threshold: str | None = attribute("eagerEotThreshold", WORD, default=None)
    echo_prompt_filtering: str | None = attribute("echoPromptFiltering", WORD, default=None)
    elevenlabs_language_text_normalization: str | None = attribute(
        "elevenlabsLanguageTextNormalization", WORD, default=None
    )
    elevenlabs_text_normalization: str | None = attribute("elevenlabsTextNormalization", WORD, default=None)
    events: str | None = attribute("events", WORD, default=None)
    hints: str | None = attribute("hints", TEXT, default=None)
    ignore_backchannel: str | None = attribute("ignoreBackchannel", WORD, default=None)
    include_in_prompt: str | None = attribute("includeInPrompt", WORD, default=None)
    intelligence_service: str | None = attribute("intelligenceService", WORD, default=None)
    interrupt_sensitivity: str | None = attribute("interruptSensitivity", WORD, default=None)
    interruptible: str | None = attribute("interruptible", WORD, default=None)
    language: str | None = attribute("language", WORD, default=None)
    partial_prompt_on_hangup: str | None = attribute("partialPromptOnHangup", WORD, default=None)
    partial_prompts: bool = attribute("partialPrompts", BOOL, default=False)
    preemptible: bool = attribute("preemptible", BOOL, default=False)
    profanity_filter: bool | None = attribute("profanityFilter", BOOL, default=None)
    report_input_during_agent_speech: str | None = attribute("reportInputDuringAgentSpeech", WORD, default=None)
    speech_model: str | None = attribute("speechModel", WORD, default=None)
    speech_timeout: str | None = attribute("speechTimeout", WORD, default=None)
    transcription_language: str | None = attribute("transcriptionLanguage", WORD, default=None)
    transcription_provider: str | None = attribute("transcriptionProvider", WORD, default=None)
    tts_language: str | None = attribute("ttsLanguage", WORD, default=None)
    tts_language_text_normalization: str | None = attribute("ttsLanguageTextNormalization", WORD, default=None)
    tts_provider: str | None = attribute("ttsProvider", WORD, default=None)
    tts_text_normalization: str | None = attribute("ttsTextNormalization", WORD, default=None)
    turn_detection: str | None = attribute("turnDetection", WORD, default=None)
    url: str | None = attribute("url", SOCKET_URL, default=None)
    voice: str | None = attribute("voice", WORD, default=None)
    welcome_greeting: str | None = attribute("welcomeGreeting", TEXT, default=None)
    welcome_greeting_interruptible: str | None = attribute("welcomeGreetingInterruptible", WORD, default=None)


@dataclass(frozen=True, kw_only=True)
class ConversationRelaySession:
    tag: ClassVar[str] = "ConversationRelaySession"
    position: Position
    connector: str | None = attribute("connector", WORD, default=None)
    session_configuration: str | None = attribute("sessionConfiguration", WORD, default=None)


@dataclass(frozen=True, kw_only=True)
class AiSession:
    tag: ClassVar[str] = "AiSession"
    position: Position
    ai_connector: str | None = attribute("aiConnector", WORD, default=None)
    ai_session_configuration: str | None = attribute("aiSessionConfiguration", WORD, default=None)


@dataclass(frozen=True, kw_only=True)
class Autopilot:
    tag: ClassVar[str] = "Autopilot"
    position: Position
    name: str = text(WORD, default="")


@dataclass(frozen=True, kw_only=True)
class Conversation:
    tag: ClassVar[str] = "Conversation"
    position: Position
    inbound_autocreation: str | None = attribute("inboundAutocreation", WORD, default=None)
    inbound_timeout: str | None = attribute("inboundTimeout", WORD, default=None)
    method: Method = attribute("method", METHOD, default=Method.POST)
    record: str | None = attribute("record", WORD, default=None)
    recording_status_callback: str | None = attribute("recordingStatusCallback", CALLBACK_URL, default=None)
    recording_status_callback_events: frozenset[RecordingEvent] = attribute(
        "recordingStatusCallbackEvent", RECORDING_EVENTS, default=RECORDING_COMPLETED
    )
    recording_status_callback_method: Method = attribute("recordingStatusCallbackMethod", METHOD, default=Method.POST)
    routing_assignment_timeout: str | None = attribute("routingAssignmentTimeout", WORD, default=None)
    service_instance_sid: str | None = attribute("serviceInstanceSid", WORD, default=None)
    status_callback: str | None = attribute("statusCallback", CALLBACK_URL, default=None)
    status_callback_event: str | None = attribute("statusCallbackEvent", WORD, default=None)
    status_callback_method: Method = attribute("statusCallbackMethod", METHOD, default=Method.POST)
    trim: bool = attribute("trim", TRIM, default=False, code=13699)
    url: str | None = attribute("url", WHISPER_URL, default=None)


@dataclass(frozen=True, kw_only=True)
class Room:
    tag: ClassVar[str] = "Room"
    position: Position
    room: str = text(WORD, default="")
    participant_identity: str | None = attribute("participantIdentity", WORD, default=None)


@dataclass(frozen=True, kw_only=True)
class VirtualAgent:
    tag: ClassVar[str] = "VirtualAgent"
    position: Position
    configs: Pairs = children(Config, pairs=True)
    parameters: Pairs = children(Parameter, pairs=True)
    connector_name: str | None = attribute("connectorName", WORD, default=None)
    language: str | None = attribute("language", WORD, default=None)
    sentiment_analysis: str | None = attribute("sentimentAnalysis", WORD, default=None)
    status_callback: str | None = attribute("statusCallback", CALLBACK_URL, default=None)
    status_callback_method: Method = attribute("statusCallbackMethod", METHOD, default=Method.POST)


ConnectNoun = (
    Stream | ConversationRelay | ConversationRelaySession | AiSession | Autopilot | Conversation | Room | VirtualAgent
)


@dataclass(frozen=True, kw_only=True)
class Connect:
    tag: ClassVar[str] = "Connect"
    position: Position
    nouns: tuple[ConnectNoun, ...] = children(
        Stream, ConversationRelay, ConversationRelaySession, AiSession, Autopilot, Conversation, Room, VirtualAgent
    )
    action: str | None = attribute("action", URL, default=None)
    method: Method = attribute("method", METHOD, default=Method.POST)
