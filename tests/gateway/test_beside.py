"""What runs beside a call: by name, bounded, and gone with its call even if it never came to its first step."""

import asyncio

import pytest

from gateway.beside import MOST, NotStarted
from gateway.routing import Script
from gateway.twiml import parse
from gateway.verbs.outcome import Given
from tests.gateway.peers import VOICE_URL, Scene
from tests.virtual_time import run


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


def scene() -> Scene:
    return Scene({"/voice": "<Response><Pause length='60'/></Response>"}, script=Script(voice_url=VOICE_URL))


def test_beside_name_is_taken_until_it_is_stopped() -> None:
    async def story(scene: Scene) -> None:
        await asyncio.sleep(1)
        call, beside = scene.session, scene.beside
        beside.start(call, "stream", "a", forever())
        with pytest.raises(NotStarted, match="already"):
            beside.start(call, "stream", "a", forever())
        assert beside.stop(call, "stream", "a") and not beside.stop(call, "stream", "a")
        beside.start(call, "stream", "a", forever())
        await asyncio.sleep(1)
        assert len(beside) == 1
        scene.caller.hangs_up()

    whole = scene()
    run(whole.run(story))
    assert len(whole.beside) == 0


def test_beside_more_than_a_call_may_have_is_not_started() -> None:
    async def story(scene: Scene) -> None:
        await asyncio.sleep(1)
        for number in range(MOST):
            scene.beside.start(scene.session, "stream", str(number), forever())
        with pytest.raises(NotStarted, match="at most"):
            scene.beside.start(scene.session, "recording", "", forever())
        scene.caller.hangs_up()

    whole = scene()
    run(whole.run(story))
    assert len(whole.beside) == 0


def test_beside_is_forgotten_when_its_call_ends_before_its_first_step() -> None:
    async def story(scene: Scene) -> None:
        await asyncio.sleep(1)
        scene.beside.start(scene.session, "stream", "a", forever())
        scene.caller.hangs_up()

    whole = scene()
    run(whole.run(story))
    assert len(whole.beside) == 0


def test_beside_goes_on_when_the_script_is_replaced() -> None:
    async def story(scene: Scene) -> None:
        await asyncio.sleep(1)
        scene.beside.start(scene.session, "stream", "a", forever())
        scene.session.redirect(Given(document=parse(b"<Response><Pause length='9'/></Response>")))
        await asyncio.sleep(5)
        assert len(scene.beside) == 1

    whole = scene()
    run(whole.run(story))
    assert len(whole.beside) == 0
