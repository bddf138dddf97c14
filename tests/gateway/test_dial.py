"""<Dial>, attribute by attribute, in virtual time: each test fails if its attribute is ignored."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.routing import Script
from gateway.store.records import OwedCallback
from media.engine import Silence
from media.tones import RING_TONE_CODES, Tone
from signaling.leg import HangupCause, Party
from signaling.location import BROWSER_CODECS, ClientTarget, NumberTarget, Repertoire, SipTarget
from tests.gateway.peers import Scene
from tests.virtual_time import run

Story = Callable[[Scene], Awaitable[None]]


def response(dial: str, after: str = "") -> dict[str, Any]:
    return {
        "/voice": f"<Response>{dial}{after}</Response>",
        "/after": "<Response><Hangup/></Response>",
    }


def played(dial: str, story: Story | None, *, after: str = "", **more: Any) -> Scene:
    scene = Scene(response(dial, after), **more)
    run(scene.run(story))
    scene.assert_nothing_lives()
    return scene


async def nobody(scene: Scene) -> None:
    """Everybody rings and nobody picks up."""


def answering(name: str, *, talk_s: float = 10.0, ring_s: float = 2.0) -> Story:
    async def story(scene: Scene) -> None:
        leg = await scene.leg(name)
        leg.rings()
        await asyncio.sleep(ring_s)
        leg.picks_up()
        await asyncio.sleep(talk_s)
        leg.hangs_up()

    return story


def elapsed(story: Story) -> tuple[Story, list[float]]:
    """The story, and the virtual seconds from its start to the end of the first dialled leg."""
    seconds: list[float] = []

    async def timed(scene: Scene) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        await story(scene)
        leg = scene.dialled[0]
        async for _ in _follow(leg):
            pass
        seconds.append(loop.time() - start)

    async def _follow(leg: Any) -> Any:
        while leg.events.ended is None:
            await asyncio.sleep(0.1)
            yield

    return timed, seconds


# action, method


def test_dial_action_replaces_the_document_and_tells_the_outcome() -> None:
    dial = '<Dial action="/after"><Client>bob</Client></Dial>'
    scene = played(dial, answering("bob-0", talk_s=12.4), after="<Play>never.wav</Play>")
    told = scene.last_request
    assert scene.requests[-1].url == "http://app.example.com/after"
    assert scene.requests[-1].method == "POST"
    assert told["DialCallStatus"] == "completed"
    assert told["DialCallDuration"] == "12"
    assert told["DialBridged"] == "true"
    assert told["DialCallSid"].startswith("CA") and told["DialCallSid"] != told["CallSid"]
    assert told["CallStatus"] == "in-progress"


def test_dial_method_get_is_used_for_action_only() -> None:
    scene = played('<Dial action="/after" method="GET"><Client>bob</Client></Dial>', answering("bob-0"))
    assert [request.method for request in scene.requests] == ["POST", "GET"]


def test_dial_without_action_goes_on_with_the_next_verb() -> None:
    scene = played("<Dial><Client>bob</Client></Dial>", answering("bob-0"), after="<Redirect>/after</Redirect>")
    assert scene.requests[-1].url == "http://app.example.com/after"
    assert "DialCallStatus" not in scene.last_request


def test_dial_caller_hanging_up_while_ringing_cancels_and_still_requests_action() -> None:
    async def story(scene: Scene) -> None:
        leg = await scene.leg("bob-0")
        leg.rings()
        await asyncio.sleep(3)
        scene.caller.hangs_up()

    scene = played('<Dial action="/after"><Client>bob</Client></Dial>', story, after="<Redirect>/never</Redirect>")
    assert scene.dialled[0].hung_up_with is HangupCause.CANCELED
    assert len(scene.requests) == 1, "the reply to action is of no use and is not waited for"
    (owed,) = scene.owed("/after")
    assert owed["DialCallStatus"] == "canceled"
    assert owed["DialBridged"] == "false"


def test_dial_status_of_a_caller_who_gives_up_can_be_switched() -> None:
    async def story(scene: Scene) -> None:
        (await scene.leg("bob-0")).rings()
        await asyncio.sleep(1)
        scene.caller.hangs_up()

    settings = {"RINGFORK_CALLS__STATUS_WHEN_CALLER_HANGS_UP": "no-answer"}
    scene = played('<Dial action="/after"><Client>bob</Client></Dial>', story, settings=settings)
    assert scene.owed("/after")[0]["DialCallStatus"] == "no-answer"


def test_dial_caller_hanging_up_while_talking_is_completed() -> None:
    async def story(scene: Scene) -> None:
        leg = await scene.leg("bob-0")
        leg.picks_up()
        await asyncio.sleep(5)
        scene.caller.hangs_up()

    scene = played('<Dial action="/after"><Client>bob</Client></Dial>', story)
    (owed,) = scene.owed("/after")
    assert (owed["DialCallStatus"], owed["DialCallDuration"], owed["DialBridged"]) == ("completed", "5", "true")
    assert owed["CallStatus"] == "completed"
    assert scene.dialled[0].hung_up_with is HangupCause.NORMAL


@pytest.mark.parametrize(
    ("cause", "status"),
    [
        (HangupCause.BUSY, "busy"),
        (HangupCause.DECLINED, "busy"),
        (HangupCause.NO_ANSWER, "no-answer"),
        (HangupCause.NOT_FOUND, "failed"),
        (HangupCause.UNREACHABLE, "failed"),
    ],
)
def test_dial_status_of_a_refused_call(cause: HangupCause, status: str) -> None:
    async def story(scene: Scene) -> None:
        (await scene.leg("bob-0")).hangs_up(cause)

    scene = played('<Dial action="/after"><Client>bob</Client></Dial>', story)
    assert scene.last_request["DialCallStatus"] == status
    assert scene.last_request["DialCallDuration"] == "0"
    assert scene.last_request["DialBridged"] == "false"


def test_dial_identity_without_device_is_no_answer_at_once() -> None:
    scene = played('<Dial action="/after"><Client>bob</Client></Dial>', None, devices={"bob": 0})
    assert scene.last_request["DialCallStatus"] == "no-answer"


def test_dial_empty_fails() -> None:
    scene = played('<Dial action="/after"/>', None)
    assert scene.last_request["DialCallStatus"] == "failed"
    assert "DialCallSid" not in scene.last_request


# timeout, timeLimit


@pytest.mark.parametrize(
    ("attributes", "noun", "seconds"),
    [
        ("", "<Number>+15550123</Number>", 35),
        ('timeout="10"', "<Number>+15550123</Number>", 15),
        ('timeout="1"', "<Number>+15550123</Number>", 10),
        ('timeout="900"', "<Number>+15550123</Number>", 605),
        ('timeout="90"', "<Client>bob</Client>", 65),
        ('timeout="20"', "<Client>bob</Client>", 25),
        ('timeout="90"', "<Sip>sip:bob@example.com</Sip>", 95),
    ],
)
def test_dial_timeout_rings_so_long_and_five_seconds_more(attributes: str, noun: str, seconds: int) -> None:
    story, took = elapsed(nobody)

    async def started(scene: Scene) -> None:
        await scene.any_leg()
        await story(scene)

    scene = played(f'<Dial {attributes} action="/after" callerId="+15550100">{noun}</Dial>', started)
    assert took[0] == pytest.approx(seconds, abs=0.3)
    assert scene.last_request["DialCallStatus"] == "no-answer"
    assert scene.dialled[0].hung_up_with is HangupCause.CANCELED


def test_dial_time_limit_hangs_up_the_called_party_and_goes_on() -> None:
    async def story(scene: Scene) -> None:
        (await scene.leg("bob-0")).picks_up()

    scene = played('<Dial timeLimit="20" action="/after"><Client>bob</Client></Dial>', story)
    assert scene.last_request["DialCallStatus"] == "completed"
    assert scene.last_request["DialCallDuration"] == "20"
    assert scene.dialled[0].hung_up_with is HangupCause.NORMAL


# hangupOnStar


@pytest.mark.parametrize(("attribute", "drops"), [('hangupOnStar="true"', True), ("", False)])
def test_dial_hangup_on_star_drops_the_callee_and_keeps_the_caller(attribute: str, drops: bool) -> None:
    async def story(scene: Scene) -> None:
        leg = await scene.leg("bob-0")
        leg.picks_up()
        await asyncio.sleep(3)
        scene.caller.presses("1")
        scene.caller.presses("*")
        await asyncio.sleep(3)
        assert (leg.events.ended is not None) is drops
        if not drops:
            leg.hangs_up()

    scene = played(f'<Dial {attribute} action="/after"><Client>bob</Client></Dial>', story)
    assert scene.last_request["DialCallStatus"] == "completed"
    assert scene.last_request["DialCallDuration"] == ("3" if drops else "6")


def test_dial_keys_beside_the_sound_are_passed_on_both_ways() -> None:
    async def story(scene: Scene) -> None:
        leg = await scene.leg("bob-0")
        scene.caller.presses("9", is_in_media=False)
        leg.picks_up()
        await asyncio.sleep(1)
        scene.caller.presses("1", is_in_media=False)
        scene.caller.presses("2")
        leg.presses("3", is_in_media=False)
        leg.presses("4")
        await asyncio.sleep(1)
        assert leg.done == ["digits 1"], "the others are carried by the bridge, or came too early"
        assert scene.caller.done == ["answer", "digits 3"]
        leg.hangs_up()

    played("<Dial><Client>bob</Client></Dial>", story)


# answerOnBridge, ringTone


def test_dial_answers_the_caller_first_and_lets_him_hear_ringing() -> None:
    async def story(scene: Scene) -> None:
        leg = await scene.leg("bob-0")
        assert scene.caller.done == ["answer"]
        leg.rings()
        await asyncio.sleep(1)
        assert scene.caller.media.hears.name == "us.ring"
        leg.picks_up()
        await asyncio.sleep(1)
        assert scene.caller.media.hears is leg.media
        assert leg.media.hears is scene.caller.media
        leg.hangs_up()
        await asyncio.sleep(0.1)

    played("<Dial><Client>bob</Client></Dial>", story)


def test_dial_answer_on_bridge_answers_only_when_somebody_picks_up() -> None:
    async def story(scene: Scene) -> None:
        leg = await scene.leg("bob-0")
        leg.rings()
        await asyncio.sleep(4)
        assert scene.caller.done == ["ring"]
        assert scene.session.status.value == "ringing"
        leg.picks_up()
        await asyncio.sleep(1)
        assert scene.caller.done == ["ring", "answer"]
        leg.hangs_up()

    scene = played('<Dial answerOnBridge="true"><Client>bob</Client></Dial>', story)
    assert scene.record(scene.session.facts.sid).duration_s == 1


@pytest.mark.parametrize(
    ("cause", "refusal"), [(HangupCause.BUSY, HangupCause.BUSY), (HangupCause.NO_ANSWER, HangupCause.NO_ANSWER)]
)
def test_dial_answer_on_bridge_unanswered_caller_is_refused_with_the_outcome(
    cause: HangupCause, refusal: HangupCause
) -> None:
    async def story(scene: Scene) -> None:
        (await scene.leg("bob-0")).hangs_up(cause)

    scene = played('<Dial answerOnBridge="true"><Client>bob</Client></Dial>', story)
    assert scene.caller.hung_up_with is refusal
    assert "answer" not in scene.caller.done


@pytest.mark.parametrize("code", RING_TONE_CODES)
def test_dial_ring_tone_is_the_countrys(code: str) -> None:
    async def story(scene: Scene) -> None:
        leg = await scene.leg("bob-0")
        leg.rings()
        await asyncio.sleep(0.1)
        heard = scene.caller.media.hears
        assert isinstance(heard, Tone) and heard.name == f"{code}.ring"
        scene.caller.hangs_up()

    played(f'<Dial ringTone="{code}"><Client>bob</Client></Dial>', story)


def test_dial_ring_tone_before_the_answer_opens_early_media() -> None:
    async def story(scene: Scene) -> None:
        leg = await scene.leg("bob-0")
        leg.rings()
        await asyncio.sleep(1)
        assert scene.caller.done == ["ring", "early media"]
        assert scene.caller.media.hears.name == "fr.ring"
        leg.sends_early_media()
        await asyncio.sleep(1)
        assert scene.caller.media.hears.name == "fr.ring", "an asked for tone wins over the callee's own"
        scene.caller.hangs_up()

    played('<Dial answerOnBridge="true" ringTone="fr"><Client>bob</Client></Dial>', story)


def test_dial_early_media_of_the_callee_is_passed_on() -> None:
    async def story(scene: Scene) -> None:
        leg = await scene.leg("bob-0")
        leg.sends_early_media()
        await asyncio.sleep(1)
        assert scene.caller.media.hears is leg.media
        leg.hangs_up(HangupCause.BUSY)
        await asyncio.sleep(0.1)

    scene = played("<Dial><Client>bob</Client></Dial>", story)
    assert isinstance(scene.caller.media.hears, Silence)


@pytest.mark.parametrize("on_bridge", ["true", "false"])
def test_dial_music_is_heard_instead_of_ringing_until_the_bridge(on_bridge: str) -> None:
    async def story(scene: Scene) -> None:
        leg = await scene.leg("bob-0")
        assert not scene.caller.media.played
        leg.rings()
        await asyncio.sleep(1)
        assert scene.sounds_fetched == ["/music.wav"]
        assert len(scene.caller.media.played) == 1
        assert ("early media" in scene.caller.done) is (on_bridge == "true")
        leg.sends_early_media()
        await asyncio.sleep(1)
        assert scene.caller.media.hears is not leg.media
        leg.picks_up()
        await asyncio.sleep(1)
        assert scene.caller.media.hears is leg.media
        leg.hangs_up()

    scene = Scene(response(f'<Dial answerOnBridge="{on_bridge}" dialMusic="/music.wav"><Client>bob</Client></Dial>'))
    scene.sounds = {"/music.wav": 3.0}
    run(scene.run(story))
    scene.assert_nothing_lives()
    assert scene.codes() == []


def test_dial_music_that_cannot_be_had_is_told_and_ringing_is_heard() -> None:
    async def story(scene: Scene) -> None:
        leg = await scene.leg("bob-0")
        leg.rings()
        await asyncio.sleep(1)
        assert scene.caller.media.hears.name == "us.ring"
        scene.caller.hangs_up()

    scene = played('<Dial dialMusic="/nowhere.wav"><Client>bob</Client></Dial>', story)
    assert len(scene.codes()) == 1


@pytest.mark.parametrize("attribute", ["callReason", "events", "passports", "recordingConfigurationId"])
def test_dial_attributes_without_effect_here_are_taken_silently(attribute: str) -> None:
    scene = played(f'<Dial {attribute}="x" action="/after"><Client>bob</Client></Dial>', answering("bob-0"))
    assert scene.codes() == []
    assert scene.last_request["DialCallStatus"] == "completed"


# sequential, fork


def test_dial_sequential_tries_one_after_the_other_each_with_its_own_timeout() -> None:
    async def story(scene: Scene) -> None:
        first = await scene.leg("ann-0")
        first.rings()
        await asyncio.sleep(5)
        assert [leg.leg_id for leg in scene.dialled] == ["ann-0"]
        await asyncio.sleep(11)
        assert first.hung_up_with is HangupCause.CANCELED
        second = await scene.leg("bob-0")
        second.rings()
        await asyncio.sleep(13)
        assert second.events.ended is None
        second.picks_up()
        await asyncio.sleep(1)
        second.hangs_up()

    clients = "<Client>ann</Client><Client>bob</Client><Client>cid</Client>"
    scene = played(f'<Dial sequential="true" timeout="10" action="/after">{clients}</Dial>', story)
    assert [leg.leg_id for leg in scene.dialled] == ["ann-0", "bob-0"]
    assert scene.last_request["DialCallStatus"] == "completed"


def test_dial_rings_all_nouns_and_devices_and_the_first_to_accept_wins() -> None:
    async def story(scene: Scene) -> None:
        winner = await scene.leg("bob-1")
        for leg in scene.dialled:
            leg.rings()
        assert {leg.leg_id for leg in scene.dialled} == {"ann-0", "bob-0", "bob-1", "+15550123", "sip:x@example.com"}
        (await scene.leg("ann-0")).hangs_up(HangupCause.BUSY)
        await asyncio.sleep(1)
        winner.picks_up()
        await asyncio.sleep(1)
        late = await scene.leg("bob-0")
        assert late.hung_up_with is HangupCause.ANSWERED_ELSEWHERE
        assert scene.caller.media.hears is winner.media
        winner.hangs_up()

    nouns = "<Client>ann</Client><Client>bob</Client><Number>+15550123</Number><Sip>sip:x@example.com</Sip>"
    scene = played(f'<Dial callerId="+15550100" action="/after">{nouns}</Dial>', story, devices={"bob": 2})
    causes = {leg.leg_id: leg.hung_up_with for leg in scene.dialled}
    assert causes["+15550123"] is causes["sip:x@example.com"] is HangupCause.ANSWERED_ELSEWHERE
    assert len(scene.leg_records()) == 6


def test_dial_late_second_answer_is_hung_up() -> None:
    async def story(scene: Scene) -> None:
        first, second = await scene.leg("ann-0"), await scene.leg("bob-0")
        first.picks_up()
        second.picks_up()
        await asyncio.sleep(1)
        assert second.hung_up_with is HangupCause.ANSWERED_ELSEWHERE
        assert scene.caller.media.hears is first.media
        first.hangs_up()

    played("<Dial><Client>ann</Client><Client>bob</Client></Dial>", story)


# record, trim, recordingTrack, recordingStatusCallback…


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


# callerId


@pytest.mark.parametrize(
    ("attribute", "noun", "shown"),
    [
        ("", "<Client>bob</Client>", "sip:carol@example.com"),
        ('callerId="client:desk"', "<Client>bob</Client>", "client:desk"),
        ('callerId="+15550100"', "<Number>+15550123</Number>", "+15550100"),
        ('callerId="Front_Desk-1"', "<Sip>sip:bob@example.com</Sip>", "Front_Desk-1"),
    ],
)
def test_dial_caller_id_is_what_the_callee_sees(attribute: str, noun: str, shown: str) -> None:
    scene = played(f"<Dial {attribute}>{noun}</Dial>", _refuse_first)
    request = scene.dialled[0].request
    assert request is not None and request.caller.address == shown


async def _refuse_everybody(scene: Scene) -> None:
    await scene.any_leg()
    for leg in scene.dialled:
        leg.hangs_up(HangupCause.BUSY)


async def _refuse_first(scene: Scene) -> None:
    (await scene.any_leg()).hangs_up(HangupCause.BUSY)


def test_dial_number_without_a_phone_number_to_show_fails() -> None:
    scene = played('<Dial action="/after">+15550123</Dial>', None)
    assert not scene.dialled
    assert scene.last_request["DialCallStatus"] == "failed"
    assert 13247 in scene.codes()


def test_dial_number_shows_only_numbers_of_the_account() -> None:
    settings = {"RINGFORK_NUMBERS": '[{"phone_number": "+15550100"}]'}
    scene = played('<Dial callerId="+15550199" action="/after">+15550123</Dial>', None, settings=settings)
    assert scene.last_request["DialCallStatus"] == "failed"
    assert 13247 in scene.codes()


@pytest.mark.parametrize(
    ("caller_id", "noun", "code", "shown"),
    [
        ("no number at all!", "<Sip>sip:bob@example.com</Sip>", 13214, "sip:carol@example.com"),
        ("client:desk", "<Sip>sip:bob@example.com</Sip>", 13214, "sip:carol@example.com"),
        ("Front Desk", "<Client>bob</Client>", 13214, "sip:carol@example.com"),
        ("1" * 300, "<Client>bob</Client>", 13248, "sip:carol@example.com"),
        ("x" * 300, "<Sip>sip:bob@example.com</Sip>", 13248, "sip:carol@example.com"),
    ],
)
def test_dial_caller_id_that_cannot_be_shown_is_told_and_the_caller_is(
    caller_id: str, noun: str, code: int, shown: str
) -> None:
    scene = played(f'<Dial callerId="{caller_id}">{noun}</Dial>', _refuse_first)
    request = scene.dialled[0].request
    assert request is not None and request.caller.address == shown
    assert scene.codes() == [code]


@pytest.mark.parametrize(
    ("caller", "sip", "caller_id", "is_shown"),
    [
        ("+15550142", True, None, True),
        ("+15550142", True, "+15550142", True),
        ("+15550142", True, "+15550100", True),
        ("+15550142", True, "+15550199", False),
        ("sip:carol@example.com", True, "+15550143", False),
        ("client:carol", False, None, False),
        ("client:carol", False, "+15550143", True),
        ("client:carol", False, "client:carol", False),
    ],
)
def test_dial_number_shows_what_the_account_or_the_call_may(
    caller: str, sip: bool, caller_id: str | None, is_shown: bool
) -> None:
    """The called number is +15550143, the account's own +15550100."""
    attribute = "" if caller_id is None else f'callerId="{caller_id}"'
    settings = {"RINGFORK_NUMBERS": '[{"phone_number": "+15550100"}]'}
    scene = Scene(response(f'<Dial {attribute} action="/after">+15550123</Dial>'), settings=settings)
    scene.caller.caller, scene.caller.callee = Party(address=caller), Party(address="+15550143")
    if not sip:
        scene.caller.sip = None
    run(scene.run(_refuse_first if is_shown else None))
    scene.assert_nothing_lives()
    assert bool(scene.dialled) is is_shown
    assert scene.codes() == ([] if is_shown else [13247])


