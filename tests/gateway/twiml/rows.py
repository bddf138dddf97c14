"""How an attribute's row is written: its default, what it may be, and what stands for anything else.

One function per kind of value, so that every attribute of that kind is held to the same values.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.twiml.values import (
    Auto,
    CallEvent,
    MachineDetectionMode,
    Method,
    RecordingChannels,
    RecordingEvent,
    RecordingTrack,
    StreamTrack,
)

GONE = object()
"""The element, or the group the attribute belongs to, is not there."""


@dataclass(frozen=True)
class Row:
    """bad: what is written -> (its code, what stands instead). beside: attributes it only means something with."""

    path: str
    name: str
    target: str
    default: object
    good: Mapping[str, object]
    bad: Mapping[str, tuple[int, object]] = field(default_factory=dict)
    beside: str = ""


BAD_URL = "ftp://example.com/"
BAD_HOST = "http://my_host/"
CALL = "CA" + "0" * 32
OFF_AND_ON: Mapping[str, object] = {"true": True, "false": False, " true ": True}


def flag(path: str, name: str, target: str, default: bool, code: int = 12200) -> Row:
    bad = dict.fromkeys(("1", "yes", "True", ""), (code, default))
    return Row(path, name, target, default, OFF_AND_ON, bad)


def method(path: str, name: str, target: str, code: int = 12200, *, beside: str = "", default: object = None) -> Row:
    bad = {value: (code, Method.POST) for value in ("PUT", "get", "")}
    return Row(
        path,
        name,
        target,
        Method.POST if default is None else default,
        {"GET": Method.GET, "POST": Method.POST},
        bad,
        beside,
    )


def document_url(path: str, name: str, target: str, code: int = 11100) -> Row:
    """Kept even if it is bad: asking for it must fail. Empty stands for the document itself, or for silence."""
    good = {"/next?a=1": "/next?a=1", "https://example.com/a#rc=2": "https://example.com/a#rc=2", "": ""}
    return Row(path, name, target, None, good, {BAD_URL: (code, BAD_URL), "http://": (code, "http://")})


def whisper_url(path: str, name: str = "url", target: str = "url", code: int = 11100) -> Row:
    good = {"/next?a=1": "/next?a=1", "https://example.com/a": "https://example.com/a", "": None}
    return Row(path, name, target, None, good, {BAD_URL: (code, BAD_URL), "http://": (code, "http://")})


def callback(path: str, name: str, target: str, code: int = 11100, *, beside: str = "") -> Row:
    """Who is told something: nobody, where the URL is none."""
    good = {"/told": "/told", "https://example.com/told": "https://example.com/told", "": None}
    bad = {value: (code, None) for value in (BAD_URL, BAD_HOST)}
    return Row(path, name, target, None, good, bad, beside)


def text(path: str, name: str, target: str, default: object = None, *, beside: str = "") -> Row:
    return Row(path, name, target, default, {"word": "word", "two words": "two words"}, beside=beside)


def parameter(path: str, target: str, code: int = 12200, name: str = "X-A") -> tuple[Row, ...]:
    """A pair without a name is left out."""
    return (
        Row(path, "name", target, (), {name: ((name, ""),), f" {name} ": ((name, ""),)}, {"": (code, ())}),
        Row(
            path,
            "value",
            target,
            ((name, ""),),
            {"word": ((name, "word"),), "&#228; &amp; b": ((name, "\u00e4 & b"),)},
            beside=f"name='{name}'",
        ),
    )


def status_callback(path: str) -> tuple[Row, ...]:
    good_events: dict[str, object] = {
        "initiated ringing": frozenset({CallEvent.INITIATED, CallEvent.RINGING}),
        "initiated,ringing, answered completed": frozenset(CallEvent),
        "completed": frozenset({CallEvent.COMPLETED}),
    }
    bad_events: dict[str, tuple[int, object]] = {
        "queued": (12200, frozenset({CallEvent.COMPLETED})),
        "": (12200, frozenset({CallEvent.COMPLETED})),
        "ringing queued": (12200, frozenset({CallEvent.RINGING})),
    }
    beside = "statusCallback='/told'"
    return (
        Row(
            path,
            "statusCallback",
            "status.url",
            GONE,
            {"/told": "/told", "https://example.com/told": "https://example.com/told", "": GONE},
            {value: (11100, GONE) for value in (BAD_URL, BAD_HOST)},
        ),
        method(path, "statusCallbackMethod", "status.method", beside=beside),
        Row(
            path,
            "statusCallbackEvent",
            "status.events",
            frozenset({CallEvent.COMPLETED}),
            good_events,
            bad_events,
            beside,
        ),
    )


def recording_callback(path: str) -> tuple[Row, ...]:
    completed = frozenset({RecordingEvent.COMPLETED})
    return (
        callback(path, "recordingStatusCallback", "recording_status_callback", 13256),
        method(path, "recordingStatusCallbackMethod", "recording_status_callback_method"),
        Row(
            path,
            "recordingStatusCallbackEvent",
            "recording_status_callback_events",
            completed,
            {
                "in-progress completed absent": frozenset(RecordingEvent),
                "failed": frozenset({RecordingEvent.ABSENT}),
                "in-progress,completed": frozenset({RecordingEvent.IN_PROGRESS, RecordingEvent.COMPLETED}),
            },
            {
                "done": (13621, completed),
                "": (13621, completed),
                "absent x": (13621, frozenset({RecordingEvent.ABSENT})),
            },
        ),
    )


def trim(path: str, default: bool, code: int = 13699) -> Row:
    good: dict[str, object] = {"trim-silence": True, "do-not-trim": False}
    return Row(path, "trim", "trim", default, good, {value: (code, default) for value in ("true", "")})


def number(
    path: str, name: str, target: str, default: object, span: tuple[int, int], code: int = 12200, *, beside: str = ""
) -> Row:
    """Clamped into its span; no number at all is the default."""
    low, high = span
    good: dict[str, object] = {str(low): low, str(high): high, f" {low} ": low}
    bad: dict[str, tuple[int, object]] = {
        str(low - 1): (code, low),
        str(high + 1): (code, high),
        "9" * 400: (code, high),
        "1.5": (code, default),
        "soon": (code, default),
        "": (code, default),
    }
    return Row(path, name, target, default, good, bad, beside)


def span_up_to(
    path: str, name: str, target: str, default: object, span: tuple[int, int], code: int = 12200, *, auto: bool = False
) -> Row:
    """Too much is the most there is; too little is nonsense, and the default."""
    low, high = span
    good: dict[str, object] = {str(low): low, str(high): high, **({"auto": Auto.AUTO} if auto else {})}
    bad: dict[str, tuple[int, object]] = {
        str(low - 1): (code, default),
        "-5": (code, default),
        str(high + 1): (code, high),
        "1.5": (code, default),
        "soon": (code, default),
        "": (code, default),
    }
    return Row(path, name, target, default, good, bad)


def machine_detection(path: str) -> tuple[Row, ...]:
    beside = "machineDetection='Enable'"
    group = "machine_detection."
    return (
        Row(
            path,
            "machineDetection",
            group + "mode",
            GONE,
            {mode.value: mode for mode in MachineDetectionMode},
            {value: (12200, GONE) for value in ("enable", "true", "")},
        ),
        number(path, "machineDetectionTimeout", group + "timeout_s", 30, (3, 60), beside=beside),
        number(
            path,
            "machineDetectionSpeechThreshold",
            group + "speech_threshold_ms",
            2400,
            (1000, 6000),
            beside=beside,
        ),
        number(
            path,
            "machineDetectionSpeechEndThreshold",
            group + "speech_end_threshold_ms",
            1200,
            (500, 5000),
            beside=beside,
        ),
        number(
            path,
            "machineDetectionSilenceTimeout",
            group + "silence_timeout_ms",
            5000,
            (2000, 10000),
            beside=beside,
        ),
        callback(path, "amdStatusCallback", group + "callback", beside=beside),
        method(path, "amdStatusCallbackMethod", group + "callback_method", beside=beside),
    )


def whisper(path: str, *, url: int = 11100, code: int = 12200) -> tuple[Row, ...]:
    return (whisper_url(path, code=url), method(path, "method", "method", code))


def say(path: str, *, loop: int, voice: int) -> tuple[Row, ...]:
    return (
        Row(
            path,
            "voice",
            "voice",
            None,
            {name: name for name in ("man", "woman", "alice", "Polly.Joanna-Neural", "Google.en-US-Standard-A")},
            {value: (voice, None) for value in ("!", "", "a b", "v" * 82)},
        ),
        Row(
            path,
            "language",
            "language",
            None,
            {name: name for name in ("en-US", "de", "cmn-Hans-CN")},
            {value: (13512, None) for value in ("English", "en_US", "")},
        ),
        span_up_to(path, "loop", "loop", 1, (0, 1000), loop),
    )


def digits(path: str, name: str, target: str, code: int) -> Row:
    return Row(
        path, name, target, None, {"0123456789ABCD#*wW": "0123456789ABCD#*wW"}, {"1,2": (code, None), "": (code, None)}
    )


def stream(path: str) -> tuple[Row, ...]:
    return (
        Row(
            path,
            "url",
            "url",
            None,
            {"wss://example.com/audio": "wss://example.com/audio", "ws://127.0.0.1:9/": "ws://127.0.0.1:9/", "": None},
            {
                value: (11100, value)
                for value in ("https://example.com/", "wss://example.com/?a=1", "wss://", "/relative")
            },
        ),
        text(path, "name", "name"),
        Row(
            path,
            "track",
            "track",
            StreamTrack.INBOUND,
            {track.value: track for track in StreamTrack},
            {value: (12200, StreamTrack.INBOUND) for value in ("inbound", "both", "")},
        ),
        callback(path, "statusCallback", "status_callback"),
        method(path, "statusCallbackMethod", "status_callback_method"),
        text(path, "connectorName", "connector_name"),
        text(path, "audioFormat", "audio_format"),
        number(path, "sampleRate", "sample_rate_hz", None, (8000, 48000)),
    )


def recording(path: str) -> tuple[Row, ...]:
    return (
        text(path, "name", "name"),
        Row(
            path,
            "track",
            "track",
            RecordingTrack.BOTH,
            {track.value: track for track in RecordingTrack},
            {value: (13622, RecordingTrack.BOTH) for value in ("mixed", "")},
        ),
        Row(
            path,
            "channels",
            "channels",
            RecordingChannels.DUAL,
            {channels.value: channels for channels in RecordingChannels},
            {value: (12200, RecordingChannels.DUAL) for value in ("2", "")},
        ),
        trim(path, True),
        *recording_callback(path),
        text(path, "recordingConfigurationId", "recording_configuration_id"),
    )
