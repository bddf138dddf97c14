"""Peers and recorders for the call side: an engine that only writes down what it is told, and agents on loopback."""

import asyncio
import heapq
import itertools
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, cast

from media.engine import Engine, MediaPort, PortEvent, PortsExhausted, RemoteMedia
from signaling.leg import Ended, LegEvent, OutboundCall, Party
from signaling.sip.agent import SipAgent
from signaling.sip.auth import DigestAuthenticator
from signaling.sip.core import SipSettings
from signaling.sip.dial_target import DialTarget
from signaling.sip.headers import Headers
from signaling.sip.leg import SipLeg
from signaling.sip.message import Request, Response, SipParseError, respond
from signaling.sip.parser import parse_datagram
from signaling.sip.resolver import Destination
from signaling.sip.scheduler import Scheduler, TimerHandle
from signaling.sip.transaction import TimerValues
from signaling.sip.transport import Flow
from signaling.sip.values import uri_text_of

FAST = TimerValues(t1_s=0.02, t2_s=0.16, t4_s=0.1)


@dataclass
class RecordedPort:
    """The used part of a MediaPort."""

    address: tuple[str, int]
    tell: Callable[[PortEvent], None]
    on_closed: Callable[[], None]
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
        if self.closed == 1:
            self.on_closed()


class RecordedEngine:
    """The used part of an Engine: ports that write down what they are told."""

    def __init__(self, capacity: int = 1000) -> None:
        self.live = 0
        self._capacity = capacity
        self._numbers = itertools.cycle(range(40000, 60000, 2))

    def on_closed(self) -> None:
        self.live -= 1

    def open_port(self, on_event: Callable[[PortEvent], None]) -> MediaPort:
        if self.live >= self._capacity:
            raise PortsExhausted("expected a free port, found none")
        self.live += 1
        return cast(MediaPort, RecordedPort(("127.0.0.1", next(self._numbers)), on_event, self.on_closed))


def port_of(leg: SipLeg) -> RecordedPort:
    return cast(RecordedPort, leg.media)


