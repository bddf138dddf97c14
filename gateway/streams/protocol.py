"""The messages of a media stream, both ways.

Pure. Writer numbers what is sent; ``understood`` reads what comes. Numbers travel as text, sound as base64 of mu-law at
8 kHz.
Source: Twilio Media Streams, WebSocket messages (connected, start, media, dtmf, mark, clear, stop).
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

MAX_MESSAGE: Final = 256 * 1024
MAX_NAME: Final = 256
FRAME_MS: Final = 20


@dataclass(frozen=True)
class Sound:
    """Octets of mu-law to be played."""

    octets: bytes


@dataclass(frozen=True)
class Mark:
    """To be sent back when what came before it has been played or cleared."""

    name: str


@dataclass(frozen=True)
class Clear:
    """What has not been played shall not be."""


@dataclass(frozen=True)
class Misunderstood:
    """A message that says nothing to us. reason: what was expected."""

    reason: str


FromApplication = Sound | Mark | Clear | Misunderstood


def understood(text: str, *, stream_sid: str) -> FromApplication:
    """Never raises, whatever was sent."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return Misunderstood("JSON expected")
    if not isinstance(message, dict):
        return Misunderstood("a JSON object expected")
    if message.get("streamSid") != stream_sid:
        return Misunderstood(f"streamSid {stream_sid} expected")
    match message:
        case {"event": "media", "media": {"payload": str(payload)}}:
            try:
                return Sound(base64.b64decode(payload, validate=True))
            except (binascii.Error, ValueError):
                return Misunderstood("media.payload in base64 expected")
        case {"event": "mark", "mark": {"name": str(name)}} if len(name) <= MAX_NAME:
            return Mark(name)
        case {"event": "clear"}:
            return Clear()
        case _:
            return Misunderstood("one of the events media, mark, clear expected, with what belongs to it")


class Writer:
    """One stream's messages in order. tracks: of ``inbound`` and ``outbound``, those that are sent."""

    def __init__(
        self,
        *,
        account_sid: str,
        call_sid: str,
        stream_sid: str,
        tracks: Sequence[str],
        parameters: Mapping[str, str],
    ) -> None:
        self._account_sid = account_sid
        self._call_sid = call_sid
        self._stream_sid = stream_sid
        self._tracks = list(tracks)
        self._parameters = dict(parameters)
        self._sequence = 0
        self._chunks = dict.fromkeys(tracks, 0)

    def connected(self) -> str:
        return _text({"event": "connected", "protocol": "Call", "version": "1.0.0"})

    def start(self) -> str:
        return self._numbered(
            "start",
            {
                "accountSid": self._account_sid,
                "streamSid": self._stream_sid,
                "callSid": self._call_sid,
                "tracks": self._tracks,
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": self._parameters,
            },
        )

    def media(self, track: str, octets: bytes, *, frame: int) -> str:
        """frame: which one of the track this is since the stream began, those that were not sent counted as well."""
        self._chunks[track] += 1
        return self._numbered(
            "media",
            {
                "track": track,
                "chunk": str(self._chunks[track]),
                "timestamp": str(frame * FRAME_MS),
                "payload": base64.b64encode(octets).decode("ascii"),
            },
        )

    def dtmf(self, digit: str) -> str:
        return self._numbered("dtmf", {"track": "inbound_track", "digit": digit})

    def mark(self, name: str) -> str:
        return self._numbered("mark", {"name": name})

    def stop(self) -> str:
        return self._numbered("stop", {"accountSid": self._account_sid, "callSid": self._call_sid})

    def _numbered(self, event: str, told: dict[str, Any]) -> str:
        self._sequence += 1
        return _text(
            {"event": event, "sequenceNumber": str(self._sequence), event: told, "streamSid": self._stream_sid}
        )


def _text(message: Mapping[str, Any]) -> str:
    return json.dumps(message, separators=(",", ":"))
