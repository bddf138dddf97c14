"""Peers and recorders for the call side: an engine that only writes down what it is told, and agents on loopback."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from media.engine import Engine, MediaPort, PortEvent, PortsExhausted, RemoteMedia
from signaling.leg import Ended, LegEvent, OutboundCall, Party
from signaling.sip.agent import SipAgent
from signaling.sip.auth import DigestAuthenticator
from signaling.sip.core import SipSettings
from signaling.sip.dial_target import DialTarget
from signaling.sip.leg import SipLeg
from signaling.sip.message import Request, Response, respond
from signaling.sip.resolver import Destination
from signaling.sip.transaction import TimerValues
from signaling.sip.transport import Flow

FAST = TimerValues(t1_s=0.02, t2_s=0.16, t4_s=0.1)


@dataclass
class RecordedPort:
    """The used part of a MediaPort."""

    address: tuple[str, int]
    tell: Callable[[PortEvent], None]
    connected: list[RemoteMedia] = field(default_factory=list)
    watched: list[tuple[float | None, float | None]] = field(default_factory=list)
    digits: str = ""
    closed: int = 0

    def connect(self, remote: RemoteMedia) -> None:
        self.connected.append(remote)

    def watch(self, *, first_packet_s: float | None, silence_s: float | None) -> None:
        self.watched.append((first_packet_s, silence_s))

    async def send_digits(self, digits: str) -> None:
        self.digits += digits

    def close(self) -> None:
        self.closed += 1


class RecordedEngine:
    """The used part of an Engine: ports that write down what they are told."""

    def __init__(self, capacity: int = 1000) -> None:
        self.ports: list[RecordedPort] = []
        self._capacity = capacity
        self._numbers = itertools.count(40000, 2)

    @property
    def live(self) -> int:
        return sum(not port.closed for port in self.ports)

    def open_port(self, on_event: Callable[[PortEvent], None]) -> MediaPort:
        if self.live >= self._capacity:
            raise PortsExhausted("expected a free port, found none")
        port = RecordedPort(("127.0.0.1", next(self._numbers)), on_event)
        self.ports.append(port)
        return cast(MediaPort, port)


def port_of(leg: SipLeg) -> RecordedPort:
    return cast(RecordedPort, leg.media)


class NoRegistrar:
    def handle(self, request: Request, flow: Flow) -> Response:
        return respond(request, 403)


@dataclass
class Sources:
    """Trunks by source address."""

    names: dict[str, str] = field(default_factory=dict)

    def name_of_source(self, address: str) -> str | None:
        return self.names.get(address)


class Directory:
    """A resolver that knows what it was told."""

    def __init__(self) -> None:
        self.known: dict[str, list[Destination]] = {}

    async def resolve(self, uri: str) -> list[Destination]:
        await asyncio.sleep(0)
        return self.known.get(uri, [])


@dataclass
class Rig:
    """One agent with what it stands on, and the calls that came in."""

    agent: SipAgent
    engine: RecordedEngine
    directory: Directory
    calls: asyncio.Queue[SipLeg]

    def address(self, index: int = 0) -> tuple[str, int]:
        return self.agent.addresses[index]

    def dial(self, uri: str, destinations: Sequence[Destination], *, request: OutboundCall | None = None) -> SipLeg:
        self.directory.known[uri] = list(destinations)
        return self.agent.dial(DialTarget(request_uri=uri, device=uri), request or outbound())

    async def incoming(self) -> SipLeg:
        async with asyncio.timeout(5):
            return await self.calls.get()


def outbound(**changes: object) -> OutboundCall:
    values: dict[str, object] = {
        "call_sid": "CA" + "0" * 32,
        "account_sid": "AC" + "0" * 32,
        "caller": Party(address="client:alice", display_name="Alice"),
        "callee": Party(address="client:bob"),
        **changes,
    }
    return OutboundCall(**values)  # type: ignore[arg-type]


@asynccontextmanager
async def rig(
    *,
    listen: tuple[str, ...] = ("udp:127.0.0.1:0",),
    trunks: dict[str, str] | None = None,
    passwords: dict[str, str] | None = None,
    capacity: int = 1000,
    calls: int = 1000,
    timers: TimerValues | None = None,
    on_call: Callable[[SipLeg], None] | None = None,
) -> AsyncIterator[Rig]:
    """An agent that takes 127.0.0.1 for a trunk, unless told otherwise."""
    engine, directory = RecordedEngine(capacity), Directory()
    queue: asyncio.Queue[SipLeg] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    agent = SipAgent(
        engine=cast(Engine, engine),
        settings=SipSettings(listen=listen, domain="ringfork.test", calls=calls),
        authenticator=DigestAuthenticator(
            realm="ringfork.test", secret=b"s" * 32, clock=loop.time, credentials=(passwords or {}).get
        ),
        registrar=NoRegistrar(),
        trunks=Sources({"127.0.0.1": "carrier"} if trunks is None else trunks),
        resolver=directory,
        on_call=on_call or queue.put_nowait,
        timers=timers,
    )
    await agent.start()
    try:
        yield Rig(agent, engine, directory, queue)
    finally:
        await agent.stop()


async def next_event(leg: SipLeg, *, within_s: float = 5.0) -> LegEvent:
    async with asyncio.timeout(within_s):
        async for event in leg.events:
            return event
    raise AssertionError("expected an event, the stream was over")


async def ended(leg: SipLeg, *, within_s: float = 5.0) -> Ended:
    """The last event, whatever came before."""
    async with asyncio.timeout(within_s):
        async for event in leg.events:
            if isinstance(event, Ended):
                return event
    raise AssertionError("expected Ended, the stream was over")


async def settled(rig: Rig, *, within_s: float = 5.0) -> None:
    """Waits until nothing of any call is left."""
    for _ in range(round(within_s / 0.01)):
        if not any(rig.agent.live.values()):
            break
        await asyncio.sleep(0.01)
    assert rig.agent.live == {"legs": 0, "dialogs": 0, "transactions": 0}
    assert rig.engine.live == 0
