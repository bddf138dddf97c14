"""What can go wrong when a document, a sound file or a receiver is asked for over HTTP.

Pure. Owns Twilio's codes for it, the error that carries them, and which kinds of failure a URL may ask to be retried.
Source: Twilio Error and Warning Dictionary, 111xx, 112xx, 117xx, 13420; "Webhooks: Connection Overrides", rp.
"""

from enum import Enum, IntEnum
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


class Retry(Enum):
    """A kind of failure that may be tried again. CONNECT: nothing was sent yet. READ: no answer in time."""

    CLIENT_ERROR = "4xx"
    SERVER_ERROR = "5xx"
    CONNECT = "ct"
    READ = "rt"


class FetchError(PeerError):
    """A fetch that did not give what was asked for.

    code: what records and ``ErrorCode`` carry. url: what was asked, without user, password and fragment.
    kind: as what it may be retried; None for what is never retried, such as half an answer.
    http_status: what the server answered, if it answered.
    """

    fault = Fault.UPSTREAM

    def __init__(
        self,
        code: FetchCode,
        url: str,
        message: str,
        *,
        kind: Retry | None = None,
        http_status: int | None = None,
    ) -> None:
        self.code = code
        self.url = without_credentials(url)
        self.message = message
        self.kind = kind
        self.http_status = http_status
        super().__init__(f"{int(code)} {message} ({self.url})", status=502)


def without_credentials(url: str) -> str:
    """The URL as it may be logged and told: no user, no password, no fragment."""
    clean = url.partition("#")[0]
    try:
        authority = urlsplit(clean).netloc
    except ValueError:
        return clean.rpartition("@")[2]
    return clean.replace(authority, authority.rpartition("@")[2], 1) if "@" in authority else clean
