"""The SIP side of the gateway: every message that comes in finds its place here, every call that goes out starts here.

Owns the transports, the transaction layer, the open dialogs and the legs. Decides what a request outside of any dialog
gets; strangers are answered without keeping anything. Who a caller is, is admission.py's decision; what runs inside a
call, session.py's.
Source: RFC 3261 8.2, 8.2.7 (stateless), 9.2, 11, 12.2.2; reliability checks S-02, S-05, R-20.
"""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Protocol

from sipmessage import Address

from media.engine import Engine, PortsExhausted
from signaling.errors import GatewayError, PeerError, UsageError
from signaling.leg import Direction, HangupCause, LegState, OutboundCall
from signaling.peer_media import PeerMediaFactory
from signaling.scope import AccountOfHost, identity_in, one_account, scoped
from signaling.sip.admission import Admission, Admitted, Authenticator, Challenge, Forbidden, SourceTrunks
from signaling.sip.core import ACCEPT, ALLOW, SUPPORTED, UNDERSTOOD_OPTIONS, SipCore, SipSettings
from signaling.sip.credentials import ChallengeAnswers
from signaling.sip.dial_target import DialTarget
from signaling.sip.dialog import Dialog, DialogId
from signaling.sip.goodbye import Peer
from signaling.sip.leg import LegFacts, SipLeg
from signaling.sip.message import Request, Response, respond
from signaling.sip.naming import (
    diversion_of,
    extension_headers,
    outgoing_headers,
    party_of,
)
from signaling.sip.resolver import Destination
from signaling.sip.scheduler import LoopScheduler, Scheduler
from signaling.sip.session import Session
from signaling.sip.session_timer import SessionTimer
from signaling.sip.transaction import TimerValues, server_key
from signaling.sip.transaction_layer import TransactionLayer
from signaling.sip.transport import Flow, SipTransports, TransportLimits, Witness
from signaling.sip.uac import OutboundInvite, template_of
from signaling.sip.uas import InboundInvite
from signaling.sip.values import SipParseError
from signaling.sip.web_media import LegSounds

Field = tuple[str, str]
_GOODBYE_POLL_S = 0.02
# Requests that only make sense inside a dialog; outside of one there is nothing they could mean.
_DIALOG_ONLY = frozenset({"BYE", "UPDATE", "PRACK", "INFO", "NOTIFY"})
_KNOWN_ELSEWHERE = frozenset({"MESSAGE", "SUBSCRIBE", "PUBLISH", "REFER"})


class Registrar(Protocol):
    """What is used of registrar.Registrar."""

    def handle(self, request: Request, flow: Flow) -> Response: ...
    def flow_closed(self, flow: Flow) -> None: ...
    def is_registered_source(self, source: str) -> bool: ...


class Resolver(Protocol):
    """What is used of resolver.Resolver."""

    async def resolve(self, uri: str) -> Sequence[Destination]: ...


