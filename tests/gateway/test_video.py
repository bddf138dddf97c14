"""<Video> in a <Dial>: who is offered whose pictures, what the caller's answer says of them, and when it is given."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from gateway.routing import Script
from signaling.leg import HangupCause
from signaling.video import Video, VideoFormat
from tests.gateway.peers import PeerLeg, Scene
from tests.virtual_time import run

Story = Callable[[Scene], Awaitable[None]]
VP8 = VideoFormat(payload_type=96, name="VP8", clock_rate_hz=90000)
H264 = VideoFormat(payload_type=102, name="H264", clock_rate_hz=90000)
OFFERED = Video(formats=(H264, VP8), senders=((1,),))
TAKEN = Video(formats=(H264,), senders=((2,),))
BOB = "<Client>bob<Video enable='true'/></Client>"


def played(document: str, story: Story, *, video: Video | None = OFFERED) -> Scene:
    scene = Scene({"/voice": f"<Response>{document}</Response>"})
    scene.caller.video = video
    run(scene.run(story))
    scene.assert_nothing_lives()
    return scene


def offered_to(leg: PeerLeg) -> Video | None:
    assert leg.request is not None
    return leg.request.video


@pytest.mark.parametrize("noun", [BOB, "<Sip>sip:bob@example.com<Video enable='true'/></Sip>"], ids=["Client", "Sip"])
def test_video_caller_is_answered_with_what_the_answering_party_has(noun: str) -> None:
    async def story(scene: Scene) -> None:
        bob = await scene.any_leg()
        assert offered_to(bob) == OFFERED
        bob.rings()
        await asyncio.sleep(1)
        assert scene.caller.done == ["ring"]
        bob.video = TAKEN
        bob.picks_up()
        await asyncio.sleep(1)
        assert (scene.caller.sees, scene.caller.done) == (TAKEN, ["ring", "answer"])
        assert scene.caller.media.hears is bob.media
        scene.caller.hangs_up()

    assert played(f"<Dial>{noun}</Dial>", story).codes() == []


def test_video_of_a_caller_is_offered_by_the_built_in_application_too() -> None:
    async def story(scene: Scene) -> None:
        bob = await scene.leg("bob-0")
        assert offered_to(bob) == OFFERED
        bob.video = TAKEN
        bob.picks_up()
        await asyncio.sleep(1)
        assert (scene.caller.sees, scene.caller.done) == (TAKEN, ["answer"])
        bob.hangs_up()

    scene = Scene({}, script=Script(dialled="bob"))
    scene.caller.video = OFFERED
    run(scene.run(story))
    scene.assert_nothing_lives()


def test_video_party_without_pictures_talks_as_ever() -> None:
    async def story(scene: Scene) -> None:
        bob = await scene.leg("bob-0")
        bob.picks_up()
        await asyncio.sleep(1)
        assert scene.caller.sees is None and scene.caller.media.hears is bob.media
        scene.caller.hangs_up()

    assert played(f"<Dial>{BOB}</Dial>", story).codes() == []


@pytest.mark.parametrize(
    "video", [None, replace(OFFERED, sends=False, receives=False)], ids=["none", "neither shown nor seen"]
)
def test_video_caller_who_offers_none_is_answered_at_once(video: Video | None) -> None:
    async def story(scene: Scene) -> None:
        bob = await scene.leg("bob-0")
        assert offered_to(bob) is None and scene.caller.done[0] == "answer"
        bob.hangs_up(HangupCause.BUSY)

    played(f"<Dial>{BOB}</Dial>", story, video=video)


@pytest.mark.parametrize(
    "noun", ["<Client>bob</Client>", "<Client>bob<Video/></Client>", "<Client>bob<Video enable='false'/></Client>"]
)
def test_video_nobody_asks_for_is_offered_to_nobody(noun: str) -> None:
    async def story(scene: Scene) -> None:
        bob = await scene.leg("bob-0")
        assert offered_to(bob) is None and scene.caller.done[0] == "answer" and scene.caller.sees is None
        bob.hangs_up(HangupCause.BUSY)

    played(f"<Dial>{noun}</Dial>", story)


def test_video_of_one_of_two_parties_is_offered_to_that_one() -> None:
    async def story(scene: Scene) -> None:
        carol, bob = await scene.leg("carol-0"), await scene.leg("bob-0")
        assert (offered_to(carol), offered_to(bob)) == (None, OFFERED)
        carol.picks_up()
        await asyncio.sleep(1)
        assert scene.caller.sees is None and scene.caller.media.hears is carol.media
        scene.caller.hangs_up()

    played(f"<Dial><Client>carol</Client>{BOB}</Dial>", story)


@pytest.mark.parametrize("before", ["<Pause/>", "<Say>Hello.</Say>"])
def test_video_caller_answered_before_it_dials_is_told_of_what_every_browser_has(before: str) -> None:
    async def story(scene: Scene) -> None:
        bob = await scene.leg("bob-0")
        assert scene.caller.done[0] == "answer" and scene.caller.sees == Video(formats=(VP8,))
        bob.video = TAKEN
        bob.picks_up()
        await asyncio.sleep(1)
        assert scene.caller.sees == Video(formats=(VP8,))
        scene.caller.hangs_up()

    played(f"{before}<Dial>{BOB}</Dial>", story)


def test_video_caller_whose_sound_is_opened_early_is_told_of_what_every_browser_has() -> None:
    async def story(scene: Scene) -> None:
        bob = await scene.leg("bob-0")
        bob.rings()
        await asyncio.sleep(1)
        assert scene.caller.done == ["ring", "early media"] and scene.caller.sees == Video(formats=(VP8,))
        bob.hangs_up(HangupCause.BUSY)

    played(f'<Dial ringTone="uk">{BOB}</Dial>', story)


def test_video_without_anything_every_browser_has_is_refused_to_a_caller_answered_early() -> None:
    async def story(scene: Scene) -> None:
        bob = await scene.leg("bob-0")
        assert scene.caller.sees is None
        bob.hangs_up(HangupCause.BUSY)

    played(f"<Pause/><Dial>{BOB}</Dial>", story, video=TAKEN)


def test_video_attributes_without_effect_are_told() -> None:
    async def story(scene: Scene) -> None:
        (await scene.leg("bob-0")).hangs_up(HangupCause.BUSY)

    video = "<Video enable='true' overlay='x' mode='sfu' resolution='hd' layout='tiled'/>"
    scene = played(f"<Dial><Client>bob{video}</Client></Dial>", story)
    assert scene.codes() == [13750] * 4
