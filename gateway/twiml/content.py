"""What a reply is, by its Content-Type.

Pure. Source: Twilio TwiML for Programmable Voice (MIME types of a reply); <Play> (audio types); Error 12300.
"""

from enum import Enum

AUDIO_TYPES = frozenset(
    f"audio/{kind}" for kind in ("mpeg", "wav", "wave", "x-wav", "aiff", "x-aifc", "x-aiff", "x-gsm", "gsm", "ulaw")
)


class ReplyKind(Enum):
    """MAYBE_TWIML: TwiML if it parses (no Content-Type). TEXT: TwiML if it parses, else spoken."""

    TWIML = "TwiML"
    AUDIO = "audio"
    TEXT = "text"
    MAYBE_TWIML = "unknown"
    UNUSABLE = "unusable"


def media_type(content_type: str | None) -> str:
    """``text/xml`` of ``Text/XML; charset=utf-8``; empty if there is none."""
    return (content_type or "").partition(";")[0].strip().lower()


def charset_of(content_type: str | None) -> str | None:
    """The charset parameter, or None."""
    for parameter in (content_type or "").split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip("\"'") or None
    return None


def reply_kind(content_type: str | None) -> ReplyKind:
    """Decides before the body is read: audio and unusable replies need not be."""
    match media_type(content_type):
        case "text/xml" | "application/xml" | "text/html":
            return ReplyKind.TWIML
        case "text/plain":
            return ReplyKind.TEXT
        case "":
            return ReplyKind.MAYBE_TWIML
        case kind if kind in AUDIO_TYPES:
            return ReplyKind.AUDIO
        case _:
            return ReplyKind.UNUSABLE
