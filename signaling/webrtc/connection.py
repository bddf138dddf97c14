"""ICE and DTLS with one peer: the only file that knows aioice and aiortc.

Owns the socket until the engine takes it over, and the path for as long as there is one. Of the two libraries only the
agents are used, nothing of their descriptions and their sound. What they rely on is guarded here: nothing reaches them
but STUN of this very connection and DTLS of an address that has shown it knows the connection's password. A peer's
candidates are not used: its checks say where it is.
Editing rule: everything private that is used here is pinned in tests/signaling/webrtc/test_pins.py.
Source: RFC 8445 (ICE; 7.3.1.3 peer-reflexive candidates), RFC 5764 (DTLS-SRTP), RFC 7675 (consent); reliability
check S-12; the libraries' traps are in the specification's library-traps.md, 1 and 4.2.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol, cast

import structlog
from aioice import Candidate, Connection
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import StunProtocol
from aioice.stun import Message
from aiortc import RTCCertificate, RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport, RTCIceTransport
from aiortc.rtcdtlstransport import SRTPProtectionProfile

from media.engine import MediaSocket, SrtpSessions
from signaling.webrtc.description import DtlsRole, LocalPeer, RemotePeer
from signaling.webrtc.ice_socket import Address, IceSocket, Kind, kind_of

log = structlog.get_logger()
COMPONENT = 1
MAX_WAITING = 64
"""DTLS datagrams that wait for the handshake: a whole flight is less than ten."""
MAX_KNOWN = 16
RESEND_S = (0.1, 0.2, 0.4)
"""Waited before a flight without an answer is sent again; after that OpenSSL's own timer has its turn."""
CLOSE_S = 2.0
CERTIFICATE_S = 7 * 86_400.0
_REQUEST, _RESPONSE, _ERROR = b"\x00\x01", b"\x01\x01", b"\x01\x11"


class PathEvent(Enum):
    UP = "ICE and DTLS are up"
    MOVED = "the peer is at another address"
    CLOSED = "the peer closed it"
    FAILED = "it did not come up, or was lost"


class _Certificate(RTCCertificate):
    """One key and one TLS context for many connections: making them is dearer than a handshake."""

    _context: Any = None

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> Any:
        if self._context is None:
            self._context = super()._create_ssl_context(srtp_profiles)
        return self._context


class Certificates:
    """Our two certificates, renewed long before they run out. clock: monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pair: tuple[_Certificate, ...] = ()
        self._made_at = 0.0

    def other_than(self, used: RTCCertificate | None) -> RTCCertificate:
        """One that a peer who knows ``used`` takes for another: only that makes it begin DTLS anew. RFC 8842 4."""
        now = self._clock()
        if not self._pair or now - self._made_at > CERTIFICATE_S:
            self._pair = (_Certificate.generateCertificate(), _Certificate.generateCertificate())
            self._made_at = now
        first, second = self._pair
        return second if used is first else first


class _GuardedProtocol(StunProtocol):
    """aioice's protocol behind a filter; what it may see is a matter of its connection."""

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        agent = cast("_IceAgent", self.receiver)
        octets, sender = cast(bytes, data), (str(addr[0]), int(addr[1]))
        match kind_of(octets):
            case Kind.STUN if self._is_ours(octets, agent):
                try:
                    super().datagram_received(octets, sender)
                except Exception as problem:  # noqa: BLE001 - the parser's own errors are of any kind
                    agent.refuse(f"STUN that cannot be read: {problem!r}")
            case Kind.DTLS if sender in agent.known:
                agent.data_received(octets, COMPONENT)
            case _:
                agent.refuse("a stranger's datagram")

    def _is_ours(self, octets: bytes, agent: "_IceAgent") -> bool:
        """Cheap, before anything is parsed: a stranger knows neither our user name nor our transactions."""
        method = octets[:2]
        if method == _REQUEST:
            return agent.user_marker in octets
        return method in (_RESPONSE, _ERROR) and octets[8:20] in self.transactions


