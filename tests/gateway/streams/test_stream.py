"""A stream when there is no room for it: told to its application, of no consequence to its call."""

import asyncio
import json
from typing import Any

from gateway.streams.stream import MediaStream, StreamOrder
from media.engine import PortsExhausted
from tests.gateway.peers import Scene
from tests.virtual_time import run


class PeerSocket:
    """A WebSocket whose other end listens and says nothing."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.closed = False

    async def send_str(self, text: str) -> None:
        self.told.append(json.loads(text))

    async def close(self) -> None:
        self.closed = True

    def __aiter__(self) -> "PeerSocket":
        return self

    async def __anext__(self) -> Any:
        await asyncio.get_running_loop().create_future()


class FullScene(Scene):
    """An engine that nobody else may listen to."""

    socket = PeerSocket()

    async def open_socket(self, url: str, *, account_sid: str = "") -> PeerSocket:
        return self.socket

    def listen(self, tap: Any) -> Any:
        raise PortsExhausted("expected less than 2 listeners, found all in use")


def test_stream_without_room_is_told_and_leaves_its_call_alone() -> None:
    async def story(scene: Scene) -> None:
        await asyncio.sleep(1)
        order = StreamOrder(url="ws://app.example.com/x", tracks=("inbound",), status_url="http://app.example.com/told")
        scene.beside.start(scene.session, "stream", "a", MediaStream(scene.session, order).run())
        await asyncio.sleep(5)
        assert scene.caller.events.ended is None
        scene.caller.hangs_up()

    scene = FullScene({"/voice": "<Response><Pause length='60'/></Response>"})
    run(scene.run(story))
    assert [told["StreamEvent"] for told in scene.owed("/told")] == ["stream-started", "stream-error", "stream-stopped"]
    assert [told["event"] for told in scene.socket.told] == ["connected", "start", "stop"]
    assert scene.socket.closed and len(scene.beside) == 0
