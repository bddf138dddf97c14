"""X-Twilio-Signature: proof to the application that a request is ours.

Pure. Owns what is signed; the client decides which URL and parameters really leave.
Source: Twilio "Security", validating requests; webhooks.md section 8 of the specification.
"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit, urlunsplit

SIGNATURE_HEADER: Final = "X-Twilio-Signature"


def sign(auth_token: str, url: str, params: Iterable[tuple[str, str]] = ()) -> str:
    """The header's value for a request.

    url: as requested, percent-encoding and query untouched; a GET carries its parameters there already.
    params: the fields of a POST form, in any order; a repeated name counts once per distinct value.
    """
    text = signed_url(url) + "".join(f"{name}{value}" for name, value in sorted(set(params)))
    digest = hmac.new(auth_token.encode(), text.encode("utf-8", "replace"), hashlib.sha1).digest()
    return b64encode(digest).decode("ascii")


def signed_url(url: str) -> str:
    """The part of a URL that is signed: no user, no fragment, and over https no port.

    Source: Twilio "Security": "the port is removed" for https, kept for http.
    """
    parts = urlsplit(url)
    authority = parts.netloc.rpartition("@")[2]
    if parts.scheme.lower() == "https":
        authority = _without_port(authority)
    return urlunsplit((parts.scheme, authority, parts.path, parts.query, ""))


def _without_port(authority: str) -> str:
    host, colon, port = authority.rpartition(":")
    return host if colon and "]" not in port else authority