class _IceAgent(Connection):
    """An ICE agent on one socket given to it, with one candidate of ours and the peer's learned from its checks."""

    def __init__(self, socket: IceSocket, *, advertised: Address, is_offerer: bool) -> None:
        super().__init__(ice_controlling=is_offerer)
        # Each pair is checked before one is nominated, and the first stays: browsers with several interfaces send on
        # the nominated one only.
        self.remote_is_lite = True
        self.user_marker = f"{self.local_username}:".encode()
        self.known: dict[Address, None] = {}
        self.heard_at = 0.0
        self.refused = 0
        self._loop = asyncio.get_running_loop()
        protocol = _GuardedProtocol(self)
        protocol.connection_made(socket)
        protocol.local_candidate = Candidate(
            foundation=candidate_foundation("host", "udp", advertised[0]),
            component=COMPONENT,
            transport="udp",
            priority=candidate_priority(COMPONENT, "host"),
            host=advertised[0],
            port=advertised[1],
            type="host",
        )
        self._protocols.append(protocol)
        self._local_candidates.append(protocol.local_candidate)
        self._local_candidates_start = self._local_candidates_end = True
        self.protocol = protocol
        socket.start(protocol.datagram_received, lambda: protocol.connection_lost(None))

    def request_received(self, message: Message, addr: Address, protocol: StunProtocol) -> None:
        """Only checks with our password; who has none gets no answer at all."""
        if self._valid_username(message.attributes.get("USERNAME", "")) and message.check_message_integrity(
            self.local_password.encode()
        ):
            self.heard_at = self._loop.time()
            self.known.pop(addr, None)
            self.known[addr] = None
            if len(self.known) > MAX_KNOWN:
                del self.known[next(iter(self.known))]
            super().request_received(message, addr, protocol)
        else:
            self.refuse("a check without our password")

    def data_received(self, data: bytes, component: int) -> None:
        if self._queue.qsize() < MAX_WAITING:
            super().data_received(data, component)

    def send_now(self, octets: bytes) -> None:
        """To the nominated pair, if there is one."""
        pair = self._nominated.get(COMPONENT)
        if pair is not None:
            self.protocol.transport.sendto(octets, pair.remote_addr)

    def refuse(self, reason: str) -> None:
        self.refused += 1
        # 1, 2, 4, 8 … : a flood leaves a few lines.
        if self.refused & (self.refused - 1) == 0:
            log.info("webrtc.refused", reason=reason, so_far=self.refused)

    @property
    def peer_address(self) -> Address | None:
        pair = self._nominated.get(COMPONENT)
        return pair.remote_addr if pair is not None else None

    @property
    def is_over(self) -> bool:
        return self._closing


class Datagrams(Protocol):
    """An ICE agent, as the handshake sees it."""

    ice_controlling: bool

    async def recv(self) -> bytes: ...

    async def send(self, data: bytes) -> None: ...

    def send_now(self, octets: bytes) -> None: ...


class DtlsPath:
    """What RTCDtlsTransport wants of an RTCIceTransport; sends a flight of the handshake again after RESEND_S.

    OpenSSL waits a whole second before it sends again: a second of silence at every set-up that loses a datagram. The
    same datagram twice harms nobody. Source: RFC 6347 4.2.4.1 (a shorter timer).
    """

    def __init__(self, agent: Datagrams) -> None:
        self._agent = agent
        self._again: asyncio.TimerHandle | None = None
        self._is_settled = False

    @property
    def role(self) -> str:
        return "controlling" if self._agent.ice_controlling else "controlled"

    def settle(self) -> None:
        """The handshake is over, either way."""
        self._is_settled = True
        self._answered()

    async def _recv(self) -> bytes:
        octets = await self._agent.recv()
        self._answered()
        return octets

    async def _send(self, flight: bytes) -> None:
        await self._agent.send(flight)
        self._answered()
        if not self._is_settled:
            self._later(flight, RESEND_S)

    def _answered(self) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None

    def _later(self, flight: bytes, delays_s: tuple[float, ...]) -> None:
        if delays_s:
            loop = asyncio.get_running_loop()
            self._again = loop.call_later(delays_s[0], self._send_again, flight, delays_s[1:])

    def _send_again(self, flight: bytes, delays_s: tuple[float, ...]) -> None:
        self._agent.send_now(flight)
        self._later(flight, delays_s)


