"""The Voice SDK side of the gateway: whose sockets there are, who is reachable, and which call is whose.

Owns the connections and the legs. Decides who may speak for a call: the socket that owns it, or, while none does, a
socket of the same account and identity; and with a valid reconnect token any socket of that identity. Is a DeviceSource
for Location, and hands calls from devices to ``on_call``.
Source: voice-sdk.md 5.2, 5.3, 8 of the specification; reliability checks S-23, R-20.
"""

import time
from collections.abc import Callable, Sequence

import structlog

from media.engine import PortsExhausted
from signaling.errors import GatewayError
from signaling.leg import Direction, HangupCause, OutboundCall, Party
from signaling.location import BROWSER_CODECS, Repertoire
from signaling.peer_media import PeerMediaEvent, PeerMediaFactory
from signaling.scope import Scope, bare
from signaling.tokens import LEEWAY_S, AccessGrant, TokenVerifier
from signaling.voice_sdk import from_device, to_device
from signaling.voice_sdk.connection import Connection, Outlet
from signaling.voice_sdk.descriptions import is_audio_offer, offered_codecs
from signaling.voice_sdk.facts import LegFacts
from signaling.voice_sdk.leg import VoiceSdkLeg
from signaling.voice_sdk.parameters import encode_parameters
from signaling.voice_sdk.presence import Presence
from signaling.voice_sdk.settings import VoiceSdkSettings
from signaling.voice_sdk.to_device import Failure

log = structlog.get_logger()
UNKNOWN_TOKEN = Failure(to_device.UNKNOWN_RECONNECT_TOKEN, "There is no such call")


class VoiceSdkDevice:
    """One registered socket, to be dialled."""

    def __init__(self, connection: Connection, dial: Callable[[Connection, OutboundCall], VoiceSdkLeg]) -> None:
        self._connection = connection
        self._dial = dial

    @property
    def device_id(self) -> str:
        return self._connection.connection_id

    @property
    def repertoire(self) -> Repertoire:
        return BROWSER_CODECS

    def dial(self, request: OutboundCall) -> VoiceSdkLeg:
        return self._dial(self._connection, request)


