"""What an application's answer asks for, whatever its Content-Type: TwiML, a sound to play, a text to speak.

Pure. Source: Twilio TwiML for Programmable Voice (MIME types of a reply); Error 12300.
"""

from enum import Enum

from gateway.twiml.content import ReplyKind, charset_of, media_type, reply_kind
from gateway.twiml.model import Document, Hangup, Play, Say
from gateway.twiml.parse import parse
from gateway.twiml.problems import Position, TwimlError, quoted
from gateway.twiml.source import decode

INVALID_CONTENT_TYPE = 12300
_START = Position(1, 1)


class Afterwards(Enum):
    """What follows a sound or a text that was answered instead of a document. REPEAT: a sound begins again."""

    HANG_UP = "hang up"
    GO_ON = "go on"
    REPEAT = "repeat"


def document_from_reply(
    content_type: str | None, body: bytes, *, url: str, afterwards: Afterwards = Afterwards.HANG_UP
) -> Document:
    """The document a reply stands for.

    body: for audio it is not looked at. url: where the reply came from, after redirects; what a sound is played from.
    Raises TwimlError: as parse, and 12300 for a Content-Type that means nothing here.
    """
    match reply_kind(content_type):
        case ReplyKind.TWIML:
            return parse(body, content_type=content_type)
        case ReplyKind.AUDIO:
            return _once(Play(position=_START, url=url, loop=0 if afterwards is Afterwards.REPEAT else 1), afterwards)
        case ReplyKind.TEXT:
            return _twiml_or_speech(body, content_type, afterwards)
        case ReplyKind.MAYBE_TWIML:
            return _twiml_or_nothing(body)
        case ReplyKind.UNUSABLE:
            found = quoted(media_type(content_type))
            raise TwimlError(INVALID_CONTENT_TYPE, f"a Content-Type of text/xml expected, found {found}")


def _once(verb: Play | Say, afterwards: Afterwards) -> Document:
    return Document(verbs=(verb, Hangup(position=_START)) if afterwards is Afterwards.HANG_UP else (verb,))


def _twiml_or_speech(body: bytes, content_type: str | None, afterwards: Afterwards) -> Document:
    text = decode(body, charset=charset_of(content_type))
    try:
        return parse(body, content_type=content_type)
    except TwimlError:
        return _once(Say(position=_START, content=(text.strip(),)), afterwards)


def _twiml_or_nothing(body: bytes) -> Document:
    if not body.strip():
        raise TwimlError(11770, "a document expected, found an empty body")
    try:
        return parse(body)
    except TwimlError as error:
        raise TwimlError(
            INVALID_CONTENT_TYPE,
            f"a Content-Type expected, found none, and the body is no TwiML: {error.message}",
            line=error.line,
            column=error.column,
        ) from error
