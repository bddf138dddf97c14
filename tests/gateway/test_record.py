"""<Record>: each attribute with value, default and bad value; what ends it; what action and callbacks are told."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway.twiml import parse
from gateway.verbs.outcome import Fetch, Given
from media.engine import Received
from tests.gateway.peers import VOICE_URL, Scene
from tests.virtual_time import run

Story = Callable[[Scene], Awaitable[None]]
BEEP_S = 0.4
SPEAKS = (1.0, 3.0)


def recorded(
    attributes: str,
    story: Story | None = None,
    *,
    speech_s: tuple[tuple[float, float], ...] = (SPEAKS,),
    device: str = "sip:caller",
    frame_s: float = 0.02,
) -> Scene:
    """A call whose document records and goes on to /none when nothing was recorded."""

    def voice(parameters: dict[str, str]) -> str:
        if "RecordingUrl" in parameters:
            return "<Response/>"
        return f"<Response><Record {attributes}/><Redirect>/none</Redirect></Response>"

    scene = Scene({"/voice": voice, "/got": "<Response/>", "/none": "<Response/>"})
    scene.caller.device = device
    scene.frame_s = frame_s
    scene.speech_s = list(speech_s)
    run(scene.run(story))
    scene.assert_nothing_lives()
    return scene


def at(second: float, does: Callable[[Scene], None]) -> Story:
    async def story(scene: Scene) -> None:
        await asyncio.sleep(second)
        does(scene)

    return story


def pressing(key: str, second: float = 5.0) -> Story:
    return at(second, lambda scene: scene.caller.presses(key))


def length_s(scene: Scene) -> float:
    """Of the call, which ends with the recording."""
    duration_s = scene.record(scene.session.facts.sid).duration_s
    assert duration_s is not None
    return duration_s


def test_record_is_of_the_caller_alone_and_named_after_the_verb() -> None:
    scene = recorded("")
    (recording,) = scene.recordings
    assert recording.channels == [[[Received(scene.caller.media)]]]
    order = recording.order
    assert (order.source, order.track, order.call_sid) == ("RecordVerb", "inbound", scene.session.facts.sid)


@pytest.mark.parametrize(
    ("attributes", "seconds"),
    [
        pytest.param("", 3 + 5, id="timeout default"),
        pytest.param("timeout='2'", 3 + 2, id="timeout value"),
        pytest.param("timeout='x'", 3 + 5, id="timeout bad: the default"),
        pytest.param("timeout='0' maxLength='30'", BEEP_S + 30, id="timeout 0: no silence ends it"),
        pytest.param("timeout='9' maxLength='8'", BEEP_S + 8, id="maxLength value"),
    ],
)
def test_record_ends_with_silence_or_its_time(attributes: str, seconds: float) -> None:
    scene = recorded(f"action='/got' {attributes}")
    assert scene.requests[-1].url.endswith("/got")
    assert length_s(scene) == pytest.approx(seconds, abs=0.6)
    assert "Digits" not in scene.last_request


@pytest.mark.parametrize(
    ("attributes", "device", "seconds", "codes"),
    [
        ("maxLength='900'", "voice-sdk:alice@192.0.2.1", 600, [13612]),
        ("", "voice-sdk:alice@192.0.2.1", 600, []),
        ("maxLength='900'", "sip:alice", 900, []),
        ("", "sip:alice", 3600, []),
        ("maxLength='1'", "sip:alice", 3600, [13612]),
        ("transcribe='true'", "sip:alice", 120, []),
    ],
)
def test_record_longest_by_who_calls_and_what_for(attributes: str, device: str, seconds: int, codes: list[int]) -> None:
    scene = recorded(f"action='/got' timeout='0' {attributes}", device=device, frame_s=10, speech_s=((0, 60),))
    assert length_s(scene) == pytest.approx(seconds + BEEP_S, abs=0.6)
    assert [code for code in scene.codes() if code == 13612] == codes


@pytest.mark.parametrize(
    ("attributes", "key", "digits"),
    [
        ("", "#", "#"),
        ("", "7", "7"),
        ("finishOnKey='*'", "*", "*"),
        ("finishOnKey='*#'", "#", "#"),
        ("finishOnKey='*'", "#", None),
        ("finishOnKey=''", "#", None),
        ("finishOnKey='x'", "#", "#"),
    ],
)
def test_record_keys_that_end_it(attributes: str, key: str, digits: str | None) -> None:
    scene = recorded(f"action='/got' {attributes}", pressing(key))
    assert scene.last_request.get("Digits") == digits


def test_record_key_during_the_beep_is_lost() -> None:
    scene = recorded("action='/got'", pressing("#", 0.2))
    assert "Digits" not in scene.last_request


@pytest.mark.parametrize(
    ("attributes", "beeps"), [("", 1), ("playBeep='true'", 1), ("playBeep='false'", 0), ("playBeep='no'", 1)]
)
def test_record_beep(attributes: str, beeps: int) -> None:
    scene = recorded(attributes)
    assert len(scene.caller.media.played_to_the_end) == beeps


@pytest.mark.parametrize(
    ("attributes", "is_trimmed"),
    [("", True), ("trim='trim-silence'", True), ("trim='do-not-trim'", False), ("trim='x'", True)],
)
def test_record_trim(attributes: str, is_trimmed: bool) -> None:
    assert recorded(attributes).recordings[0].order.is_trimmed is is_trimmed


@pytest.mark.parametrize(
    ("attributes", "url", "method", "events"),
    [
        ("", None, "POST", {"completed"}),
        ("recordingStatusCallback='/r'", "http://app.example.com/r", "POST", {"completed"}),
        (
            "recordingStatusCallback='/r' recordingStatusCallbackMethod='GET'"
            " recordingStatusCallbackEvent='in-progress absent'",
            "http://app.example.com/r",
            "GET",
            {"in-progress", "absent"},
        ),
        (
            "recordingStatusCallback='/r' recordingStatusCallbackMethod='PUT' recordingStatusCallbackEvent='soon'",
            "http://app.example.com/r",
            "POST",
            {"completed"},
        ),
        ("recordingStatusCallback='http://a_b.example.com/'", None, "POST", {"completed"}),
    ],
)
def test_record_status_callback(attributes: str, url: str | None, method: str, events: set[str]) -> None:
    order = recorded(attributes).recordings[0].order
    assert (order.callback_url, order.callback_method, set(order.callback_events)) == (url, method, events)


@pytest.mark.parametrize(
    ("attributes", "url"),
    [
        ("", None),
        ("transcribe='true'", None),
        ("transcribeCallback='/text'", None),
        ("transcribe='false' transcribeCallback='/text'", None),
        ("transcribe='yes' transcribeCallback='/text'", None),
        ("transcribe='true' transcribeCallback='/text'", "http://app.example.com/text"),
        ("transcribe='true' transcribeCallback='http://a_b.example.com/'", None),
    ],
)
def test_record_transcribe_and_its_callback(attributes: str, url: str | None) -> None:
    scene = recorded(attributes)
    ordered = scene.recordings[0].order.transcription
    assert (None if ordered is None else ordered.url) == url
    assert ordered is None or dict(ordered.parameters)["CallSid"] == scene.session.facts.sid


def test_record_configuration_without_effect_is_told() -> None:
    assert 13750 in recorded("recordingConfigurationId='x'").codes()


@pytest.mark.parametrize(
    ("attributes", "method", "url"),
    [
        ("", "POST", VOICE_URL),
        ("action='/got?a=1'", "POST", "http://app.example.com/got?a=1"),
        ("action='/got' method='GET'", "GET", "http://app.example.com/got"),
        ("action='/got' method='PUT'", "POST", "http://app.example.com/got"),
    ],
)
def test_record_action_is_told_where_the_recording_is(attributes: str, method: str, url: str) -> None:
    scene = recorded(attributes, pressing("5"))
    last, sid = scene.requests[-1], scene.recordings[0].sid
    assert (last.method, last.url) == (method, url)
    told = dict(last.params)
    assert (told["RecordingSid"], told["RecordingUrl"]) == (sid, f"http://ringfork.example.com/{sid}")
    assert (told["RecordingDuration"], told["Digits"], told["CallStatus"]) == ("7", "5", "in-progress")


@pytest.mark.parametrize("story", [None, pressing("#", 2.0)])
def test_record_of_nothing_but_silence_goes_on_with_the_next_verb(story: Story | None) -> None:
    scene = recorded("action='/got'", story, speech_s=())
    assert scene.requests[-1].url.endswith("/none")


def test_record_action_is_owed_when_the_caller_hung_up() -> None:
    scene = recorded("action='/got'", at(4, lambda scene: scene.caller.hangs_up()))
    (told,) = scene.owed("/got")
    assert (told["Digits"], told["RecordingSid"]) == ("hangup", scene.recordings[0].sid)
    assert told["CallStatus"] == "completed"
    assert len(scene.requests) == 1


def test_record_caller_who_hangs_up_in_silence_left_nothing() -> None:
    scene = recorded("action='/got'", at(4, lambda scene: scene.caller.hangs_up()), speech_s=())
    assert scene.owed("/got") == []
    assert len(scene.requests) == 1


def test_record_of_a_call_that_is_redirected_ends_without_its_action() -> None:
    elsewhere = Fetch(url="http://app.example.com/none", method="POST")

    def redirect(scene: Scene) -> None:
        scene.session.redirect(elsewhere)

    scene = recorded("action='/got'", at(4, redirect))
    assert scene.requests[-1].url.endswith("/none")
    assert scene.owed("/got") == []


@pytest.mark.parametrize(
    ("attributes", "codes"), [("", [11100]), ("action='/got'", [15004]), ("action='http://app.example.com/got'", [])]
)
def test_record_of_a_redirected_call_needs_an_absolute_action(attributes: str, codes: list[int]) -> None:
    document = Given(document=parse(f"<Response><Record {attributes}/></Response>".encode()))

    async def story(scene: Scene) -> None:
        await asyncio.sleep(0.5)
        scene.session.redirect(document)

    scene = Scene({"/voice": "<Response><Hangup/></Response>", "/got": "<Response/>"})
    scene.documents["/voice"] = "<Response><Say>a</Say><Pause length='60'/></Response>"
    scene.speech_s = [SPEAKS]
    run(scene.run(story))
    assert [code for code in scene.codes() if code != 13750] == codes
    scene.assert_nothing_lives()