def test_dial_byoc_is_told_to_be_without_effect() -> None:
    scene = played('<Dial callerId="+15550100"><Number byoc="BY1">+15550123</Number></Dial>', _refuse_first)
    assert scene.codes() == [13750]


# nouns


def test_dial_nouns_go_to_their_targets_with_headers_and_parameters() -> None:
    nouns = (
        "<Client>bob?X-A=1&amp;X-B=2</Client>"
        '<Client><Identity>ann</Identity><Parameter name="FirstName" value="Jane"/></Client>'
        '<Number>(415) 555-0123</Number><Sip username="u" password="p">sip:x@example.com?x-c=3</Sip>'
    )

    async def story(scene: Scene) -> None:
        await scene.leg("bob-0")
        for leg in scene.dialled:
            leg.hangs_up(HangupCause.BUSY)

    scene = played(f'<Dial callerId="+15550100">{nouns}</Dial>', story)
    assert scene.targets[0] == ClientTarget("bob")
    assert scene.targets[1] == ClientTarget("ann")
    assert scene.targets[2] == NumberTarget("+14155550123")
    sip = scene.targets[3]
    assert isinstance(sip, SipTarget) and (sip.username, sip.password) == ("u", "p")
    requests = [leg.request for leg in scene.dialled]
    assert requests[0] is not None and dict(requests[0].headers) == {"X-A": "1", "X-B": "2"}
    assert requests[0] is not None and dict(requests[0].parameters) == {"X-A": "1", "X-B": "2"}
    assert requests[1] is not None and dict(requests[1].parameters) == {"FirstName": "Jane"}
    assert requests[0] is not None and requests[0].codec_names[0] == "PCMA", "the caller's codec comes first"
    assert dict(sip.headers) == {"x-c": "3"}


