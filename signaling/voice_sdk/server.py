"""The WebSocket that browsers open: ``/signal``.

Owns the sockets. Decides which upgrades are taken; from then on it carries frames
between the socket and its Connection. A peer that reads too slowly, sends too much or breaks the framing is cut off
without anybody else noticing.
Source: RFC 6455; voice-sdk.md 4, 8 of the specification; reliability checks S-03, S-20, S-24.
"""

from typing import Final

from aiohttp import WSMsgType, hdrs, web

from signaling.voice_sdk.agent import VoiceSdkAgent
from signaling.voice_sdk.from_device import MAX_AFTER_LOGIN
from signaling.web_socket import CLOSE_S, Origins, SocketOutlet

PATH: Final = "/signal"
# One frame over the limit must be seen to be refused with its own code.
MAX_FRAME: Final = MAX_AFTER_LOGIN


class VoiceSdkServer:
    """own_origin: where our own pages come from; always admitted."""

    def __init__(self, agent: VoiceSdkAgent, *, own_origin: str = "") -> None:
        self._agent = agent
        self._origins = Origins(agent.settings.origins, own=own_origin)

    def routes(self, path: str = PATH) -> web.RouteTableDef:
        routes = web.RouteTableDef()
        routes.get(path)(self._handle)
        return routes

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self._origins.require(request)
        address = request.remote or ""
        if not self._agent.has_room(address):
            # Before the upgrade: every socket that opens resets the delays of the SDK's reconnecting.
            raise web.HTTPServiceUnavailable(headers={hdrs.RETRY_AFTER: "5"})
        # Without compression: its state costs more than all else of an idle socket, and it opens the door to bombs.
        socket = web.WebSocketResponse(max_msg_size=MAX_FRAME, compress=False, autoping=False, timeout=CLOSE_S)
        if not socket.can_prepare(request):
            raise web.HTTPUpgradeRequired(text="A WebSocket is expected here.", headers={hdrs.UPGRADE: "websocket"})
        await socket.prepare(request)
        outlet = SocketOutlet(socket, request)
        connection = self._agent.open(outlet, address)
        try:
            while True:
                message = await socket.receive()
                match message.type:
                    case WSMsgType.TEXT:
                        connection.receive(message.data)
                    case WSMsgType.PING:
                        connection.receive_ping()
                        outlet.pong(message.data)
                    case WSMsgType.BINARY | WSMsgType.PONG:
                        connection.receive_other()
                    case _:
                        break
        finally:
            connection.lost()
            await outlet.finish()
        return socket
