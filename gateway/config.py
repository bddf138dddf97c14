"""The configuration: a TOML file, every key also as ``RINGFORK_SECTION__KEY``.

Pure apart from reading the file it is given. All errors are told at once, each with the key's path. Unknown keys are
errors, so that a misspelt key is never silently without effect. Nothing here starts or opens anything.
"""

import ipaddress
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from media.speech.piper import SUFFIX as PIPER_SUFFIX
from media.speech.piper import piper_voices
from media.speech.voices import DEFAULT_LANGUAGE, DEFAULT_VOICE, NoSuchLanguage, NoSuchVoice, VoiceChoice
from signaling.errors import Fault, GatewayError

ENVIRONMENT_PREFIX = "RINGFORK_"


class ConfigurationError(GatewayError):
    """The configuration cannot be used. problems: one sentence each, the key's path first."""

    fault = Fault.CLIENT

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _network(value: str) -> str:
    ipaddress.ip_network(value, strict=False)
    return value


def _http_url(value: str) -> str:
    if value and not value.lower().startswith(("http://", "https://")):
        raise ValueError("expected an http:// or https:// URL")
    return value


def _sip_uri(value: str) -> str:
    if not value.lower().startswith(("sip:", "sips:")):
        raise ValueError("expected a sip: URI")
    return value


def _host_port(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError("expected HOST:PORT")
    return value


def _sip_listen(value: str) -> str:
    protocol, colon, rest = value.partition(":")
    if not colon or protocol not in ("udp", "tcp", "tls"):
        raise ValueError("expected udp:HOST:PORT, tcp:HOST:PORT or tls:HOST:PORT")
    _host_port(rest)
    return value


def _ipv4(value: str) -> str:
    return str(ipaddress.IPv4Address(value))


def _ipv4_or_none(value: str) -> str:
    return _ipv4(value) if value else value


def _codecs(names: tuple[str, ...]) -> tuple[str, ...]:
    """Every phone and trunk speaks G.711; what else they speak is not known before they say so."""
    if not {"PCMU", "PCMA"}.intersection(names):
        raise ValueError("expected PCMU or PCMA among them")
    return tuple(dict.fromkeys(names))


def _piper_model(value: str) -> str:
    if not value.endswith(PIPER_SUFFIX):
        raise ValueError(f"expected the path of a voice, NAME{PIPER_SUFFIX}")
    return value


PiperModel = Annotated[str, AfterValidator(_piper_model)]
Network = Annotated[str, AfterValidator(_network)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
SipUri = Annotated[str, AfterValidator(_sip_uri)]
HostPort = Annotated[str, AfterValidator(_host_port)]
SipListen = Annotated[str, AfterValidator(_sip_listen)]
IceUrl = Annotated[str, Field(pattern=r"^(stuns?|turns?):[A-Za-z0-9.\[\]:-]+(\?transport=(udp|tcp))?$")]
Ipv4 = Annotated[str, AfterValidator(_ipv4)]
Ipv4OrNone = Annotated[str, AfterValidator(_ipv4_or_none)]
Method = Literal["GET", "POST"]
Prefix = Annotated[str, Field(pattern=r"^\+?[0-9]{1,15}$")]


def _sid(prefix: str) -> Any:
    return Field(pattern=rf"^{prefix}[0-9a-fA-F]{{32}}$")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Server(_Section):
    listen: HostPort = "127.0.0.1:8080"
    public_url: HttpUrl = ""
    tls_certificate: str = ""
    tls_key: str = ""
    trusted_proxies: tuple[Network, ...] = ()
    drain_s: Annotated[float, Field(ge=0, le=86_400)] = 30.0

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])


class Account(_Section):
    sid: str = _sid("AC")
    auth_token: SecretStr = Field(min_length=8)
    friendly_name: str = Field(default="main account", max_length=64)
    allowed_prefixes: tuple[Prefix, ...] = ()


class ApiKey(_Section):
    sid: str = _sid("SK")
    secret: SecretStr = Field(min_length=8)


class VoiceUrls(_Section):
    """Where a call's instructions come from, and who is told when it is over."""

    voice_url: HttpUrl = ""
    voice_method: Method = "POST"
    voice_fallback_url: HttpUrl = ""
    voice_fallback_method: Method = "POST"
    status_callback: HttpUrl = ""
    status_callback_method: Method = "POST"


class Sip(VoiceUrls):
    listen: tuple[SipListen, ...] = ("udp:127.0.0.1:5060", "tcp:127.0.0.1:5060")
    domain: str = Field(default="127.0.0.1", min_length=1, max_length=253)
    tls_certificate: str = ""
    tls_key: str = ""
    advertised_address: Ipv4OrNone = ""
    codecs: Annotated[tuple[Literal["PCMU", "PCMA", "G722", "OPUS"], ...], AfterValidator(_codecs)] = (
        "PCMU",
        "PCMA",
        "G722",
        "OPUS",
    )
    registration_max_s: Annotated[int, Field(ge=60, le=86_400)] = 3600
    allow: tuple[Network, ...] | None = None


