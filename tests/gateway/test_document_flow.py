"""What an answer of the application leads to, row by row: order, first verbs, kinds of answers, errors, loops."""

import asyncio
from typing import Any

import pytest

from gateway.routing import Script
from gateway.twiml.model import VERBS
from gateway.twiml.schema import tag_of
from signaling.leg import HangupCause
from tests.gateway.peers import VOICE_URL, Scene
from tests.virtual_time import run

FALLBACK = Script(voice_url=VOICE_URL, fallback_url="http://app.example.com/fallback")


def played(documents: dict[str, Any], story: Any = None, *, kinds: dict[str, str] | None = None, **more: Any) -> Scene:
    scene = Scene(documents, **more)
    scene.content_types = kinds or {}
    scene.sounds = {"/voice?x=1": 2.0, "/a.wav": 2.0}
    run(scene.run(story))
    scene.assert_nothing_lives()
    return scene


def voice(verbs: str) -> dict[str, Any]:
    return {"/voice": f"<Response>{verbs}</Response>", "/next": "<Response><Hangup/></Response>"}


CONTENT = {
    "Dial": "<Dial><Client>bob</Client></Dial>",
    "Play": "<Play>/a.wav</Play>",
    "Redirect": "<Redirect>/next</Redirect>",
    "Say": "<Say>hello</Say>",
    "Enqueue": "<Enqueue>support</Enqueue>",
    "Refer": "<Refer><Sip>sip:bob@example.com</Sip></Refer>",
    "Queue": "<Queue>support</Queue>",
}


@pytest.mark.parametrize("tag", [tag_of(verb) for verb in VERBS])
def test_flow_first_verb_answers_the_call_unless_it_is_one_of_three(tag: str) -> None:
    done: list[list[str]] = []

    async def story(scene: Scene) -> None:
        await asyncio.sleep(0.5)
        done.append(scene.caller.done[:1])
        scene.caller.hangs_up()

    documents = voice(CONTENT.get(tag, f"<{tag}/>"))
    documents["/next"] = "<Response><Pause length='9'/></Response>"
    played(documents, story)
    assert done == [[] if tag in ("Reject", "Pause", "Redirect") else ["answer"]]


@pytest.mark.parametrize(("value", "answered"), [("true", []), ("false", ["answer"])])
def test_flow_dial_first_answers_by_answer_on_bridge(value: str, answered: list[str]) -> None:
    done: list[list[str]] = []

    async def story(scene: Scene) -> None:
        await scene.any_leg()
        done.append(list(scene.caller.done))
        scene.caller.hangs_up()

    played(voice(f"<Dial answerOnBridge='{value}'><Client>bob</Client></Dial>"), story)
    assert done == [answered]


def test_flow_verbs_run_in_order_and_the_end_hangs_up() -> None:
    scene = played(voice("<Pause length='2'/><Play>/a.wav</Play><Pause length='3'/>"))
    assert scene.caller.hung_up_with is HangupCause.NORMAL
    assert scene.record(scene.session.facts.sid).duration_s == 5


@pytest.mark.parametrize("verbs", ["<Hangup/>", "<Reject/>", "<Redirect>/next</Redirect>"])
def test_flow_verbs_behind_one_that_ends_the_document_do_not_run(verbs: str) -> None:
    scene = played(voice(f"{verbs}<Play>/a.wav</Play>"))
    assert scene.sounds_fetched == []


@pytest.mark.parametrize(
    ("verb", "code"),
    [
        ("<Foo/>", 12200),
        ("<dial>+15550100</dial>", 12200),
        ("<Hangup now='true'/>", 12200),
        ("<Sms>hello</Sms>", 12200),
        ("<Pay/>", 12200),
        ("<Prompt/>", 12200),
        ("<Queue>support</Queue>", 12200),
    ],
)
def test_flow_what_no_call_knows_is_noted_and_skipped(verb: str, code: int) -> None:
    scene = played(voice(f"{verb}<Redirect>/next</Redirect>"))
    assert scene.codes() == [code]
    assert len(scene.requests) == (1 if "Hangup" in verb else 2)


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        pytest.param("<Response>", "text/xml", 12100, id="not well-formed"),
        pytest.param("<?xml version='1.1'?><Response/>", "text/xml", 12101, id="XML version"),
        pytest.param("<Answer/>", "text/xml", 12102, id="another root"),
        pytest.param("", "text/xml", 11770, id="empty"),
        pytest.param("", "", 11770, id="empty without Content-Type"),
        pytest.param("{}", "application/json", 12300, id="another Content-Type"),
        pytest.param("hello", "", 12300, id="no Content-Type and no TwiML"),
        pytest.param("<Response>" + " " * 65536 + "</Response>", "text/xml", 11750, id="more than 64 kB"),
        pytest.param(None, "", 11217, id="an error status"),
        pytest.param("<Response><Redirect>ftp://a/</Redirect></Response>", "text/xml", 11100, id="not executable"),
        pytest.param("<Response><Play>/gone.wav</Play></Response>", "text/xml", 11217, id="a sound that is gone"),
    ],
)
@pytest.mark.parametrize("place", ["/voice", "/next"])
def test_flow_failure_goes_to_the_fallback_with_its_code_wherever_it_happens(
    place: str, body: str | None, kind: str, code: int
) -> None:
    documents = {
        "/voice": "<Response><Pause/><Redirect>/next</Redirect></Response>",
        "/next": "<Response/>",
        "/fallback": "<Response><Play>/a.wav</Play></Response>",
    }
    if body is None:
        del documents[place]
    else:
        documents[place] = body
    scene = played(documents, script=FALLBACK, kinds={place: kind})
    assert scene.requests[-1].url == "http://app.example.com/fallback"
    told = scene.last_request
    failed = "http://app.example.com/gone.wav" if body and "gone" in body else VOICE_URL
    assert (told["ErrorCode"], told["ErrorUrl"]) == (
        str(code),
        "http://app.example.com/next" if place == "/next" and failed == VOICE_URL else failed,
    )
    assert code in scene.codes()
    assert scene.sounds_fetched[-1] == "/a.wav"