class PeerConnection:
    """One path to one peer. Takes ``media_socket`` over, until ``release`` gives it to the engine.

    on_event: called on the loop, never after close().
    """

    def __init__(
        self,
        media_socket: MediaSocket,
        certificate: RTCCertificate,
        *,
        advertised_host: str,
        is_offerer: bool,
        on_event: Callable[["PeerConnection", PathEvent, str], None],
    ) -> None:
        self.certificate = certificate
        self._media_socket: MediaSocket | None = media_socket
        self._socket = IceSocket(media_socket.sock)
        advertised = (advertised_host, media_socket.address[1])
        self._agent = _IceAgent(self._socket, advertised=advertised, is_offerer=is_offerer)
        self._path = DtlsPath(self._agent)
        self._dtls = RTCDtlsTransport(cast(RTCIceTransport, self._path), [certificate])
        self._on_event: Callable[[PeerConnection, PathEvent, str], None] | None = on_event
        self._setting_up: asyncio.Task[None] | None = None
        self._told_address: Address | None = None
        self.remote: RemotePeer | None = None
        self.local = LocalPeer(
            address=advertised,
            username=self._agent.local_username,
            password=self._agent.local_password,
            fingerprints=tuple(
                (found.algorithm, found.value)
                for found in self._dtls.getLocalParameters().fingerprints
                if found.algorithm == "sha-256"
            ),
        )

    @property
    def is_up(self) -> bool:
        return self._dtls.state == "connected"

    @property
    def is_set_up(self) -> bool:
        """Whether the peer's side is known, so that the path comes up or is up."""
        return self._setting_up is not None

    @property
    def peer_address(self) -> Address | None:
        return self._agent.peer_address

    @property
    def heard_at(self) -> float:
        """Loop's time of the peer's last check."""
        return self._agent.heard_at

    def set_up(self, remote: RemotePeer, *, role: DtlsRole, within_s: float) -> None:
        """Begins; UP or FAILED follows."""
        self.remote = remote
        self._dtls._set_role(role.value)
        self._agent.remote_username, self._agent.remote_password = remote.username, remote.password
        self._setting_up = asyncio.get_running_loop().create_task(self._set_up(remote, within_s))

    async def _set_up(self, remote: RemotePeer, within_s: float) -> None:
        stage = "no check of the peer came through"
        try:
            async with asyncio.timeout(within_s):
                await self._agent.connect()
                stage = "no DTLS handshake"
                fingerprints = [RTCDtlsFingerprint(algorithm, value) for algorithm, value in remote.fingerprints]
                try:
                    await self._dtls.start(RTCDtlsParameters(fingerprints))
                finally:
                    self._path.settle()
        except TimeoutError:
            self._tell(PathEvent.FAILED, f"{stage} within {within_s:g} s")
        except ConnectionError as problem:
            self._tell(PathEvent.FAILED, str(problem))
        else:
            if self.is_up:
                self._dtls.on("statechange", self._on_dtls_state)
                self._told_address = self.peer_address
                self._tell(PathEvent.UP)
            else:
                self._tell(PathEvent.FAILED, "the DTLS handshake failed")

    def release(self) -> tuple[MediaSocket, SrtpSessions]:
        """For the engine, once it is up: what it reads and is not sound comes back by ``take``."""
        assert self._media_socket is not None and self.is_up, "expected a path that is up and was not released before"
        self._socket.hand_over()
        media_socket, self._media_socket = self._media_socket, None
        return media_socket, SrtpSessions(send=self._dtls._tx_srtp, receive=self._dtls._rx_srtp)

    def take(self, octets: bytes, sender: Address) -> None:
        """A datagram that the engine hands back."""
        if self._on_event is None:
            return
        self._agent.protocol.datagram_received(octets, sender)
        self._notice_move()

    def _notice_move(self) -> None:
        address = self.peer_address
        if self.is_up and address is not None and address != self._told_address:
            self._told_address = address
            self._tell(PathEvent.MOVED)

    async def close(self, *, say_goodbye: bool = True) -> None:
        """Idempotent; the socket is free afterwards, unless it was released. Bounded in time."""
        self._on_event = None
        self._dtls.remove_all_listeners()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                if self._setting_up is not None and not self._setting_up.done():
                    self._setting_up.cancel()
                    await asyncio.wait([self._setting_up])
                if not say_goodbye:
                    self._agent._nominated.clear()
                await self._dtls.stop()
                await self._agent.close()
        self._socket.close()
        if self._media_socket is not None:
            self._media_socket.close()
            self._media_socket = None

    def _on_dtls_state(self) -> None:
        if self._dtls.state == "closed":
            if self._agent.is_over:
                self._tell(PathEvent.FAILED, "the peer no longer answers our checks")
            else:
                self._tell(PathEvent.CLOSED)

    def _tell(self, event: PathEvent, reason: str = "") -> None:
        if self._on_event is not None:
            self._on_event(self, event, reason)
