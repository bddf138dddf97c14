"""All connections: accepting them, making them, finding them again, ending those that are overdue.

Owns the listeners and the connections. Connections are capped in all and per source before anything is read or any
handshake begins; at the total cap a connection nobody vouched for makes room. An accept that finds no free file waits
instead of spinning. What the messages mean is not known here.
Source: RFC 3261 18; RFC 5923 (reuse); reliability checks S-03, R-15.
"""

import asyncio
import errno
import ipaddress
import resource
import socket
import ssl
import struct
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path

from signaling.errors import UsageError
from signaling.sip.flow import Flow, Protocol
from signaling.sip.stream import SipConnection, SipStream, StreamOwner, StreamTimes

Address = tuple[str, int]

_ACCEPT_BATCH = 64
_BACKLOG = 512
_TRUSTED_FACTOR = 10
_OUT_OF_FILES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, kw_only=True)
class TlsSettings:
    """certificate, key: PEM files of our listener. authorities: PEM file that outgoing connections trust instead of
    the system's store."""

    certificate: Path | None = None
    key: Path | None = None
    authorities: Path | None = None


@dataclass(frozen=True, kw_only=True)
class StreamLimits:
    """connections: in all, but never more than a quarter of the files this process may open. A trusted source may have
    ten times ``per_source``."""

    connections: int = 4096
    per_source: int = 100
    handshake_s: float = 10.0
    connect_s: float = 5.0
    files_retry_s: float = 0.5
    closing_s: float = 1.0
    times: StreamTimes = field(default_factory=StreamTimes)


@dataclass
class StreamCounts:
    """Since the start."""

    accepted: int = 0
    refused: int = 0
    failed_handshakes: int = 0
    failed_connects: int = 0
    overdue: int = 0
    out_of_files: int = 0


