"""URLs as documents write them: what is wrong with one, and what it means against the document's own URL.

Pure: no look-up. Whether an address may be contacted is decided where the connection is made (webhooks).
Source: RFC 3986 5.2; Twilio <Client> statusCallback (hosts without underscore); Twilio connection overrides (#rc=).
"""

import re
from urllib.parse import SplitResult, urljoin, urlsplit

from gateway.twiml.problems import INVALID_URL, TwimlError, quoted

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NO_HOST = re.compile(r"[\s\\/<>\"%^`{|}\x00-\x20\x7f]")


def is_absolute(url: str) -> bool:
    return _SCHEME.match(url) is not None


def url_complaint(value: str, *, callback: bool = False) -> str | None:
    """What is wrong with a URL as far as it can be seen without its base, or None.

    callback: the URL is one of the callbacks whose absolute host must not have an underscore.
    """
    if _CONTROL.search(value):
        return "a URL without control characters"
    try:
        parts = urlsplit(value)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        return "a URL with a valid host and port"
    if is_absolute(value) and parts.scheme not in ("http", "https"):
        return "an http or https URL"
    if not is_absolute(value) and not value.startswith("//"):
        return None
    if not port_is_valid:
        return "a URL with a valid host and port"
    return _host_complaint(parts, callback=callback)


def _host_complaint(parts: SplitResult, *, callback: bool) -> str | None:
    host = parts.hostname
    if not host or _NO_HOST.search(host) or "\\" in parts.netloc or len(host) > 253:
        return "a URL with a valid host and port"
    if callback and "_" in host:
        return "a URL whose host has no underscore"
    return None


def socket_complaint(value: str) -> str | None:
    """What is wrong with a WebSocket's address, or None. ``ws`` is for servers on one's own network.

    Source: Twilio <Stream> url (wss, no query string).
    """
    scheme, _, rest = value.partition("://")
    if scheme not in ("ws", "wss") or url_complaint(f"http://{rest}") is not None or "?" in rest:
        return "a wss URL without query"
    return None


def resolve_url(base: str | None, value: str, *, callback: bool = False) -> str:
    """The absolute URL a document's value stands for; an empty value stands for the document itself.

    base: URL of the document that holds the value, after its redirects; None when it has none (``Twiml`` parameter).
    The fragment stays: it carries connection overrides. Blanks are percent-encoded.
    Raises TwimlError 11100 for what cannot be requested, 15004 for a relative URL without a base.
    """
    value = value.strip().replace(" ", "%20")
    complaint = url_complaint(value, callback=callback)
    if complaint is None and not is_absolute(value):
        if base is None:
            raise TwimlError(15004, f"an absolute URL expected, found {quoted(value)}")
        value = urljoin(base, value)
        complaint = url_complaint(value, callback=callback)
    if complaint is not None:
        raise TwimlError(INVALID_URL, f"{complaint} expected, found {quoted(value)}")
    return value
