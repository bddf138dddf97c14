"""SIP's transports: everything that comes in or goes out, as checked messages with their Flow.

Decides what is read at all (sources that only cause refusals are muted) and where a response goes. What a message
means, and whether a request is challenged, is agent.py's business; it reports refusals back through ``penalise``.
Runs in the loop's callbacks: no task per message, one per tcp or tls connection while it is set up.
Source: RFC 3261 18; RFC 3581 (rport); RFC 5626 (flows, keep-alives); RFC 7118 (browsers come by websocket.py).
"""

import asyncio
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from signaling.errors import UsageError
from signaling.sip.flow import Flow, Protocol, default_port, is_address, is_loopback, parse_listen_url
from signaling.sip.limits import RateTable, SourceLimiter, SourceLimits
from signaling.sip.message import Request, Response, SipParseError
from signaling.sip.parser import answer_to, parse_datagram
from signaling.sip.stream import SipConnection
from signaling.sip.stream_pool import StreamCounts, StreamLimits, StreamPool, TlsSettings
from signaling.sip.udp import UdpSocket

__all__ = ["Flow", "Protocol", "SipTransports", "TlsSettings", "TransportLimits", "TransportStatistics"]

log = structlog.get_logger()

_KEEP_ALIVE_OCTETS = b"\r\n\x00 "
_ROUTES = 1024
_ROUTES_S = 60.0

Witness = Callable[[bytes, Flow, bool], None]


@dataclass(frozen=True, kw_only=True)
class TransportLimits:
    streams: StreamLimits = field(default_factory=StreamLimits)
    sources: SourceLimits = field(default_factory=SourceLimits)


@dataclass
class TransportStatistics:
    """Counts since the start. muted: datagrams of muted sources, never parsed."""

    received: int = 0
    sent: int = 0
    malformed: int = 0
    keep_alives: int = 0
    muted: int = 0
    streams: StreamCounts = field(default_factory=StreamCounts)