class StreamPool:
    """The connections, by number and by peer.

    owner: gets what the streams have to say. local_host(bound, remote): our address as the remote host can reach it,
    for a listener bound to ``bound``.
    """

    def __init__(
        self,
        owner: StreamOwner,
        *,
        limits: StreamLimits,
        tls: TlsSettings,
        clock: Callable[[], float],
        is_trusted: Callable[[str], bool],
        local_host: Callable[[str, str], str],
    ) -> None:
        self._owner = owner
        self._limits = limits
        self._tls = tls
        self._clock = clock
        self._is_trusted = is_trusted
        self._local_host = local_host
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most = limits.connections if files == resource.RLIM_INFINITY else min(limits.connections, files // 4)
        self._listeners: list[_Listener] = []
        self._streams: dict[int, SipConnection] = {}
        self._by_peer: dict[tuple[Protocol, Address, str], SipConnection] = {}
        self._unproven: dict[int, SipConnection] = {}
        self._per_source: dict[str, int] = {}
        self._accepted = 0
        self._serial = 0
        self._client_context: ssl.SSLContext | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed_one = asyncio.Event()
        self.counts = StreamCounts()

    def __len__(self) -> int:
        return len(self._streams)

    async def listen(self, protocol: Protocol, host: str, port: int) -> Address:
        """Raises UsageError for tls without a certificate, OSError for an address or a file that cannot be had."""
        context = await asyncio.to_thread(_server_context, self._tls) if protocol == "tls" else None
        listener = _Listener(self, protocol, host, port, context=context)
        self._listeners.append(listener)
        return listener.address

    async def close(self) -> None:
        """Lets what is waiting be sent for a moment, then ends every connection."""
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        # A connection that was accepted in this very round gets its task started, so that it is closed with the rest.
        await asyncio.sleep(0)
        for stream in list(self._streams.values()):
            stream.finish()
        try:
            async with asyncio.timeout(self._limits.closing_s):
                while self._streams:
                    self._closed_one.clear()
                    await self._closed_one.wait()
        except TimeoutError:
            for stream in list(self._streams.values()):
                stream.end()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        # An aborted connection is taken down in the loop's next round.
        await asyncio.sleep(0)

    def find(self, flow: Flow) -> SipConnection | None:
        return self._streams.get(flow.connection)

    def to(self, protocol: Protocol, remote: Address, server_name: str) -> SipConnection:
        """An open connection to that peer, or a new one that is made when something is sent."""
        known = self._by_peer.get((protocol, remote, server_name))
        if known is not None:
            return known
        flow = Flow(protocol, self._local_address(protocol, remote[0]), remote, self._next_serial())
        stream = SipStream(
            self._owner, flow, clock=self._clock, server_name=server_name, connect=self._start_connecting
        )
        self._streams[flow.connection] = stream
        self._by_peer[_peer_key(stream)] = stream
        return stream

    def prove(self, flow: Flow) -> None:
        stream = self._unproven.pop(flow.connection, None)
        if stream is not None:
            stream.proven = True

    def opened(self, stream: SipConnection) -> None:
        """To be called by the owner when a stream is up."""
        if stream.incoming:
            flow = stream.flow
            self._streams[flow.connection] = self._unproven[flow.connection] = stream
            self._by_peer[_peer_key(stream)] = stream

    def forget(self, stream: SipConnection) -> None:
        """To be called by the owner when a stream is closed."""
        self._streams.pop(stream.flow.connection, None)
        self._closed_one.set()
        self._unproven.pop(stream.flow.connection, None)
        key = _peer_key(stream)
        if self._by_peer.get(key) is stream:
            del self._by_peer[key]
        if stream.incoming:
            self._leave(stream.flow.source)

    def sweep(self) -> None:
        """Ends connections whose time is over; to be called about once a second."""
        for stream in list(self._streams.values()):
            if stream.is_unused(self._limits.times):
                stream.end()
                continue
            reason = stream.overdue(self._limits.times)
            if reason is not None:
                self.counts.overdue += 1
                stream.end(TimeoutError(reason))

    # Accepting

    def admit(self, protocol: Protocol, *, local: Address, remote: Address) -> Flow | None:
        """The flow of a new connection from there; None if it, or all together, have as many as they may.

        Whoever got a flow makes a stream of it and in the end has it forgotten, opened or not.
        """
        source = remote[0]
        most = self._limits.per_source * (_TRUSTED_FACTOR if self._is_trusted(source) else 1)
        if self._per_source.get(source, 0) >= most or not self._has_room():
            self.counts.refused += 1
            return None
        self.counts.accepted += 1
        self._per_source[source] = self._per_source.get(source, 0) + 1
        self._accepted += 1
        return Flow(protocol, local, remote, self._next_serial())

    def accepted(self, listener: "_Listener", connection: socket.socket, remote: Address) -> None:
        local = (connection.getsockname()[0], listener.address[1])
        flow = self.admit(listener.protocol, local=local, remote=remote)
        if flow is None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            connection.close()
            return
        stream = SipStream(self._owner, flow, clock=self._clock)
        self._spawn(self._take(stream, connection, listener.context))

    def _has_room(self) -> bool:
        if self._accepted < self._most:
            return True
        if not self._unproven:
            return False
        oldest = next(iter(self._unproven.values()))
        oldest.end(ConnectionAbortedError("made room for another connection"))
        return True

    async def _take(self, stream: SipStream, connection: socket.socket, context: ssl.SSLContext | None) -> None:
        try:
            _keep_watch(connection)
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: stream,
                connection,
                ssl=context,
                ssl_handshake_timeout=self._limits.handshake_s if context else None,
            )
        except OSError:
            self.counts.failed_handshakes += 1
        finally:
            if stream.flow.connection not in self._streams and not stream.closed:
                stream.closed = True
                self._leave(stream.flow.source)

    def _leave(self, source: str) -> None:
        self._accepted -= 1
        left = self._per_source.get(source, 0) - 1
        if left > 0:
            self._per_source[source] = left
        else:
            self._per_source.pop(source, None)

    @property
    def files_retry_s(self) -> float:
        return self._limits.files_retry_s

    def out_of_files(self) -> None:
        self.counts.out_of_files += 1

    # Connecting

    def _start_connecting(self, stream: SipStream) -> None:
        self._spawn(self._connect(stream))

    async def _connect(self, stream: SipStream) -> None:
        flow = stream.flow
        try:
            async with asyncio.timeout(self._limits.connect_s):
                context = await self._outgoing_context() if flow.protocol == "tls" else None
                await asyncio.get_running_loop().create_connection(
                    lambda: stream,
                    *flow.remote,
                    ssl=context,
                    server_hostname=(stream.server_name or flow.remote[0]) if context else None,
                    local_addr=self._bind_address(flow),
                )
        except TimeoutError:
            self.counts.failed_connects += 1
            stream.end(TimeoutError(f"no connection within {self._limits.connect_s:g} s"))
        except OSError as error:
            self.counts.failed_connects += 1
            stream.end(error)

    async def _outgoing_context(self) -> ssl.SSLContext:
        if self._client_context is None:
            self._client_context = await asyncio.to_thread(_client_context, self._tls)
        return self._client_context

    def _bind_address(self, flow: Flow) -> Address | None:
        """The source address to connect from, so that a peer sees the address it knows us by."""
        for listener in self._listeners:
            host = ipaddress.ip_address(listener.address[0])
            remote = ipaddress.ip_address(flow.remote[0])
            if host.version == remote.version and not host.is_unspecified and host.is_loopback == remote.is_loopback:
                return (str(host), 0)
        return None

    def _local_address(self, protocol: Protocol, host: str) -> Address:
        listener = next((item for item in self._listeners if item.protocol == protocol), None)
        if listener is None:
            return (self._local_host("0.0.0.0", host), 0)
        return (self._local_host(listener.address[0], host), listener.address[1])

    def _next_serial(self) -> int:
        self._serial += 1
        return self._serial

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Listener:
    """One listening socket, read in batches; pauses while the process has no file left."""

    def __init__(
        self, pool: StreamPool, protocol: Protocol, host: str, port: int, *, context: ssl.SSLContext | None
    ) -> None:
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._retry: asyncio.TimerHandle | None = None
        self.protocol: Protocol = protocol
        self.context = context
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((host, port))
            self._socket.listen(_BACKLOG)
        except OSError:
            self._socket.close()
            raise
        self.address: Address = self._socket.getsockname()[:2]
        self._loop.add_reader(self._socket, self._acceptable)

    def close(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _acceptable(self) -> None:
        for _ in range(_ACCEPT_BATCH):
            try:
                connection, remote = self._socket.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                if error.errno not in _OUT_OF_FILES:
                    raise
                self._pool.out_of_files()
                self._loop.remove_reader(self._socket)
                self._retry = self._loop.call_later(self._pool.files_retry_s, self._resume)
                return
            connection.setblocking(False)
            self._pool.accepted(self, connection, remote[:2])

    def _resume(self) -> None:
        self._retry = None
        self._loop.add_reader(self._socket, self._acceptable)


def _peer_key(stream: SipConnection) -> tuple[Protocol, Address, str]:
    """What a connection is found by. A tls peer that came to us showed no certificate, so it is nobody's server."""
    return stream.flow.protocol, stream.flow.remote, stream.server_name


def _keep_watch(connection: socket.socket) -> None:
    """Has the system notice within two minutes that a silent peer is gone."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        option = getattr(socket, name, None)
        if option is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)


def _server_context(tls: TlsSettings) -> ssl.SSLContext:
    if tls.certificate is None or tls.key is None:
        raise UsageError("expected a certificate and a key to listen on tls, found none")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(tls.certificate, tls.key)
    return context


def _client_context(tls: TlsSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.authorities)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
