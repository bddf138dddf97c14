"""What can go wrong when a document, a sound file or a receiver is asked for over HTTP.

Pure. Owns Twilio's codes for it and the error that carries them.
Source: Twilio Error and Warning Dictionary, 111xx, 112xx, 117xx, 13420.
"""

from enum import IntEnum
from urllib.parse import urlsplit

from signaling.errors import Fault, PeerError


class FetchCode(IntEnum):
    """Twilio's error codes of a fetch."""

    INVALID_URL = 11100
    RETRIEVAL_FAILURE = 11200
    CONNECT_TIMEOUT = 11201
    CONNECTION_REFUSED = 11202
    TOTAL_TIMEOUT = 11203
    CONNECTION_FAILURE = 11205
    PROTOCOL_VIOLATION = 11206
    BAD_HOST_NAME = 11210
    TOO_MANY_REDIRECTS = 11215
    INVALID_REDIRECT = 11216
    ERROR_STATUS = 11217
    TLS_HANDSHAKE = 11220
    CERTIFICATE_MISMATCH = 11235
    CERTIFICATE_EXPIRED = 11236
    CERTIFICATE_PATH = 11237
    BAD_RETRY_POLICY = 11243
    INVALID_METHOD = 11322
    BODY_TOO_LARGE = 11750
    BODY_EMPTY = 11770
    BAD_AUDIO_TYPE = 13420


CONNECT_CODES = frozenset(
    {
        FetchCode.CONNECT_TIMEOUT,
        FetchCode.CONNECTION_REFUSED,
        FetchCode.CONNECTION_FAILURE,
        FetchCode.BAD_HOST_NAME,
        FetchCode.TLS_HANDSHAKE,
        FetchCode.CERTIFICATE_MISMATCH,
        FetchCode.CERTIFICATE_EXPIRED,
        FetchCode.CERTIFICATE_PATH,
    }
)


class FetchError(PeerError):
    """A fetch that did not give what was asked for.

    code: what records and ``ErrorCode`` carry. url: what was asked, without user, password and fragment.
    http_status: what the server answered, if it answered. connected: whether the failure came after a connection
    stood; what failed before that is safe to send again. previous: the failure that led to this (fallback) fetch.
    """

    fault = Fault.UPSTREAM

    def __init__(
        self,
        code: FetchCode,
        url: str,
        message: str,
        *,
        http_status: int | None = None,
        connected: bool = False,
        previous: "FetchError | None" = None,
    ) -> None:
        super().__init__(f"{int(code)} {message} ({without_credentials(url)})", status=502)
        self.code = code
        self.url = without_credentials(url)
        self.message = message
        self.http_status = http_status
        self.connected = connected
        self.previous = previous


def without_credentials(url: str) -> str:
    """The URL as it may be logged and told: no user, no password, no fragment."""
    clean = url.partition("#")[0]
    try:
        parts = urlsplit(clean)
    except ValueError:
        return clean.rpartition("@")[2]
    if "@" not in parts.netloc:
        return clean
    return clean.replace(f"{parts.netloc}", parts.netloc.rpartition("@")[2], 1)
