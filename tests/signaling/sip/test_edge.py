"""Transports and registrar together: real phones register, junk and attacks change nothing for them."""

import asyncio
import random
import resource
import shutil
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.errors import PeerError
from signaling.leg import Leg, OutboundCall
from signaling.sip.auth import DigestAuthenticator, answer_challenge
from signaling.sip.bindings import Binding, BindingChange
from signaling.sip.dial_target import DialTarget
from signaling.sip.flow import Flow
from signaling.sip.limits import GuessGuard, GuessLimits
from signaling.sip.message import Request, Response
from signaling.sip.parser import parse_datagram
from signaling.sip.registrar import Registrar, RegistrarSettings
from signaling.sip.transport import SipTransports

HOST = "127.0.0.1"

REGISTER = """\
REGISTER sip:example.com SIP/2.0
Via: SIP/2.0/{protocol} {host}:{port};rport;branch=z9hG4bK{sequence}
Max-Forwards: 70
From: <sip:{user}@example.com>;tag={sequence}
To: <sip:{user}@example.com>
Call-ID: {call_id}
CSeq: {sequence} REGISTER
Contact: <sip:{user}@{host}:{port}>
{fields}Content-Length: 0

"""


def no_dial(target: DialTarget, request: OutboundCall) -> Leg:
    raise AssertionError("nobody is called here")


@dataclass
class Edge:
    """What the agent does with REGISTER, and nothing else."""

    guard: GuessGuard = field(default_factory=lambda: GuessGuard(GuessLimits(), clock=time.monotonic))
    answered: int = 0
    registered: list[Flow] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.registrar = Registrar(
            settings=RegistrarSettings(domain="example.com"),
            authenticator=DigestAuthenticator(
                realm="example.com",
                secret=b"s",
                clock=time.monotonic,
                credentials={"alice": "wonderland"}.get,
                guard=self.guard,
            ),
            dial=no_dial,
            on_change=self._change,
        )
        self.transports = SipTransports(
            on_message=self._message,
            on_flow_closed=self.registrar.flow_closed,
            is_trusted=self.registrar.is_registered_source,
        )

    def _change(self, binding: Binding, change: BindingChange) -> None:
        if change is BindingChange.REGISTERED:
            self.registered.append(binding.flow)

    def _message(self, message: Request | Response, flow: Flow) -> None:
        if not isinstance(message, Request) or message.method != "REGISTER":
            return
        response = self.registrar.handle(message, flow)
        if response.code == 200:
            self.transports.prove(flow)
        elif not self.transports.penalise(flow.source):
            return
        self.answered += 1
        self.transports.send(response, flow)


@asynccontextmanager
async def edge() -> AsyncIterator[Edge]:
    running = Edge()
    yield running
    await running.transports.close()


class Phone:
    """A phone on a bare socket bound to one of the loopback addresses."""

    def __init__(self, server: tuple[str, int], *, host: str = HOST) -> None:
        self._server = server
        self._host = host
        self._sequence = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind((host, 0))

    def __enter__(self) -> "Phone":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def text(self, *, user: str = "alice", authorization: str = "") -> bytes:
        self._sequence += 1
        return (
            REGISTER.format(
                protocol="UDP",
                host=self._host,
                port=self.socket.getsockname()[1],
                sequence=self._sequence,
                user=user,
                call_id=f"call-{self._host}",
                fields=f"Authorization: {authorization}\n" if authorization else "",
            )
            .replace("\n", "\r\n")
            .encode()
        )

    async def ask(self, octets: bytes) -> Response:
        self.socket.sendto(octets, self._server)
        answer = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.socket, 65535), 5)
        message = parse_datagram(answer)
        assert isinstance(message, Response)
        return message

    async def register(self, *, user: str = "alice", password: str = "wonderland") -> Response:
        challenged = await self.ask(self.text(user=user))
        answer = answer_challenge(
            challenged.headers.getlist("WWW-Authenticate"),
            method="REGISTER",
            uri="sip:example.com",
            username=user,
            password=password,
        )
        return await self.ask(self.text(user=user, authorization=answer))


async def test_phone_registers_while_its_neighbour_floods_and_gets_few_answers() -> None:
    async with edge() as running:
        server = await running.transports.listen(f"udp:{HOST}:0")
        with Phone(server, host="127.0.0.2") as attacker, Phone(server, host="127.0.0.3") as phone:
            for _ in range(20):
                for _ in range(100):
                    attacker.socket.sendto(attacker.text(user="nobody"), server)
                await asyncio.sleep(0)
            assert (await phone.register()).code == 200
        assert running.answered <= 60 + 20 + 2
        assert running.transports.statistics.muted > 1500


async def test_wrong_passwords_block_the_guesser_and_not_the_phone() -> None:
    async with edge() as running:
        server = await running.transports.listen(f"udp:{HOST}:0")
        with Phone(server, host="127.0.0.2") as guesser, Phone(server, host="127.0.0.3") as phone:
            for number in range(10):
                assert (await guesser.register(password=str(number))).code == 401
            assert (await guesser.register()).code == 401
            assert (await phone.register()).code == 200


@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 5), st.binary(max_size=6)), min_size=1, max_size=6),
    st.booleans(),
)
@settings(max_examples=500, deadline=None)
def test_damaged_register_is_answered_or_dropped_and_binds_nothing(
    edits: list[tuple[float, int, bytes]], split: bool
) -> None:
    registrar = Edge().registrar
    with Phone((HOST, 5060)) as phone:
        damaged = bytearray(phone.text(authorization='Digest realm="example.com", nonce="x"'))
    for place, removed, added in edits:
        start = int(place * len(damaged))
        damaged[start : start + removed] = added
    try:
        message = parse_datagram(bytes(damaged))
    except PeerError:
        return
    if isinstance(message, Request):
        assert registrar.handle(message, Flow("udp", (HOST, 5060), (HOST, 5070))).code >= 400
    assert not registrar.identities


