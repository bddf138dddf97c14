"""A browser's end of SIP over WebSocket, and an agent with a real registrar behind a real HTTP listener."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import aiohttp
from aiohttp import WSMsgType, web

from media.engine import Engine
from signaling.leg import OutboundCall
from signaling.peer_media import PeerMediaFactory
from signaling.sip.agent import SipAgent
from signaling.sip.auth import DigestAuthenticator, answer_challenge
from signaling.sip.core import SipSettings
from signaling.sip.dial_target import DialTarget
from signaling.sip.headers import Headers
from signaling.sip.leg import SipLeg
from signaling.sip.message import Request, Response
from signaling.sip.parser import parse_datagram
from signaling.sip.registrar import Registrar, RegistrarSettings
from signaling.sip.transport import TransportLimits
from signaling.sip.websocket import BEAT_S, SipWebSocketServer
from tests.signaling.sip.peers import FAST, Directory, Phone, RecordedEngine, Rig, Sources

DOMAIN = "ringfork.test"
PASSWORDS = {"alice": "wonderland", "bob": "builder"}


@dataclass
class WebRig(Rig):
    """Rig, with what it serves to browsers."""

    registrar: Registrar
    port: int
    session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/sip"

    @asynccontextmanager
    async def socket(self, **more: Any) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        async with self.session.ws_connect(self.url, **{"protocols": ("sip",), **more}) as socket:
            yield socket

    @asynccontextmanager
    async def browser(
        self, identity: str = "alice", *, register: bool = True, tab: str = "8k2"
    ) -> AsyncIterator["Browser"]:
        async with self.socket() as socket:
            browser = Browser(socket, identity, tab)
            reading = asyncio.get_running_loop().create_task(browser.read())
            try:
                if register:
                    assert (await browser.register()).code == 200
                yield browser
            finally:
                reading.cancel()
                await asyncio.wait([reading])


class Browser(Phone):
    """What JsSIP says: a Via and a Contact that nobody can resolve, everything over its one socket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, identity: str, tab: str) -> None:
        super().__init__()
        self._socket = socket
        self.identity = identity
        self._tab = tab
        self._saying: set[asyncio.Task[None]] = set()

    @property
    def contact(self) -> str:
        return f"<sip:{self.identity}{self._tab}@df7jal23ls0d.invalid;transport=ws>"

    @property
    def address(self) -> tuple[str, int]:
        return "df7jal23ls0d.invalid", 0

    def say(self, message: Request | Response | bytes) -> None:
        octets = message if isinstance(message, bytes) else bytes(message)
        task = asyncio.get_running_loop().create_task(self._socket.send_str(octets.decode()))
        self._saying.add(task)
        task.add_done_callback(self._saying.discard)

    def make(self, method: str, uri: str = f"sip:bob@{DOMAIN}", **more: Any) -> Request:
        request = super().make(method, uri, **{"user": self.identity, **more})
        via = request.headers.get("Via") or ""
        request.headers.set("Via", via.replace("UDP", "WS").replace(":0;rport;", ";"))
        return request

    async def ask(self, request: Request) -> Response:
        """A request answered with its password if that is asked for; the answer after that, 100 left out."""
        self.say(request)
        first = await self.response(401)
        again = self.make(request.method, request.uri_text, call_id=request.call_id, body=request.body)
        for name, value in request.headers.items():
            if name not in ("Via", "CSeq"):
                again.headers.set(name, value)
        again.headers.set(
            "Authorization",
            answer_challenge(
                first.headers.getlist("WWW-Authenticate"),
                method=request.method,
                uri=request.uri_text,
                username=self.identity,
                password=PASSWORDS[self.identity],
                body=request.body,
            ),
        )
        if request.method == "INVITE":
            self.say(_acknowledgement(request, first))
        self.say(again)
        while True:
            answer = await self.hear()
            assert isinstance(answer, Response)
            if answer.code != 100:
                return answer

    async def register(self) -> Response:
        request = self.make("REGISTER", f"sip:{DOMAIN}", fields=[("Expires", "600")])
        request.headers.set("To", f"<sip:{self.identity}@{DOMAIN}>")
        return await self.ask(request)

    async def read(self) -> None:
        """Copies are left out: on a busy machine a 2xx comes again before its ACK has arrived."""
        last = ""
        async for message in self._socket:
            if message.type is WSMsgType.TEXT and message.data != last:
                last = message.data
                self._heard.put_nowait(parse_datagram(message.data.encode()))


def _acknowledgement(request: Request, refusal: Response) -> Request:
    """ACK for a refusal. Source: RFC 3261 17.1.1.3."""
    made = Request("ACK", request.uri_text, headers=Headers(request.headers.items()))
    made.headers.set("CSeq", f"{request.cseq.sequence} ACK")
    made.headers.set("To", refusal.headers.get("To") or "")
    made.headers.remove("Content-Type")
    return made


@asynccontextmanager
async def web_rig(
    *,
    trunks: dict[str, str] | None = None,
    origins: tuple[str, ...] = (),
    own_origin: str = "",
    beat_s: float = BEAT_S,
    limits: TransportLimits | None = None,
    tables: Sequence[web.RouteTableDef] = (),
    make_peer_media: PeerMediaFactory | None = None,
) -> AsyncIterator[WebRig]:
    engine, directory = RecordedEngine(), Directory()
    queue: asyncio.Queue[SipLeg] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    authenticator = DigestAuthenticator(realm=DOMAIN, secret=b"s" * 32, clock=loop.time, credentials=PASSWORDS.get)

    def dial(target: DialTarget, request: OutboundCall) -> SipLeg:
        return agent.dial(target, request)

    registrar = Registrar(settings=RegistrarSettings(domain=DOMAIN), authenticator=authenticator, dial=dial)
    agent = SipAgent(
        engine=cast(Engine, engine),
        settings=SipSettings(listen=("udp:127.0.0.1:0",), domain=DOMAIN, goodbye_s=0.2),
        authenticator=authenticator,
        registrar=registrar,
        trunks=Sources(trunks or {}),
        resolver=directory,
        on_call=queue.put_nowait,
        limits=limits,
        timers=FAST,
        make_peer_media=make_peer_media,
    )
    await agent.start()
    server = SipWebSocketServer(agent.transports, origins=origins, own_origin=own_origin, beat_s=beat_s)
    application = web.Application()
    for table in (server.routes(), *tables):
        application.add_routes(table)
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as session:
        try:
            yield WebRig(agent, engine, directory, queue, registrar, runner.addresses[0][1], session)
        finally:
            await agent.stop()
            await runner.cleanup()
