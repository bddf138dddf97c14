"""<Say> and <Play>: what the caller hears, how often, and what is told when that cannot be."""

from typing import Any

import pytest

from gateway.routing import Script
from gateway.sounds import Sounds
from gateway.twiml import parse
from gateway.verbs.prompts import prepare_all
from gateway.webhooks.audio import Audio
from gateway.webhooks.errors import FetchError
from media.player import Clip
from media.speech.voices import Engine, Gender
from tests.gateway.peers import VOICE_URL, Scene
from tests.virtual_time import run

WITH_FALLBACK = Script(voice_url=VOICE_URL, fallback_url="http://app.example.com/fallback")


def played(verbs: str, *, sounds: dict[str, float] | None = None, **more: Any) -> Scene:
    documents = {"/voice": f"<Response>{verbs}</Response>", "/fallback": "<Response><Say>sorry</Say></Response>"}
    scene = Scene(documents, **more)
    scene.sounds.update(sounds or {})
    run(scene.run())
    scene.assert_nothing_lives()
    return scene


def test_say_answers_and_is_heard_once() -> None:
    scene = played("<Say>Hello  big\n world</Say>")
    assert scene.caller.done == ["answer"]
    ((text, voice),) = scene.speech.said
    assert text == "Hello big world"
    assert (voice.engine, voice.name, voice.gender) == (Engine.ESPEAK, "en-us", Gender.MALE)
    assert [sound.duration_s for sound in scene.caller.media.played] == [pytest.approx(1.2)]


@pytest.mark.parametrize(
    ("attributes", "name", "gender"),
    [
        ('voice="woman"', "en-us", Gender.FEMALE),
        ('language="de-DE"', "de", Gender.MALE),
        ('voice="alice" language="fr-FR"', "fr-fr", Gender.FEMALE),
        ('voice="Polly.Vicki"', "de", Gender.FEMALE),
    ],
)
def test_say_voice_and_language_choose_who_speaks(attributes: str, name: str, gender: Gender) -> None:
    ((_, voice),) = played(f"<Say {attributes}>hello</Say>").speech.said
    assert (voice.name, voice.gender) == (name, gender)


def test_say_defaults_are_the_installations() -> None:
    settings = {"RINGFORK_SPEECH__VOICE": "woman", "RINGFORK_SPEECH__LANGUAGE": "it-IT"}
    ((_, voice),) = played("<Say>ciao</Say>", settings=settings).speech.said
    assert (voice.name, voice.gender) == ("it", Gender.FEMALE)


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_say_and_play_are_as_wide_as_the_callers_codec(rate_hz: int) -> None:
    verbs = "<Say>hello</Say><Play>/a.wav</Play><Gather timeout='1'><Say>word</Say><Play>/a.wav</Play></Gather>"
    scene = Scene({"/voice": f"<Response>{verbs}</Response>"})
    scene.sounds["/a.wav"] = 0.5
    scene.caller.media.rate_hz = rate_hz
    run(scene.run())
    heard = scene.caller.media.played
    assert [clip.rate_hz for clip in heard] == [rate_hz] * 4
    assert [clip.duration_s for clip in heard] == [pytest.approx(seconds) for seconds in (0.4, 0.5, 0.4, 0.5)]


@pytest.mark.parametrize(("loop", "times"), [("", 1), ('loop="3"', 3), ('loop="0"', 1000)])
def test_say_and_play_loop(loop: str, times: int) -> None:
    scene = played(f"<Say {loop}>hello</Say><Play {loop}>/a.wav</Play>", sounds={"/a.wav": 0.5})
    assert scene.caller.media.loops == [times, times]
    assert len(scene.speech.said) == 1


@pytest.mark.parametrize(
    ("say", "code"),
    [
        ("<Say></Say>", 13520),
        ("<Say>   </Say>", 13520),
        ("<Say><break time='1s'/></Say>", 13520),
        (f"<Say>{'long ' * 1000}</Say>", 13521),
        ('<Say voice="robot">hello</Say>', 13511),
        ('<Say voice="Polly.Joanna" language="de-DE">hello</Say>', 13512),
        ('<Say language="xx-XX">hello</Say>', 13512),
    ],
)
def test_say_that_fails_is_told_and_the_document_goes_on(say: str, code: int) -> None:
    scene = played(f"{say}<Say>next</Say>", script=WITH_FALLBACK)
    assert code in scene.codes()
    assert [text for text, _ in scene.speech.said] == ["next"]
    assert len(scene.requests) == 1


def test_say_whose_engine_fails_is_an_error_on_the_record() -> None:
    scene = Scene({"/voice": "<Response><Say>hello</Say></Response>"})
    scene.speech.is_broken = True
    run(scene.run())
    assert 12400 in scene.codes()
    assert scene.caller.media.played == []


def test_say_markup_problems_are_told_with_their_place() -> None:
    scene = played('<Say>a\n<break time="x"/>b</Say>')
    (problem,) = [event for event in scene.written if getattr(event, "code", None) == 12200]
    assert getattr(problem, "line") == 2  # noqa: B009  # records differ in fields


def test_say_plain_text_answer_is_spoken_then_hung_up() -> None:
    scene = Scene({"/voice": "Good morning to you"}, content_type="text/plain")
    run(scene.run())
    assert [text for text, _ in scene.speech.said] == ["Good morning to you"]
    assert scene.caller.done == ["answer"]


def test_play_file_that_fails_goes_to_the_fallback() -> None:
    scene = played("<Play>/gone.wav</Play><Say>not reached</Say>", script=WITH_FALLBACK)
    assert 11217 in scene.codes()
    assert [text for text, _ in scene.speech.said] == ["sorry"]


def test_prompts_are_all_made_ready_at_once_and_one_failure_gives_up_the_rest() -> None:
    verbs = parse(b"<Response><Play>/a.wav</Play><Pause length='3'/><Say>hi</Say><Play digits='1w2'/></Response>").verbs
    bad = parse(b"<Response><Play>/gone.wav</Play><Say>hi</Say></Response>").verbs
    scene = Scene({"/voice": "<Response><Pause length='5'/></Response>"})
    scene.sounds["/a.wav"] = 0.5

    async def story(scene: Scene) -> None:
        call: Any = scene.session
        prompts = await prepare_all(call, verbs, VOICE_URL)  # type: ignore[arg-type]  # all of them prompts
        assert [prompt.duration_s for prompt in prompts] == [0.5, 3, 0.4, 0]
        assert prompts[3].digits == "1w2"
        with pytest.raises(FetchError):
            await prepare_all(call, bad, VOICE_URL)  # type: ignore[arg-type]

    run(scene.run(story))


class _Shelf:
    """A fetcher that has one file."""

    async def fetch_audio(self, url: str, *, account_sid: str = "", cookies: object = None) -> Audio:
        return Audio(body=b"\xff\x80" * 400, content_type="audio/ulaw", url=url, version=1)


def test_sounds_are_decoded_once_for_each_rate() -> None:
    sounds = Sounds(_Shelf())

    async def fetched() -> list[Clip]:
        return [
            await sounds.clip("http://app.example.com/a", account_sid="", rate_hz=rate_hz)
            for rate_hz in (8000, 16000, 8000, 16000)
        ]

    narrow, wide, again, wide_again = run(fetched())
    assert (narrow.rate_hz, wide.rate_hz) == (8000, 16000)
    assert again is narrow and wide_again is wide
