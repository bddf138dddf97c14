"""SIP over UDP, TCP and TLS on loopback, with bare sockets as peers."""

import asyncio
import datetime
import ipaddress
import itertools
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from signaling.errors import UsageError
from signaling.sip.flow import Flow
from signaling.sip.message import Request, Response, respond
from signaling.sip.stream_pool import StreamLimits
from signaling.sip.transport import SipTransports, TlsSettings, TransportLimits

HOST = "127.0.0.1"


def options(protocol: str = "UDP", via: str = "192.0.2.9:5070;rport", body: bytes = b"") -> bytes:
    return (
        "OPTIONS sip:gateway@example.com SIP/2.0\r\n"
        f"Via: SIP/2.0/{protocol} {via};branch=z9hG4bK1\r\n"
        "From: <sip:alice@example.com>;tag=1\r\n"
        "To: <sip:gateway@example.com>\r\n"
        "Call-ID: 1@example.com\r\n"
        "CSeq: 1 OPTIONS\r\n"
        "Max-Forwards: 70\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Recorder:
    """Transports that answer 200 to every request and keep what happened."""

    limits: TransportLimits = field(default_factory=TransportLimits)
    tls: TlsSettings = field(default_factory=TlsSettings)
    answers: bool = True

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.messages: asyncio.Queue[tuple[Request | Response, Flow]] = asyncio.Queue()
        self.errors: asyncio.Queue[tuple[Flow, Exception]] = asyncio.Queue()
        self.closed: asyncio.Queue[Flow] = asyncio.Queue()
        self.trusted: set[str] = set()
        self.transports = SipTransports(
            on_message=self._message,
            on_transport_error=lambda flow, error: self.errors.put_nowait((flow, error)),
            on_flow_closed=self.closed.put_nowait,
            is_trusted=self.trusted.__contains__,
            limits=self.limits,
            tls=self.tls,
            clock=self.clock,
        )

    def _message(self, message: Request | Response, flow: Flow) -> None:
        self.messages.put_nowait((message, flow))
        if self.answers and isinstance(message, Request):
            self.transports.send(respond(message, 200, to_tag="t"), flow)


@pytest_asyncio.fixture
async def recorder() -> AsyncIterator[Recorder]:
    recorder = Recorder()
    yield recorder
    await recorder.transports.close()


class UdpPeer:
    """A plain UDP socket of a phone."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind((HOST, 0))
        self.port: int = self.socket.getsockname()[1]

    def __enter__(self) -> "UdpPeer":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    async def receive(self) -> str:
        octets = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.socket, 65535), 5)
        return octets.decode()

    def received_nothing(self) -> bool:
        try:
            self.socket.recv(65535)
        except BlockingIOError:
            return True
        return False


async def read_message(reader: asyncio.StreamReader) -> str:
    return (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).decode()


async def until(condition: Callable[[], bool]) -> None:
    """Lets the loop run until something has happened there."""
    async with asyncio.timeout(5):
        for _ in itertools.count():
            if condition():
                return
            await asyncio.sleep(0)


async def is_refused(address: tuple[str, int]) -> bool:
    """Whether a new connection is reset at once."""
    try:
        reader, writer = await asyncio.open_connection(*address)
    except ConnectionResetError:
        return True
    try:
        await asyncio.wait_for(reader.read(), 5)
    except ConnectionResetError:
        return True
    finally:
        writer.close()
    return False


# UDP


async def test_udp_request_with_rport_is_answered_to_its_source(recorder: Recorder) -> None:
    address = await recorder.transports.listen(f"udp:{HOST}:0")
    with UdpPeer() as phone:
        phone.socket.sendto(options(), address)
        answer = await phone.receive()
        message, flow = await recorder.messages.get()
    assert f";received={HOST};rport={phone.port}" in answer.replace(";branch=z9hG4bK1", "")
    assert isinstance(message, Request)
    assert (flow.protocol, flow.local, flow.remote) == ("udp", address, (HOST, phone.port))
    assert not flow.reliable and recorder.transports.is_open(flow)


async def test_udp_request_without_rport_is_answered_to_the_via_port(recorder: Recorder) -> None:
    """RFC 3261 18.2.2: to the address it came from, at the port of the Via, never to an address only the Via names."""
    address = await recorder.transports.listen(f"udp:{HOST}:0")
    with UdpPeer() as sender, UdpPeer() as receiver:
        sender.socket.sendto(options(via=f"192.0.2.9:{receiver.port}"), address)
        answer = await receiver.receive()
        assert sender.received_nothing()
    assert f"received={HOST}" in answer


async def test_udp_via_maddr_is_not_followed(recorder: Recorder) -> None:
    address = await recorder.transports.listen(f"udp:{HOST}:0")
    with UdpPeer() as phone, UdpPeer() as victim:
        phone.socket.sendto(options(via=f"192.0.2.9:{phone.port};maddr={HOST}:{victim.port}"), address)
        phone.socket.sendto(options(via=f"192.0.2.9:{phone.port};maddr={HOST}"), address)
        assert "200 OK" in await phone.receive()
        assert victim.received_nothing()


async def test_udp_keep_alives_and_noise_reach_nobody(recorder: Recorder) -> None:
    address = await recorder.transports.listen(f"udp:{HOST}:0")
    with UdpPeer() as phone:
        for noise in (b"", b"\r\n\r\n", b"\x00\x00\x00\x00", b"\r\n", b"hello", b"\xff" * 2000):
            phone.socket.sendto(noise, address)
        phone.socket.sendto(options(), address)
        assert "200 OK" in await phone.receive()
        assert phone.received_nothing()
    assert recorder.messages.qsize() == 1
    assert recorder.transports.statistics.keep_alives == 4
    assert recorder.transports.statistics.malformed == 2


async def test_udp_malformed_but_answerable_request_gets_400(recorder: Recorder) -> None:
    address = await recorder.transports.listen(f"udp:{HOST}:0")
    with UdpPeer() as phone:
        phone.socket.sendto(options().replace(b"CSeq: 1 OPTIONS", b"CSeq: 1 INVITE"), address)
        assert (await phone.receive()).startswith("SIP/2.0 400")
        phone.socket.sendto(options().replace(b"sip:gateway@", b"http://gateway@", 1), address)
        assert (await phone.receive()).startswith("SIP/2.0 416")
    assert recorder.messages.empty()


async def test_udp_closed_port_of_the_peer_is_reported(recorder: Recorder) -> None:
    address = await recorder.transports.listen(f"udp:{HOST}:0")
    with UdpPeer() as phone:
        gone = phone.port
    flow = recorder.transports.flow_to("udp", HOST, gone)
    assert flow == Flow("udp", address, (HOST, gone))
    recorder.transports.send(options(), flow)
    failed, error = await asyncio.wait_for(recorder.errors.get(), 5)
    assert failed == flow
    assert isinstance(error, OSError)
    with UdpPeer() as phone:
        recorder.transports.send(options(), recorder.transports.flow_to("udp", HOST, phone.port))
        assert "OPTIONS" in await phone.receive()


async def test_udp_datagram_too_large_to_send_is_reported(recorder: Recorder) -> None:
    await recorder.transports.listen(f"udp:{HOST}:0")
    flow = recorder.transports.flow_to("udp", HOST, 9)
    recorder.transports.send(b"x" * 70_000, flow)
    assert (await asyncio.wait_for(recorder.errors.get(), 5))[0] == flow


async def test_udp_on_all_addresses_names_the_one_that_the_peer_can_reach(recorder: Recorder) -> None:
    _, port = await recorder.transports.listen("udp:0.0.0.0:0")
    with UdpPeer() as phone:
        phone.socket.sendto(options(), (HOST, port))
        assert "200 OK" in await phone.receive()
        _, flow = await recorder.messages.get()
        assert flow.local == (HOST, port)
        recorder.transports.send(options(), recorder.transports.flow_to("udp", HOST, phone.port))
        assert "OPTIONS" in await phone.receive()


async def test_udp_source_that_only_causes_refusals_is_muted_then_heard_again(recorder: Recorder) -> None:
    recorder.answers = False
    address = await recorder.transports.listen(f"udp:{HOST}:0")
    answered = [recorder.transports.penalise(HOST) for _ in range(500)]
    assert answered.count(True) == 60
    with UdpPeer() as phone, UdpPeer() as other:
        phone.socket.sendto(options(), address)
        await until(lambda: recorder.transports.statistics.muted == 1)
        assert recorder.messages.empty()
        recorder.trusted.add(HOST)
        other.socket.sendto(options(), address)
        await asyncio.wait_for(recorder.messages.get(), 5)
        recorder.trusted.clear()
        recorder.clock.now += 30
        phone.socket.sendto(options(), address)
        await asyncio.wait_for(recorder.messages.get(), 5)


async def test_udp_send_without_listener_is_reported(recorder: Recorder) -> None:
    flow = recorder.transports.flow_to("udp", HOST, 5060)
    recorder.transports.send(options(), flow)
    assert (await asyncio.wait_for(recorder.errors.get(), 5))[0] == flow


# TCP


async def test_tcp_requests_are_answered_on_their_connection(recorder: Recorder) -> None:
    address = await recorder.transports.listen(f"tcp:{HOST}:0")
    reader, writer = await asyncio.open_connection(*address)
    whole = options("TCP", body=b"x" * 10) + options("TCP")
    for octet in range(0, len(whole), 50):
        writer.write(whole[octet : octet + 50])
        await writer.drain()
    assert "200 OK" in await read_message(reader)
    assert "200 OK" in await read_message(reader)
    first, flow = await recorder.messages.get()
    assert first.body == b"x" * 10
    assert flow.reliable and flow.local == address and flow.remote == writer.get_extra_info("sockname")
    writer.close()
    assert await asyncio.wait_for(recorder.closed.get(), 5) == flow
    assert not recorder.transports.is_open(flow)


async def test_tcp_phone_is_called_over_its_own_connection(recorder: Recorder) -> None:
    address = await recorder.transports.listen(f"tcp:{HOST}:0")
    reader, writer = await asyncio.open_connection(*address)
    writer.write(options("TCP"))
    await read_message(reader)
    _, flow = await recorder.messages.get()
    recorder.transports.send(options("TCP"), flow)
    assert (await read_message(reader)).startswith("OPTIONS")
    assert recorder.transports.flow_to("tcp", *flow.remote) == flow
    writer.close()
    await recorder.closed.get()


async def test_tcp_response_after_the_connection_is_gone_goes_to_the_via(recorder: Recorder) -> None:
    recorder.answers = False
    address = await recorder.transports.listen(f"tcp:{HOST}:0")
    arrived: asyncio.Queue[str] = asyncio.Queue()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.put_nowait(await read_message(reader))
        writer.close()

    server = await asyncio.start_server(take, HOST, 0)
    port = server.sockets[0].getsockname()[1]
    _, writer = await asyncio.open_connection(*address)
    writer.write(options("TCP", via=f"192.0.2.9:{port}"))
    message, flow = await recorder.messages.get()
    assert isinstance(message, Request)
    writer.close()
    await recorder.closed.get()
    recorder.transports.send(respond(message, 200), flow)
    assert "200 OK" in await asyncio.wait_for(arrived.get(), 5)
    recorder.transports.send(options("TCP"), flow)
    failed, _ = await asyncio.wait_for(recorder.errors.get(), 5)
    assert failed == flow
    server.close()
    await server.wait_closed()


async def test_tcp_outgoing_connection_queues_until_up_and_is_reused(recorder: Recorder) -> None:
    address = await recorder.transports.listen(f"tcp:{HOST}:0")
    peer = Recorder()
    peer_address = await peer.transports.listen(f"tcp:{HOST}:0")
    flow = recorder.transports.flow_to("tcp", *peer_address)
    assert flow.local == address
    for _ in range(3):
        assert recorder.transports.flow_to("tcp", *peer_address) is flow
        recorder.transports.send(options("TCP"), flow)
    for _ in range(3):
        message, _ = await asyncio.wait_for(recorder.messages.get(), 5)
        assert isinstance(message, Response) and message.code == 200
    assert peer.transports.statistics.streams.accepted == 1
    await peer.transports.close()
    assert await asyncio.wait_for(recorder.closed.get(), 5) == flow


async def test_tcp_connection_is_made_only_when_something_is_sent(recorder: Recorder) -> None:
    peer = Recorder()
    address = await peer.transports.listen(f"tcp:{HOST}:0")
    unused, used = recorder.transports.flow_to("tcp", HOST, 9), recorder.transports.flow_to("tcp", *address)
    recorder.transports.send(options("TCP"), used)
    await asyncio.wait_for(recorder.messages.get(), 5)
    assert recorder.transports.is_open(unused)
    recorder.clock.now += 61
    recorder.transports.sweep()
    assert not recorder.transports.is_open(unused) and recorder.transports.is_open(used)
    assert recorder.errors.empty()
    await peer.transports.close()


async def test_tcp_connection_refused_is_reported(recorder: Recorder) -> None:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    flow = recorder.transports.flow_to("tcp", HOST, port)
    recorder.transports.send(options("TCP"), flow)
    failed, error = await asyncio.wait_for(recorder.errors.get(), 5)
    assert failed == flow and isinstance(error, ConnectionRefusedError)
    assert await asyncio.wait_for(recorder.closed.get(), 5) == flow


async def test_tcp_connection_that_does_not_come_up_in_time_is_reported() -> None:
    recorder = Recorder(limits=TransportLimits(streams=StreamLimits(connect_s=0.05)))
    with socket.socket() as full, socket.socket() as filler:
        # A listener whose queue is full answers no further connection.
        full.bind((HOST, 0))
        full.listen(0)
        filler.setblocking(False)
        filler.connect_ex(full.getsockname())
        flow = recorder.transports.flow_to("tcp", *full.getsockname())
        recorder.transports.send(options("TCP"), flow)
        failed, error = await asyncio.wait_for(recorder.errors.get(), 5)
    assert failed == flow and isinstance(error, TimeoutError)
    await recorder.transports.close()


async def test_tcp_queue_of_a_connection_being_set_up_is_bounded(recorder: Recorder) -> None:
    flow = recorder.transports.flow_to("tcp", HOST, 9)
    for _ in range(10):
        recorder.transports.send(b"x" * 60_000, flow)
    failed, error = await asyncio.wait_for(recorder.errors.get(), 5)
    assert failed == flow and isinstance(error, ConnectionAbortedError)


async def test_tcp_peer_that_does_not_read_is_cut_off(recorder: Recorder) -> None:
    address = await recorder.transports.listen(f"tcp:{HOST}:0")
    _, writer = await asyncio.open_connection(*address)
    writer.write(options("TCP"))
    _, flow = await recorder.messages.get()
    while recorder.transports.is_open(flow):
        recorder.transports.send(b"x" * 100_000, flow)
    assert isinstance((await asyncio.wait_for(recorder.errors.get(), 5))[1], ConnectionAbortedError)
    writer.close()


async def test_tcp_double_crlf_is_answered_with_one(recorder: Recorder) -> None:
    address = await recorder.transports.listen(f"tcp:{HOST}:0")
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"\r\n\r\n")
    assert await asyncio.wait_for(reader.readexactly(2), 5) == b"\r\n"
    writer.write(options("TCP"))
    assert (await read_message(reader)).startswith("SIP/2.0 200")
    writer.close()
    await recorder.closed.get()


async def test_tcp_malformed_message_is_answered_and_ends_the_connection(recorder: Recorder) -> None:
    address = await recorder.transports.listen(f"tcp:{HOST}:0")
    reader, writer = await asyncio.open_connection(*address)
    writer.write(options("TCP").replace(b"Content-Length: 0", b"Content-Length: -1") + options("TCP"))
    assert (await read_message(reader)).startswith("SIP/2.0 400")
    assert await asyncio.wait_for(reader.read(), 5) == b""
    assert recorder.messages.empty()
    writer.close()


async def test_tcp_slow_header_is_cut_off_after_ten_seconds(recorder: Recorder) -> None:
    address = await recorder.transports.listen(f"tcp:{HOST}:0")
    reader, writer = await asyncio.open_connection(*address)
    writer.write(options("TCP"))
    await read_message(reader)
    for _ in range(10):
        writer.write(b"O")
        await writer.drain()
        await asyncio.sleep(0)
        recorder.clock.now += 0.99
        recorder.transports.sweep()
    _, flow = await recorder.messages.get()
    recorder.transports.prove(flow)
    while recorder.transports.is_open(flow):
        writer.write(b"O")
        await asyncio.sleep(0)
        recorder.clock.now += 0.1
        recorder.transports.sweep()
    assert recorder.clock.now < 1012
    with pytest.raises(ConnectionError):
        while await asyncio.wait_for(reader.read(100), 5):
            pass
    writer.close()


async def test_tcp_idle_connection_stays_only_when_proven(recorder: Recorder) -> None:
    address = await recorder.transports.listen(f"tcp:{HOST}:0")
    flows = []
    writers = []
    for _ in range(2):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(options("TCP"))
        await read_message(reader)
        flows.append((await recorder.messages.get())[1])
        writers.append(writer)
    recorder.transports.prove(flows[0])
    recorder.clock.now += 61
    recorder.transports.sweep()
    assert [recorder.transports.is_open(flow) for flow in flows] == [True, False]
    recorder.clock.now += 7200
    recorder.transports.sweep()
    assert not recorder.transports.is_open(flows[0])
    for writer in writers:
        writer.close()


async def test_tcp_connections_of_one_source_are_capped() -> None:
    recorder = Recorder(limits=TransportLimits(streams=StreamLimits(per_source=3)))
    address = await recorder.transports.listen(f"tcp:{HOST}:0")
    connections = [await asyncio.open_connection(*address) for _ in range(3)]
    for _ in range(2):
        assert await is_refused(address)
    assert recorder.transports.statistics.streams.refused == 2
    connections[0][1].close()
    await recorder.closed.get()
    connections.append(await asyncio.open_connection(*address))
    connections[-1][1].write(options("TCP"))
    assert "200 OK" in await read_message(connections[-1][0])
    for _, writer in connections:
        writer.close()
    await recorder.transports.close()


async def test_tcp_total_cap_sacrifices_the_oldest_connection_nobody_vouched_for() -> None:
    recorder = Recorder(limits=TransportLimits(streams=StreamLimits(connections=2)))
    address = await recorder.transports.listen(f"tcp:{HOST}:0")
    flows, connections = [], []
    for index in range(3):
        reader, writer = await asyncio.open_connection(*address)
        connections.append(writer)
        writer.write(options("TCP"))
        await read_message(reader)
        flows.append((await recorder.messages.get())[1])
        if index == 0:
            recorder.transports.prove(flows[0])
    assert [recorder.transports.is_open(flow) for flow in flows] == [True, False, True]
    recorder.transports.prove(flows[2])
    assert await is_refused(address)
    for writer in connections:
        writer.close()
    await recorder.transports.close()


async def test_close_sends_what_is_waiting_and_ends_everything() -> None:
    recorder = Recorder(answers=False)
    address = await recorder.transports.listen(f"tcp:{HOST}:0")
    reader, writer = await asyncio.open_connection(*address)
    writer.write(options("TCP"))
    message, flow = await recorder.messages.get()
    assert isinstance(message, Request)
    recorder.transports.send(respond(message, 503), flow)
    await recorder.transports.close()
    assert "503" in await read_message(reader)
    assert await reader.read() == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address)


# TLS


def certificate(directory: Path) -> TlsSettings:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway.example.com")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("gateway.example.com"), x509.IPAddress(ipaddress.ip_address(HOST))]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_path, key_path = directory / "certificate.pem", directory / "key.pem"
    certificate_path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return TlsSettings(certificate=certificate_path, key=key_path, authorities=certificate_path)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsSettings:
    return certificate(tmp_path_factory.mktemp("tls"))


async def test_tls_both_ways_and_reused(tls: TlsSettings) -> None:
    server, client = Recorder(tls=tls), Recorder(tls=tls)
    address = await server.transports.listen(f"tls:{HOST}:0")
    flow = client.transports.flow_to("tls", *address, server_name="gateway.example.com")
    client.transports.send(options("TLS"), flow)
    message, back = await asyncio.wait_for(client.messages.get(), 5)
    assert isinstance(message, Response) and back == flow
    _, incoming = await server.messages.get()
    assert incoming.protocol == "tls"
    server.transports.send(options("TLS"), incoming)
    request, _ = await asyncio.wait_for(client.messages.get(), 5)
    assert isinstance(request, Request)
    by_address = client.transports.flow_to("tls", *address)
    assert by_address != flow, "a certificate shown for one name is not one for another"
    client.transports.send(options("TLS"), by_address)
    await asyncio.wait_for(client.messages.get(), 5)
    await client.transports.close()
    await server.transports.close()


async def test_tls_peer_with_certificate_of_another_is_not_talked_to(tls: TlsSettings) -> None:
    server, client = Recorder(tls=tls), Recorder(tls=tls)
    address = await server.transports.listen(f"tls:{HOST}:0")
    flow = client.transports.flow_to("tls", *address, server_name="carrier.example.net")
    client.transports.send(options("TLS"), flow)
    _, error = await asyncio.wait_for(client.errors.get(), 5)
    assert isinstance(error, ssl.SSLCertVerificationError)
    assert server.messages.empty()
    await client.transports.close()
    await server.transports.close()


async def test_tls_handshake_that_stalls_or_fails_frees_its_place(tls: TlsSettings) -> None:
    recorder = Recorder(tls=tls, limits=TransportLimits(streams=StreamLimits(per_source=2, handshake_s=0.1)))
    address = await recorder.transports.listen(f"tls:{HOST}:0")
    stalled = [await asyncio.open_connection(*address) for _ in range(2)]
    stalled[1][1].write(options("TCP"))
    for stalled_reader, _ in stalled:
        await asyncio.wait_for(stalled_reader.read(), 5)
    await until(lambda: recorder.transports.statistics.streams.failed_handshakes == 2)
    context = ssl.create_default_context(cafile=str(tls.authorities))
    reader, writer = await asyncio.open_connection(*address, ssl=context)
    writer.write(options("TLS"))
    assert "200 OK" in await read_message(reader)
    writer.close()
    for _, writer in stalled:
        writer.close()
    await recorder.transports.close()


async def test_tls_older_than_1_2_is_refused(tls: TlsSettings) -> None:
    recorder = Recorder(tls=tls)
    address = await recorder.transports.listen(f"tls:{HOST}:0")
    context = ssl.create_default_context(cafile=str(tls.authorities))
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(OSError):
        await asyncio.open_connection(*address, ssl=context)
    await recorder.transports.close()


async def test_listen_tls_without_certificate_is_refused(recorder: Recorder) -> None:
    with pytest.raises(UsageError, match="certificate"):
        await recorder.transports.listen(f"tls:{HOST}:0")


@pytest.mark.parametrize(
    "url",
    ["", "udp", "udp:", "sctp:127.0.0.1:5060", "udp:localhost:5060", "tcp:127.0.0.1:x", "tcp:127.0.0.1:65536"],
)
async def test_listen_url_that_is_none_is_refused(recorder: Recorder, url: str) -> None:
    with pytest.raises(UsageError, match="expected"):
        await recorder.transports.listen(url)


async def test_listen_on_taken_port_raises(recorder: Recorder) -> None:
    for protocol in ("udp", "tcp"):
        _, port = await recorder.transports.listen(f"{protocol}:{HOST}:0")
        with pytest.raises(OSError):
            await recorder.transports.listen(f"{protocol}:{HOST}:{port}")


@pytest.mark.parametrize(("host", "port"), [("example.com", 5060), ("", 5060), (HOST, 0), (HOST, 70000)])
def test_flow_to_wants_an_address(host: str, port: int) -> None:
    transports = SipTransports(on_message=lambda _message, _flow: None)
    with pytest.raises(UsageError):
        transports.flow_to("udp", host, port)