class Media(_Section):
    address: Ipv4 = "127.0.0.1"
    advertised_address: Ipv4OrNone = ""
    port_range: tuple[int, int] = (20000, 29999)
    capacity: Annotated[int, Field(ge=2, le=20_000)] = 2000

    @model_validator(mode="after")
    def _range(self) -> "Media":
        low, high = self.port_range
        if not 1024 <= low < high <= 65535:
            raise ValueError("port_range: expected two ports, 1024 to 65535, the lower one first")
        return self


class Turn(_Section):
    """Servers that others run, whose addresses and passes the REST API hands out."""

    urls: tuple[IceUrl, ...] = ()
    secret: SecretStr = SecretStr("")

    @model_validator(mode="after")
    def _sealed(self) -> "Turn":
        if any(url.startswith("turn") for url in self.urls) and not self.secret.get_secret_value():
            raise ValueError("secret: expected the TURN server's, so that a pass can be made for it")
        return self


class VoiceSdk(_Section):
    origins: tuple[HttpUrl, ...] = ()
    edge: str = Field(default="roaming", min_length=1, max_length=64)


class Speech(_Section):
    voice: str = Field(default=DEFAULT_VOICE, min_length=1, max_length=100)
    language: str = Field(default=DEFAULT_LANGUAGE, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,4}$")
    piper: tuple[PiperModel, ...] = ()
    aliases: dict[str, str] = {}
    cache_directory: str = "speech"
    cache_mb: Annotated[int, Field(ge=0, le=1_000_000)] = 256
    listeners: Annotated[int, Field(ge=0, le=1000)] = 2

    @model_validator(mode="after")
    def _voices(self) -> "Speech":
        for name, target in (("voice", self.voice), *(("aliases." + alias, to) for alias, to in self.aliases.items())):
            try:
                # Without a language, which may well be another one than the default.
                self.choice.choose(target, self.language if name == "voice" else None)
            except (NoSuchVoice, NoSuchLanguage) as error:
                raise ValueError(f"{name}: {error}") from None
        return self

    @property
    def choice(self) -> VoiceChoice:
        return VoiceChoice(
            voice=self.voice,
            language=self.language,
            piper=piper_voices(self.piper),
            aliases={alias.lower(): target for alias, target in self.aliases.items()},
        )


class Recordings(_Section):
    directory: str = "recordings"
    url: Annotated[str, Field(pattern=r"^$|^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9!_.*'()/-]*)?$")] = ""


class Retention(_Section):
    """Days after their end; 0: for good."""

    calls_days: Annotated[int, Field(ge=0, le=36_500)] = 0
    recordings_days: Annotated[int, Field(ge=0, le=36_500)] = 0


class Storage(_Section):
    url: str = Field(default="sqlite:///ringfork.db", pattern=r"^(sqlite|postgresql)(\+\w+)?://")
    secret: SecretStr = SecretStr("")
    previous_secret: SecretStr = SecretStr("")


class Webhooks(_Section):
    allow: tuple[Network, ...] = ("127.0.0.0/8",)


class Mail(_Section):
    """The operator's mail server, for voice mail. server "": none."""

    server: Annotated[str, AfterValidator(lambda value: _host_port(value) if value else value)] = ""
    sender: str = "ringfork@localhost"
    username: str = ""
    password: SecretStr = SecretStr("")


class Calls(_Section):
    maximum: Annotated[int, Field(ge=1)] = 1000
    time_limit_s: Annotated[int, Field(ge=1, le=86_400)] = 14_400
    default_ring_tone: str = "us"
    status_when_caller_hangs_up: Literal["canceled", "no-answer"] = "canceled"
    ringing_during_whisper: bool = False
    per_second: Annotated[float, Field(ge=0.01, le=1000)] = 50.0


class Client(_Section):
    identity: str = Field(min_length=1, max_length=256, pattern=r'^[^\x00-\x20\x7f<>#%"{}|\\^\[\]`]+$')
    password: SecretStr = Field(min_length=1)


class Application(VoiceUrls):
    sid: str = _sid("AP")
    friendly_name: str = ""


class Number(VoiceUrls):
    phone_number: str = Field(pattern=r"^\+?[0-9*#]{1,32}$")
    application_sid: str = ""


class Trunk(_Section):
    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    uri: SipUri
    username: str = ""
    password: SecretStr = SecretStr("")
    sources: tuple[Network, ...] = ()


class Sim(_Section):
    sid: str = _sid("DE")
    uri: SipUri