class SipAgent:
    """Ties transports, admission, registrar, trunks and engine together.

    on_call: gets each admitted inbound leg, 100 already sent; it rings, answers or hangs up, now or later.
    make_peer_media: the sound of browsers; without it their descriptions are refused.
    account_of_host: whose phone an address means; identities are scoped by it (scope.py).
    clock: for limits and digest; scheduler: for everything timed, the running loop's if None.
    witness: sees every message, see SipTransports.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        settings: SipSettings,
        authenticator: Authenticator,
        registrar: Registrar,
        trunks: SourceTrunks,
        resolver: Resolver,
        on_call: Callable[[SipLeg], None],
        clock: Callable[[], float] = time.monotonic,
        timers: TimerValues | None = None,
        scheduler: Scheduler | None = None,
        limits: TransportLimits | None = None,
        make_peer_media: PeerMediaFactory | None = None,
        account_of_host: AccountOfHost = one_account,
        witness: Witness | None = None,
    ) -> None:
        self._witness = witness
        self._engine = engine
        self._settings = settings
        self._account_of_host = account_of_host
        self._admission = Admission(
            authenticator=authenticator, trunks=trunks, clock=clock, account_of_host=account_of_host
        )
        self._registrar = registrar
        self._resolver = resolver
        self._on_call = on_call
        self._clock = clock
        self._timers = timers
        self._scheduler = scheduler
        self._limits = limits
        self._sounds = LegSounds(
            engine,
            make_peer_media,
            codec_names=settings.codec_names,
            advertised_address=settings.advertised_media_address,
        )
        self._secret = secrets.token_bytes(16)
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_draining = False
        self._transports: SipTransports | None = None
        self._core: SipCore | None = None
        self.addresses: tuple[tuple[str, int], ...] = ()

    @property
    def core(self) -> SipCore:
        if self._core is None:
            raise UsageError("expected SipAgent.start before its use")
        return self._core

    @property
    def transports(self) -> SipTransports:
        if self._transports is None:
            raise UsageError("expected SipAgent.start before its use")
        return self._transports

    @property
    def live(self) -> dict[str, int]:
        """How many legs, dialogs and transactions there are."""
        core = self.core
        return {"legs": len(core.legs), "dialogs": len(core.dialogs), "transactions": core.layer.live}

    @property
    def legs(self) -> tuple[SipLeg, ...]:
        """Those that are not over."""
        return tuple(self.core.legs)

    async def start(self) -> None:
        """Listen; ``addresses`` then has what was bound, in the order of ``settings.listen``."""
        transports = SipTransports(
            on_message=self._on_message,
            on_transport_error=lambda flow, _: self._on_flow_gone(flow),
            on_flow_closed=self._on_flow_closed,
            is_trusted=self._is_trusted,
            limits=self._limits,
            tls=self._settings.tls,
            clock=self._clock,
            witness=self._witness,
        )
        scheduler = self._scheduler or LoopScheduler()
        layer = TransactionLayer(
            sender=transports,
            scheduler=scheduler,
            on_request=self._on_request,
            on_stray_response=self._on_stray_response,
            values=self._timers,
            advertised_host=self._settings.advertised_address,
        )
        self._transports = transports
        self._core = SipCore(
            settings=self._settings,
            engine=self._engine,
            layer=layer,
            scheduler=scheduler,
            flow_to=transports.flow_to,
            is_open=transports.is_open,
            spawn=self._spawn,
        )
        self.addresses = tuple([await transports.listen(url) for url in self._settings.listen])

    def drain(self) -> None:
        """From now on new calls get 503; those that are up go on. Registrations are still taken."""
        self._is_draining = True

    async def stop(self) -> None:
        """Hang up every leg, wait a moment for the goodbyes to be answered, close everything."""
        self.drain()
        if self._core is None:
            return
        core = self._core
        for leg in list(core.legs):
            leg.hangup(HangupCause.SHUTDOWN)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for _ in range(round(self._settings.goodbye_s / _GOODBYE_POLL_S)):
            if not core.layer.unanswered:
                break
            await asyncio.sleep(_GOODBYE_POLL_S)
        core.layer.close()
        await self.transports.close()

    # Calls out

    def dial(self, target: DialTarget, request: OutboundCall) -> SipLeg:
        """Send an INVITE. Never waits and never raises for the network: failure is the leg's Ended."""
        core = self.core
        settings = self._settings
        call_id = secrets.token_hex(12)
        leg = SipLeg(
            core,
            LegFacts(
                leg_id=secrets.token_hex(8),
                direction=Direction.OUTBOUND,
                caller=request.caller,
                callee=request.callee,
                device=target.device,
                headers=dict(outgoing_headers({**target.headers, **request.headers})),
                diversion=request.diversion,
                call_id=call_id,
                domain=settings.domain,
            ),
        )
        try:
            leg.attach(media=self._sounds.outbound(leg, target.flow, core, request))
            template = template_of(target, request, settings=settings, call_id=call_id)
        except SipParseError as error:
            leg.end(HangupCause.UNREACHABLE, reason=str(error), sip_status=404)
            return leg
        except (PortsExhausted, GatewayError) as error:
            leg.end(HangupCause.OVERLOAD, reason=str(error), sip_status=503)
            return leg
        outbound = OutboundInvite(core, leg, template)
        leg.attach(outbound=outbound)
        leg.log.info("sip.dialling", device=target.device, call_sid=request.call_sid)
        if target.flow is not None and leg.audio.is_slow:
            self._spawn(outbound.prepare([target.flow]))
        elif target.flow is not None:
            outbound.start([target.flow])
        else:
            self._spawn(self._look_up(leg, outbound, target))
        return leg

    async def _look_up(self, leg: SipLeg, outbound: OutboundInvite, target: DialTarget) -> None:
        try:
            found = await self._resolver.resolve(target.next_hop or target.request_uri)
            permitted = [place for place in found if target.permits is None or target.permits(place.host)]
            if found and not permitted:
                leg.end(HangupCause.FORBIDDEN, reason=f"{found[0].host} may not be called", sip_status=403)
                return
            flows = [
                self.transports.flow_to(place.protocol, place.host, place.port, server_name=place.server_name)
                for place in permitted
            ]
        except GatewayError as error:
            leg.end(HangupCause.UNREACHABLE, reason=str(error), sip_status=404)
            return
        outbound.start(flows)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # What comes in

    def _on_message(self, message: Request | Response, flow: Flow) -> None:
        try:
            self.core.layer.receive(message, flow)
        except PeerError as error:
            if isinstance(message, Request) and message.method != "ACK":
                self._refuse(message, flow, error.status)

    def _on_flow_gone(self, flow: Flow) -> None:
        self.core.layer.connection_lost(flow)

    def _on_flow_closed(self, flow: Flow) -> None:
        self._on_flow_gone(flow)
        self._registrar.flow_closed(flow)

    def _is_trusted(self, source: str) -> bool:
        return self._admission.is_trunk(source) or self._registrar.is_registered_source(source)

    def _on_stray_response(self, response: Response, flow: Flow) -> None:
        """A late copy, or nothing of ours: there is nobody to tell."""

    def _on_request(self, request: Request, flow: Flow) -> None:
        """A request outside of every transaction."""
        tag = request.to_tag
        if tag:
            owner = self.core.dialogs.get(DialogId(request.call_id, tag, request.from_tag))
            if owner is not None and request.method != "CANCEL":
                owner.on_request(request, flow)
                return
        match request.method:
            case "ACK":
                return
            case "CANCEL":
                self._on_cancel(request, flow)
            case "INVITE" if not tag:
                self._on_invite(request, flow)
            case "OPTIONS":
                self._rebuff(request, flow, 200, fields=[ALLOW, SUPPORTED, ACCEPT])
            case "REGISTER":
                self._on_register(request, flow)
            case "INVITE":
                self._rebuff(request, flow, 481)
            case method if method in _DIALOG_ONLY:
                self._rebuff(request, flow, 481)
            case method if method in _KNOWN_ELSEWHERE:
                self._rebuff(request, flow, 405, fields=[ALLOW])
            case _:
                self._rebuff(request, flow, 501, fields=[ALLOW])

    def _rebuff(self, request: Request, flow: Flow, code: int, *, fields: Iterable[Field] = ()) -> None:
        """Answer a stranger, as long as its address has not had too many such answers."""
        if self.transports.penalise(flow.source):
            self._refuse(request, flow, code, fields=fields)

    def _refuse(self, request: Request, flow: Flow, code: int, *, fields: Iterable[Field] = ()) -> None:
        """Answer without keeping anything; every copy of the request gets the same answer. RFC 3261 8.2.7."""
        seed = f"{request.branch} {request.call_id} {request.from_tag}".encode()
        tag = hashlib.blake2s(seed, key=self._secret, digest_size=8).hexdigest()
        self.transports.send(
            bytes(respond(request, code, to_tag=tag, fields=[*fields, self.core.identification])), flow
        )

    def _on_register(self, request: Request, flow: Flow) -> None:
        """A success gets a transaction, because a copy of it must not look like a step back in CSeq."""
        response = self._registrar.handle(request, flow)
        if response.code < 300:
            self.transports.prove(flow)
            layer = self.core.layer
            layer.respond(layer.serve(request, flow), response)
            if flow.reliable:
                self._follow(request, flow)
        elif self.transports.penalise(flow.source):
            self.transports.send(bytes(response), flow)

    def _follow(self, request: Request, flow: Flow) -> None:
        """A device that came back over another connection is reached there in its calls as well, at once.

        It proved who it is; its Contact tells which of the identity's devices. Source: RFC 5626 3.1, 5.3; RFC 7118 5.
        """
        to = request.to_address.uri
        identity = scoped(self._account_of_host(to.host), to.user or "")
        places = {(contact.uri.user, contact.uri.host.lower()) for contact in request.contact}
        for leg in self.core.legs:
            leg.device_moved(identity, places, flow)

    def _on_cancel(self, request: Request, flow: Flow) -> None:
        """Source: RFC 3261 9.2."""
        layer = self.core.layer
        invite = layer.server_of((*server_key(request)[:-1], "INVITE"))
        if invite is None:
            self._rebuff(request, flow, 481)
            return
        layer.respond(layer.serve(request, flow), respond(request, 200, fields=[self.core.identification]))
        if invite.on_cancel is not None:
            invite.on_cancel()

    def _on_invite(self, request: Request, flow: Flow) -> None:
        verdict = self._admission.judge(request, flow)
        match verdict:
            case Challenge(values):
                self._rebuff(request, flow, 401, fields=[("WWW-Authenticate", value) for value in values])
            case Forbidden():
                self._rebuff(request, flow, 403)
            case Admitted():
                self._admit(request, flow, verdict)

    def _admit(self, request: Request, flow: Flow, admitted: Admitted) -> None:
        core = self.core
        if core.callers.get((request.call_id, request.from_tag)) == request.cseq.sequence:
            # The same INVITE by another way. Source: RFC 3261 8.2.2.2.
            self._refuse(request, flow, 482)
            return
        busy = [("Retry-After", str(self._settings.retry_after_s))]
        if self._is_draining or len(core.legs) >= self._settings.calls:
            self._refuse(request, flow, 503, fields=busy)
            return
        unknown = request.tokens("Require") - UNDERSTOOD_OPTIONS
        if unknown:
            self._refuse(request, flow, 420, fields=[("Unsupported", ", ".join(sorted(unknown)))])
            return
        self.transports.prove(flow)
        dialog = Dialog.of_request(request, local_tag=secrets.token_hex(8), local_contact=core.contact(flow))
        leg = SipLeg(core, self._facts_of(request, flow, admitted))
        try:
            leg.attach(media=self._sounds.inbound(leg, flow, core, offer=request.body))
        except (PortsExhausted, GatewayError) as error:
            self._refuse(request, flow, 503, fields=busy)
            leg.end(HangupCause.OVERLOAD, reason=str(error))
            return
        session = Session(
            core,
            leg,
            dialog,
            flow,
            we_called=False,
            peer=Peer(
                pinned=admitted.identity is not None,
                answers=ChallengeAnswers(None),
                identity=admitted.identity or "",
            ),
            timer=SessionTimer(interval_s=self._settings.session_interval_s),
        )
        inbound = InboundInvite(core, leg, session, request, flow)
        leg.attach(session=session, inbound=inbound)
        leg.log.info("sip.incoming", device=leg.device, dialled=leg.dialled, source=str(flow))
        inbound.serve()
        if leg.state is LegState.ENDED:
            return
        taken = False
        try:
            self._on_call(leg)
            taken = True
        finally:
            if not taken:
                leg.end(HangupCause.FAILED, reason="nobody took the call")

    def _facts_of(self, request: Request, flow: Flow, admitted: Admitted) -> LegFacts:
        from_trunk, identity = admitted.trunk is not None, admitted.identity or ""
        uri = request.uri
        called = Address(uri)
        return LegFacts(
            leg_id=secrets.token_hex(8),
            direction=Direction.INBOUND,
            caller=party_of(request.from_address, numbers=from_trunk),
            callee=party_of(called, numbers=from_trunk),
            device=f"trunk:{admitted.trunk}" if from_trunk else f"sip:{identity_in(identity)}@{flow.source}",
            headers=extension_headers(request),
            diversion=diversion_of(request),
            call_id=request.call_id,
            domain=self._settings.domain,
            source_ip=flow.source,
            identity=admitted.identity,
            trunk=admitted.trunk,
            dialled=uri.user or "",
        )