def test_flow_failure_without_fallback_is_announced_and_the_call_ends() -> None:
    scene = played({})
    assert (scene.caller.done, scene.caller.hung_up_with) == (["answer"], HangupCause.NORMAL)
    assert len(scene.caller.media.played_to_the_end) == 1


@pytest.mark.parametrize("kind", ["text/xml", "application/xml", "text/html", "text/plain", ""])
def test_flow_answers_that_are_twiml(kind: str) -> None:
    scene = played(voice("<Play>/a.wav</Play>"), kinds={"/voice": kind})
    assert scene.sounds_fetched == ["/a.wav"]
    assert scene.codes() == []


@pytest.mark.parametrize("kind", ["audio/mpeg", "audio/wav", "audio/x-aiff", "audio/gsm", "audio/ulaw"])
def test_flow_answer_that_is_a_sound_is_played_and_the_call_ends(kind: str) -> None:
    scene = played({"/voice": "RIFF"}, kinds={"/voice": kind})
    assert scene.sounds_fetched == ["/voice?x=1"]
    assert len(scene.caller.media.played_to_the_end) == 1
    assert scene.caller.hung_up_with is HangupCause.NORMAL


def test_flow_relative_urls_are_read_against_the_url_after_redirects() -> None:
    scene = Scene(voice("<Redirect>next</Redirect>"))
    scene.final_urls = {"/voice": "http://app.example.com/moved/here?x=1"}
    scene.documents["/moved/next"] = "<Response/>"
    run(scene.run())
    assert scene.requests[-1].url == "http://app.example.com/moved/next"


def test_flow_url_keeps_its_connection_overrides() -> None:
    scene = played(voice("<Redirect>/next#rc=2&amp;rt=500</Redirect>"))
    assert scene.requests[-1].url == "http://app.example.com/next#rc=2&rt=500"


def test_flow_requests_of_a_call_share_its_cookies() -> None:
    scene = played(voice("<Redirect>/next</Redirect>"))
    assert scene.requests[0].cookies is scene.requests[1].cookies is not None


def test_flow_redirects_in_a_row_without_a_sound_are_a_loop() -> None:
    scene = played({"/voice": "<Response><Redirect/></Response>"})
    assert len(scene.requests) == 21
    assert 11200 in scene.codes()
    assert len(scene.caller.media.played) == 1, "the announcement"


def test_flow_redirects_with_a_pause_between_are_none_until_a_thousand() -> None:
    scene = played({"/voice": "<Response><Pause/><Redirect/></Response>"})
    assert len(scene.requests) == 1001
    assert 11200 in scene.codes()


def test_flow_redirects_that_come_to_a_sound_begin_anew() -> None:
    visits: list[int] = []

    def answer(_parameters: dict[str, str]) -> str:
        visits.append(1)
        verb = "<Play>/a.wav</Play>" if len(visits) % 15 == 0 else ""
        return "<Response/>" if len(visits) == 50 else f"<Response>{verb}<Redirect/></Response>"

    scene = played({"/voice": answer})
    assert len(scene.requests) == 50
    assert scene.codes() == []


def test_flow_dials_that_find_nobody_are_no_loop() -> None:
    visits: list[int] = []

    def answer(_parameters: dict[str, str]) -> str:
        visits.append(1)
        if len(visits) == 40:
            return "<Response/>"
        return f"<Response><Dial action='/voice'><Client>agent{len(visits)}</Client></Dial></Response>"

    scene = played({"/voice": answer}, devices={f"agent{number}": 0 for number in range(50)})
    assert len(scene.requests) == 40


def test_flow_echo_plays_the_caller_back_until_he_hangs_up() -> None:
    heard: list[Any] = []

    async def story(scene: Scene) -> None:
        await asyncio.sleep(60)
        heard.append(scene.caller.media.hears)
        scene.caller.hangs_up()

    scene = played(voice("<Echo/><Play>/a.wav</Play>"), story)
    assert heard == [scene.caller.media]
    assert scene.sounds_fetched == []
