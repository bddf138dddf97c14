"""Where an endpoint registers, and how the addresses it dials are spelled.

Pure. Source: RFC 3261 19.1 (SIP URI), 25.1 (user, unreserved).
"""

import re
from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote, urlsplit

NO_SERVER = "none"

_SERVER = re.compile(
    r"(?:(?P<scheme>sips?|udp|tcp|tls):)?(?://)?"
    r"(?P<host>[A-Za-z0-9.-]+)(?::(?P<port>\d{1,5}))?"
    r"(?:;transport=(?P<transport>udp|tcp|tls))?",
    re.IGNORECASE,
)
# RFC 3261 25.1: unreserved and user-unreserved may stand as they are in the user part.
_USER_SAFE = "-_.!~*'()&=+$,;?/"


class OptionError(ValueError):
    """The endpoint was asked for something that cannot be."""


class Transport(Enum):
    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"

    @property
    def default_port(self) -> int:
        return 5061 if self is Transport.TLS else 5060


@dataclass(frozen=True)
class ServerAddress:
    host: str
    port: int
    transport: Transport

    @staticmethod
    def parse(text: str, transport: Transport | None = None) -> "ServerAddress":
        """Read ``sip:host:port``, ``host``, ``tcp:host:port``, ``sips:host``, ``sip:host;transport=tcp``.

        transport: wins over what the text says. Raises OptionError.
        """
        found = _SERVER.fullmatch(text.strip())
        if found is None or int(found["port"] or 1) not in range(1, 65536):
            raise OptionError(f"a server like sip:127.0.0.1:5060 was expected, found {text!r}")
        scheme = (found["scheme"] or "sip").lower()
        said = "tls" if scheme == "sips" else found["transport"] or (scheme if scheme != "sip" else "udp")
        chosen = transport or Transport(said.lower())
        return ServerAddress(found["host"], int(found["port"] or chosen.default_port), chosen)

    @property
    def uri(self) -> str:
        return f"sip:{self._at}"

    def user_uri(self, user: str) -> str:
        """A user at this very host and port, reached by this transport."""
        return f"sip:{escape_user(user)}@{self._at}"

    @property
    def _at(self) -> str:
        return f"{self.host}:{self.port};transport={self.transport.value}"


@dataclass(frozen=True)
class SignalAddress:
    """Where the Voice SDK's server is. scheme: ``ws`` or ``wss``; path: what stands before ``/signal``."""

    scheme: str
    host: str
    port: int
    path: str

    @staticmethod
    def parse(text: str) -> "SignalAddress":
        """Read ``http://host:port/path`` or ``ws://…``; with TLS ``https`` or ``wss``. Raises OptionError."""
        expected = f"a server like http://127.0.0.1:8080 was expected, found {text!r}"
        try:
            parts = urlsplit(text.strip())
            port = parts.port
        except ValueError as error:
            raise OptionError(expected) from error
        scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
        if scheme not in ("ws", "wss") or not parts.hostname or parts.query or parts.fragment or parts.username:
            raise OptionError(expected)
        path = parts.path.rstrip("/").removesuffix("/signal")
        default = 443 if scheme == "wss" else 80
        return SignalAddress(scheme, parts.hostname, default if port is None else port, path)

    @property
    def signal_url(self) -> str:
        return f"{self.scheme}://{self._at}{self.path}/signal"

    @property
    def token_url(self) -> str:
        return f"{'https' if self.scheme == 'wss' else 'http'}://{self._at}{self.path}/token"

    @property
    def _at(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def escape_user(user: str) -> str:
    """An identity or number as the user part of a SIP URI."""
    return quote(user, safe=_USER_SAFE)


def is_sip_uri(target: str) -> bool:
    return target.lower().startswith(("sip:", "sips:"))
