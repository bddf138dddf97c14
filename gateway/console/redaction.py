"""What is taken out of messages, documents and URLs before they are kept: whatever would let its reader in somewhere.

Pure. The reader of a call's story sees who logged in and that it worked, never with what. Works on text that may be
anything: a message cut short, a document that is no XML, a URL that is none. Every pattern is linear in the text.
Source: RFC 3261 20.7, 22.4 (Authorization); RFC 4568 9.1 (inline keys in SDP); RFC 8839 5.4 (ice-pwd); RFC 7519.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

HIDDEN: Final = "(hidden)"

_WORDS: Final = (
    "password", "passwd", "passphrase", "secret", "token", "api-key", "api_key", "apikey", "credential",
    "private-key", "private_key", "privatekey", "cookie",
)  # fmt: skip
_SECRET_NAMES: Final = frozenset(
    {"authorization", "proxy-authorization", "authentication-info", "x-twilio-signature", "signature", "pwd"}
)
_PROOFS: Final = frozenset({"www-authenticate", "proxy-authenticate", "authentication-info"})
_LONGEST_NAME: Final = 64
# user:password@ behind any scheme; sip and sips have no slashes.
_USERINFO: Final = re.compile(r"(://[^\s/?#:@<>\"']{0,256}):[^\s/?#@<>\"']{1,512}@")
_SIP_USERINFO: Final = re.compile(r"(\b[sS][iI][pP][sS]?:[^\s/?#:@<>\"']{0,256}):[^\s/?#@<>\"']{1,512}@")
_TOKEN: Final = re.compile(r"\beyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?")
# A name that ends in such a word or goes on behind it, and its value: in quotes, or as in a query.
_NAMED: Final = re.compile(
    rf"((?:{'|'.join(_WORDS)})[\w.%\[\]-]{{0,64}}+)"
    r"(?:([\"']?+\s{0,8}+[=:]\s{0,8}+)(?:\"[^\"]*\"|'[^']*')|(=)[^\s&#\"'<>]+)",
    re.I,
)
_DIGEST: Final = re.compile(r"(\b(?:response|nextnonce|rspauth|cnonce|opaque)\s*=\s*)(\"[^\"]*\"|[^\s,;]+)", re.I)
_CRYPTO: Final = re.compile(r"(\binline:)[^\s|]+", re.I)
_ICE: Final = re.compile(r"(^a=ice-pwd:)[^\r\n]*", re.I | re.M)
# The one colon of a user without a password: nothing in front of it could be part of a user's name.
_BARE_SIP: Final = ("<sip", " sip", "<sips", " sips")
_FOLD: Final = re.compile(r"\n[ \t]+")
_NAME_OF_DIGEST: Final = re.compile(r"\b(username|realm)\s*=\s*(\"[^\"\r\n]{0,256}\")", re.I)


def is_secret_name(name: str) -> bool:
    """Whether a header, a parameter or an attribute of this name holds what must not be shown."""
    name = name.lower()
    return name in _SECRET_NAMES or any(word in name for word in _WORDS)


def redact_text(text: str) -> str:
    """Free text, a document or a URL: passwords in URIs, tokens, secrets in queries and attributes are hidden."""
    # Most texts have nothing of the kind, and to see that is a hundred times quicker than to look for its place.
    if "@" in text:
        text = _USERINFO.sub(rf"\1:{HIDDEN}@", text)
        text = _SIP_USERINFO.sub(rf"\1:{HIDDEN}@", text)
    if "eyJ" in text:
        text = _TOKEN.sub(HIDDEN, text)
    lowered = text.lower()
    if any(word in lowered for word in _WORDS):
        text = _NAMED.sub(_named, text)
    return text


def _named(found: re.Match[str]) -> str:
    name, quoted, plain = found.groups()
    return f"{name}{plain}{HIDDEN}" if plain else f'{name}{quoted}"{HIDDEN}"'


def redact_pairs(pairs: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Parameters by name; those whose name tells of a secret keep the name only."""
    return [[name, HIDDEN if value and is_secret_name(name) else redact_text(value)] for name, value in pairs]


def redact_sip(text: str) -> str:
    """A SIP message: of credentials stay the scheme, the user and the realm; keys of its sound are hidden.

    Lines of the result end in a plain line feed, headers are unfolded.
    """
    # A header may go on in the next line, and a lenient reader ends lines in several ways.
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    head, blank, body = text.partition("\n\n")
    if "\n " in head or "\n\t" in head:
        head = _FOLD.sub(" ", head)
    head = "\n".join([_header(line) for line in head.split("\n")])
    if _may_have_passwords(head):
        head = _SIP_USERINFO.sub(rf"\1:{HIDDEN}@", _USERINFO.sub(rf"\1:{HIDDEN}@", head))
    if "eyJ" in head:
        head = _TOKEN.sub(HIDDEN, head)
    if not body:
        return head + blank
    lowered = body.lower()
    if "inline:" in lowered or "ice-pwd" in lowered:
        body = _ICE.sub(rf"\1{HIDDEN}", _CRYPTO.sub(rf"\1{HIDDEN}", body))
    body = redact_text(body)
    return head + blank + body


def _may_have_passwords(head: str) -> bool:
    """False where every @ stands behind a user alone, or behind a blank, as nearly always."""
    for before in head.split("@")[:-1]:
        scheme, _, user = before.rpartition(":")
        if not scheme.endswith(_BARE_SIP) and " " not in user:
            return True
    return False


def _header(line: str) -> str:
    """One line of a head; a start line has no name before a colon that anybody would know."""
    name, colon, value = line.partition(":")
    is_plain = _is_plain_as_known if len(name) <= _LONGEST_NAME else _is_plain
    if not colon or is_plain(name):
        return line
    key = name.strip().lower()
    if key in ("authorization", "proxy-authorization"):
        scheme = value.split(maxsplit=1)[0][:20] if value.strip() else ""
        kept = "".join(f"{name}={text}, " for name, text in _NAME_OF_DIGEST.findall(value))
        return f"{name}: {scheme} {kept}{HIDDEN}"
    if key in _PROOFS:
        return name + colon + _DIGEST.sub(rf"\1{HIDDEN}", value)
    return f"{name}: {HIDDEN}"


def _is_plain(name: str) -> bool:
    """Whether a header of this name is shown as it is."""
    key = name.strip().lower()
    return key not in _PROOFS and not is_secret_name(key)


# The same names stand in message after message.
_is_plain_as_known: Final = lru_cache(maxsize=1024)(_is_plain)
