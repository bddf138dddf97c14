"""The flow of documents: order, first verbs, errors, fallback, and what the caller is told at the end."""

import asyncio
from typing import Any

import pytest

from gateway.interpreter import ScriptError
from gateway.routing import Script
from gateway.scripted import Rules
from gateway.store.records import EventRecord
from gateway.timeline import MOST_STEPS
from gateway.twiml import parse
from gateway.twiml.model import Echo, Play
from gateway.verbs.outcome import Fetch, Given
from signaling.leg import HangupCause
from tests.gateway.peers import VOICE_URL, Scene
from tests.virtual_time import run

WITH_FALLBACK = Script(voice_url=VOICE_URL, fallback_url="http://app.example.com/fallback", fallback_method="GET")


def played(documents: dict[str, Any], story: Any = None, **more: Any) -> Scene:
    scene = Scene(documents, **more)
    run(scene.run(story))
    scene.assert_nothing_lives()
    return scene


def voice(verbs: str) -> dict[str, Any]:
    return {"/voice": f"<Response>{verbs}</Response>", "/next": "<Response><Hangup/></Response>"}


def test_script_first_request_says_who_calls_whom() -> None:
    told = dict(played(voice("<Hangup/>")).requests[0].params)
    assert told["CallStatus"] == "ringing"
    assert told["Direction"] == "inbound"
    assert (told["From"], told["To"]) == ("sip:carol@example.com", "sip:desk@example.com")
    assert (told["Caller"], told["Called"]) == (told["From"], told["To"])
    assert told["ApiVersion"] == "2010-04-01"
    assert told["SipCallId"] and told["SipDomain"] == "example.com" and told["SipSourceIp"] == "192.0.2.1"


@pytest.mark.parametrize("verbs", ["", "<Hangup/>"])
def test_script_that_only_ends_answers_first(verbs: str) -> None:
    scene = played(voice(verbs))
    assert scene.caller.done == ["answer"]
    assert scene.caller.hung_up_with is HangupCause.NORMAL
    assert scene.record(scene.session.facts.sid).status == "completed"


@pytest.mark.parametrize(
    ("verb", "cause", "status"),
    [
        ("<Reject/>", HangupCause.NOT_FOUND, "no-answer"),
        ('<Reject reason="busy"/>', HangupCause.BUSY, "busy"),
        ('<Reject reason="rejected"/>', HangupCause.NOT_FOUND, "no-answer"),
    ],
)
def test_script_reject_refuses_without_answer(verb: str, cause: HangupCause, status: str) -> None:
    scene = played(voice(verb))
    assert scene.caller.done == []
    assert scene.caller.hung_up_with is cause
    record = scene.record(scene.session.facts.sid)
    assert (record.status, record.duration_s) == (status, None)


def test_script_reject_that_is_not_first_hangs_up() -> None:
    scene = played(voice('<Pause/><Reject reason="busy"/>'))
    assert scene.caller.done == ["answer"]
    assert scene.caller.hung_up_with is HangupCause.NORMAL


def test_script_pause_first_passes_before_the_answer() -> None:
    async def story(scene: Scene) -> None:
        await asyncio.sleep(6.9)
        assert scene.caller.done == []
        await asyncio.sleep(0.2)
        assert scene.caller.done == ["answer"]

    played(voice('<Pause length="7"/><Pause length="2"/>'), story)


def test_script_redirect_replaces_the_document_with_its_method() -> None:
    scene = played(voice('<Redirect method="GET">/next?a=1</Redirect><Pause length="50"/>'))
    assert [request.method for request in scene.requests] == ["POST", "GET"]
    assert scene.requests[1].url == "http://app.example.com/next?a=1"
    assert dict(scene.requests[1].params)["CallStatus"] == "ringing"


def test_script_unsupported_verb_is_noted_and_skipped() -> None:
    scene = Scene(voice("<Echo/><Redirect>/next</Redirect>"))
    del scene.verbs[Echo]
    run(scene.run())
    assert 13750 in scene.codes()
    assert len(scene.requests) == 2