class SipTransports:
    """Every way SIP comes in and goes out.

    on_message(message, flow): each checked message, requests with ``received`` and ``rport`` filled in.
    on_transport_error(flow, error): something for this flow could not be sent, or its peer's port is closed.
    on_flow_closed(flow): a connection is gone; its flow is dead for good.
    is_trusted(source): trunks and addresses with registered phones; they are never muted.
    witness(octets, flow, is_sent): every checked message as it is on the wire, for who keeps a trace of calls.
    """

    def __init__(
        self,
        *,
        on_message: Callable[[Request | Response, Flow], None],
        on_transport_error: Callable[[Flow, Exception], None] = lambda _flow, _error: None,
        on_flow_closed: Callable[[Flow], None] = lambda _flow: None,
        is_trusted: Callable[[str], bool] = lambda _source: False,
        limits: TransportLimits | None = None,
        tls: TlsSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
        witness: Witness | None = None,
    ) -> None:
        limits = limits or TransportLimits()
        self._witness = witness
        self._on_message = on_message
        self._on_transport_error = on_transport_error
        self._on_flow_closed = on_flow_closed
        self._clock = clock
        self._limiter = SourceLimiter(limits.sources, clock=clock, is_trusted=is_trusted)
        self._pool = StreamPool(
            self,
            limits=limits.streams,
            tls=tls or TlsSettings(),
            clock=clock,
            is_trusted=is_trusted,
            local_host=self._local_host,
        )
        self._log_budget = RateTable(rate=1, burst=5, clock=clock, limit=8)
        self._udp: list[UdpSocket] = []
        self._routes: dict[str, str] = {}
        self._routes_until = 0.0
        self._sweeper: asyncio.TimerHandle | None = None
        self._is_closing = False
        self.statistics = TransportStatistics(streams=self._pool.counts)

    # Opening and closing

    async def listen(self, url: str) -> tuple[str, int]:
        """Listens on ``udp:``, ``tcp:`` or ``tls:`` address and port; returns the address that was bound.

        Raises UsageError for a URL that is none or for tls without a certificate, OSError if it cannot be bound.
        """
        protocol, host, port = parse_listen_url(url)
        if self._sweeper is None:
            self._sweep_later()
        if protocol != "udp":
            return await self._pool.listen(protocol, host, port)
        opened = UdpSocket(host, port, on_datagram=self._datagram, on_error=self._udp_error)
        self._udp.append(opened)
        return opened.address

    async def close(self) -> None:
        """Stops listening, lets connections send what is waiting for a moment, then closes everything."""
        self._is_closing = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        await self._pool.close()
        for udp in self._udp:
            udp.close()
        self._udp.clear()

    # Sending

    def send(self, message: Request | Response | bytes, flow: Flow) -> None:
        """Sends a message by a flow; never blocks, never raises for the network.

        A response goes where RFC 3261 18.2.2 and RFC 3581 4 lead: back to the connection or address its request came
        from; if that connection is gone, over a new one to the address in the request's Via.
        """
        octets = message if isinstance(message, bytes) else bytes(message)
        self.statistics.sent += 1
        if self._witness is not None:
            self._witness(octets, flow, True)
        is_response = octets.startswith(b"SIP/2.0")
        if flow.protocol == "udp":
            udp = self._udp_of(flow)
            if udp is None:
                self._report(flow, ConnectionError("no udp listener to send from"))
            else:
                udp.send(octets, flow.reply_to if is_response and flow.reply_to is not None else flow.remote)
            return
        stream = self._pool.find(flow)
        may_connect = not (flow.is_web or self._is_closing)
        if stream is None and is_response and flow.reply_to is not None and may_connect:
            stream = self._pool.to(flow.protocol, flow.reply_to, "")
        if stream is None:
            self._report(flow, ConnectionResetError("the connection is closed"))
        else:
            stream.send(octets)

    def flow_to(self, protocol: Protocol, host: str, port: int, *, server_name: str = "") -> Flow:
        """A flow to an address: on tcp and tls over an open connection to it, else over a new one.

        Returns at once. A connection is made when something is first sent over the flow; what is sent meanwhile waits
        for it, and one that does not come up is reported through ``on_transport_error``. server_name: whose
        certificate a tls peer must show; without it that of the address.
        """
        if not is_address(host) or not 0 < port < 65536:
            raise UsageError(f"expected an IP address and a port to send to, found {host!r} {port}")
        if protocol in ("ws", "wss"):
            raise UsageError(f"expected udp, tcp or tls to reach {host}, found {protocol}: browsers come to us")
        if protocol != "udp":
            return self._pool.to(protocol, (host, port), "" if protocol == "tcp" else server_name or host).flow
        udp = self._udp_towards(host)
        local = ("0.0.0.0", 0) if udp is None else self._local(udp, host)
        return Flow("udp", local, (host, port))

    def admit(self, protocol: Protocol, *, local: tuple[str, int], remote: tuple[str, int]) -> Flow | None:
        """The flow of a connection that somebody else accepted (websocket.py); None if there is no room for it.

        The connection then tells what becomes of it as a StreamOwner is told; ``stream_closed`` comes in any case.
        """
        return None if self._is_closing else self._pool.admit(protocol, local=local, remote=remote)

    # What the agent tells

    def penalise(self, source: str) -> bool:
        """To be called for each request that is challenged or refused; False: it gets no answer."""
        return self._limiter.charge(source)

    def prove(self, flow: Flow) -> None:
        """The peer of this connection is known (it logged in, or is a trunk): the connection may stay idle."""
        self._pool.prove(flow)

    def is_open(self, flow: Flow) -> bool:
        """Whether a flow can still be used; udp always."""
        return flow.protocol == "udp" or self._pool.find(flow) is not None

    def sweep(self) -> None:
        """Ends connections whose time is over; runs by itself once a second."""
        self._pool.sweep()

    # StreamOwner

    def stream_opened(self, stream: SipConnection) -> None:
        self._pool.opened(stream)
        if self._is_closing:
            stream.finish()

    def stream_message(self, stream: SipConnection, message: Request | Response) -> None:
        flow = stream.flow
        self.statistics.received += 1
        if isinstance(message, Request):
            if not stream.proven and self._limiter.is_muted(flow.source):
                self.statistics.muted += 1
                stream.end()
                return
        if self._witness is not None:
            self._witness(bytes(message), flow, False)
        if isinstance(message, Request):
            flow = _request_flow(message, flow)
        self._on_message(message, flow)

    def stream_malformed(self, stream: SipConnection, error: SipParseError) -> None:
        self._malformed(error, stream.flow)

    def stream_closed(self, stream: SipConnection, error: Exception | None) -> None:
        self._pool.forget(stream)
        if error is not None:
            self._report(stream.flow, error)
        asyncio.get_running_loop().call_soon(self._on_flow_closed, stream.flow)

    # UDP

    def _datagram(self, udp: UdpSocket, octets: bytes, source: tuple[str, int]) -> None:
        if len(octets) <= 16 and not octets.strip(_KEEP_ALIVE_OCTETS):
            self.statistics.keep_alives += 1
            return
        if source[1] == 0 or self._limiter.is_muted(source[0]):
            self.statistics.muted += 1
            return
        flow = Flow("udp", self._local(udp, source[0]), source)
        try:
            message = parse_datagram(octets)
        except SipParseError as error:
            self._malformed(error, flow)
            return
        self.statistics.received += 1
        if self._witness is not None:
            self._witness(octets, flow, False)
        if isinstance(message, Request):
            flow = _request_flow(message, flow)
        self._on_message(message, flow)

    def _udp_error(self, udp: UdpSocket, destination: tuple[str, int], error: OSError) -> None:
        self._report(Flow("udp", self._local(udp, destination[0]), destination), error)

    def _udp_of(self, flow: Flow) -> UdpSocket | None:
        for udp in self._udp:
            if udp.address == flow.local or (udp.is_wildcard and udp.address[1] == flow.local[1]):
                return udp
        return self._udp_towards(flow.remote[0])

    def _udp_towards(self, host: str) -> UdpSocket | None:
        """The socket to reach a host from: of its family, bound to loopback only if the host is loopback too."""
        same_family = [udp for udp in self._udp if (":" in udp.address[0]) == (":" in host)]
        for udp in same_family:
            if is_loopback(udp.address[0]) == is_loopback(host):
                return udp
        return same_family[0] if same_family else None

    # Both

    def _malformed(self, error: SipParseError, flow: Flow) -> None:
        self.statistics.malformed += 1
        if self._log_budget.take("malformed"):
            log.info("sip message refused", peer=str(flow), reason=str(error))
        may_answer = self.penalise(flow.source)
        if error.request is not None and may_answer:
            flow = _request_flow(error.request, flow)
            answer = answer_to(error)
            if answer is not None:
                self.send(answer, flow)

    def _report(self, flow: Flow, error: Exception) -> None:
        if self._log_budget.take("transport"):
            log.info("sip transport error", peer=str(flow), reason=str(error) or type(error).__name__)
        asyncio.get_running_loop().call_soon(self._on_transport_error, flow, error)

    def _local(self, udp: UdpSocket, host: str) -> tuple[str, int]:
        return (self._route(host), udp.address[1]) if udp.is_wildcard else udp.address

    def _local_host(self, bound: str, remote: str) -> str:
        return self._route(remote) if bound in ("0.0.0.0", "::") else bound

    def _route(self, host: str) -> str:
        """The address of ours that the system would use towards a host. Kept for a minute: addresses change."""
        now = self._clock()
        if now >= self._routes_until or len(self._routes) >= _ROUTES:
            self._routes.clear()
            self._routes_until = now + _ROUTES_S
        known = self._routes.get(host)
        if known is None:
            known = self._routes[host] = _address_towards(host)
        return known

    def _sweep_later(self) -> None:
        self._sweeper = asyncio.get_running_loop().call_later(1.0, self._sweep_and_again)

    def _sweep_and_again(self) -> None:
        self.sweep()
        self._sweep_later()


def _request_flow(request: Request, flow: Flow) -> Flow:
    """Marks the request with its source and adds where its responses go.

    ``maddr`` is not followed: it would let a stranger have our answers sent to anybody.
    Source: RFC 3261 18.2.1, 18.2.2; RFC 3581 4.
    """
    host, port = flow.remote
    request.mark_source(host, port)
    via = request.top_via
    if flow.protocol == "udp" and "rport" in via.parameters:
        reply_to = flow.remote
    else:
        reply_to = (host, via.port or default_port(flow.protocol))
    return Flow(flow.protocol, flow.local, flow.remote, flow.connection, reply_to)


def _address_towards(host: str) -> str:
    family, unknown = (socket.AF_INET6, "::") if ":" in host else (socket.AF_INET, "0.0.0.0")
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect((host, 9))
        except OSError:
            return unknown
        return str(probe.getsockname()[0])
