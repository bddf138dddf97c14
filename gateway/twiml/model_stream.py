"""What runs beside the call: Start and Stop with Stream, Recording, Siprec and Transcription.

Pure values. Under Stop an element names what to stop, by name or stream URL.
Source: Twilio <Start>, <Stop>, <Stream>, <Recording>, <Siprec>, <Transcription>.
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
    WORD,
    choice,
    integer,
)
from gateway.twiml.model_nouns import RECORDING_COMPLETED, Parameter
from gateway.twiml.problems import Position
from gateway.twiml.schema import attribute, children
from gateway.twiml.values import Method, RecordingChannels, RecordingEvent, RecordingTrack, StreamTrack

STREAM_TRACK = choice(StreamTrack)


@dataclass(frozen=True, kw_only=True)
class Config:
    tag: ClassVar[str] = "Config"
    position: Position
    name: str = attribute("name", WORD, default="")
    value: str = attribute("value", TEXT, default="")


@dataclass(frozen=True, kw_only=True)
class Stream:
    tag: ClassVar[str] = "Stream"
    position: Position
    url: str | None = attribute("url", SOCKET_URL, default=None)
    name: str | None = attribute("name", WORD, default=None)
    track: StreamTrack = attribute("track", STREAM_TRACK, default=StreamTrack.INBOUND)
    status_callback: str | None = attribute("statusCallback", CALLBACK_URL, default=None)
    status_callback_method: Method = attribute("statusCallbackMethod", METHOD, default=Method.POST)
    connector_name: str | None = attribute("connectorName", WORD, default=None)
    audio_format: str | None = attribute("audioFormat", WORD, default=None)
    sample_rate_hz: int | None = attribute("sampleRate", integer(8000, 48000, unit="Hz"), default=None)
    parameters: Pairs = children(Parameter, pairs=True)


@dataclass(frozen=True, kw_only=True)
class Recording:
    tag: ClassVar[str] = "Recording"
    position: Position
    name: str | None = attribute("name", WORD, default=None)
    track: RecordingTrack = attribute("track", choice(RecordingTrack), default=RecordingTrack.BOTH, code=13622)
    channels: RecordingChannels = attribute("channels", choice(RecordingChannels), default=RecordingChannels.DUAL)
    trim: bool = attribute("trim", TRIM, default=True, code=13699)
    recording_status_callback: str | None = attribute("recordingStatusCallback", CALLBACK_URL, default=None, code=13256)
    recording_status_callback_method: Method = attribute("recordingStatusCallbackMethod", METHOD, default=Method.POST)
    recording_status_callback_events: frozenset[RecordingEvent] = attribute(
        "recordingStatusCallbackEvent", RECORDING_EVENTS, default=RECORDING_COMPLETED
    )
    recording_configuration_id: str | None = attribute("recordingConfigurationId", WORD, default=None)


@dataclass(frozen=True, kw_only=True)
class Siprec:
    tag: ClassVar[str] = "Siprec"
    position: Position
    name: str | None = attribute("name", WORD, default=None)
    connector_name: str | None = attribute("connectorName", WORD, default=None)
    track: StreamTrack = attribute("track", STREAM_TRACK, default=StreamTrack.BOTH)
    status_callback: str | None = attribute("statusCallback", CALLBACK_URL, default=None)
    status_callback_method: Method = attribute("statusCallbackMethod", METHOD, default=Method.POST)
    parameters: Pairs = children(Parameter, pairs=True)


@dataclass(frozen=True, kw_only=True)
class Transcription:
    tag: ClassVar[str] = "Transcription"
    position: Position
    name: str | None = attribute("name", WORD, default=None)
    track: StreamTrack = attribute("track", STREAM_TRACK, default=StreamTrack.BOTH)
    inbound_track_label: str | None = attribute("inboundTrackLabel", WORD, default=None)
    outbound_track_label: str | None = attribute("outboundTrackLabel", WORD, default=None)
    status_callback: str | None = attribute("statusCallbackUrl", CALLBACK_URL, default=None)
    status_callback_method: Method = attribute("statusCallbackMethod", METHOD, default=Method.POST)
    language_code: str | None = attribute("languageCode", WORD, default=None)
    partial_results: bool = attribute("partialResults", BOOL, default=False)
    transcription_engine: str | None = attribute("transcriptionEngine", WORD, default=None)
    profanity_filter: bool = attribute("profanityFilter", BOOL, default=True)
    speech_model: str | None = attribute("speechModel", WORD, default=None)
    hints: str | None = attribute("hints", TEXT, default=None)
    enable_automatic_punctuation: bool = attribute("enableAutomaticPunctuation", BOOL, default=True)
    intelligence_service: str | None = attribute("intelligenceService", WORD, default=None)
    configs: Pairs = children(Config, pairs=True)
    parameters: Pairs = children(Parameter, pairs=True)


BackgroundNoun = Stream | Recording | Siprec | Transcription


@dataclass(frozen=True, kw_only=True)
class Start:
    tag: ClassVar[str] = "Start"
    nested_code: ClassVar[int] = 14300
    position: Position
    nouns: tuple[BackgroundNoun, ...] = children(Stream, Recording, Siprec, Transcription)
    action: str | None = attribute("action", URL, default=None)
    method: Method = attribute("method", METHOD, default=Method.POST)


@dataclass(frozen=True, kw_only=True)
class Stop:
    tag: ClassVar[str] = "Stop"
    position: Position
    nouns: tuple[BackgroundNoun, ...] = children(Stream, Recording, Siprec, Transcription)
