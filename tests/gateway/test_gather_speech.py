"""<Gather> with speech: each attribute with value, default and bad value; what is detected first; partial results."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.profanity import without_profanity
from media.recognition.recognizer import LanguageUnknown, RecognitionError
from tests.gateway.peers import Scene
from tests.virtual_time import run

Story = Callable[[Scene], Awaitable[None]]


def gathered(
    attributes: str,
    story: Story | None = None,
    *,
    says: str = "two tickets please",
    at: tuple[float, float] = (2.0, 4.0),
    prompts: str = "",
    prepare: Callable[[Scene], Any] | None = None,
    documents: dict[str, Any] | None = None,
) -> Scene:
    scene = Scene(
        {
            "/voice": f"<Response><Gather action='/got' {attributes}>{prompts}</Gather><Redirect>/none</Redirect>"
            "</Response>",
            "/got": "<Response/>",
            "/none": "<Response/>",
            "/partial": "",
        }
        | (documents or {})
    )
    scene.speech_s = [at]
    scene.recognizer.utterances = [says]
    scene.sounds = {"/long.wav": 30.0}
    if prepare is not None:
        prepare(scene)
    run(scene.run(story))
    scene.assert_nothing_lives()
    return scene


def asked(scene: Scene, path: str) -> list[dict[str, str]]:
    return [dict(request.params) for request in scene.requests if request.url.endswith(path)]


def ended_at_s(scene: Scene) -> float:
    duration_s = scene.record(scene.session.facts.sid).duration_s
    assert duration_s is not None
    return duration_s


@pytest.mark.parametrize("given", ["speech", "dtmf speech", "speech dtmf"])
def test_gather_speech_is_what_was_said_and_how_sure_that_is(given: str) -> None:
    told = gathered(f"input='{given}'").last_request
    assert (told["SpeechResult"], told["Confidence"]) == ("two tickets please", "0.75")
    assert "Digits" not in told


def test_gather_without_speech_does_not_listen() -> None:
    scene = gathered("input='dtmf'")
    assert scene.listeners == []
    assert scene.requests[-1].url.endswith("/none")


@pytest.mark.parametrize(
    ("attributes", "pause_s"),
    [
        ("", 5),
        ("timeout='3'", 3),
        ("timeout='3' speechTimeout='2'", 2),
        ("speechTimeout='auto'", 1),
        ("timeout='auto'", 1),
        ("speechTimeout='soon'", 5),
        ("speechTimeout='auto' speechModel='phone_call'", 5),
    ],
)
def test_gather_speech_timeout_is_the_pause_that_ends_it(attributes: str, pause_s: float) -> None:
    scene = gathered(f"input='speech' {attributes}")
    assert scene.recognizer.asked[0]["end_pause_s"] == pause_s
    assert ended_at_s(scene) == pytest.approx(4 + pause_s, abs=0.6)


@pytest.mark.parametrize(("attributes", "seconds"), [("", 60), ("maxSpeechTime='3'", 3), ("maxSpeechTime='99'", 60)])
def test_gather_max_speech_time_ends_who_does_not(attributes: str, seconds: int) -> None:
    scene = gathered(f"input='speech' {attributes}", at=(1, 300))
    assert ended_at_s(scene) == pytest.approx(1 + seconds, abs=0.6)
    assert scene.last_request["SpeechResult"] == "two tickets please"


@pytest.mark.parametrize(
    ("attributes", "language", "hints"),
    [
        ("", "en-US", ()),
        ("language='en-GB' hints='tickets, two please'", "en-GB", ("tickets", "two please")),
        ("language='English' hints=''", "en-US", ()),
    ],
)
def test_gather_language_and_hints_reach_the_recogniser(attributes: str, language: str, hints: tuple[str, ...]) -> None:
    (question,) = gathered(f"input='speech' {attributes}").recognizer.asked
    assert (question["language"], question["hints"]) == (language, hints)


@pytest.mark.parametrize(
    ("attributes", "result"),
    [
        ("", "this s*** queue"),
        ("profanityFilter='true'", "this s*** queue"),
        ("profanityFilter='false'", "this shit queue"),
        ("profanityFilter='no'", "this s*** queue"),
    ],
)
def test_gather_profanity_filter(attributes: str, result: str) -> None:
    scene = gathered(f"input='speech' partialResultCallback='/partial' {attributes}", says="this shit queue")
    assert scene.last_request["SpeechResult"] == result
    assert asked(scene, "/partial")[-1]["UnstableSpeechResult"] in result


@pytest.mark.parametrize("word", ["Scunthorpe", "Sussex cocktail", "passage", "pussycat", "Dickens"])
def test_profanity_is_whole_words(word: str) -> None:
    assert without_profanity(word) == word


@pytest.mark.parametrize(
    ("attributes", "played_s"),
    [("", 2), ("bargeIn='true'", 2), ("bargeIn='false'", 30), ("bargeIn='maybe'", 2)],
)
def test_gather_barge_in_stops_the_prompt_at_the_first_word(attributes: str, played_s: int) -> None:
    scene = gathered(
        f"input='speech' {attributes}", prompts="<Play>/long.wav</Play>", at=(2, 3) if played_s == 2 else (31, 32)
    )
    is_over = bool(scene.caller.media.played_to_the_end)
    assert is_over == (played_s == 30)
    assert scene.last_request["SpeechResult"] == "two tickets please"


def test_gather_without_barge_in_hears_nothing_while_it_prompts() -> None:
    scene = gathered("input='speech' bargeIn='false'", prompts="<Play>/long.wav</Play>", at=(2, 3))
    assert scene.requests[-1].url.endswith("/none")
    assert ended_at_s(scene) == 35


@pytest.mark.parametrize(("attributes", "method"), [("", "POST"), ("GET", "GET"), ("PUT", "POST")])
def test_gather_partial_results_are_told_as_they_come(attributes: str, method: str) -> None:
    given = f"partialResultCallbackMethod='{attributes}'" if attributes else ""
    scene = gathered(f"input='speech' partialResultCallback='/partial' {given}")
    told = asked(scene, "/partial")
    assert [each["UnstableSpeechResult"] for each in told] == ["two", "two tickets", "two tickets please"]
    assert [each["SequenceNumber"] for each in told] == ["0", "1", "2"]
    assert {request.method for request in scene.requests if request.url.endswith("/partial")} == {method}
    assert told[0]["CallSid"] == scene.session.facts.sid


def test_gather_partial_results_of_a_callback_that_fails_are_given_up() -> None:
    scene = gathered("input='speech' partialResultCallback='/gone'")
    assert len(asked(scene, "/gone")) == 1
    assert scene.codes() == [11217]
    assert scene.last_request["SpeechResult"] == "two tickets please"


def test_gather_without_partial_callback_tells_nobody() -> None:
    assert len(gathered("input='speech'").requests) == 2


def pressing(key: str, second: float) -> Story:
    async def story(scene: Scene) -> None:
        await asyncio.sleep(second)
        scene.caller.presses(key)

    return story


@pytest.mark.parametrize(
    ("second", "digits", "speech"),
    [
        pytest.param(1.0, "5", None, id="a key before speech"),
        pytest.param(2.2, "5", None, id="a key before the first word"),
        pytest.param(3.0, None, "two tickets please", id="a key behind the first word"),
        pytest.param(4.5, None, "two tickets please", id="a key in the pause behind the words"),
    ],
)
def test_gather_what_is_detected_first_counts(second: float, digits: str | None, speech: str | None) -> None:
    told = gathered("input='dtmf speech' numDigits='1'", pressing("5", second)).last_request
    assert (told.get("Digits"), told.get("SpeechResult")) == (digits, speech)


def test_gather_finishing_key_means_nothing_behind_words() -> None:
    told = gathered("input='dtmf speech'", pressing("#", 3.5)).last_request
    assert told["SpeechResult"] == "two tickets please"


def test_gather_speech_alone_takes_no_keys() -> None:
    scene = gathered("input='speech'", pressing("5", 1.0))
    assert scene.last_request["SpeechResult"] == "two tickets please"


@pytest.mark.parametrize(
    ("attributes", "parameter"),
    [("input='speech'", "SpeechResult"), ("input='dtmf speech'", "Digits"), ("input='dtmf'", "Digits")],
)
def test_gather_empty_result_has_an_empty_parameter(attributes: str, parameter: str) -> None:
    told = gathered(f"{attributes} actionOnEmptyResult='true'", at=(0, 0)).last_request
    assert told[parameter] == ""
    assert len({"SpeechResult", "Digits"} & set(told)) == 1


def test_gather_noise_is_no_input_but_what_follows_is() -> None:
    def noise_then_words(scene: Scene) -> None:
        scene.speech_s = [(1, 1.2), (3, 4)]
        scene.recognizer.utterances = ["", "yes please"]

    scene = gathered("input='speech' speechTimeout='1'", prepare=noise_then_words)
    assert scene.last_request["SpeechResult"] == "yes please"
    assert len(scene.recognizer.asked) == 2


def test_gather_noise_does_not_prolong_the_time() -> None:
    scene = gathered("input='speech' speechTimeout='1'", says="", at=(1, 1.2))
    assert scene.requests[-1].url.endswith("/none")
    assert ended_at_s(scene) == 5


@pytest.mark.parametrize(
    ("failure", "code"), [(LanguageUnknown("no Klingon"), 13331), (RecognitionError("too many at once"), 12400)]
)
def test_gather_that_cannot_hear_says_so_and_still_takes_keys(failure: RecognitionError, code: int) -> None:
    def break_it(scene: Scene) -> None:
        scene.recognizer.failure = failure

    scene = gathered("input='dtmf speech'", pressing("5", 2.0), prepare=break_it)
    assert scene.codes() == [code]
    assert scene.last_request["Digits"] == "5"


def test_gather_hints_that_cannot_be_recognised_are_told() -> None:
    def know_less(scene: Scene) -> None:
        scene.recognizer.unknown = ("Zwetschge",)

    assert gathered("input='speech' hints='Zwetschge'", prepare=know_less).codes() == [13330]


@pytest.mark.parametrize("attribute", ["speechModel='phone_call'", "enhanced='true'", "debug='true'"])
def test_gather_attributes_without_effect_are_told(attribute: str) -> None:
    assert 13750 in gathered(f"input='speech' {attribute}").codes()


def test_gather_caller_who_hangs_up_while_he_speaks_leaves_nothing_running() -> None:
    async def story(scene: Scene) -> None:
        await asyncio.sleep(3)
        scene.caller.hangs_up()

    scene = gathered("input='speech' partialResultCallback='/partial'", story)
    assert asked(scene, "/got") == []
