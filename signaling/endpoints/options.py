"""What a client endpoint is asked to be and to do: its identity, its server, and its habits in a call.

Pure: frozen values, checked when they are made; they travel to the endpoint's process as one JSON line.
Does not know how a client is made of it (endpoint.py) nor how a command line spells it (gateway/endpoint_command.py).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from signaling.endpoints.servers import (
    NO_SERVER,
    OptionError,
    ServerAddress,
    SignalAddress,
    Transport,
    escape_user,
    is_sip_uri,
)
from signaling.endpoints.sound import check_sound

HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
PARAMETER_NAME = re.compile(r"[^\x00-\x20\x7f&=%+#?\ud800-\udfff]{1,256}")
DIGITS = re.compile(r"[0-9A-D*#wW]*")
WEBRTC_CODECS = ("PCMU", "PCMA", "opus", "G722")
_LONGEST_S = 86_400


class Incoming(Enum):
    """What happens to a call that comes in.

    RING: 180 and no more. ANSWER: 180, then 200 after ``answer_after_s``. REJECT: refused at once.
    WAIT: not even 180 until a command says so.
    """

    RING = "ring"
    ANSWER = "answer"
    REJECT = "reject"
    WAIT = "wait"


@dataclass(frozen=True, kw_only=True)
class ClientHabits:
    """What every endpoint has, whatever its protocol.

    play: a WAV file or ``tone:HZ``; what the endpoint says in every call, repeated.
    record: a WAV file for what it hears; the second call of the process goes to ``NAME-2.wav`` and so on.
    hangup_after_s counts from the answer.
    calls: quit after so many calls are over; None: never by itself, after one if ``dial`` is set.
    commands: obey JSON lines on standard input; its end means quit.
    Raises OptionError for a value that cannot work.
    """

    identity: str
    dial: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    incoming: Incoming = Incoming.RING
    answer_after_s: float = 0.0
    reject_code: int = 486
    play: str = ""
    record: str = ""
    digits: str = ""
    hangup_after_s: float | None = None
    calls: int | None = None
    commands: bool = False
    tls_ca: str = ""
    tls_insecure: bool = False

    def __post_init__(self) -> None:
        if not self.identity or len(self.identity) > 256:
            raise OptionError("an identity of 1 to 256 characters is needed")
        if not 300 <= self.reject_code <= 699:
            raise OptionError(f"a call is refused with a status from 300 to 699, not {self.reject_code}")
        if not DIGITS.fullmatch(self.digits):
            raise OptionError(f"digits are 0-9 A-D * # w W, found {self.digits!r}")
        if self.play:
            check_sound(self.play)
        check_times(answer_after_s=self.answer_after_s, hangup_after_s=self.hangup_after_s)
        if self.calls is not None and self.calls < 1:
            raise OptionError(f"a number of calls is 1 or more, not {self.calls}")

    @property
    def last_call(self) -> int | None:
        """Number of the call after which the endpoint quits."""
        if self.calls is None and self.dial and not self.commands:
            return 1
        return self.calls

    def record_path(self, call: int) -> Path | None:
        if not self.record:
            return None
        path = Path(self.record)
        return path if call == 1 else path.with_stem(f"{path.stem}-{call}")


@dataclass(frozen=True, kw_only=True)
class SipEndpointOptions(ClientHabits):
    """One SIP client endpoint.

    server: ``sip:host:port``, ``udp:host:port``, ``tcp:…``, ``tls:…``, ``sips:…`` or ``none`` (no registration,
        calls go to full SIP URIs only).
    domain: host part of the address of record and of dialled identities; the server is then the outbound proxy.
        Unless given, both are the server's own address.
    hold_after_s counts from the answer, resume_after_s from the hold.
    Raises OptionError for a value that cannot work.
    """

    KIND: ClassVar[str] = "sip"

    server: str = NO_SERVER
    password: str = field(default="", repr=False)
    domain: str = ""
    display_name: str = ""
    transport: Transport | None = None
    local_address: str = ""
    local_port: int = 0
    expires_s: int = 300
    hold_after_s: float | None = None
    resume_after_s: float | None = None
    codecs: tuple[str, ...] = ("PCMU", "PCMA")
    log_level: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.is_registering:
            ServerAddress.parse(self.server, self.transport)
        if self.dial:
            self.uri_of(self.dial)
        check_headers(self.headers)
        check_times(hold_after_s=self.hold_after_s, resume_after_s=self.resume_after_s)
        if self.resume_after_s is not None and self.hold_after_s is None:
            raise OptionError("resuming after a time needs a hold before it")
        if not self.codecs:
            raise OptionError("at least one codec is needed")

    @property
    def is_registering(self) -> bool:
        return self.server != NO_SERVER

    @property
    def server_address(self) -> ServerAddress:
        """Raises OptionError when there is no server."""
        return ServerAddress.parse(self.server, self.transport)

    @property
    def chosen_transport(self) -> Transport:
        if self.is_registering:
            return self.server_address.transport
        return self.transport or Transport.UDP

    @property
    def transport_name(self) -> str:
        return self.chosen_transport.value

    @property
    def address_of_record(self) -> str:
        host = self.domain or (self.server_address.host if self.is_registering else self.local_address)
        return f"sip:{escape_user(self.identity)}@{host or '127.0.0.1'}"

    def uri_of(self, target: str) -> str:
        """The SIP URI of what a user dials: a URI as it is, an identity or number at the server.

        Raises OptionError for an identity when there is no server.
        """
        if is_sip_uri(target):
            return target
        if self.domain:
            return f"sip:{escape_user(target)}@{self.domain}"
        if not self.is_registering:
            raise OptionError(f"without a server only full SIP URIs can be dialled, not {target!r}")
        return self.server_address.user_uri(target)

    def to_json(self) -> str:
        return _to_json(self)

    @staticmethod
    def from_json(text: str) -> "SipEndpointOptions":
        """Raises OptionError for anything ``to_json`` does not write."""
        options = options_from_json(text)
        if not isinstance(options, SipEndpointOptions):
            raise OptionError("options of a SIP endpoint were expected")
        return options


@dataclass(frozen=True, kw_only=True)
class WebRtcEndpointOptions(ClientHabits):
    """One client endpoint that behaves as a browser with the Voice SDK.

    server: ``http://host:port``, ``https://…``, ``ws://…``, ``wss://…``, with the path before ``/signal`` if any.
    token: an access token; without one it is fetched from the server's ``/token``, for ``account`` and ``password``
        (account SID and auth token, or an API key and its secret) if given, and again before it runs out.
    headers: custom parameters of its calls. codecs: best first; no others are used. The default is the SDK's.
    """

    KIND: ClassVar[str] = "webrtc"

    server: str
    token: str = field(default="", repr=False)
    account: str = ""
    password: str = field(default="", repr=False)
    codecs: tuple[str, ...] = ("PCMU", "opus")

    def __post_init__(self) -> None:
        super().__post_init__()
        SignalAddress.parse(self.server)
        if self.token and (self.account or self.password):
            raise OptionError("a token needs no account and no password: they are for fetching one")
        if bool(self.account) != bool(self.password):
            raise OptionError("an account and its password belong together")
        known = {name.lower() for name in WEBRTC_CODECS}
        if not self.codecs or any(name.lower() not in known for name in self.codecs):
            raise OptionError(f"codecs are {', '.join(WEBRTC_CODECS)}; found {', '.join(self.codecs) or 'none'}")
        for name in self.headers:
            if not PARAMETER_NAME.fullmatch(name):
                raise OptionError(f"a parameter's name has no spaces and none of & = % + # ?, found {name!r}")

    @property
    def is_registering(self) -> bool:
        return True

    @property
    def server_address(self) -> SignalAddress:
        return SignalAddress.parse(self.server)

    @property
    def transport_name(self) -> str:
        return self.server_address.scheme

    def uri_of(self, target: str) -> str:
        """What goes as ``To``."""
        return target

    def to_json(self) -> str:
        return _to_json(self)


EndpointOptions: TypeAlias = SipEndpointOptions | WebRtcEndpointOptions


def _to_json(options: EndpointOptions) -> str:
    values = {"kind": options.KIND} | asdict(options)
    return json.dumps(values, default=lambda value: value.value if isinstance(value, Enum) else dict(value))


def options_from_json(text: str) -> EndpointOptions:
    """Raises OptionError for anything ``to_json`` does not write."""
    try:
        values: dict[str, Any] = json.loads(text)
        kind = values.pop("kind")
        values["incoming"] = Incoming(values["incoming"])
        values["codecs"] = tuple(values["codecs"])
        if kind == WebRtcEndpointOptions.KIND:
            return WebRtcEndpointOptions(**values)
        if kind != SipEndpointOptions.KIND:
            raise OptionError(f"an endpoint is sip or webrtc, not {kind!r}")
        values["transport"] = Transport(values["transport"]) if values["transport"] else None
        return SipEndpointOptions(**values)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OptionError(f"options as one JSON object were expected: {error}") from error


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises OptionError for a header that would break the message."""
    for name, value in headers.items():
        if not HEADER_NAME.fullmatch(name) or any(ord(character) < 32 for character in value):
            raise OptionError(f"a header is NAME=VALUE on one line, found {name!r}")


def check_times(**times: float | None) -> None:
    """Seconds by name. Raises OptionError for one that no call lasts."""
    for name, seconds in times.items():
        if seconds is not None and not 0 <= seconds <= _LONGEST_S:
            raise OptionError(f"{name} is a number of seconds from 0 to {_LONGEST_S}, not {seconds}")
