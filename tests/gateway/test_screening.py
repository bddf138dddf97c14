"""Between answer and bridge: sendDigits and whisper documents, in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.verbs.outcome import Fetch
from media.engine import Silence
from signaling.leg import HangupCause
from tests.gateway.peers import PeerLeg, Scene
from tests.virtual_time import run

Story = Callable[[Scene], Awaitable[None]]
THREE_SECONDS = "<Response><Pause length='3'/></Response>"
DECLINES = "<Response><Pause/><Hangup/></Response>"


def played(dial: str, story: Story | None, *, whisper: Any = THREE_SECONDS, after: str = "", **more: Any) -> Scene:
    documents = {
        "/voice": f"<Response>{dial}{after}</Response>",
        "/whisper": whisper,
        "/after": "<Response><Hangup/></Response>",
    }
    scene = Scene(documents, **more)
    run(scene.run(story))
    scene.assert_nothing_lives()
    return scene


async def answered(scene: Scene, *, ring_s: float = 2.0) -> PeerLeg:
    leg = await scene.any_leg()
    leg.rings()
    await asyncio.sleep(ring_s)
    leg.picks_up()
    await asyncio.sleep(0.5)
    return leg


def is_bridged(scene: Scene, leg: PeerLeg) -> bool:
    return scene.caller.media.hears is leg.media and leg.media.hears is scene.caller.media


@pytest.mark.parametrize(
    ("noun", "to"),
    [
        ('<Client url="/whisper">bob</Client>', "client:bob"),
        ('<Number url="/whisper">+15550123</Number>', "+15550123"),
        ('<Sip url="/whisper">sip:bob@example.com</Sip>', "sip:bob@example.com"),
    ],
)
def test_whisper_is_performed_for_the_child_call_before_the_bridge(noun: str, to: str) -> None:
    async def story(scene: Scene) -> None:
        leg = await answered(scene)
        assert len(scene.requests) == 2 and scene.requests[1].url == "http://app.example.com/whisper"
        assert scene.requests[1].method == "POST"
        told = scene.last_request
        assert told["CallSid"] != scene.session.facts.sid
        assert told["ParentCallSid"] == scene.session.facts.sid
        assert (told["Direction"], told["CallStatus"], told["To"]) == ("outbound-dial", "in-progress", to)
        assert ("SipCallId" in told) is noun.startswith("<Sip")
        await asyncio.sleep(2)
        assert not is_bridged(scene, leg)
        await asyncio.sleep(1)
        assert is_bridged(scene, leg)
        await asyncio.sleep(5)
        leg.hangs_up()

    scene = played(f'<Dial callerId="+15550100" action="/after">{noun}</Dial>', story)
    told = scene.last_request
    assert (told["DialCallStatus"], told["DialBridged"]) == ("completed", "true")
    assert told["DialCallDuration"] == "9", "the call lasts from its answer"


def test_whisper_method_get_is_used() -> None:
    async def story(scene: Scene) -> None:
        (await answered(scene)).hangs_up()

    scene = played('<Dial><Client url="/whisper" method="GET">bob</Client></Dial>', story)
    assert [request.method for request in scene.requests] == ["POST", "GET"]


def test_whisper_of_sip_tells_the_extension_headers_of_the_answer() -> None:
    async def story(scene: Scene) -> None:
        leg = await scene.any_leg()
        leg.picks_up({"X-Room": "7", "User-to-User": "00"})
        await asyncio.sleep(0.1)
        assert scene.last_request["SipHeader_X-Room"] == "7"
        assert "SipHeader_User-to-User" not in scene.last_request
        leg.hangs_up()

    sip = '<Sip url="/whisper" statusCallback="/events" statusCallbackEvent="initiated answered">b@example.com</Sip>'
    scene = played(f"<Dial>{sip}</Dial>", story)
    initiated, up = scene.owed("/events")
    assert "SipCallId" not in initiated and up["SipCallId"] and up["SipHeader_X-Room"] == "7"


@pytest.mark.parametrize(("on_bridge", "option"), [("true", "false"), ("false", "true")])
def test_whisper_caller_hears_ringing_until_it_is_over(on_bridge: str, option: str) -> None:
    async def story(scene: Scene) -> None:
        leg = await answered(scene)
        if on_bridge == "true":
            assert scene.caller.done == ["ring"], "his own phone rings on"
        else:
            assert scene.caller.media.hears.name == "us.ring"
        await asyncio.sleep(3)
        assert is_bridged(scene, leg)
        assert scene.caller.done[-1] == "answer"
        leg.hangs_up()

    dial = f'<Dial answerOnBridge="{on_bridge}"><Client url="/whisper">bob</Client></Dial>'
    played(dial, story, settings={"RINGFORK_CALLS__RINGING_DURING_WHISPER": option})


def test_whisper_answered_caller_hears_silence_meanwhile() -> None:
    async def story(scene: Scene) -> None:
        leg = await answered(scene)
        assert isinstance(scene.caller.media.hears, Silence)
        await asyncio.sleep(3)
        leg.hangs_up()

    played('<Dial><Client url="/whisper">bob</Client></Dial>', story)


def test_whisper_caller_does_not_hear_the_callee_through_its_early_media() -> None:
    async def story(scene: Scene) -> None:
        leg = await scene.any_leg()
        leg.sends_early_media()
        await asyncio.sleep(1)
        assert scene.caller.media.hears is leg.media
        leg.picks_up()
        await asyncio.sleep(1)
        assert scene.caller.media.hears.name == "us.ring"
        leg.hangs_up()

    played('<Dial answerOnBridge="true"><Client url="/whisper">bob</Client></Dial>', story)


def test_whisper_hangup_declines_the_call() -> None:
    async def story(scene: Scene) -> None:
        leg = await answered(scene)
        await asyncio.sleep(1)
        assert leg.hung_up_with is HangupCause.NORMAL

    noun = '<Client url="/whisper" statusCallback="/events">bob</Client>'
    scene = played(f'<Dial action="/after">{noun}</Dial>', story, whisper=DECLINES)
    told = scene.last_request
    assert (told["DialCallStatus"], told["DialBridged"], told["DialCallDuration"]) == ("completed", "false", "1")
    assert scene.owed("/events")[0]["CallStatus"] == "completed"


def test_whisper_reject_declines_as_well() -> None:
    scene = played(
        '<Dial action="/after"><Client url="/whisper">bob</Client></Dial>',
        _answer,
        whisper="<Response><Reject/></Response>",
    )
    assert scene.last_request["DialBridged"] == "false"


async def _answer(scene: Scene) -> None:
    await answered(scene)


def test_whisper_redirect_goes_on_with_another_document_for_the_callee() -> None:
    whisper = "<Response><Redirect>/more</Redirect></Response>"
    scene = Scene(
        {
            "/voice": '<Response><Dial action="/after"><Client url="/whisper">bob</Client></Dial></Response>',
            "/whisper": whisper,
            "/more": "<Response><Hangup/></Response>",
            "/after": "<Response/>",
        }
    )
    run(scene.run(_answer))
    assert [request.url.rpartition("/")[2] for request in scene.requests] == ["voice?x=1", "whisper", "more", "after"]
    assert dict(scene.requests[2].params)["CallSid"] == scene.last_request["DialCallSid"]


@pytest.mark.parametrize("verb", ["<Dial>bob</Dial>", "<Record/>", "<Enqueue>support</Enqueue>"])
def test_whisper_with_a_verb_that_may_not_stand_there_is_an_error(verb: str) -> None:
    scene = played(
        '<Dial action="/after"><Client url="/whisper">bob</Client></Dial>',
        _answer,
        whisper=f"<Response>{verb}</Response>",
    )
    assert 13201 in scene.codes()
    assert scene.last_request["DialBridged"] == "false"


def test_whisper_that_cannot_be_fetched_is_announced_to_the_callee_who_is_then_dropped() -> None:
    async def story(scene: Scene) -> None:
        leg = await answered(scene)
        assert len(leg.media.played) == 1
        assert not scene.caller.media.played
        await asyncio.sleep(10)
        assert leg.hung_up_with is HangupCause.NORMAL

    dial = '<Dial action="/after"><Client url="/nowhere">bob</Client></Dial>'
    scene = played(dial, story, settings={})
    child = scene.last_request["DialCallSid"]
    problems = [one for one in scene.written if getattr(one, "code", None)]
    assert [(problem.call_sid, problem.level) for problem in problems] == [(child, "error")]  # type: ignore[union-attr]
    assert (scene.last_request["DialCallStatus"], scene.last_request["DialBridged"]) == ("completed", "false")


def test_whisper_url_that_cannot_be_requested_is_an_error_of_the_document() -> None:
    scene = played('<Dial><Client url="ftp://example.com/w">bob</Client></Dial>', None)
    assert not scene.dialled
    assert scene.codes()


def test_whisper_callee_hanging_up_ends_the_dial_at_once() -> None:
    async def story(scene: Scene) -> None:
        leg = await answered(scene)
        leg.hangs_up()
        await asyncio.sleep(0.1)
        assert len(scene.requests) == 3, "nothing waits for the rest of the whisper"

    scene = played('<Dial action="/after"><Client url="/whisper">bob</Client></Dial>', story)
    told = scene.last_request
    assert (told["DialCallStatus"], told["DialBridged"]) == ("completed", "false")


def test_whisper_caller_hanging_up_drops_the_callee() -> None:
    async def story(scene: Scene) -> None:
        leg = await answered(scene)
        scene.caller.hangs_up()
        await asyncio.sleep(0.1)
        assert leg.hung_up_with is HangupCause.NORMAL

    scene = played('<Dial action="/after"><Client url="/whisper" statusCallback="/events">bob</Client></Dial>', story)
    (told,) = scene.owed("/after")
    assert (told["DialCallStatus"], told["DialBridged"]) == ("canceled", "false")
    assert scene.owed("/events")[0]["CallStatus"] == "completed"


def test_whisper_first_answer_stops_the_others_and_its_time_is_not_limited() -> None:
    async def story(scene: Scene) -> None:
        leg = await scene.leg("bob-0")
        other = await scene.leg("ann-0")
        leg.picks_up()
        await asyncio.sleep(0.1)
        assert other.hung_up_with is HangupCause.ANSWERED_ELSEWHERE
        await asyncio.sleep(100)
        assert is_bridged(scene, leg)
        leg.hangs_up()

    dial = '<Dial timeout="5"><Client>ann</Client><Client url="/whisper">bob</Client></Dial>'
    played(dial, story, whisper="<Response><Pause length='99'/></Response>")


def test_whisper_keys_of_the_callee_are_not_for_the_caller() -> None:
    async def story(scene: Scene) -> None:
        leg = await answered(scene)
        leg.presses("1", is_in_media=False)
        scene.caller.presses("2", is_in_media=False)
        await asyncio.sleep(4)
        assert "digits 1" not in scene.caller.done and leg.done == []
        leg.hangs_up()

    played('<Dial><Client url="/whisper">bob</Client></Dial>', story)


def test_whisper_star_of_the_caller_drops_the_callee() -> None:
    async def story(scene: Scene) -> None:
        leg = await answered(scene)
        scene.caller.presses("*")
        await asyncio.sleep(0.1)
        assert leg.hung_up_with is HangupCause.NORMAL

    dial = '<Dial hangupOnStar="true" action="/after"><Client url="/whisper">bob</Client></Dial>'
    scene = played(dial, story)
    assert (scene.last_request["DialCallStatus"], scene.last_request["DialBridged"]) == ("completed", "false")


def test_whisper_sequential_dial_goes_on_when_one_declines() -> None:
    async def story(scene: Scene) -> None:
        (await scene.leg("ann-0")).picks_up()
        second = await scene.leg("bob-0")
        second.picks_up()
        await asyncio.sleep(1)
        assert is_bridged(scene, second)
        second.hangs_up()

    dial = '<Dial sequential="true" action="/after"><Client url="/whisper">ann</Client><Client>bob</Client></Dial>'
    scene = played(dial, story, whisper=DECLINES)
    assert (scene.last_request["DialCallStatus"], scene.last_request["DialBridged"]) == ("completed", "true")


def test_whisper_is_not_recorded() -> None:
    async def story(scene: Scene) -> None:
        leg = await answered(scene)
        assert not scene.recordings
        await asyncio.sleep(3)
        assert len(scene.recordings) == 1
        leg.hangs_up()

    played('<Dial record="record-from-answer"><Client url="/whisper">bob</Client></Dial>', story)


def test_send_digits_are_sent_after_the_answer_and_before_whisper_and_bridge() -> None:
    order: list[str] = []

    def whisper(_told: dict[str, str]) -> str:
        order.append("whisper")
        return THREE_SECONDS

    async def story(scene: Scene) -> None:
        leg = await scene.any_leg()
        leg.rings()
        await asyncio.sleep(1)
        assert leg.done == []
        leg.picks_up()
        await asyncio.sleep(1)
        order.insert(0, *leg.done)
        await asyncio.sleep(3)
        assert is_bridged(scene, leg)
        leg.hangs_up()

    number = '<Number sendDigits="ww1W2#" url="/whisper">+15550123</Number>'
    played(f'<Dial callerId="+15550100">{number}</Dial>', story, whisper=whisper)
    assert order == ["digits ww1W2#", "whisper"]


def test_send_digits_bad_are_told_and_not_sent() -> None:
    async def story(scene: Scene) -> None:
        leg = await answered(scene)
        assert is_bridged(scene, leg) and leg.done == []
        leg.hangs_up()

    scene = played('<Dial callerId="+15550100"><Number sendDigits="1x2">+15550123</Number></Dial>', story)
    assert 13222 in scene.codes()


@pytest.mark.parametrize("is_answered", [False, True])
def test_dial_of_a_script_that_is_replaced_hangs_up_its_legs_and_asks_for_no_action(is_answered: bool) -> None:
    async def story(scene: Scene) -> None:
        leg = await scene.any_leg()
        leg.rings()
        await asyncio.sleep(1)
        if is_answered:
            leg.picks_up()
            await asyncio.sleep(1)
        assert scene.session.redirect(Fetch(url="http://app.example.com/other", method="POST"))
        await asyncio.sleep(0.1)
        assert leg.hung_up_with is (HangupCause.NORMAL if is_answered else HangupCause.CANCELED)
        assert scene.caller.events.ended is None
        assert scene.session.status.value == "in-progress"

    dial = '<Dial action="/after"><Client statusCallback="/events">bob</Client></Dial>'
    scene = Scene({"/voice": f"<Response>{dial}</Response>", "/other": "<Response><Pause length='5'/></Response>"})
    run(scene.run(story))
    scene.assert_nothing_lives()
    assert scene.owed("/after") == []
    assert scene.owed("/events")[0]["CallStatus"] == ("completed" if is_answered else "canceled")