def test_script_document_warnings_are_on_the_record_with_their_place() -> None:
    scene = played(voice('<Dial timeout="soon"/>'))
    (noted,) = [event for event in scene.written if getattr(event, "code", None) == 13212]
    assert (getattr(noted, "line"), getattr(noted, "level")) == (1, "warning")  # noqa: B009  # records differ in fields


@pytest.mark.parametrize(
    ("document", "code"),
    [(None, 11217), ("<Response>", 12100), ("<Answer/>", 12102), ("<!DOCTYPE a><Response/>", 12100)],
)
def test_script_failed_document_goes_to_the_fallback_with_the_error(document: str | None, code: int) -> None:
    documents = {"/fallback": "<Response><Hangup/></Response>"} | ({"/voice": document} if document else {})
    scene = played(documents, script=WITH_FALLBACK)
    assert scene.requests[-1].url == "http://app.example.com/fallback"
    assert scene.requests[-1].method == "GET"
    assert scene.last_request["ErrorCode"] == str(code)
    assert scene.last_request["ErrorUrl"] == VOICE_URL
    assert code in scene.codes()


def test_script_failed_execution_goes_to_the_fallback() -> None:
    documents = {"/voice": "<Response><Redirect>ftp://x/</Redirect></Response>", "/fallback": "<Response/>"}
    scene = played(documents, script=WITH_FALLBACK)
    assert scene.requests[-1].url == "http://app.example.com/fallback"


def test_script_failed_fallback_announces_the_error_and_ends() -> None:
    scene = played({}, script=WITH_FALLBACK)
    assert len(scene.requests) == 2
    assert scene.caller.done == ["answer"]
    (clip,) = scene.caller.media.played
    ((words, _),) = scene.speech.said
    assert "error" in words
    # The tone takes two seconds, a word of this voice 400 ms.
    assert clip.duration_s == pytest.approx(1.99 + 0.4 * len(words.split()), abs=0.01)


def test_script_error_is_announced_by_the_tone_alone_when_nothing_can_speak() -> None:
    async def story(scene: Scene) -> None:
        scene.speech.is_broken = True

    scene = played({}, story)
    (clip,) = scene.caller.media.played
    assert clip.duration_s == pytest.approx(2 * 1.99, abs=0.01)


def test_script_failure_without_fallback_announces_the_error_and_ends() -> None:
    scene = played({})
    assert len(scene.requests) == 1
    assert len(scene.caller.media.played) == 1
    assert scene.caller.hung_up_with is HangupCause.NORMAL


def test_script_status_callback_of_an_inbound_call_is_its_end_only() -> None:
    async def story(scene: Scene) -> None:
        await asyncio.sleep(4)
        scene.caller.hangs_up()

    script = Script(voice_url=VOICE_URL, status_callback="http://app.example.com/status", status_callback_method="GET")
    scene = played(voice("<Dial><Client>bob</Client></Dial>"), story, script=script)
    (told,) = scene.owed("/status")
    assert (told["CallStatus"], told["CallDuration"], told["SequenceNumber"]) == ("completed", "4", "0")


def test_script_caller_who_gives_up_before_the_answer_was_not_answered() -> None:
    async def story(scene: Scene) -> None:
        await asyncio.sleep(2)
        scene.caller.hangs_up(HangupCause.CANCELED)

    scene = played(voice('<Pause length="10"/>'), story)
    record = scene.record(scene.session.facts.sid)
    assert (record.status, record.duration_s) == ("no-answer", None)


def test_script_call_time_limit_ends_the_call() -> None:
    settings = {"RINGFORK_CALLS__TIME_LIMIT_S": "60"}
    scene = played(voice('<Pause length="10"/><Pause length="500"/>'), settings=settings)
    assert scene.record(scene.session.facts.sid).duration_s == 50


