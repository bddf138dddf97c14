"""A call whose document is one <Dial>, played in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tests.gateway.peers import Scene
from tests.virtual_time import run

Story = Callable[[Scene], Awaitable[None]]


def response(dial: str, after: str = "") -> dict[str, Any]:
    return {
        "/voice": f"<Response>{dial}{after}</Response>",
        "/after": "<Response><Hangup/></Response>",
    }


def played(dial: str, story: Story | None, *, after: str = "", **more: Any) -> Scene:
    scene = Scene(response(dial, after), **more)
    run(scene.run(story))
    scene.assert_nothing_lives()
    return scene


async def nobody(scene: Scene) -> None:
    """Everybody rings and nobody picks up."""


def answering(name: str, *, talk_s: float = 10.0, ring_s: float = 2.0) -> Story:
    async def story(scene: Scene) -> None:
        leg = await scene.leg(name)
        leg.rings()
        await asyncio.sleep(ring_s)
        leg.picks_up()
        await asyncio.sleep(talk_s)
        leg.hangs_up()

    return story


def elapsed(story: Story) -> tuple[Story, list[float]]:
    """The story, and the virtual seconds from its start to the end of the first dialled leg."""
    seconds: list[float] = []

    async def timed(scene: Scene) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        await story(scene)
        leg = scene.dialled[0]
        async for _ in _follow(leg):
            pass
        seconds.append(loop.time() - start)

    async def _follow(leg: Any) -> Any:
        while leg.events.ended is None:
            await asyncio.sleep(0.1)
            yield

    return timed, seconds