def test_dial_callers_wideband_codec_is_offered_first_so_that_nothing_is_transcoded() -> None:
    scene = Scene(response("<Dial><Client>bob</Client></Dial>"))
    scene.caller.codec_names = scene.caller.codec_choices = ("OPUS", "PCMU")
    run(scene.run(_refuse_first))
    request = scene.dialled[0].request
    assert request is not None and request.codec_names == ("OPUS", "PCMU", "PCMA")


WIDE = ("OPUS", "G722", "PCMU")


@pytest.mark.parametrize(
    ("nouns", "codecs", "is_final", "preferred"),
    [
        ("<Client>bob</Client>", {}, True, ("PCMU",)),
        ("<Client>bob</Client>", {}, False, WIDE),
        ("<Client>bob</Client>", {"bob": BROWSER_CODECS}, True, WIDE),
        ("<Number>+15550123</Number>", {}, False, ("PCMU",)),
        ("<Client>ann</Client><Client>bob</Client>", {"ann": BROWSER_CODECS}, True, ("PCMU",)),
        ("<Sip>sip:x@example.com</Sip>", {}, True, ("PCMU",)),
    ],
)
def test_dial_caller_who_is_answered_first_gets_a_codec_that_the_dialled_speak(
    nouns: str, codecs: dict[str, Repertoire], is_final: bool, preferred: tuple[str, ...]
) -> None:
    scene = Scene(response(f'<Dial callerId="+15550100">{nouns}</Dial>'))
    scene.codecs = codecs
    scene.caller.codec_names = scene.caller.codec_choices = WIDE
    scene.caller.is_codec_final = is_final
    run(scene.run(_refuse_everybody))
    assert scene.caller.preferred == [preferred]
    assert scene.caller.answered_with == preferred, "known before the answer"


