"""The registrar: which devices an identity has, and over which flow each is reached.

Checks who registers (DigestAuthenticator), keeps up to ten bindings an identity (bindings.py) and gives them out as
Devices to dial. A binding is reached over the flow it registered by, so that phones behind NAT are; one that came
over tcp or tls goes with its connection. Time comes in as ``clock``; the only timer is the sweep of ``start``.
Several flows of one device (reg-id of RFC 5626) count as one: the newest replaces the others, so it rings once.
Source: RFC 3261 10.3; RFC 3327 (Path); RFC 5626 4.1 (+sip.instance); RFC 3581 for what the flow is.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import Protocol

import structlog

from signaling.leg import Leg, OutboundCall
from signaling.location import BROWSER_CODECS, PHONE_CODECS, Device, Repertoire
from signaling.scope import AccountOfHost, account_host, account_in, identity_in, one_account, scoped
from signaling.sip.auth import Refused, Verified
from signaling.sip.bindings import Binding, BindingChange, BindingTable, comparable
from signaling.sip.challenge_choice import Challenged
from signaling.sip.dial_target import DialTarget
from signaling.sip.flow import Flow
from signaling.sip.limits import RateTable
from signaling.sip.message import Request, Response, SipParseError, parse_address, respond

log = structlog.get_logger()

_UNDERSTOOD = frozenset({"path"})
_MAX_CONTACTS = 16
_MAX_CONTACT = 1024
_MAX_PATHS = 8
_SWEEP_S = 1.0


class Authenticator(Protocol):
    """What is used of DigestAuthenticator."""

    def challenge(self, peer: Challenged | None = None, *, stale: bool = False) -> list[str]: ...
    def verify(
        self,
        method: str,
        authorization: Sequence[str],
        *,
        uri: str,
        body: bytes = b"",
        source: str = "",
        account: str = "",
    ) -> Verified | Refused: ...


@dataclass(frozen=True, kw_only=True)
class RegistrarSettings:
    """Seconds a binding may ask for: shorter gets 423, longer is cut, none said takes the default."""

    domain: str
    user_agent: str = "Ringfork"
    least_s: int = 30
    most_s: int = 3600
    default_s: int = 3600
    bindings_per_identity: int = 10


@dataclass(frozen=True)
class RegisteredDevice:
    """A binding that can be called."""

    binding: Binding
    _domain: str = field(repr=False)
    _dial: Callable[[DialTarget, OutboundCall], Leg] = field(repr=False)

    @property
    def device_id(self) -> str:
        return f"{self.binding.device}:{self.binding.flow.remote[1]};transport={self.binding.flow.protocol}"

    @property
    def repertoire(self) -> Repertoire:
        return BROWSER_CODECS if self.binding.flow.is_web else PHONE_CODECS

    def dial(self, request: OutboundCall) -> Leg:
        binding = self.binding
        return self._dial(
            DialTarget(
                request_uri=binding.contact,
                to_uri=_address_of(binding.identity, self._domain),
                device=binding.device,
                flow=binding.flow,
                identity=binding.identity,
                route=binding.path,
            ),
            request,
        )


@dataclass(frozen=True)
class _Contact:
    """One Contact of a REGISTER: what it asks for. address: the URI for comparison."""

    uri: str
    address: str
    instance: str
    expires_s: int

    @property
    def key(self) -> str:
        return self.instance or self.address


class _Rejected(Exception):
    """Ends the handling of a request with this answer."""

    def __init__(self, code: int, *fields: tuple[str, str]) -> None:
        super().__init__(code)
        self.code = code
        self.fields = fields


class Registrar:
    """Answers REGISTER and knows the devices of every identity.

    dial: SipAgent.dial. account_of_host: whose device a To means; identities are scoped by it.
    on_change(binding, change): for records and metrics; called after the tables are right.
    """

    def __init__(
        self,
        *,
        settings: RegistrarSettings,
        authenticator: Authenticator,
        dial: Callable[[DialTarget, OutboundCall], Leg],
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        on_change: Callable[[Binding, BindingChange], None] = lambda _binding, _change: None,
        account_of_host: AccountOfHost = one_account,
    ) -> None:
        self._account_of_host = account_of_host
        self._settings = settings
        self._authenticator = authenticator
        self._dial = dial
        self._clock = clock
        self._wall_clock = wall_clock
        self._table = BindingTable(per_identity=settings.bindings_per_identity, clock=clock, on_change=on_change)
        self._log_budget = RateTable(rate=1, burst=5, clock=clock, limit=8)
        self._sweeper: asyncio.TimerHandle | None = None

    # Running

    def start(self) -> None:
        """Sweeps once a second in the running loop from now on."""
        self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep_and_again)

    def stop(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    def sweep(self) -> None:
        """Drops what has expired."""
        self._table.drop_expired()

    def flow_closed(self, flow: Flow) -> None:
        """A connection is gone, and with it the devices reached over it."""
        self._table.drop_connection(flow)

    # Asking

    def bindings(self, identity: str) -> tuple[Binding, ...]:
        """Bindings that hold now, longest registered first."""
        return self._table.held(identity)

    def devices(self, identity: str) -> Sequence[Device]:
        return [RegisteredDevice(item, self._settings.domain, self._dial) for item in self._table.held(identity)]

    def is_registered_source(self, source: str) -> bool:
        """Whether a device is registered from this address."""
        return self._table.has_source(source)

    def age_s(self, binding: Binding) -> float:
        """How long ago its device came."""
        return self._clock() - binding.since

    def left_s(self, binding: Binding) -> float:
        """How long it holds unless it is refreshed."""
        return binding.expires_at - self._clock()

    @property
    def identities(self) -> tuple[str, ...]:
        """Those with at least one device."""
        return self._table.identities

    # REGISTER

    def handle(self, request: Request, flow: Flow) -> Response:
        """The answer to a REGISTER. 401 and other refusals keep nothing; a success may be answered again as it is.

        Source: RFC 3261 10.3, its steps in order.
        """
        try:
            identity = self._authenticate(request, flow)
            held = self._update(identity, request, flow)
        except _Rejected as rejected:
            return self._answer(request, rejected.code, rejected.fields)
        except SipParseError as error:
            return self._answer(request, error.status, ())
        return self._answer(request, 200, self._listing(held, request))

    def _authenticate(self, request: Request, flow: Flow) -> str:
        unknown = request.tokens("Require") - _UNDERSTOOD
        if unknown:
            raise _Rejected(420, ("Unsupported", ", ".join(sorted(unknown))))
        answers = request.headers.getlist("Authorization")
        account = self._account_of_host(request.to_address.uri.host)
        verdict: Verified | Refused = Refused()
        if answers:
            verdict = self._authenticator.verify(
                request.method, answers, uri=request.uri_text, body=request.body, source=flow.source, account=account
            )
        match verdict:
            case Refused():
                if verdict.attempted and self._log_budget.take("refused"):
                    log.info("sip.register_refused", claimed=verdict.username, source=flow.source)
                peer = Challenged(
                    source=flow.source,
                    username=request.from_address.uri.user or "",
                    user_agent=request.headers.get("User-Agent") or "",
                    has_answered=bool(answers),
                )
                challenges = self._authenticator.challenge(peer, stale=verdict.stale)
                raise _Rejected(401, *(("WWW-Authenticate", value) for value in challenges))
            case Verified(identity):
                named = {request.to_address.uri.user, request.from_address.uri.user}
                if named != {identity}:
                    # Nobody registers devices for somebody else.
                    if self._log_budget.take("forbidden"):
                        log.info("sip.register_forbidden", identity=identity, source=flow.source)
                    raise _Rejected(403)
                return scoped(account, identity)

    def _update(self, identity: str, request: Request, flow: Flow) -> tuple[Binding, ...]:
        """Carries out what the Contacts ask for, all or nothing."""
        written = request.values("Contact")
        if not written:
            return self.bindings(identity)
        if len(written) > _MAX_CONTACTS:
            raise _Rejected(400)
        header_s = _seconds(request.headers.get("Expires"))
        if "*" in written:
            # Source: RFC 3261 10.3, step 6.
            if len(written) > 1 or header_s != 0:
                raise _Rejected(400)
            for binding in self._table.held(identity):
                if not _is_outdated(request, binding):
                    self._table.drop(binding, BindingChange.UNREGISTERED)
            return self.bindings(identity)
        contacts = [self._contact(text, header_s) for text in written]
        for contact in contacts:
            former = self._table.find(identity, contact.key)
            if former is not None and _is_outdated(request, former):
                raise _Rejected(500)
        # Removals first: a phone that moves its contact removes the old one in the same request.
        for contact in contacts:
            if contact.expires_s == 0:
                self._remove(identity, contact)
        for contact in contacts:
            if contact.expires_s:
                self._bind(identity, contact, request, flow)
        return self.bindings(identity)

    def _contact(self, text: str, header_s: int | None) -> _Contact:
        address = parse_address(text)
        if address.uri.scheme not in ("sip", "sips") or len(text) > _MAX_CONTACT:
            raise _Rejected(400)
        settings = self._settings
        asked = _seconds(address.parameters.get("expires"))
        expires_s = asked if asked is not None else header_s
        if expires_s is None:
            expires_s = settings.default_s
        if 0 < expires_s < settings.least_s:
            raise _Rejected(423, ("Min-Expires", str(settings.least_s)))
        uri = _uri_text(text)
        instance = address.parameters.get("+sip.instance") or ""
        return _Contact(uri, comparable(uri), instance, min(expires_s, settings.most_s))

    def _remove(self, identity: str, contact: _Contact) -> None:
        """By address, whatever the instance: a device that moved may remove the address it had."""
        for key in {contact.key, contact.address}:
            binding = self._table.find(identity, key)
            if binding is not None and binding.address == contact.address:
                self._table.drop(binding, BindingChange.UNREGISTERED)

    def _bind(self, identity: str, contact: _Contact, request: Request, flow: Flow) -> None:
        now = self._clock()
        former = self._table.find(identity, contact.key)
        self._table.put(
            Binding(
                identity=identity,
                contact=contact.uri,
                address=contact.address,
                flow=_flow_back(request, contact.uri, flow),
                call_id=request.call_id,
                sequence=request.cseq.sequence,
                since=former.since if former is not None else now,
                refreshed_at=now,
                expires_at=now + contact.expires_s,
                instance=contact.instance,
                user_agent=(request.headers.get("User-Agent") or "")[:256],
                path=tuple(request.values("Path")[:_MAX_PATHS]),
            )
        )

    def _listing(self, held: Iterable[Binding], request: Request) -> list[tuple[str, str]]:
        """Source: RFC 3261 10.3, step 8; RFC 3327 5.3 (Path is told back)."""
        now = self._clock()
        fields = []
        for binding in held:
            text = f"<{binding.contact}>;expires={max(1, round(binding.expires_at - now))}"
            fields.append(("Contact", f"{text};+sip.instance={binding.instance}" if binding.instance else text))
        fields += [("Path", value) for value in request.values("Path")[:_MAX_PATHS]]
        fields.append(("Supported", "path"))
        fields.append(("Date", formatdate(self._wall_clock(), usegmt=True)))
        return fields

    def _answer(self, request: Request, code: int, fields: Iterable[tuple[str, str]]) -> Response:
        server = ("Server", self._settings.user_agent)
        return respond(request, code, to_tag=secrets.token_hex(8), fields=[*fields, server])

    def _sweep_and_again(self) -> None:
        self.sweep()
        self.start()


def _address_of(identity: str, domain: str) -> str:
    return f"sip:{identity_in(identity)}@{account_host(account_in(identity), domain)}"


def _is_outdated(request: Request, binding: Binding) -> bool:
    """Whether the request is older than what made the binding. Source: RFC 3261 10.3, steps 6 and 7."""
    return request.call_id == binding.call_id and request.cseq.sequence <= binding.sequence


def _seconds(text: str | None) -> int | None:
    """An expiry; None without one, and if it is malformed. Source: RFC 3261 10.3, step 7."""
    if text is None or not (text.isascii() and text.isdigit()):
        return None
    return int(text) if len(text) <= 10 else 2**32 - 1


def _uri_text(contact: str) -> str:
    """The URI of a Contact value exactly as written."""
    start = _closing_quote(contact)
    opening = contact.find("<", start)
    if opening >= 0:
        return contact[opening + 1 : contact.index(">", opening)].strip()
    return contact.partition(";")[0].strip()


def _closing_quote(text: str) -> int:
    """Where the quoted display name ends; 0 without one."""
    position = 1
    if not text.lstrip().startswith('"'):
        return 0
    position = text.index('"') + 1
    while position < len(text) and text[position] != '"':
        position += 2 if text[position] == "\\" else 1
    return position


def _flow_back(request: Request, contact: str, flow: Flow) -> Flow:
    """The flow to the device: back where the request came from.

    Cisco 79xx phones send from one port and listen on another: over udp, a Via without rport and a Contact of the
    very address that the request came from name the port to use.
    """
    if flow.protocol != "udp" or "rport" in request.top_via.parameters:
        return replace(flow, reply_to=None)
    uri = parse_address(f"<{contact}>").uri
    if uri.host != flow.source:
        return replace(flow, reply_to=None)
    return replace(flow, remote=(flow.source, uri.port or 5060), reply_to=None)
