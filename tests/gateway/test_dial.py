"""<Dial>, attribute by attribute, in virtual time: each test fails if its attribute is ignored."""

import asyncio

import pytest

from media.engine import Silence
from media.tones import RING_TONE_CODES, Tone
from signaling.leg import HangupCause
from tests.gateway.dialling import answering, elapsed, nobody, played, response
from tests.gateway.peers import Scene
from tests.virtual_time import run

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