def test_dial_winners_codec_is_what_the_caller_is_asked_to_speak() -> None:
    async def story(scene: Scene) -> None:
        bob = await scene.leg("bob-0")
        bob.codec_names = ("G722",)
        bob.picks_up()
        await asyncio.sleep(1)
        assert scene.caller.preferred[-1] == ("G722",)
        scene.caller.hangs_up()

    played("<Dial answerOnBridge='true'><Client>bob</Client></Dial>", story)


def test_dial_trunk_that_may_choose_is_offered_g711_first() -> None:
    scene = Scene(response('<Dial callerId="+15550100"><Number>+15550123</Number></Dial>'))
    scene.caller.codec_names = scene.caller.codec_choices = WIDE
    run(scene.run(_refuse_everybody))
    request = scene.dialled[0].request
    assert request is not None and request.codec_names == ("PCMU", "OPUS", "G722", "PCMA")


def test_dial_status_callback_tells_each_subscribed_event_in_order() -> None:
    client = '<Client statusCallback="/events" statusCallbackEvent="initiated ringing, answered completed">bob</Client>'
    scene = played(f'<Dial record="true">{client}</Dial>', answering("bob-0", talk_s=61))
    told = scene.owed("/events")
    assert [one["CallStatus"] for one in told] == ["initiated", "ringing", "in-progress", "completed"]
    assert [one["SequenceNumber"] for one in told] == ["0", "1", "2", "3"]
    assert {one["CallbackSource"] for one in told} == {"call-progress-events"}
    assert told[0]["Timestamp"] == "Fri, 02 Jan 2026 03:04:05 +0000"
    assert {one["ParentCallSid"] for one in told} == {scene.session.facts.sid}
    assert len({one["CallSid"] for one in told}) == 1
    assert told[0]["To"] == "client:bob" and told[0]["Direction"] == "outbound-dial"
    assert (told[-1]["CallDuration"], told[-1]["Duration"]) == ("61", "2")
    assert told[-1]["RecordingDuration"] == "7" and "RecordingUrl" in told[-1] and "RecordingSid" in told[-1]
    assert told[-1]["SipResponseCode"] == "200"
    assert all("CallDuration" not in one and "RecordingUrl" not in one for one in told[:-1])