class VoiceSdkAgent:
    """make_media: opens the sound of one call. on_call: gets each call from a device; it rings, answers or hangs up.

    new_call_sid: names calls from devices; ``leg.call_sid`` is what the application must know the call by.
    clock: wall clock, for tokens. scope: how an account's identity is named to ``devices``.
    on_presence: somebody can be called who could not, or no longer.
    """

    def __init__(
        self,
        *,
        settings: VoiceSdkSettings,
        verifier: TokenVerifier,
        make_media: PeerMediaFactory,
        on_call: Callable[[VoiceSdkLeg], None],
        new_call_sid: Callable[[], str],
        clock: Callable[[], float] = time.time,
        scope: Scope = bare,
        on_presence: Callable[[], None] = lambda: None,
    ) -> None:
        self.settings = settings
        self._on_presence = on_presence
        self._verifier = verifier
        self._make_media = make_media
        self._on_call = on_call
        self._new_call_sid = new_call_sid
        self._clock = clock
        self._presence = Presence(settings, scope=scope)
        self._legs: dict[str, list[VoiceSdkLeg]] = {}
        self._is_draining = False

    @property
    def live(self) -> dict[str, int]:
        """How many sockets, registered ones among them, and legs there are."""
        legs = sum(len(legs) for legs in self._legs.values())
        return {**self._presence.live, "legs": legs}

    @property
    def legs(self) -> tuple[VoiceSdkLeg, ...]:
        """Those that are not over."""
        return tuple(leg for legs in self._legs.values() for leg in legs)

    @property
    def connections(self) -> list[Connection]:
        return self._presence.all()

    def devices(self, identity: str) -> Sequence[VoiceSdkDevice]:
        """Registered sockets, longest registered first."""
        return [VoiceSdkDevice(connection, self._dial) for connection in self._presence.registered(identity)]

    def has_room(self, address: str) -> bool:
        """Whether another socket from there may be opened. If not, its upgrade is refused: the SDK then backs off."""
        return (not self._is_draining or bool(self._legs)) and self._presence.has_room(address)

    def open(self, outlet: Outlet, address: str) -> Connection:
        """A socket is open. Its connection is told what comes in, and that it is lost."""
        connection = Connection(outlet, self, self.settings, address=address)
        self._presence.opened(connection)
        return connection

    def drain(self) -> None:
        """No new calls from devices, and no new sockets but for running calls that lost theirs."""
        self._is_draining = True

    def stop(self) -> None:
        """Hang up every leg, close every socket."""
        self.drain()
        for legs in list(self._legs.values()):
            for leg in list(legs):
                leg.hangup(HangupCause.SHUTDOWN)
        for connection in self._presence.all():
            connection.shut()

    # What connections tell

    def admit(self, token: str) -> AccessGrant:
        return self._verifier.verify(token)

    def ttl_s(self, grant: AccessGrant) -> float:
        """What a token has left; one taken within the leeway lasts to its end."""
        left_s = grant.expires_at - self._clock()
        return left_s if left_s > 0 else max(0.0, left_s + LEEWAY_S)

    def joined(self, connection: Connection) -> None:
        for sid in self._presence.joined(connection):
            connection.send(to_device.Cancel(sid))

    def appeared(self, connection: Connection) -> None:
        self._presence.appeared(connection)
        self._on_presence()
        for leg in self._adrift(connection):
            if leg.is_returning and leg.call_sid not in connection.legs and not connection.is_unannounced:
                leg.returned(connection)

    def disappeared(self, connection: Connection) -> None:
        self._presence.disappeared(connection)
        self._on_presence()

    def left(self, connection: Connection) -> None:
        self._presence.left(connection)
        self._on_presence()
        legs = list(dict.fromkeys(connection.legs.values()))
        connection.legs.clear()
        for leg in legs:
            leg.socket_lost()

    def new_call(self, connection: Connection, invite: from_device.Invite) -> None:
        """A device calls. What cannot become a call is hung up by the device's own name for it."""
        if invite.call_sid in connection.legs:
            return
        cause = self._reason_against(connection, invite)
        if cause is not None:
            connection.log.info("voice_sdk.call_refused", cause=cause.value)
            connection.send(to_device.Hangup(invite.call_sid, Failure.of(cause)))
            return
        grant = connection.grant
        parameters = {**invite.parameters, **grant.parameters}
        leg = self._new_leg(
            connection,
            LegFacts(
                direction=Direction.INBOUND,
                call_sid=self._new_call_sid(),
                account_sid=grant.account_sid,
                identity=grant.identity,
                caller=Party(address=f"client:{grant.identity}"),
                callee=Party(address=parameters.get("To", "")),
                device=_device_name(connection),
                device_sid=invite.call_sid,
                application_sid=grant.application_sid,
                parameters=parameters,
            ),
        )
        connection.legs[invite.call_sid] = connection.legs[leg.call_sid] = leg
        if self._begin(leg, offered_codecs(invite.sdp), far=invite.sdp):
            self._on_call(leg)

    def _reason_against(self, connection: Connection, invite: from_device.Invite) -> HangupCause | None:
        if self._is_draining:
            return HangupCause.SHUTDOWN
        if connection.grant.application_sid is None:
            return HangupCause.FORBIDDEN
        if len(set(connection.legs.values())) >= self.settings.calls_per_connection:
            return HangupCause.OVERLOAD
        # The SDK takes the first answer that comes for whatever call it waits with: never two at once.
        if any(leg.is_unanswered_from_device for leg in connection.legs.values()):
            return HangupCause.BUSY
        return None if is_audio_offer(invite.sdp) else HangupCause.NOT_ACCEPTABLE

    def for_call(self, connection: Connection, message: from_device.ForCall) -> None:
        if isinstance(message, from_device.Reconnect):
            self._reconnect(connection, message)
            return
        leg = connection.legs.get(message.call_sid) or next(
            (leg for leg in self._adrift(connection) if leg.wire_sid == message.call_sid), None
        )
        if leg is not None:
            leg.told(connection, message)
            return
        match message:
            case from_device.Answer() | from_device.Reinvite():
                # The call ended while this was on its way.
                connection.send(to_device.Hangup(message.call_sid))
            case from_device.CallMessage(event_sid=event_sid) if event_sid:
                connection.send(to_device.Error(UNKNOWN_TOKEN, message.call_sid, event_sid))
            case _:
                # A call that never was (microphone refused), is over, or belongs to another socket now.
                pass

    def _reconnect(self, connection: Connection, message: from_device.Reconnect) -> None:
        """A wrong token, another identity's and one of a call that is over look the same from outside."""
        grant = connection.grant
        for leg in tuple(self._legs.get(message.call_sid, ())):
            is_same = (leg.facts.account_sid, leg.identity) == (grant.account_sid, grant.identity)
            if is_same and leg.reconnect.use(message.token):
                leg.presented(connection, message.sdp)
                return
        connection.log.info("voice_sdk.reconnect_refused", call_sid=message.call_sid)
        connection.send(to_device.Hangup(message.call_sid, UNKNOWN_TOKEN))

    def _adrift(self, connection: Connection) -> list[VoiceSdkLeg]:
        """Legs of the same identity that no socket speaks for."""
        grant = connection.grant
        return [
            leg
            for legs in self._legs.values()
            for leg in legs
            if leg.connection is None and (leg.facts.account_sid, leg.identity) == (grant.account_sid, grant.identity)
        ]

    # Calls to devices

    def _dial(self, connection: Connection, request: OutboundCall) -> VoiceSdkLeg:
        """Never waits and never raises for the network: failure is the leg's Ended."""
        grant = connection.grant
        shown = {
            "CallSid": request.call_sid,
            "AccountSid": request.account_sid,
            "ApiVersion": to_device.API_VERSION,
            "From": request.caller.address,
            "To": f"client:{grant.identity}",
        }
        custom = encode_parameters(request.parameters)
        if custom:
            shown["Params"] = custom
        leg = self._new_leg(
            connection,
            LegFacts(
                direction=Direction.OUTBOUND,
                call_sid=request.call_sid,
                account_sid=grant.account_sid,
                identity=grant.identity,
                caller=request.caller,
                callee=request.callee,
                device=_device_name(connection),
                parameters=shown,
                headers=dict(request.headers),
                diversion=request.diversion,
            ),
        )
        if not connection.is_open or request.call_sid in connection.legs:
            leg.hangup(HangupCause.UNREACHABLE)
            return leg
        connection.legs[request.call_sid] = leg
        self._begin(leg, request.codec_names)
        return leg

    def _new_leg(self, connection: Connection, facts: LegFacts) -> VoiceSdkLeg:
        leg = VoiceSdkLeg(facts, self, self.settings, connection=connection)
        self._legs.setdefault(facts.call_sid, []).append(leg)
        return leg

    def _begin(self, leg: VoiceSdkLeg, codec_names: Sequence[str], *, far: str = "") -> bool:
        def on_event(event: PeerMediaEvent) -> None:
            leg.on_media(event)

        try:
            media = self._make_media(codec_names=codec_names, on_event=on_event)
        except (GatewayError, PortsExhausted) as error:
            leg.log.warning("voice_sdk.no_media", problem=str(error))
            leg.hangup(HangupCause.OVERLOAD)
            return False
        leg.begin(media, far=far)
        return True

    # What legs tell

    def remember(self, leg: VoiceSdkLeg) -> None:
        """Its device is offline: ``cancel`` frees the dead call there once it is back. voice-sdk.md 8 rule 7, 9."""
        for connection in self._presence.remember((leg.facts.account_sid, leg.identity), leg.wire_sid):
            connection.send(to_device.Cancel(leg.wire_sid))

    def over(self, leg: VoiceSdkLeg) -> None:
        legs = self._legs.get(leg.call_sid, [])
        if leg in legs:
            legs.remove(leg)
        if not legs:
            self._legs.pop(leg.call_sid, None)


def _device_name(connection: Connection) -> str:
    return f"voice-sdk:{connection.grant.identity}@{connection.address}"
