"""One dialog of a leg from its first provisional answer to its end: requests inside it, both ways.

Owns the dialog's place in the agent, the repeating of our 2xx until ACK, and the answers to offers after the first. How
the dialog comes about is uas.py's and uac.py's business, what keeps it alive refresh.py's; what the leg's owner hears,
leg.py's.
Source: RFC 3261 12.2, 13.3.1.4, 14, 15; RFC 3311 (UPDATE); RFC 4028; RFC 6337 for who may offer when.
"""

import random
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from signaling.errors import GatewayError, PeerError
from signaling.leg import DigitReceived, HangupCause
from signaling.sip.bodies import key_press, session_description
from signaling.sip.core import ACCEPT, ALLOW, SUPPORTED, UNDERSTOOD_OPTIONS, SipCore
from signaling.sip.dialog import Dialog
from signaling.sip.goodbye import Peer, say_bye
from signaling.sip.message import Request, Response, respond
from signaling.sip.naming import extension_headers
from signaling.sip.refresh import Refresher
from signaling.sip.repeat import Repetition
from signaling.sip.session_timer import IntervalTooSmall, SessionTimer
from signaling.sip.transaction_layer import Outcome, ServerTransaction
from signaling.sip.transfer import Transfers
from signaling.sip.transport import Flow
from signaling.sip.values import SipParseError, parse_uri

if TYPE_CHECKING:
    from signaling.sip.leg import SipLeg

Field = tuple[str, str]
Place = tuple[str | None, str]


def refusal_fields(error: PeerError) -> list[Field]:
    """What a refusal for this error has to tell besides its status. Source: RFC 3261 14.2, 21.4.13; RFC 4028 9."""
    if isinstance(error, IntervalTooSmall):
        return list(error.fields)
    match error.status:
        case 415:
            return [ACCEPT]
        case 500:
            return [("Retry-After", str(random.randint(0, 10)))]
        case _:
            return []


def _place_of(target: str) -> Place | None:
    try:
        uri = parse_uri(target)
    except SipParseError:
        return None
    return uri.user, uri.host.lower()


@dataclass
class _Success:
    """A 2xx of ours that waits for its ACK."""

    repetition: Repetition
    on_ack: Callable[[Request], None]