async def test_ten_thousand_junk_datagrams_later_a_phone_registers() -> None:
    chance = random.Random(4475)
    async with edge() as running:
        server = await running.transports.listen(f"udp:{HOST}:0")
        with Phone(server, host="127.0.0.2") as attacker, Phone(server, host="127.0.0.3") as phone:
            whole = attacker.text()
            for number in range(10_000):
                junk = bytearray(whole)
                for _ in range(chance.randrange(1, 8)):
                    junk[chance.randrange(len(junk))] = chance.randrange(256)
                attacker.socket.sendto(junk[: chance.randrange(len(junk) + 1)], server)
                if number % 50 == 0:
                    await asyncio.sleep(0)
            assert (await phone.register()).code == 200


def fill_descriptors(highest: int) -> list[socket.socket]:
    """Opens sockets until no number up to ``highest`` is free."""
    fillers = [socket.socket()]
    while fillers[-1].fileno() < highest:
        fillers.append(socket.socket())
    return fillers


async def test_no_file_left_connections_wait_without_spinning_and_are_taken_later() -> None:
    """R-15. The limit counts descriptors by number, so the clients' sockets are opened before it is lowered."""
    async with edge() as running:
        server = await running.transports.listen(f"tcp:{HOST}:0")
        loop = asyncio.get_running_loop()
        clients = [socket.socket() for _ in range(5)]
        for client in clients:
            client.setblocking(False)
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        highest = max(client.fileno() for client in clients)
        fillers = fill_descriptors(highest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, before[1]))
        try:
            for client in clients:
                await loop.sock_connect(client, server)
            counts = running.transports.statistics.streams
            begin = loop.time()
            rounds = 0
            while loop.time() - begin < 0.3:
                await asyncio.sleep(0.01)
                rounds += 1
            assert counts.accepted == 0
            assert 1 <= counts.out_of_files <= 3
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
            for filler in fillers:
                filler.close()
        async with asyncio.timeout(5):
            for client in clients:
                await loop.sock_sendall(client, b"\r\n\r\n")
                assert await loop.sock_recv(client, 10) == b"\r\n"
                client.close()


SIPP_SCENARIO = """\
<?xml version="1.0" encoding="UTF-8" ?>
<scenario name="register">
<send retrans="500"><![CDATA[{first}]]></send>
<recv response="401" auth="true"/>
<send retrans="500"><![CDATA[{second}]]></send>
<recv response="200"/>
</scenario>
"""


def sipp_register(sequence: int, fields: str) -> str:
    text = REGISTER.format(
        protocol="[transport]",
        host="[local_ip]",
        port="[local_port]",
        sequence=sequence,
        user="alice",
        call_id="[call_id]",
        fields=fields,
    )
    return text.replace("branch=z9hG4bK1", "branch=[branch]").replace("branch=z9hG4bK2", "branch=[branch]")


@pytest.mark.wire
@pytest.mark.skipif(shutil.which("sipp") is None, reason="SIPp is not installed")
@pytest.mark.parametrize(("protocol", "mode"), [("udp", "u1"), ("tcp", "t1")])
async def test_sipp_registers(protocol: str, mode: str, tmp_path: Path) -> None:
    scenario = tmp_path / "register.xml"
    scenario.write_text(
        SIPP_SCENARIO.format(
            first=sipp_register(1, ""),
            second=sipp_register(2, "[authentication username=alice password=wonderland]\n"),
        )
    )
    async with edge() as running:
        _, port = await running.transports.listen(f"{protocol}:{HOST}:0")
        sipp = await asyncio.create_subprocess_exec(
            *("sipp", "-sf", scenario, "-m", "1", "-t", mode, "-i", HOST, "-nostdin", "-timeout", "10"),
            f"{HOST}:{port}",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=tmp_path,
        )
        assert await sipp.wait() == 0
        assert [flow.protocol for flow in running.registered] == [protocol]


def times_of(attempt: Callable[[], object], rounds: int) -> list[float]:
    taken = []
    for _ in range(rounds):
        begin = time.perf_counter()
        attempt()
        taken.append(time.perf_counter() - begin)
    return sorted(taken)


def test_unknown_user_takes_as_long_as_a_wrong_password() -> None:
    """S-04: below 1 ms apart in the median over 1000 tries."""
    guard = GuessGuard(GuessLimits(failures=10**9, account_burst=10**6), clock=time.monotonic)
    registrar = Edge(guard=guard).registrar
    flow = Flow("udp", (HOST, 5060), (HOST, 5070))

    def attempt(user: str) -> Callable[[], object]:
        with Phone((HOST, 5060)) as phone:
            challenge = registrar.handle(_parsed(phone.text(user=user)), flow)
            answer = answer_challenge(
                challenge.headers.getlist("WWW-Authenticate"),
                method="REGISTER",
                uri="sip:example.com",
                username=user,
                password="wrong",
            )
            octets = phone.text(user=user, authorization=answer)
        return lambda: registrar.handle(_parsed(octets), flow)

    known, unknown = attempt("alice"), attempt("nobody")
    medians = [times_of(known, 1000)[500], times_of(unknown, 1000)[500]]
    assert abs(medians[0] - medians[1]) < 0.001


def _parsed(octets: bytes) -> Request:
    message = parse_datagram(octets)
    assert isinstance(message, Request)
    return message
