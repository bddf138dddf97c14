"""Calls that are placed here: their statuses, who is told, who wins, and the script that begins with the answer."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.outgoing import CallOrder, OutgoingCall
from gateway.parameters import CallDirection, CallFacts
from gateway.routing import Script
from gateway.sids import new_sid
from gateway.store.records import CallRecord, OwedCallback
from gateway.telling import Telling
from gateway.twiml import parse
from gateway.verbs.machine_detection import DetectionOrder, PlacedDetection
from gateway.verbs.outcome import Fetch, Given
from media.answering_machine import Thresholds
from signaling.leg import HangupCause
from signaling.location import ClientTarget, NumberTarget, Target
from tests.gateway.peers import ACCOUNT_SID, VOICE_URL, Scene
from tests.virtual_time import run

ALL = frozenset({"initiated", "ringing", "answered", "completed"})
ALICE = ClientTarget("alice")
Story = Callable[[Scene, OutgoingCall], Awaitable[None]]


def placed(
    story: Story,
    *,
    target: Target = ALICE,
    scene: Scene | None = None,
    wait_s: float = 0.0,
    **more: Any,
) -> tuple[Scene, OutgoingCall]:
    scene = scene or Scene({"/voice": "<Response><Pause length='3'/></Response>"})
    call: list[OutgoingCall] = []

    async def whole() -> None:
        facts = CallFacts(
            sid=new_sid("CA"),
            account_sid=ACCOUNT_SID,
            caller="+15550100",
            callee="client:alice",
            direction=CallDirection.OUTBOUND_API,
        )
        order = CallOrder(
            facts=facts,
            target=target,
            script=Script(voice_url=VOICE_URL),
            telling=Telling(url="http://app.example.com/status", events=ALL),
            timeout_s=30,
            **more,
        )
        call.append(OutgoingCall(scene.services(), order, wait_s=wait_s))
        call[0].accept()
        running = asyncio.create_task(call[0].run())
        await story(scene, call[0])
        await running

    run(whole())
    for leg in scene.dialled:
        assert leg.events.ended is not None
    return scene, call[0]


def detecting(**more: Any) -> PlacedDetection:
    url = "http://app.example.com/amd"
    is_awaited = more.pop("is_awaited", True)
    order = DetectionOrder(thresholds=Thresholds(**more), callback_url=None if is_awaited else url)
    return PlacedDetection(order=order, is_awaited=is_awaited)


async def answers_and_stays(scene: Scene, _call: OutgoingCall) -> None:
    leg = await scene.any_leg()
    leg.picks_up()
    await asyncio.sleep(40)
    leg.hangs_up()


LONG = "<Response><Pause length='60'/></Response>"
GREETING = [(1.0, 9.0)]


@pytest.mark.parametrize(
    ("speech_s", "more", "found", "after_ms"),
    [
        ([(1.0, 1.6)], {}, "human", 1000 + 600 + 1200),
        (GREETING, {}, "machine_start", 1000 + 2400),
        (GREETING, {"waits_for_end": True}, "machine_end_silence", 9000 + 1200 + 2000),
        ([], {"silence_ms": 2000}, "unknown", 2000),
    ],
)
def test_outgoing_call_waits_for_the_verdict_and_tells_its_document(
    speech_s: Any, more: Any, found: str, after_ms: int
) -> None:
    scene = Scene({"/voice": LONG})
    scene.speech_s = speech_s
    scene, call = placed(answers_and_stays, scene=scene, detection=detecting(**more))
    asked = dict(scene.requests[0].params)
    assert asked["AnsweredBy"] == found
    assert int(asked["MachineDetectionDuration"]) == pytest.approx(after_ms, abs=500)
    assert last(scene).answered_by == found
    assert scene.owed("/status")[-1]["AnsweredBy"] == found
    assert "AnsweredBy" not in scene.owed("/status")[0]


def test_outgoing_call_begins_at_once_and_tells_the_verdict_when_it_is_there() -> None:
    scene = Scene({"/voice": LONG})
    scene.speech_s = GREETING
    scene, call = placed(answers_and_stays, scene=scene, detection=detecting(is_awaited=False))
    assert "AnsweredBy" not in dict(scene.requests[0].params)
    (told,) = scene.owed("/amd")
    assert (told["AnsweredBy"], told["CallSid"]) == ("machine_start", call.facts.sid)
    assert last(scene).answered_by == "machine_start"


def test_outgoing_call_that_ends_before_the_verdict_was_answered_by_nobody_known() -> None:
    async def story(scene: Scene, _call: OutgoingCall) -> None:
        leg = await scene.any_leg()
        leg.picks_up()
        await asyncio.sleep(1)
        leg.hangs_up()

    scene, _ = placed(story, detection=detecting())
    assert (last(scene).answered_by, scene.requests) == ("unknown", [])
    scene, _ = placed(story, detection=detecting(is_awaited=False))
    assert [told["AnsweredBy"] for told in scene.owed("/amd")] == ["unknown"]
    assert all(listener.is_closed for listener in scene.listeners)


def test_outgoing_call_redirected_during_the_detection_begins_with_the_new_document() -> None:
    async def story(scene: Scene, call: OutgoingCall) -> None:
        leg = await scene.any_leg()
        leg.picks_up()
        await asyncio.sleep(1)
        assert call.redirect(Fetch(url="http://app.example.com/other", method="POST"))
        await asyncio.sleep(20)
        leg.hangs_up()

    scene, _ = placed(story, scene=Scene({"/other": LONG}), detection=detecting())
    assert [request.url for request in scene.requests] == ["http://app.example.com/other"]


def test_outgoing_call_that_sends_digits_detects_nobody() -> None:
    scene, _ = placed(answers_and_stays, scene=Scene({"/voice": LONG}), detection=detecting(), digits="1")
    assert (scene.listeners, last(scene).answered_by) == ([], None)


def told(scene: Scene) -> list[tuple[str, str]]:
    return [
        (dict(owed.params)["CallStatus"], dict(owed.params)["SequenceNumber"])
        for owed in scene.written
        if isinstance(owed, OwedCallback)
    ]


def last(scene: Scene) -> CallRecord:
    return [each for each in scene.written if isinstance(each, CallRecord)][-1]


def test_outgoing_call_that_is_answered_runs_its_document_and_ends() -> None:
    async def story(scene: Scene, call: OutgoingCall) -> None:
        leg = await scene.any_leg()
        leg.rings()
        await asyncio.sleep(4)
        leg.picks_up()

    scene, call = placed(story)
    assert told(scene) == [("initiated", "0"), ("ringing", "1"), ("in-progress", "2"), ("completed", "3")]
    assert scene.last_request["CallStatus"] == "in-progress"
    assert scene.last_request["Direction"] == "outbound-api"
    assert (last(scene).status, last(scene).duration_s) == ("completed", 3)
    assert scene.dialled[0].hung_up_with is HangupCause.NORMAL


def test_outgoing_call_of_an_identity_rings_every_device_and_the_first_wins() -> None:
    async def story(scene: Scene, call: OutgoingCall) -> None:
        await scene.any_leg()
        scene.dialled[1].picks_up()

    scene, _ = placed(story, scene=Scene({"/voice": "<Response/>"}, devices={"alice": 3}))
    assert [leg.hung_up_with for leg in scene.dialled] == [
        HangupCause.ANSWERED_ELSEWHERE,
        HangupCause.NORMAL,
        HangupCause.ANSWERED_ELSEWHERE,
    ]


@pytest.mark.parametrize(
    ("cause", "sip_status", "status"),
    [
        (HangupCause.BUSY, 486, "busy"),
        (HangupCause.DECLINED, 603, "busy"),
        (HangupCause.NO_ANSWER, 480, "no-answer"),
        (HangupCause.NOT_FOUND, 404, "failed"),
    ],
)
def test_outgoing_call_that_is_refused_says_how(cause: HangupCause, sip_status: int, status: str) -> None:
    async def story(scene: Scene, call: OutgoingCall) -> None:
        (await scene.any_leg()).hangs_up(cause, sip_status)

    scene, _ = placed(story)
    assert (last(scene).status, last(scene).duration_s, last(scene).sip_status) == (status, None, sip_status)
    assert told(scene)[-1] == (status, "1")


def test_outgoing_call_nobody_picks_up_times_out() -> None:
    async def story(scene: Scene, call: OutgoingCall) -> None:
        (await scene.any_leg()).rings()
        await asyncio.sleep(29)
        assert call.status.value == "ringing"

    scene, _ = placed(story)
    assert last(scene).status == "no-answer"
    assert scene.dialled[0].hung_up_with is HangupCause.CANCELED


def test_outgoing_call_to_an_identity_without_device_is_not_answered() -> None:
    async def story(scene: Scene, call: OutgoingCall) -> None:
        pass

    scene, _ = placed(story, scene=Scene({}, devices={"alice": 0}))
    assert (last(scene).status, last(scene).sip_status) == ("no-answer", 404)


def test_outgoing_call_to_a_number_that_no_trunk_takes_has_failed() -> None:
    async def story(scene: Scene, call: OutgoingCall) -> None:
        pass

    scene, _ = placed(story, scene=Scene({}, has_trunk=False), target=NumberTarget("+15550199"))
    assert (last(scene).status, last(scene).sip_status) == ("failed", 404)
    assert scene.codes() == [13224]


def test_outgoing_call_canceled_while_it_rings() -> None:
    async def story(scene: Scene, call: OutgoingCall) -> None:
        (await scene.any_leg()).rings()
        await asyncio.sleep(1)
        call.hangup()

    scene, _ = placed(story, target=NumberTarget("+15550199"))
    assert last(scene).status == "canceled"
    assert told(scene)[-1] == ("canceled", "2")


def test_outgoing_call_with_a_document_at_hand_fetches_nothing() -> None:
    async def story(scene: Scene, call: OutgoingCall) -> None:
        (await scene.any_leg()).picks_up()

    scene, _ = placed(story, document=Given(document=parse(b"<Response><Pause length='2'/></Response>")))
    assert scene.requests == []
    assert last(scene).duration_s == 2


def test_outgoing_call_sends_its_digits_before_its_document() -> None:
    async def story(scene: Scene, call: OutgoingCall) -> None:
        (await scene.any_leg()).picks_up()

    scene, _ = placed(story, digits="12w#")
    assert scene.dialled[0].done == ["digits 12w#"]


def test_outgoing_call_ends_at_its_time_limit() -> None:
    async def story(scene: Scene, call: OutgoingCall) -> None:
        (await scene.any_leg()).picks_up()

    scene, _ = placed(story, time_limit_s=2)
    assert last(scene).duration_s == 2


def test_outgoing_call_far_end_hangs_up() -> None:
    async def story(scene: Scene, call: OutgoingCall) -> None:
        leg = await scene.any_leg()
        leg.picks_up()
        await asyncio.sleep(1)
        leg.hangs_up()

    scene, _ = placed(story)
    assert (last(scene).status, last(scene).duration_s) == ("completed", 1)


def test_outgoing_call_waits_for_its_turn_as_queued() -> None:
    async def story(scene: Scene, call: OutgoingCall) -> None:
        await asyncio.sleep(4)
        assert (call.status.value, scene.dialled) == ("queued", [])
        (await scene.any_leg()).hangs_up(HangupCause.BUSY, 486)

    scene, _ = placed(story, wait_s=5.0)
    assert last(scene).queue_time_ms == 5000


def test_outgoing_call_canceled_while_queued_tells_nobody() -> None:
    async def story(scene: Scene, call: OutgoingCall) -> None:
        await asyncio.sleep(1)
        call.hangup()

    scene, _ = placed(story, wait_s=5.0)
    assert (last(scene).status, told(scene), scene.dialled) == ("canceled", [], [])
