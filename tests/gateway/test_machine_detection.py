"""machineDetection on <Number> and <Sip>: what each attribute does, in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.store.records import OwedCallback
from tests.gateway.peers import Scene
from tests.virtual_time import run

Story = Callable[[Scene], Awaitable[None]]
TALK_S = 60.0
HELLO = [(3.0, 3.6)]
GREETING = [(3.0, 12.0)]


def played(
    attributes: str, speech_s: list[tuple[float, float]], *, noun: str = "Number", talk_s: float = TALK_S
) -> Scene:
    """Rings for 2 s, is answered, and speaks then and there; the scene notes when the bridge stood."""
    address = "+15550123" if noun == "Number" else "sip:bob@example.com"
    child = f'<{noun} {attributes} statusCallback="/events">{address}</{noun}>'
    scene = Scene(
        {
            "/voice": f'<Response><Dial action="/after" callerId="+15550100">{child}</Dial></Response>',
            "/whisper": "<Response/>",
            "/after": "<Response/>",
        }
    )
    scene.speech_s = speech_s
    bridged: list[float] = []

    async def story(scene: Scene) -> None:
        loop = asyncio.get_running_loop()
        leg = await scene.any_leg()
        leg.rings()
        await asyncio.sleep(2)
        leg.picks_up()
        answered_s = loop.time()
        while not bridged and loop.time() - answered_s < TALK_S:
            await asyncio.sleep(0.05)
            if scene.caller.media.hears is leg.media:
                bridged.append(loop.time() - answered_s)
        await asyncio.sleep(TALK_S)
        leg.hangs_up()

    run(scene.run(story))
    scene.assert_nothing_lives()
    scene.extra["bridged_after_s"] = str(bridged[0]) if bridged else ""
    return scene


def bridged_after_s(scene: Scene) -> float:
    return float(scene.extra["bridged_after_s"])


@pytest.mark.parametrize("noun", ["Number", "Sip"])
@pytest.mark.parametrize(
    ("mode", "speech_s", "answered_by", "after_s"),
    [
        ("Enable", HELLO, "human", 1.0 + 0.6 + 1.2),
        ("Enable", GREETING, "machine_start", 1.0 + 2.4),
        ("Enable", [], "unknown", 5.0),
        ("DetectMessageEnd", GREETING, "machine_end_silence", 1.0 + 9.0 + 1.2 + 2.0),
    ],
)
def test_machine_detection_is_waited_for_and_told_to_the_whisper_document(
    noun: str, mode: str, speech_s: Any, answered_by: str, after_s: float
) -> None:
    scene = played(f'machineDetection="{mode}" url="/whisper"', speech_s, noun=noun)
    whisper = dict(scene.requests[1].params)
    assert scene.requests[1].url.endswith("/whisper")
    assert whisper["AnsweredBy"] == answered_by
    assert int(whisper["MachineDetectionDuration"]) == pytest.approx(after_s * 1000, abs=500)
    assert bridged_after_s(scene) == pytest.approx(after_s, abs=0.5)
    (told,) = scene.owed("/events")
    assert told["AnsweredBy"] == answered_by
    assert scene.record(told["CallSid"]).answered_by == answered_by
    assert scene.codes() == []


def test_machine_detection_without_a_callback_is_waited_for_also_without_a_whisper() -> None:
    assert bridged_after_s(played('machineDetection="Enable"', HELLO)) == pytest.approx(2.8, abs=0.4)


def test_machine_detection_is_not_done_unasked() -> None:
    scene = played("", HELLO)
    assert bridged_after_s(scene) < 0.1 and not scene.listeners
    assert "AnsweredBy" not in scene.owed("/events")[0]


@pytest.mark.parametrize(
    ("attribute", "speech_s", "answered_by"),
    [
        ('machineDetectionTimeout="3"', [], "unknown"),
        ('machineDetectionSpeechThreshold="6000"', [(3.0, 7.0)], "human"),
        ('machineDetectionSpeechEndThreshold="5000"', [(3.0, 3.6), (6.0, 8.0)], "machine_start"),
        ('machineDetectionSilenceTimeout="10000"', [(10.0, 10.5)], "human"),
    ],
)
def test_machine_detection_thresholds_are_used(attribute: str, speech_s: Any, answered_by: str) -> None:
    scene = played(f'machineDetection="Enable" url="/whisper" {attribute}', speech_s)
    whisper = dict(scene.requests[1].params)
    assert whisper["AnsweredBy"] == answered_by
    if 'Timeout="3"' in attribute:
        assert whisper["MachineDetectionDuration"] == "3000"


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_machine_detection_with_a_callback_is_told_while_the_parties_talk(method: str) -> None:
    attributes = f'machineDetection="Enable" amdStatusCallback="/amd" amdStatusCallbackMethod="{method}"'
    scene = played(attributes, GREETING)
    assert bridged_after_s(scene) < 0.1
    (told,) = scene.owed("/amd")
    assert told["AnsweredBy"] == "machine_start" and int(told["MachineDetectionDuration"]) > 3000
    assert told["CallSid"] == scene.owed("/events")[0]["CallSid"] and told["AccountSid"]
    owed = [one for one in scene.written if isinstance(one, OwedCallback) and one.url.endswith("/amd")]
    assert [one.method for one in owed] == [method]
    assert scene.owed("/events")[0]["AnsweredBy"] == "machine_start"


def test_machine_detection_that_the_call_does_not_outlast_is_told_as_unknown() -> None:
    scene = Scene(
        {
            "/voice": '<Response><Dial callerId="+15550100"><Number machineDetection="Enable" amdStatusCallback="/amd">'
            "+15550123</Number></Dial></Response>"
        }
    )

    async def story(scene: Scene) -> None:
        (await scene.any_leg()).picks_up()
        await asyncio.sleep(1)
        scene.caller.hangs_up()

    run(scene.run(story))
    scene.assert_nothing_lives()
    assert [one["AnsweredBy"] for one in scene.owed("/amd")] == ["unknown"]