def test_script_devices_cannot_replace_our_parameters() -> None:
    scene = played(voice("<Hangup/>"), extra={"From": "sip:mallory@example.com", "Mood": "good"})
    told = dict(scene.requests[0].params)
    assert told["From"] == "sip:carol@example.com"
    assert told["Mood"] == "good"


def test_script_is_replaced_in_the_middle_of_a_verb() -> None:
    async def story(scene: Scene) -> None:
        await asyncio.sleep(2)
        assert scene.session.redirect(Fetch(url="http://app.example.com/next", method="GET"))

    scene = played(
        {"/voice": "<Response><Pause length='60'/></Response>", "/next": "<Response><Hangup/></Response>"}, story
    )
    assert [request.method for request in scene.requests] == ["POST", "GET"]
    assert scene.caller.done == ["answer"]


def test_script_can_be_replaced_by_a_document_at_hand_again_and_again() -> None:
    async def story(scene: Scene) -> None:
        for _ in range(3):
            await asyncio.sleep(2)
            assert scene.session.redirect(Given(document=parse(b"<Response><Pause length='60'/></Response>")))
        scene.session.redirect(Given(document=parse(b"<Response/>")))

    scene = played(voice('<Pause length="60"/>'), story)
    assert len(scene.requests) == 1
    assert scene.record(scene.session.facts.sid).duration_s == 0


def test_script_of_a_call_that_is_over_cannot_be_replaced() -> None:
    scene = played(voice("<Hangup/>"))
    assert not scene.session.redirect(Fetch(url="http://app.example.com/next", method="GET"))


def test_script_of_limited_rules_refuses_other_verbs() -> None:
    async def story(scene: Scene) -> None:
        whisper = Rules(verbs=frozenset({Play}), code=13201)
        with pytest.raises(ScriptError, match="13201"):
            await scene.session.services.interpreter.perform(
                scene.session, Given(document=parse(b"<Response><Dial>+15550100</Dial></Response>")), whisper
            )
        scene.caller.hangs_up()

    played(voice('<Pause length="60"/>'), story)


def lines_of(scene: Scene, name: str) -> list[EventRecord]:
    return [each for each in scene.written if isinstance(each, EventRecord) and each.name == name]


def test_script_verbs_are_on_the_timeline_with_their_place_and_time() -> None:
    scene = played(voice('\n  <Pause length="7"/>\n  <Hangup/>'))
    begun, over = lines_of(scene, "verb"), lines_of(scene, "verb over")
    assert [(line.message, line.line, line.column, line.url) for line in begun] == [
        ("<Pause>", 2, 3, VOICE_URL),
        ("<Hangup>", 3, 3, VOICE_URL),
    ]
    assert [(line.message, line.details["took_ms"]) for line in over] == [("<Pause>", 7000), ("<Hangup>", 0)]


def test_script_verb_that_the_caller_ends_is_over_on_the_timeline() -> None:
    async def story(scene: Scene) -> None:
        await asyncio.sleep(3)
        scene.caller.end(HangupCause.NORMAL, by_remote=True)

    scene = played(voice('<Pause length="60"/>'), story)
    assert [line.details["took_ms"] for line in lines_of(scene, "verb over")] == [3000]


def test_script_warning_of_a_verb_tells_the_line_of_the_verb() -> None:
    scene = played(voice('\n<Pause/>\n   <Dial callerId="nonsense">+15550123</Dial>'))
    told = [line for line in lines_of(scene, "problem") if line.code == 13247]
    assert [(line.line, line.column, line.url) for line in told] == [(3, 4, VOICE_URL)]


def test_script_steps_on_the_timeline_end_with_a_line_that_says_so() -> None:
    scene = played(voice("<Hangup/>"))
    before = len(scene.written)
    for _ in range(MOST_STEPS + 50):
        scene.session.timeline.step("verb")
    more = scene.written[before:]
    assert len(more) < MOST_STEPS + 1 and [getattr(line, "name", "") for line in more][-1] == "cut"
