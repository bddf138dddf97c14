"""Whom a noun names: phone numbers, client identities, SIP URIs, and the headers written behind a ``?``.

Pure. Cleans what people write into what signalling takes, or says what is wrong.
Source: Twilio <Number>, <Client>, <Sip>, <Dial> callerId; RFC 2396 2.4.3 (excluded characters); CallAPI <Client>
(headers in the identity); RFC 3261 25.1 (token).
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote

MAX_IDENTITY = 256
MAX_CALLER_ID = len("client:") + MAX_IDENTITY
MAX_SIP_URI = 255
MAX_HEADERS = 1024

Pairs = tuple[tuple[str, str], ...]

_NUMBER_NOISE = re.compile(r"[\s().\-/\u00a0\u2010-\u2015]+")
_NANP = re.compile(r"1?([2-9][0-9]{2}[2-9][0-9]{6})")
_IDENTITY_EXCLUDED = re.compile(r'[\x00-\x20\x7f-\x9f<>#%"{}|\\^\[\]`]')
_IDENTITY_PLAIN = re.compile(r"[A-Za-z0-9_]+")
_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]{1,100}")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
_SIP_URI = re.compile(
    r"""(?:[A-Za-z0-9\-_.!~*'()&=+$,;/%]{1,200}(?::[^@\s<>"]{0,100})?@)?"""  # user and its password
    r"""(?:[A-Za-z0-9\-.]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?"""  # host and port
    r"""(?:;[A-Za-z0-9\-_.!~*'()%\[\]/:&+$=]{1,200})*"""  # parameters
)
_CALLER_ID_TEXT = re.compile(r"[A-Za-z0-9+\-_.]+")
_OPEN_HEADERS = frozenset({"user-to-user", "remote-party-id", "p-preferred-identity", "p-called-party-id"})


class BadAddress(ValueError):
    """What was expected instead."""


def clean_number(written: str) -> str:
    """A phone number as trunks get it.

    Blanks, brackets, dots, dashes and slashes go. ``+`` with 1-15 digits is E.164 and stays. Ten digits that are a
    number of the North American plan get ``+1``, eleven that start with 1 get ``+``. Anything else of up to 32
    digits stays as it is: an extension, a short code, a national number for the trunk to understand.
    Raises BadAddress.
    """
    number = _NUMBER_NOISE.sub("", written)
    if re.fullmatch(r"\+[0-9]{1,15}|[0-9]{1,32}", number) is None:
        raise BadAddress("a phone number of at most 15 digits after +")
    if number.startswith("+"):
        return number
    nanp = _NANP.fullmatch(number)
    return number if nanp is None else f"+1{nanp[1]}"


def check_identity(identity: str) -> bool:
    """False for an identity that some SDKs do not take (other than letters, digits, underscore).

    Raises BadAddress for one that cannot be a client's name at all.
    """
    if not identity or len(identity) > MAX_IDENTITY or _IDENTITY_EXCLUDED.search(identity):
        raise BadAddress(
            f'a client identity of 1 to {MAX_IDENTITY} characters, none of them blank or in <>#%"{{}}|\\^[]`'
        )
    return _IDENTITY_PLAIN.fullmatch(identity) is not None


@dataclass(frozen=True, kw_only=True)
class Query:
    """What stood behind the ``?``. pairs: all that are printable, decoded; headers: those fit for an INVITE."""

    pairs: Pairs = ()
    headers: Pairs = ()
    refused: tuple[str, ...] = ()
    is_too_long: bool = False


def is_open_header(name: str) -> bool:
    """Whether an application may set this header of an INVITE. Source: Twilio <Sip>, custom headers."""
    name = name.lower()
    return name in _OPEN_HEADERS or (name.startswith("x-") and _TOKEN.fullmatch(name) is not None)


def is_printable(value: str) -> bool:
    """Whether a value can stand in a header line: no line breaks, no control characters."""
    return _UNPRINTABLE.search(value) is None


def split_query(written: str) -> tuple[str, Query]:
    """An address and what is written behind its first ``?``: pairs by ``&``, percent-decoded."""
    address, mark, query = written.partition("?")
    if not mark:
        return written, Query()
    if len(query) > MAX_HEADERS:
        return address, Query(is_too_long=True)
    pairs: list[tuple[str, str]] = []
    refused: list[str] = []
    for part in query.split("&"):
        if not part.strip():
            continue
        raw_name, _, raw_value = part.partition("=")
        name, value = unquote(raw_name).strip(), unquote(raw_value).strip()
        if _TOKEN.fullmatch(name) is None or not is_printable(value):
            refused.append(name)
        else:
            pairs.append((name, value))
    headers = tuple(pair for pair in pairs if is_open_header(pair[0]))
    return address, Query(pairs=tuple(pairs), headers=headers, refused=tuple(refused))


def clean_sip_uri(written: str) -> str:
    """A SIP URI with its scheme; ``user@host`` becomes ``sip:user@host``. Raises BadAddress."""
    scheme, colon, rest = written.partition(":")
    if colon and scheme.lower() in ("sip", "sips"):
        uri = f"{scheme.lower()}:{rest}"
    else:
        rest, uri = written, f"sip:{written}"
    if len(uri) > MAX_SIP_URI or _SIP_URI.fullmatch(rest) is None:
        raise BadAddress(f"a SIP URI of at most {MAX_SIP_URI} characters")
    return uri


def clean_caller_id(written: str) -> str:
    """A caller ID: a phone number, ``client:name``, ``whatsapp:number``, a SIP URI or a word.

    Raises BadAddress.
    """
    scheme, colon, rest = written.partition(":")
    match scheme if colon else "":
        case "client":
            check_identity(rest)
            return written
        case "whatsapp":
            return f"whatsapp:{clean_number(rest)}"
        case "sip" | "sips":
            return clean_sip_uri(written)
        case _:
            pass
    try:
        return clean_number(written)
    except BadAddress:
        if len(written) <= MAX_IDENTITY and _CALLER_ID_TEXT.fullmatch(written):
            return written
        raise BadAddress("a phone number, client:name, or letters, digits and + - _ .") from None