class Console(_Section):
    """enabled: whether ``/console`` is served. keep_…: what is written to a call's timeline for its page."""

    enabled: bool = True
    keep_webhooks: bool = True
    keep_sip: bool = True


class Configuration(_Section):
    """Everything the daemon is told. Source: README, "Configuration"."""

    server: Server = Server()
    account: Account
    api_keys: tuple[ApiKey, ...] = ()
    sip: Sip = Sip()
    media: Media = Media()
    voice_sdk: VoiceSdk = VoiceSdk()
    turn: Turn = Turn()
    speech: Speech = Speech()
    recordings: Recordings = Recordings()
    retention: Retention = Retention()
    storage: Storage = Storage()
    webhooks: Webhooks = Webhooks()
    calls: Calls = Calls()
    mail: Mail = Mail()
    console: Console = Console()
    clients: tuple[Client, ...] = ()
    applications: tuple[Application, ...] = ()
    numbers: tuple[Number, ...] = ()
    trunks: tuple[Trunk, ...] = ()
    sims: tuple[Sim, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> "Configuration":
        problems = [
            *_duplicates("clients", "identity", [client.identity for client in self.clients]),
            *_duplicates("applications", "sid", [application.sid for application in self.applications]),
            *_duplicates("numbers", "phone_number", [number.phone_number for number in self.numbers]),
            *_duplicates("trunks", "name", [trunk.name for trunk in self.trunks]),
            *_duplicates("sims", "sid", [sim.sid for sim in self.sims]),
            *_duplicates("api_keys", "sid", [key.sid for key in self.api_keys]),
        ]
        known = {application.sid for application in self.applications}
        for index, number in enumerate(self.numbers):
            if number.application_sid and number.application_sid not in known:
                problems.append(f"numbers[{index}].application_sid: no [[applications]] has {number.application_sid}")
        if bool(self.server.tls_certificate) != bool(self.server.tls_key):
            problems.append("server.tls_certificate: expected both tls_certificate and tls_key, or neither")
        if bool(self.sip.tls_certificate) != bool(self.sip.tls_key):
            problems.append("sip.tls_certificate: expected both tls_certificate and tls_key, or neither")
        has_certificate = bool(self.sip.tls_certificate or self.server.tls_certificate)
        if not has_certificate and any(url.startswith("tls:") for url in self.sip.listen):
            problems.append("sip.listen: tls: needs sip.tls_certificate and sip.tls_key")
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def public_url(self) -> str:
        """The URL others reach us at, without a slash at the end."""
        if self.server.public_url:
            return self.server.public_url.rstrip("/")
        scheme = "https" if self.server.tls_certificate else "http"
        return f"{scheme}://{self.server.listen}"


def _duplicates(section: str, key: str, values: list[str]) -> list[str]:
    return [
        f"{section}[{index}].{key}: {value} is there twice"
        for index, value in enumerate(values)
        if value in values[:index]
    ]


def load(path: Path | None, environment: Mapping[str, str]) -> Configuration:
    """Read the file (if any), lay the environment over it, check everything.

    Raises ConfigurationError with all problems at once.
    """
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigurationError([f"{path}: {error.strerror or error}"]) from None
        except UnicodeDecodeError:
            raise ConfigurationError([f"{path}: expected UTF-8 text"]) from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError([f"{path}: {error}"]) from None
    problems = _lay_over(values, environment)
    try:
        configuration = Configuration.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError(problems + _sentences(error)) from None
    if problems:
        raise ConfigurationError(problems)
    return configuration


def _lay_over(values: dict[str, Any], environment: Mapping[str, str]) -> list[str]:
    """Put RINGFORK_SECTION__KEY values into ``values``; lists and tables are written as JSON."""
    problems = []
    for name in sorted(environment):
        if not name.startswith(ENVIRONMENT_PREFIX):
            continue
        section, _, key = name[len(ENVIRONMENT_PREFIX) :].lower().partition("__")
        field = Configuration.model_fields.get(section)
        if field is None:
            problems.append(f"{name}: there is no section [{section}]")
            continue
        value: Any = environment[name]
        if value.lstrip().startswith(("[", "{")):
            try:
                value = json.loads(value)
            except ValueError as error:
                problems.append(f"{name}: expected JSON: {error}")
                continue
        if not key:
            values[section] = value
        elif isinstance(values.setdefault(section, {}), dict):
            values[section][key] = value
        else:
            problems.append(f"{name}: [[{section}]] is a list; give it whole, as JSON, in RINGFORK_{section.upper()}")
    return problems


def _sentences(error: ValidationError) -> list[str]:
    sentences: list[str] = []
    for problem in error.errors(include_url=False, include_input=False):
        path = ""
        for part in problem["loc"]:
            path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = "there is no such key"
        if path:
            sentences.append(f"{path}: {message}")
        else:
            sentences.extend(message.splitlines())
    return sentences
