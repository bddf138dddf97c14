"""Verbs that speak and listen: Say, Gather, Record.

Pure values. Source: Twilio <Say>, <Gather>, <Record>.
"""

from dataclasses import dataclass
from typing import ClassVar

from gateway.twiml.kinds import (
    BOOL,
    CALLBACK_URL,
    DAY_S,
    LANGUAGE,
    LOOP,
    METHOD,
    RECORDING_EVENTS,
    TRIM,
    URL,
    WORD,
    events,
    hints,
    or_auto,
    pattern,
    up_to,
)
from gateway.twiml.model_flow import Pause, Play
from gateway.twiml.model_nouns import RECORDING_COMPLETED
from gateway.twiml.problems import Position
from gateway.twiml.schema import attribute, children, markup
from gateway.twiml.ssml import Markup, plain_text
from gateway.twiml.values import Auto, GatherInput, Method, RecordingEvent


@dataclass(frozen=True, kw_only=True)
class Say:
    """Text to speak. voice, language None: the installation's, or what the other one implies.

    loop 0: until the call ends, at most 1000 times.
    """

    tag: ClassVar[str] = "Say"
    position: Position
    content: Markup = markup()
    voice: str | None = attribute("voice", pattern("[A-Za-z][A-Za-z0-9._-]{0,80}", "a voice"), default=None, code=13511)
    language: str | None = attribute("language", LANGUAGE, default=None, code=13512)
    loop: int = attribute("loop", LOOP, default=1, code=13510)

    @property
    def text(self) -> str:
        """The words without their markup."""
        return plain_text(self.content)


@dataclass(frozen=True, kw_only=True)
class Gather:
    """action None: the current document. finish_on_key empty: no key ends it. num_digits None: no limit.

    timeout_s AUTO and speech_timeout_s AUTO: a pause in speech ends it; speech_timeout_s None: as timeout_s.
    """

    tag: ClassVar[str] = "Gather"
    nested_code: ClassVar[int] = 13320
    position: Position
    prompts: tuple[Say | Play | Pause, ...] = children(Say, Play, Pause, codes={13510: 13322, 13511: 13321})
    input: frozenset[GatherInput] = attribute(
        "input", events(GatherInput), default=frozenset({GatherInput.DTMF}), code=13326
    )
    action: str | None = attribute("action", URL, default=None)
    method: Method = attribute("method", METHOD, default=Method.POST, code=13312)
    timeout_s: int | Auto = attribute("timeout", or_auto(up_to(DAY_S, unit="s")), default=5, code=13313)
    speech_timeout_s: int | Auto | None = attribute(
        "speechTimeout", or_auto(up_to(DAY_S, unit="s")), default=None, code=13327
    )
    max_speech_time_s: int = attribute("maxSpeechTime", up_to(60, unit="s"), default=60, code=13328)
    num_digits: int | None = attribute("numDigits", up_to(1000, unit="digits"), default=None, code=13314)
    finish_on_key: str = attribute(
        "finishOnKey", pattern("[0-9#*]?", "one of 0-9 # * or none"), default="#", code=13310
    )
    action_on_empty_result: bool = attribute("actionOnEmptyResult", BOOL, default=False, code=13338)
    partial_result_callback: str | None = attribute("partialResultCallback", CALLBACK_URL, default=None)
    partial_result_callback_method: Method = attribute(
        "partialResultCallbackMethod", METHOD, default=Method.POST, code=13329
    )
    language: str = attribute("language", LANGUAGE, default="en-US", code=13331)
    hints: tuple[str, ...] = attribute("hints", hints(500, 100), default=(), code=13330)
    profanity_filter: bool = attribute("profanityFilter", BOOL, default=True, code=13333)
    speech_model: str | None = attribute("speechModel", WORD, default=None, code=13334)
    enhanced: bool = attribute("enhanced", BOOL, default=False)
    barge_in: bool = attribute("bargeIn", BOOL, default=True, code=13332)
    debug: bool = attribute("debug", BOOL, default=False)


@dataclass(frozen=True, kw_only=True)
class Record:
    """action None: the current document. timeout_s: of silence, 0 for never. finish_on_key: each of them ends it."""

    tag: ClassVar[str] = "Record"
    position: Position
    action: str | None = attribute("action", URL, default=None)
    method: Method = attribute("method", METHOD, default=Method.POST, code=13610)
    timeout_s: int = attribute("timeout", up_to(DAY_S, lowest=0, unit="s"), default=5, code=13611)
    finish_on_key: str = attribute(
        "finishOnKey", pattern("[0-9#*]{0,12}", "keys of 0-9 # *"), default="1234567890*#", code=13613
    )
    max_length_s: int = attribute("maxLength", up_to(DAY_S, lowest=2, unit="s"), default=3600, code=13612)
    play_beep: bool = attribute("playBeep", BOOL, default=True, code=13616)
    trim: bool = attribute("trim", TRIM, default=True, code=13699)
    recording_status_callback: str | None = attribute("recordingStatusCallback", CALLBACK_URL, default=None, code=13256)
    recording_status_callback_method: Method = attribute("recordingStatusCallbackMethod", METHOD, default=Method.POST)
    recording_status_callback_events: frozenset[RecordingEvent] = attribute(
        "recordingStatusCallbackEvent", RECORDING_EVENTS, default=RECORDING_COMPLETED
    )
    recording_configuration_id: str | None = attribute("recordingConfigurationId", WORD, default=None)
    transcribe: bool = attribute("transcribe", BOOL, default=False, code=13614)
    transcribe_callback: str | None = attribute("transcribeCallback", CALLBACK_URL, default=None, code=13257)
