"""<Dial record> and what belongs to it, in virtual time: each test fails if its attribute is ignored."""

import asyncio
from typing import Any

import pytest

from tests.gateway.dialling import answering, played
from tests.gateway.peers import Scene


def taps(channels: Any) -> list[list[tuple[str, str]]]:
    return [[(type(tap).__name__, tap.port.name) for tap in channel] for channel in channels]


PARENT, CHILD, HEARD = ("Received", "caller"), ("Received", "bob-0"), ("Heard", "caller")


@pytest.mark.parametrize(
    ("mode", "while_ringing", "after_answer"),
    [
        ("record-from-answer", None, [[PARENT, CHILD]]),
        ("true", None, [[PARENT, CHILD]]),
        ("record-from-answer-dual", None, [[PARENT], [CHILD]]),
        ("record-from-ringing", [[PARENT, HEARD]], [[PARENT, CHILD]]),
        ("record-from-ringing-dual", [[PARENT], [HEARD]], [[PARENT], [CHILD]]),
        ("do-not-record", None, None),
        ("false", None, None),
    ],
)
def test_dial_record_mode_decides_when_and_what_is_recorded(mode: str, while_ringing: Any, after_answer: Any) -> None:
    async def story(scene: Scene) -> None:
        leg = await scene.leg("bob-0")
        assert not scene.recordings
        leg.rings()
        await asyncio.sleep(2)
        assert bool(scene.recordings) is (while_ringing is not None)
        if while_ringing is not None:
            assert taps(scene.recordings[0].channels[-1]) == while_ringing
        leg.picks_up()
        await asyncio.sleep(2)
        if after_answer is not None:
            assert taps(scene.recordings[0].channels[-1]) == after_answer
        leg.hangs_up()

    scene = played(f'<Dial record="{mode}" action="/after"><Client>bob</Client></Dial>', story)
    assert len(scene.recordings) == (after_answer is not None)
    assert ("RecordingUrl" in scene.last_request) is (after_answer is not None)


@pytest.mark.parametrize(("track", "channels"), [("inbound", [[PARENT]]), ("outbound", [[HEARD]])])
def test_dial_recording_track_is_one_direction_and_always_mono(track: str, channels: Any) -> None:
    dial = f'<Dial record="record-from-answer-dual" recordingTrack="{track}"><Client>bob</Client></Dial>'
    scene = played(dial, answering("bob-0"))
    assert taps(scene.recordings[0].channels[0]) == channels
    assert scene.recordings[0].order.track == track


@pytest.mark.parametrize(
    ("caller_hz", "callee_hz", "recorded_hz"), [(8000, 8000, 8000), (16000, 8000, 8000), (16000, 16000, 16000)]
)
def test_dial_recording_has_the_rate_of_the_narrowest_party(caller_hz: int, callee_hz: int, recorded_hz: int) -> None:
    async def story(scene: Scene) -> None:
        scene.caller.media.rate_hz = caller_hz
        leg = await scene.leg("bob-0")
        leg.media.rate_hz = callee_hz
        leg.picks_up()
        await asyncio.sleep(1)
        leg.hangs_up()

    scene = played('<Dial record="record-from-answer"><Client>bob</Client></Dial>', story)
    assert scene.recordings[0].rate_hz == recorded_hz


def test_dial_recording_order_carries_trim_and_callback() -> None:
    dial = (
        '<Dial record="record-from-answer" trim="trim-silence" recordingStatusCallback="/recorded"'
        ' recordingStatusCallbackMethod="GET" recordingStatusCallbackEvent="in-progress absent">'
        "<Client>bob</Client></Dial>"
    )
    order = played(dial, answering("bob-0")).recordings[0].order
    assert order.is_trimmed
    assert order.callback_url == "http://app.example.com/recorded"
    assert order.callback_method == "GET"
    assert order.callback_events == {"in-progress", "absent"}


def test_dial_recording_callback_defaults_to_completed_by_post_untrimmed() -> None:
    dial = '<Dial record="true" recordingStatusCallback="/recorded"><Client>bob</Client></Dial>'
    order = played(dial, answering("bob-0")).recordings[0].order
    assert order.callback_events == {"completed"}
    assert (order.callback_method, order.is_trimmed) == ("POST", False)