class Session:
    """A dialog and what runs inside it.

    we_called: we sent the INVITE.
    """

    def __init__(
        self,
        core: SipCore,
        leg: "SipLeg",
        dialog: Dialog,
        flow: Flow,
        *,
        we_called: bool,
        peer: Peer,
        timer: SessionTimer,
    ) -> None:
        self._core = core
        self._leg = leg
        self.dialog = dialog
        self.flow = flow
        self._we_called = we_called
        self._peer = peer
        self.timer = timer
        self._waiting: dict[int, _Success] = {}
        self.peer_allows: frozenset[str] = frozenset()
        self._bye: Callable[[], None] | None = None
        self._closed = False
        self._is_describing = False
        self.refresher = Refresher(core, leg, self, we_called=we_called)
        self.transfers = Transfers(core, leg, self)
        core.dialogs[dialog.id] = self
        if not we_called and dialog.remote_sequence is not None:
            core.callers[dialog.id.call_id, dialog.id.remote_tag] = dialog.remote_sequence

    def follow(self, identity: str, places: Collection[Place], flow: Flow) -> None:
        """The dialog's flow is that of its device's registration, if it is one of these."""
        if identity and self._peer.identity == identity and _place_of(self.dialog.remote_target) in places:
            self.flow = flow

    # What the peer sends

    def on_request(self, request: Request, flow: Flow) -> None:
        """A request inside this dialog. Raises PeerError for what has to be refused."""
        if request.method == "ACK":
            self._on_ack(request)
            return
        self.dialog.take(request)
        unknown = request.tokens("Require") - UNDERSTOOD_OPTIONS
        if unknown:
            self._answer(request, flow, 420, fields=[("Unsupported", ", ".join(sorted(unknown)))])
            return
        if self._peer.pinned or flow.reliable:
            self.flow = flow
        match request.method:
            case "INVITE":
                self._on_invite(request, flow)
            case "UPDATE":
                self._on_update(request, flow)
            case "BYE":
                self._answer(request, flow, 200)
                self.close()
                self._leg.on_bye(extension_headers(request))
            case "INFO":
                self._on_info(request, flow)
            case "PRACK":
                self._leg.on_prack(request, self._core.layer.serve(request, flow))
            case "OPTIONS":
                self._answer(request, flow, 200, fields=[ALLOW, SUPPORTED, ACCEPT])
            case "REFER" if self.dialog.confirmed:
                self.transfers.on_refer(request, flow)
            case "REFER":
                self._answer(request, flow, 603)
            case "NOTIFY":
                self.transfers.on_notify(request, flow)
            case _:
                self._answer(request, flow, 405, fields=[ALLOW])

    def _on_ack(self, request: Request) -> None:
        waiting = self._waiting.pop(request.cseq.sequence, None)
        if waiting is None:
            return
        waiting.repetition.stop()
        waiting.on_ack(request)
        if self._bye is not None:
            self._bye()

    def _on_info(self, request: Request, flow: Flow) -> None:
        if request.headers.get("Info-Package"):
            self._answer(request, flow, 469, fields=[("Recv-Info", "")])
            return
        if request.body:
            digit, duration_ms = key_press(request)
            self._leg.post(DigitReceived(digit, duration_ms, is_in_media=False))
        self._answer(request, flow, 200)

    def _on_invite(self, request: Request, flow: Flow) -> None:
        """A re-INVITE: hold, resume, another address or codec, or a refresh. Source: RFC 3261 14.2."""
        if not self.dialog.confirmed:
            raise SipParseError("expected no second INVITE before the first is answered", status=500, request=request)
        if self.refresher.is_asking or self._leg.audio.offer_is_open:
            raise SipParseError("expected no INVITE while ours is pending", status=491, request=request)
        if self._is_describing:
            raise SipParseError("expected no INVITE before the last is answered", status=500, request=request)
        server = self._core.layer.serve(request, flow)
        if self._leg.audio.is_slow:
            self._core.spawn(self._prepare(request, server))
        else:
            self._answer_invite(request, server)

    async def _prepare(self, request: Request, server: ServerTransaction) -> None:
        """Has our side of the description made, then goes on with the re-INVITE."""
        self._is_describing = True
        try:
            await self._leg.audio.prepare(session_description(request))
        except GatewayError as error:
            refusal = error if isinstance(error, PeerError) else PeerError(str(error), status=488)
            self._refuse(request, server, refusal)
            return
        finally:
            self._is_describing = False
        if self._closed:
            self._refuse(request, server, PeerError("the call is over", status=487))
        else:
            self._answer_invite(request, server)

    def _answer_invite(self, request: Request, server: ServerTransaction) -> None:
        try:
            fields, schedule = self.timer.answer(request)
            offer = session_description(request)
            body = self._leg.audio.answer(offer) if offer else self._leg.audio.offer()
            self.dialog.refresh_target(request)
        except PeerError as error:
            self._refuse(request, server, error)
            return
        self.refresher.schedule(schedule)
        response = self.success(request, fields=fields, body=body)

        def acknowledged(ack: Request) -> None:
            if not offer:
                self.take_answer(ack)
            self._leg.media_changed()

        self.send_success(request, server, response, on_ack=acknowledged)
        if offer:
            self._leg.media_changed()

    def _on_update(self, request: Request, flow: Flow) -> None:
        """Source: RFC 3311 5.2."""
        server = self._core.layer.serve(request, flow)
        body = b""
        fields: list[Field] = []
        try:
            offer = session_description(request)
            if offer:
                if self.refresher.is_asking or self._leg.audio.offer_is_open:
                    raise SipParseError("expected no offer while ours is open", status=491, request=request)
                if not self._leg.audio.is_agreed or self._waiting:
                    raise SipParseError("expected no offer before the first is answered", status=500, request=request)
            if self.dialog.confirmed:
                fields, schedule = self.timer.answer(request)
                self.refresher.schedule(schedule)
            if offer:
                body = self._leg.audio.answer(offer)
            self.dialog.refresh_target(request)
        except PeerError as error:
            self._refuse(request, server, error)
            return
        self._core.layer.respond(server, self.success(request, fields=fields, body=body))
        if body:
            self._leg.media_changed()

    # What we answer

    def success(self, request: Request, *, fields: Iterable[Field] = (), body: bytes = b"") -> Response:
        """A 200 to an INVITE or UPDATE."""
        return respond(
            request,
            200,
            to_tag=self.dialog.id.local_tag,
            fields=[("Contact", self.dialog.local_contact), ALLOW, SUPPORTED, *fields, self._core.identification],
            body=body,
        )

    def send_success(
        self,
        request: Request,
        server: ServerTransaction,
        response: Response,
        *,
        on_ack: Callable[[Request], None],
    ) -> None:
        """Send a 2xx to an INVITE and repeat it until its ACK; without one the call ends. RFC 3261 13.3.1.4."""
        layer = self._core.layer
        sequence = request.cseq.sequence
        layer.respond(server, response)
        octets = bytes(response)
        flow = server.flow

        def give_up() -> None:
            self._waiting.pop(sequence, None)
            if self._bye is not None:
                self._bye()
            else:
                self._leg.end(HangupCause.FAILED, reason="no ACK")

        repetition = Repetition(
            again=lambda: layer.send_again(octets, flow),
            give_up=give_up,
            scheduler=self._core.scheduler,
            values=layer.values,
            longest_s=layer.values.t2_s,
        )
        self._waiting[sequence] = _Success(repetition, on_ack)

    def take_answer(self, ack: Request) -> None:
        """The ACK has the answer to an offer we made in a 2xx; without a usable one the call ends."""
        try:
            body = session_description(ack)
            if not body:
                raise SipParseError("expected an answer in ACK, found none")
            self._leg.audio.accept(body)
        except PeerError as error:
            self._leg.audio.withdraw_offer()
            self._leg.end(HangupCause.NOT_ACCEPTABLE, reason=str(error))

    def _answer(self, request: Request, flow: Flow, code: int, *, fields: Iterable[Field] = ()) -> None:
        server = self._core.layer.serve(request, flow)
        self._core.layer.respond(
            server, respond(request, code, to_tag=self.dialog.id.local_tag, fields=[*fields, self._core.identification])
        )

    def _refuse(self, request: Request, server: ServerTransaction, error: PeerError) -> None:
        self._core.layer.respond(
            server,
            respond(request, error.status, to_tag=self.dialog.id.local_tag, fields=refusal_fields(error)),
        )

    # What we send

    def send(
        self,
        method: str,
        listener: Callable[[Request, Outcome], None],
        *,
        fields: Iterable[Field] = (),
        body: bytes = b"",
        content_type: str = "application/sdp",
    ) -> None:
        """A request of ours inside the dialog; the listener hears what comes of it."""
        self.flow = self._core.flow_of(self.dialog, self.flow, pinned=self._peer.pinned)
        request = self.dialog.request(
            method, fields=[*fields, self._core.user_agent], body=body, content_type=content_type
        )
        self._core.layer.request(request, self.flow, partial(listener, request))

    def acknowledge(self, sequence: int) -> tuple[bytes, Flow]:
        """ACK the 2xx to our INVITE; gives what to send again when the 2xx comes again."""
        self.flow = self._core.flow_of(self.dialog, self.flow, pinned=self._peer.pinned)
        return self._core.layer.send_ack(self.dialog.acknowledge(sequence), self.flow), self.flow

    @property
    def is_closed(self) -> bool:
        return self._closed

    @property
    def awaits_ack(self) -> bool:
        return bool(self._waiting)

    def authorisation(self, sent: Request, challenge: Response) -> Field | None:
        """What the request needs to be sent once more, if this peer may have it."""
        return self._peer.answers.answer(sent, challenge, host=self.flow.source)

    def confirm(self, message: Request | Response) -> None:
        """The INVITE is answered. message: that of the peer which tells what it can do."""
        self.dialog.confirmed = True
        self.peer_allows = message.tokens("Allow")

    def hang_up(self, *, fields: Iterable[Field] = ()) -> None:
        """BYE, at once or when the ACK to our 2xx has come. Source: RFC 3261 15."""
        if self._closed or self._bye is not None:
            return
        self.refresher.stop()
        self.transfers.finish()

        def bye() -> None:
            self._bye = None
            if not self._closed:
                self.close()
                say_bye(self._core, self.dialog, self.flow, self._peer, fields=fields)

        if self._waiting and not self._we_called:
            self._bye = bye
        else:
            bye()

    def close(self) -> None:
        """The dialog is over on both sides; late requests get 481 from now on."""
        if self._closed:
            return
        self._closed = True
        self.refresher.stop()
        self.transfers.close()
        for waiting in self._waiting.values():
            waiting.repetition.stop()
        self._waiting.clear()
        self._core.dialogs.pop(self.dialog.id, None)
        if not self._we_called:
            self._core.callers.pop((self.dialog.id.call_id, self.dialog.id.remote_tag), None)