class SteppedScheduler:
    """Timers that fire when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self._waiting: list[SteppedTimer] = []
        self._order = itertools.count()

    def time(self) -> float:
        return self.now

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> TimerHandle:
        timer = SteppedTimer(self.now + delay_s, next(self._order), callback)
        heapq.heappush(self._waiting, timer)
        return timer

    def advance(self, seconds: float) -> None:
        """Everything due until then, in order, at its own time."""
        until = self.now + seconds
        while self._waiting and self._waiting[0].at <= until:
            timer = heapq.heappop(self._waiting)
            self.now = max(self.now, timer.at)
            if not timer.cancelled:
                timer.callback()
        self.now = until


@dataclass(order=True)
class SteppedTimer:
    at: float
    order: int
    callback: Callable[[], None] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        self.cancelled = True


class Phone(asyncio.DatagramProtocol):
    """A SIP peer on a UDP socket that says and hears single messages; it does nothing by itself."""

    def __init__(self) -> None:
        self._heard: asyncio.Queue[Request | Response] = asyncio.Queue()
        self._transport: asyncio.DatagramTransport | None = None
        self.towards: tuple[str, int] = ("127.0.0.1", 0)
        self.sequence = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.towards = addr
        # An answer to something malformed echoes it and can be as malformed.
        with suppress(SipParseError):
            self._heard.put_nowait(parse_datagram(data))

    @property
    def address(self) -> tuple[str, int]:
        assert self._transport is not None
        host, port = self._transport.get_extra_info("sockname")
        return host, port

    @property
    def contact(self) -> str:
        return "<sip:phone@{}:{}>".format(*self.address)

    def say(self, message: Request | Response | bytes) -> None:
        assert self._transport is not None
        self._transport.sendto(message if isinstance(message, bytes) else bytes(message), self.towards)

    async def hear(self, *, within_s: float = 3.0) -> Request | Response:
        async with asyncio.timeout(within_s):
            return await self._heard.get()

    @property
    def has_heard(self) -> bool:
        return not self._heard.empty()

    async def response(self, code: int, method: str = "") -> Response:
        """The next message, which has to be this answer."""
        message = await self.hear()
        assert isinstance(message, Response), message
        assert (message.code, message.cseq.method) == (code, method or message.cseq.method), bytes(message)
        return message

    async def request(self, method: str) -> Request:
        """The next message, which has to be this request."""
        message = await self.hear()
        assert isinstance(message, Request), message
        assert message.method == method, bytes(message)
        return message

    async def is_silent(self, *, for_s: float = 0.05) -> bool:
        await asyncio.sleep(for_s)
        return self._heard.empty()

    def forget(self) -> None:
        while not self._heard.empty():
            self._heard.get_nowait()

    # Requests and answers of a phone

    def make(
        self,
        method: str,
        uri: str = "sip:bob@ringfork.test",
        *,
        call_id: str = "",
        fields: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        user: str = "alice",
        branch: str = "",
    ) -> Request:
        """A request outside of any dialog."""
        self.sequence += 1
        host, port = self.address
        headers = Headers(
            [
                ("Via", f"SIP/2.0/UDP {host}:{port};rport;branch={branch or 'z9hG4bK' + secrets.token_hex(6)}"),
                ("Max-Forwards", "70"),
                ("From", f"<sip:{user}@ringfork.test>;tag=phone"),
                ("To", f"<{uri}>"),
                ("Call-ID", call_id or secrets.token_hex(8)),
                ("CSeq", f"{self.sequence} {method}"),
                ("Contact", self.contact),
                *fields,
            ]
        )
        if body:
            headers.set("Content-Type", "application/sdp")
        return Request(method, uri, headers=headers, body=body)

    def inside(
        self,
        method: str,
        answer: Response,
        *,
        fields: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        sequence: int | None = None,
        kind: str = "application/sdp",
    ) -> Request:
        """A request of the calling phone in the dialog of an answer to its INVITE."""
        request = self.make(method, call_id=answer.call_id, fields=fields, body=body)
        if sequence is not None:
            self.sequence -= 1
            request.headers.set("CSeq", f"{sequence} {method}")
        request.headers.set("From", answer.headers.get("From") or "")
        request.headers.set("To", answer.headers.get("To") or "")
        if body:
            request.headers.set("Content-Type", kind)
        contact = answer.values("Contact")
        return Request(
            method, uri_text_of(contact[0]) if contact else request.uri_text, headers=request.headers, body=body
        )

    def back(self, method: str, invite: Request, *, tag: str, body: bytes = b"") -> Request:
        """A request of the called phone in the dialog that its answer with this tag made."""
        request = self.make(method, uri_text_of(invite.values("Contact")[0]), call_id=invite.call_id, body=body)
        request.headers.set("From", f"{invite.headers.get('To')};tag={tag}")
        request.headers.set("To", invite.headers.get("From") or "")
        return request

    def answer(
        self, request: Request, code: int, *, tag: str = "t1", fields: Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> None:
        contact = [("Contact", self.contact)] if code < 400 and code != 100 else []
        self.say(respond(request, code, to_tag="" if code == 100 else tag, fields=[*contact, *fields], body=body))


@asynccontextmanager
async def phone(rig: "Rig | None" = None, *, host: str = "127.0.0.1") -> AsyncIterator[Phone]:
    """A phone that talks to the agent of a rig."""
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(Phone, local_addr=(host, 0))
    if rig is not None:
        protocol.towards = rig.address()
    try:
        yield protocol
    finally:
        transport.close()
        await asyncio.sleep(0)


def description(
    port: int, *, host: str = "127.0.0.1", payloads: str = "0 8 101", direction: str = "sendrecv", version: int = 1
) -> bytes:
    """What a phone offers or answers."""
    return (
        f"v=0\r\no=- 1 {version} IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP {payloads}\r\na=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
    ).encode()


class NoRegistrar:
    def handle(self, request: Request, flow: Flow) -> Response:
        return respond(request, 403, to_tag="r")

    def flow_closed(self, flow: Flow) -> None:
        pass

    def is_registered_source(self, source: str) -> bool:
        return False


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
    goodbye_s: float = 0.05,
    timers: TimerValues | None = None,
    scheduler: Scheduler | None = None,
    on_call: Callable[[SipLeg], None] | None = None,
    engine: Engine | None = None,
    **settings: Any,
) -> AsyncIterator[Rig]:
    """An agent that takes 127.0.0.1 for a trunk, unless told otherwise. settings: further ones of SipSettings."""
    recorded, directory = RecordedEngine(capacity), Directory()
    queue: asyncio.Queue[SipLeg] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    agent = SipAgent(
        engine=engine or cast(Engine, recorded),
        settings=SipSettings(listen=listen, domain="ringfork.test", calls=calls, goodbye_s=goodbye_s, **settings),
        authenticator=DigestAuthenticator(
            realm="ringfork.test", secret=b"s" * 32, clock=loop.time, credentials=(passwords or {}).get
        ),
        registrar=NoRegistrar(),
        trunks=Sources({"127.0.0.1": "carrier"} if trunks is None else trunks),
        resolver=directory,
        on_call=on_call or queue.put_nowait,
        timers=timers,
        scheduler=scheduler,
    )
    await agent.start()
    try:
        yield Rig(agent, recorded, directory, queue)
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
