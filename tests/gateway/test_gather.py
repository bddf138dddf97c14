"""<Gather> with keys: each attribute with value, default and bad value; what stops prompts; what comes next."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.twiml import parse
from gateway.verbs.outcome import Given
from tests.gateway.peers import VOICE_URL, Scene
from tests.virtual_time import run

Story = Callable[[Scene], Awaitable[None]]


def gathered(attributes: str, story: Story, *, prompts: str = "", sounds: dict[str, Any] | None = None) -> Scene:
    """A call whose first document gathers and goes on to /none when nothing was entered."""
    scene = Scene({"/voice": _asked_once(attributes, prompts), "/got": "<Response/>", "/none": "<Response/>"})
    scene.sounds = sounds or {}
    run(scene.run(story))
    scene.assert_nothing_lives()
    return scene


def _asked_once(attributes: str, prompts: str) -> Callable[[dict[str, str]], str]:
    """A document that is its own action: asked with input it is over."""

    def answer(parameters: dict[str, str]) -> str:
        if "Digits" in parameters:
            return "<Response/>"
        return f"<Response><Gather {attributes}>{prompts}</Gather><Redirect>/none</Redirect></Response>"

    return answer


def pressing(keys: str, *, after: float = 1.0, every: float = 1.0) -> Story:
    async def story(scene: Scene) -> None:
        await asyncio.sleep(after)
        for key in keys:
            scene.caller.presses(key)
            await asyncio.sleep(every)

    return story


def digits_of(scene: Scene) -> str | None:
    """What the action was told; None if the script went on to the next verb."""
    return scene.last_request.get("Digits")


@pytest.mark.parametrize(
    ("attributes", "keys", "digits"),
    [
        pytest.param("", "12#", "12", id="finishOnKey default: #"),
        pytest.param("finishOnKey='*'", "1#2*", "1#2", id="finishOnKey value"),
        pytest.param("finishOnKey='5'", "125", "12", id="finishOnKey may be a digit"),
        pytest.param("finishOnKey=''", "12#*", "12#*", id="finishOnKey empty: only time ends it"),
        pytest.param("finishOnKey='55'", "12#", "12", id="finishOnKey bad: the default"),
        pytest.param("numDigits='3'", "123", "123", id="numDigits value"),
        pytest.param("numDigits='3'", "12", "12", id="numDigits not reached: time ends it"),
        pytest.param("numDigits='1' finishOnKey=''", "#", "#", id="numDigits 1 without finishing key"),
        pytest.param("numDigits='none'", "123456789012345#", "123456789012345", id="numDigits bad: no limit"),
        pytest.param("numDigits='0'", "123#", "123", id="numDigits 0: no limit"),
        pytest.param("", "1A2B#", "12", id="keys no telephone has"),
        pytest.param("input='dtmf'", "1#", "1", id="input value"),
        pytest.param("input='smoke'", "1#", "1", id="input bad: the default"),
        pytest.param("input='dtmf speech'", "1#", "1", id="input both: keys"),
        pytest.param("input='speech'", "1#", None, id="input speech: keys mean nothing"),
        pytest.param("", "", None, id="nothing"),
        pytest.param("", "#", None, id="finishing key alone"),
        pytest.param("actionOnEmptyResult='true'", "", "", id="actionOnEmptyResult true, nothing"),
        pytest.param("actionOnEmptyResult='true'", "#", "", id="actionOnEmptyResult true, finishing key"),
        pytest.param("actionOnEmptyResult='false'", "", None, id="actionOnEmptyResult false"),
        pytest.param("actionOnEmptyResult='yes'", "", None, id="actionOnEmptyResult bad: the default"),
    ],
)
def test_gather_digits(attributes: str, keys: str, digits: str | None) -> None:
    scene = gathered(f"action='/got' {attributes}", pressing(keys))
    assert digits_of(scene) == digits
    assert scene.requests[-1].url.endswith("/none" if digits is None else "/got")


@pytest.mark.parametrize(
    ("attributes", "seconds"),
    [
        ("", 5),
        ("timeout='2'", 2),
        ("timeout='30'", 30),
        ("timeout='auto'", 5),
        ("timeout='0'", 5),
        ("timeout='soon'", 5),
    ],
)
def test_gather_time_runs_from_the_end_of_the_prompts_and_again_from_each_key(attributes: str, seconds: int) -> None:
    times: list[float] = []

    def at(_parameters: dict[str, str]) -> str:
        times.append(asyncio.get_running_loop().time())
        return "<Response/>"

    for keys, start in (("", 7.0), ("12", 7.5)):
        document = (
            f"<Response><Gather action='/got' actionOnEmptyResult='true' {attributes}><Pause length='7'/></Gather>"
        )
        scene = Scene({"/voice": document + "</Response>", "/got": at})
        run(scene.run(pressing(keys, after=6, every=1.5)))
        assert times.pop() - 1000 == pytest.approx(start + seconds, abs=0.05)


@pytest.mark.parametrize(
    ("attributes", "method", "url"),
    [
        pytest.param("", "POST", VOICE_URL, id="defaults: the same document, POST"),
        pytest.param("action=''", "POST", VOICE_URL, id="action empty"),
        pytest.param("action='/got?a=1&amp;b=2'", "POST", "http://app.example.com/got?a=1&b=2", id="action relative"),
        pytest.param(
            "action='http://other.example.com/got'", "POST", "http://other.example.com/got", id="action absolute"
        ),
        pytest.param("action='/got' method='GET'", "GET", "http://app.example.com/got", id="method value"),
        pytest.param("action='/got' method='PUT'", "POST", "http://app.example.com/got", id="method bad: the default"),
    ],
)
def test_gather_action_and_method(attributes: str, method: str, url: str) -> None:
    last = gathered(attributes, pressing("1#")).requests[-1]
    assert (last.method, last.url, dict(last.params)["Digits"]) == (method, url, "1")
    assert dict(last.params)["CallStatus"] == "in-progress"


def test_gather_action_that_cannot_be_requested_is_an_error_before_anything_sounds() -> None:
    scene = gathered("action='ftp://example.com/'", pressing(""), prompts="<Play>/a.wav</Play>", sounds={"/a.wav": 3})
    assert scene.codes() == [11100, 11100]
    assert scene.sounds_fetched == []


def test_gather_first_key_stops_the_prompts_and_the_rest_of_them() -> None:
    scene = gathered(
        "action='/got'",
        pressing("42#", after=1.5, every=0.2),
        prompts="<Pause length='1'/><Play>/a.wav</Play><Play>/b.wav</Play>",
        sounds={"/a.wav": 3, "/b.wav": 4},
    )
    assert digits_of(scene) == "42"
    assert [clip.duration_s for clip in scene.caller.media.played] == [3]
    assert scene.caller.media.played_to_the_end == []


def test_gather_prompts_sound_one_after_the_other_as_often_as_asked() -> None:
    scene = gathered(
        "action='/got' timeout='1'",
        pressing(""),
        prompts="<Play loop='2'>/a.wav</Play><Pause/><Play>/b.wav</Play>",
        sounds={"/a.wav": 3, "/b.wav": 4},
    )
    assert [clip.duration_s for clip in scene.caller.media.played_to_the_end] == [3, 4]
    assert scene.record(scene.session.facts.sid).duration_s == 6 + 1 + 4 + 1


def test_gather_prompts_are_all_fetched_before_the_first_sounds() -> None:
    scene = gathered(
        "action='/got'",
        pressing(""),
        prompts="<Play>/a.wav</Play><Play>/gone.wav</Play>",
        sounds={"/a.wav": 3},
    )
    assert 11217 in scene.codes()
    assert len(scene.caller.media.played) == 1, "only the error announcement"
    assert scene.caller.media.played[0].duration_s > 3 and "error" in scene.speech.said[0][0]


def test_gather_prompt_that_is_no_sound_has_a_code_of_its_own() -> None:
    scene = gathered(
        "action='/got'", pressing(""), prompts="<Play>/a.wav</Play>", sounds={"/a.wav": b"<html>not here</html>"}
    )
    assert 13325 in scene.codes()


def test_gather_keys_count_while_prompts_are_fetched() -> None:
    scene = Scene(
        {
            "/voice": "<Response><Gather action='/got' numDigits='2'><Play>/a.wav</Play></Gather></Response>",
            "/got": "<Response/>",
        }
    )
    scene.sounds, scene.fetch_audio_s = {"/a.wav": 3.0}, 10.0
    run(scene.run(pressing("12")))
    assert digits_of(scene) == "12"
    assert scene.caller.media.played == []


def test_gather_keys_from_before_the_verb_are_lost() -> None:
    scene = Scene(
        {
            "/voice": "<Response><Pause/><Pause length='5'/><Gather action='/got' numDigits='2'/></Response>",
            "/got": "<Response/>",
        }
    )
    run(scene.run(pressing("1234", after=4.5)))
    assert digits_of(scene) == "34"


def test_gather_keys_play_no_part_in_a_gather_that_plays_keys() -> None:
    scene = gathered("action='/got'", pressing("1#"), prompts="<Play digits='123'/>")
    assert 13320 in scene.codes()
    assert scene.caller.done == ["answer"]
    assert digits_of(scene) == "1"


def test_gather_caller_who_hangs_up_leaves_no_request() -> None:
    async def story(scene: Scene) -> None:
        await pressing("12")(scene)
        scene.caller.hangs_up()

    scene = gathered("action='/got'", story, prompts="<Pause length='60'/>")
    assert len(scene.requests) == 1
    assert scene.owed("/got") == []


def test_gather_answers_a_call_that_nobody_answered() -> None:
    scene = gathered("action='/got'", pressing("1#"))
    assert scene.caller.done == ["answer"]


def test_gather_keys_are_on_no_record() -> None:
    scene = gathered("action='/got'", pressing("90210#"))
    assert digits_of(scene) == "90210"
    assert "90210" not in repr(scene.written)


def test_gather_from_a_document_without_url_needs_an_absolute_action() -> None:
    async def story(scene: Scene) -> None:
        await asyncio.sleep(1)
        scene.session.redirect(Given(document=parse(b"<Response><Gather/></Response>")))

    scene = Scene({"/voice": "<Response><Pause/><Pause length='60'/></Response>"})
    run(scene.run(story))
    assert 15004 in scene.codes()


def test_gather_say_is_spoken_and_a_key_stops_it() -> None:
    async def story(scene: Scene) -> None:
        await asyncio.sleep(0.5)
        scene.caller.presses("1")

    scene = gathered("action='/got' numDigits='1'", story, prompts="<Say voice='woman' loop='2'>press one or two</Say>")
    ((text, voice),) = scene.speech.said
    assert (text, voice.gender.value, scene.caller.media.loops) == ("press one or two", "female", [2])
    assert scene.caller.media.played_to_the_end == []
    assert scene.last_request["Digits"] == "1"


def test_gather_looks_for_tones_while_it_asks() -> None:
    scene = gathered("action='/got'", pressing("1#"))
    assert scene.caller.media.looks_for_tones == [True, False]
