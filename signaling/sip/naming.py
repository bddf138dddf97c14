"""Names on both sides of the edge: From, To, Diversion and extension headers of SIP, Party and headers of a Leg.

Pure. What an application may see of a message and what a message may say of us is decided here, once, on the
parsed form: headers that only we write are taken out of what comes from outside, in every spelling.
Source: RFC 3261 8.1.1, 19.1.2 (escapes); RFC 5806 (Diversion); RFC 7433 (User-to-User); reliability checks S-06, S-34.
"""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from sipmessage import URI, Address

from signaling.leg import Party
from signaling.sip.message import Request, Response
from signaling.sip.values import TOKEN, SipParseError, parse_address, parse_uri

_IS_NUMBER = re.compile(r"\+?[0-9*#]{2,32}").fullmatch
_IS_TOKEN = re.compile(TOKEN).fullmatch
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_OURS = ("x-twilio-", "x-ringfork-")
# Besides X- headers: those that <Sip> lets through, and who a trusted peer says is calling.
_PASSED = {
    name.lower(): name
    for name in ("User-to-User", "Remote-Party-ID", "P-Asserted-Identity", "P-Preferred-Identity", "P-Called-Party-ID")
}
# RFC 3986 unreserved and what RFC 3261 allows in a user part without a meaning of its own to sloppy readers.
_USER_SAFE = "-_.!~*'()+"
MAX_NAME = 256
ANONYMOUS = Party(address="anonymous", display_name="Anonymous")


def is_ours(name: str) -> bool:
    """Whether a header is one that only we write. ``_`` counts as ``-``: applications see both as one."""
    return name.lower().replace("_", "-").startswith(_OURS)


def extension_headers(message: Request | Response) -> dict[str, str]:
    """Headers that the other side may learn: X- and the few others passed on; ours taken out."""
    found: dict[str, str] = {}
    for name, value in message.headers.items():
        key = name.lower()
        if not key.startswith("x-") and key not in _PASSED:
            continue
        if is_ours(name):
            continue
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def outgoing_headers(headers: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """Extension headers as an application gave them, made safe to write: no other header, no second line."""
    for name, value in headers.items():
        key = name.lower()
        if _IS_TOKEN(name) is None or is_ours(name):
            continue
        if key.startswith("x-") or key in _PASSED:
            yield _PASSED.get(key, name), clean(value)


def clean(value: str) -> str:
    """One line of text: control characters become one space."""
    return _CONTROL.sub(" ", value).strip()


def party_of(address: Address, *, numbers: bool) -> Party:
    """Who an address names. numbers: a user part that is a number stands for itself (trunks)."""
    uri = address.uri
    name = clean(address.name)[:MAX_NAME]
    if uri.scheme == "tel" or (numbers and uri.user and _IS_NUMBER(uri.user)):
        return Party(address=_digits(uri.user or ""), display_name=name)
    if (uri.user or "").lower() == "anonymous" or uri.host.endswith(".invalid"):
        return Party(address=ANONYMOUS.address, display_name=name)
    return Party(address=address_text(uri), display_name=name)


def address_text(uri: URI) -> str:
    """``sip:user@host`` as an application sees it; the port stays if it is not the usual one, parameters go."""
    user = encode_user(uri.user[:MAX_NAME]) + "@" if uri.user else ""
    port = f":{uri.port}" if uri.port and uri.port != 5060 else ""
    return f"{uri.scheme}:{user}{uri.host}{port}"


def encode_user(user: str) -> str:
    return quote(user, safe=_USER_SAFE)


def identity_uri(address: str, domain: str) -> str:
    """The SIP URI of a Party's address: ``client:alice`` and ``+15550100`` live in our domain."""
    if address.startswith(("sip:", "sips:")):
        try:
            uri = parse_uri(address)
        except SipParseError:
            return f"sip:{encode_user(clean(address)[:MAX_NAME])}@{domain}"
        return address_text(uri)
    user = address.removeprefix("client:")
    if user in ("", ANONYMOUS.address):
        return "sip:anonymous@anonymous.invalid"
    return f"sip:{encode_user(user[:MAX_NAME])}@{domain}"


def from_value(party: Party, *, domain: str, tag: str) -> str:
    """From of an outgoing INVITE."""
    name = clean(party.display_name)[:MAX_NAME]
    if not name and party.address == ANONYMOUS.address:
        name = ANONYMOUS.display_name
    shown = f"{quoted(name)} " if name else ""
    return f"{shown}<{identity_uri(party.address, domain)}>;tag={tag}"


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def diversion_of(request: Request) -> str | None:
    """Number or address the call was forwarded from last. Source: RFC 5806 (topmost is the latest)."""
    values = request.values("Diversion")
    if not values:
        return None
    try:
        return party_of(parse_address(values[0]), numbers=True).address
    except SipParseError:
        return None


def diversion_value(diversion: str, domain: str) -> str:
    return f"<{identity_uri(diversion, domain)}>;reason=unconditional"


def _digits(user: str) -> str:
    """A phone number without its visual separators. Source: RFC 3966 5.1.1."""
    return user.translate({ord(mark): None for mark in "-.()"})