def test_dial_status_callback_default_is_completed_with_the_counted_number() -> None:
    scene = played('<Dial><Client statusCallback="/events">bob</Client></Dial>', answering("bob-0"))
    (told,) = scene.owed("/events")
    assert (told["CallStatus"], told["SequenceNumber"]) == ("completed", "3")


def test_dial_status_callback_of_a_loser_says_canceled() -> None:
    nouns = '<Client statusCallback="/events">ann</Client><Client>bob</Client>'
    scene = played(f"<Dial>{nouns}</Dial>", answering("bob-0"))
    (told,) = scene.owed("/events")
    assert told["CallStatus"] == "canceled"
    assert told["CallDuration"] == "0"


def test_dial_status_callback_method_is_used() -> None:
    scene = played(
        '<Dial><Client statusCallback="/events" statusCallbackMethod="GET">bob</Client></Dial>', answering("bob-0")
    )
    owed = [one for one in scene.written if getattr(one, "url", "") and getattr(one, "method", "") == "GET"]
    assert len(owed) == 1


def test_dial_client_notification_url_is_posted_when_dialling_starts() -> None:
    scene = played('<Dial><Client clientNotificationUrl="/push">bob</Client></Dial>', answering("bob-0"))
    (told,) = scene.owed("/push")
    assert told["To"] == "client:bob"
    assert told["CallStatus"] == "initiated"
    assert [each.call_sid for each in scene.written if isinstance(each, OwedCallback) and each.is_notification]


def test_dial_sip_tells_call_id_and_final_status() -> None:
    async def story(scene: Scene) -> None:
        leg = await scene.leg("sip:x@example.com")
        leg.hangs_up(HangupCause.BUSY, sip_status=486)

    scene = played('<Dial action="/after"><Sip>sip:x@example.com</Sip></Dial>', story)
    assert scene.last_request["DialSipCallId"] == "sip:x@example.com@example.com"
    assert scene.last_request["DialSipResponseCode"] == "486"


def test_built_in_application_dials_what_was_asked_for() -> None:
    async def story(scene: Scene) -> None:
        leg = await scene.leg("bob-0")
        leg.rings()
        await asyncio.sleep(1)
        assert scene.caller.done == ["ring"]
        leg.picks_up()
        await asyncio.sleep(1)
        leg.hangs_up()

    scene = Scene({}, script=Script(dialled="bob"))
    run(scene.run(story))
    scene.assert_nothing_lives()
    assert scene.requests == []
    assert scene.targets == [ClientTarget("bob")]


def test_dial_child_records_tell_parent_times_and_status() -> None:
    scene = played('<Dial action="/after"><Client>bob</Client></Dial>', answering("bob-0", talk_s=9))
    child = scene.record(scene.last_request["DialCallSid"])
    assert child.parent_call_sid == scene.session.facts.sid
    assert (child.status, child.duration_s, child.to, child.sip_status) == ("completed", 9, "client:bob", 200)
    parent = scene.record(scene.session.facts.sid)
    assert parent.status == "completed" and parent.end_time is not None


def test_dial_leg_records_tell_cause_codec_and_sound_of_those_who_talked() -> None:
    scene = played("<Dial><Client>ann</Client><Client>bob</Client></Dial>", answering("bob-0"))
    records = {record.leg_id: record for record in scene.leg_records()}
    assert records.keys() == {"caller", "ann-0", "bob-0"}
    assert records["ann-0"].cause == "answered-elsewhere" and not records["ann-0"].statistics
    assert records["bob-0"].cause == "normal" and records["bob-0"].codec == "PCMA"
    assert records["bob-0"].statistics["packets_received"] == 50
    assert records["caller"].statistics["packets_received"] == 50 and records["caller"].answered_at is not None
