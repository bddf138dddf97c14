"""What the action of a <Dial> is told, parameter by parameter, in every state in which it can end.

Source: Twilio <Dial>, action; <Sip>, <Conference>, <Queue>, action parameters.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.verbs.outcome import Fetch
from signaling.leg import HangupCause
from tests.gateway.peers import PeerLeg, Scene
from tests.gateway.rooms.house import Caller, House, visited
from tests.virtual_time import run

Story = Callable[[Scene], Awaitable[None]]
NOUNS = {
    "Client": ("<Client {}>bob</Client>", "bob-0"),
    "Number": ("<Number {}>+15550123</Number>", "+15550123"),
    "Sip": ("<Sip {}>sip:bob@example.com</Sip>", "sip:bob@example.com"),
}
ANSWER_S, TALK_S = 2.0, 7.0


async def talking(scene: Scene, leg: PeerLeg) -> None:
    leg.rings()
    await asyncio.sleep(ANSWER_S)
    leg.picks_up()
    await asyncio.sleep(TALK_S)


async def callee_hangs_up(scene: Scene, leg: PeerLeg) -> None:
    await talking(scene, leg)
    leg.hangs_up(sip_status=None)


async def caller_hangs_up(scene: Scene, leg: PeerLeg) -> None:
    await talking(scene, leg)
    scene.caller.hangs_up()


async def star_while_talking(scene: Scene, leg: PeerLeg) -> None:
    await talking(scene, leg)
    scene.caller.presses("*")


async def nobody_ends_it(scene: Scene, leg: PeerLeg) -> None:
    await talking(scene, leg)


async def nobody_answers(scene: Scene, leg: PeerLeg) -> None:
    leg.rings()


def refused(cause: HangupCause, sip_status: int) -> Callable[[Scene, PeerLeg], Awaitable[None]]:
    async def story(scene: Scene, leg: PeerLeg) -> None:
        await asyncio.sleep(1)
        leg.hangs_up(cause, sip_status=sip_status)

    return story


async def caller_gives_up(scene: Scene, leg: PeerLeg) -> None:
    leg.rings()
    await asyncio.sleep(3)
    scene.caller.hangs_up()


async def star_while_ringing(scene: Scene, leg: PeerLeg) -> None:
    leg.rings()
    await asyncio.sleep(3)
    scene.caller.presses("*")


async def answers(scene: Scene, leg: PeerLeg) -> None:
    leg.rings()
    await asyncio.sleep(ANSWER_S)
    leg.picks_up()


async def callee_hangs_up_in_whisper(scene: Scene, leg: PeerLeg) -> None:
    await answers(scene, leg)
    await asyncio.sleep(1)
    leg.hangs_up()


async def caller_hangs_up_in_whisper(scene: Scene, leg: PeerLeg) -> None:
    await answers(scene, leg)
    await asyncio.sleep(1)
    scene.caller.hangs_up()


@dataclass(frozen=True)
class End:
    """How one dial ends. seconds: DialCallDuration. code: final response of a SIP party; None: none came.

    whisper: a document of the called party. rang: a refusal comes without.
    is_owed: the caller is gone, so that the answer is of no use.
    """

    name: str
    story: Callable[[Scene, PeerLeg], Awaitable[None]]
    status: str
    was_bridged: bool
    seconds: str
    code: str | None
    dial: str = ""
    whisper: str | None = None
    is_owed: bool = False
    rang: bool = True


WAITS = "<Response><Pause length='5'/></Response>"
DECLINES = "<Response><Pause length='1'/><Hangup/></Response>"
ENDS = (
    End("callee hangs up", callee_hangs_up, "completed", True, "7", "200"),
    End("caller hangs up", caller_hangs_up, "completed", True, "7", "200", is_owed=True),
    End("star", star_while_talking, "completed", True, "7", "200", dial="hangupOnStar='true'"),
    End("time limit", nobody_ends_it, "completed", True, "4", "200", dial="timeLimit='4'"),
    End("busy", refused(HangupCause.BUSY, 486), "busy", False, "0", "486", rang=False),
    End("rejected", refused(HangupCause.DECLINED, 603), "busy", False, "0", "603", rang=False),
    End("failed", refused(HangupCause.FAILED, 500), "failed", False, "0", "500", rang=False),
    End("not found", refused(HangupCause.NOT_FOUND, 404), "failed", False, "0", "404", rang=False),
    End("unavailable", refused(HangupCause.NO_ANSWER, 480), "no-answer", False, "0", "480", rang=False),
    End("timeout", nobody_answers, "no-answer", False, "0", None, dial="timeout='5'"),
    End("caller gives up", caller_gives_up, "canceled", False, "0", None, is_owed=True),
    End("star while ringing", star_while_ringing, "no-answer", False, "0", None, dial="hangupOnStar='true'"),
    End("whisper declines", answers, "completed", False, "1", "200", whisper=DECLINES),
    End("callee ends whisper", callee_hangs_up_in_whisper, "completed", False, "1", "200", whisper=WAITS),
    End("caller ends whisper", caller_hangs_up_in_whisper, "canceled", False, "1", "200", whisper=WAITS, is_owed=True),
)


@pytest.mark.parametrize("tag", NOUNS)
@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.name)
def test_dial_action_is_told_how_it_ended(end: End, tag: str) -> None:
    for is_recorded in (False, True):
        hold_to(end, tag, is_recorded=is_recorded)


def hold_to(end: End, tag: str, *, is_recorded: bool) -> None:
    """One dial with a noun of this kind, recorded from ringing on or not."""
    noun, name = NOUNS[tag]
    whisper = "" if end.whisper is None else "url='/whisper'"
    record = "record='record-from-ringing'" if is_recorded else ""
    dial = f"<Dial action='/after' {record} {end.dial} callerId='+15550100'>{noun.format(whisper)}</Dial>"
    scene = Scene(
        {
            "/voice": f"<Response>{dial}<Redirect>/never</Redirect></Response>",
            "/after": "<Response/>",
            "/whisper": end.whisper or "",
        }
    )

    async def story(scene: Scene) -> None:
        await end.story(scene, await scene.leg(name))

    run(scene.run(story))
    scene.assert_nothing_lives()
    (leg,) = scene.dialled
    child = next(each.call_sid for each in scene.leg_records() if each.device == leg.device)
    asked = [dict(request.params) for request in scene.requests if request.url.endswith("/after")]
    (told,) = scene.owed("/after") if end.is_owed else asked
    expected: dict[str, str] = {
        "DialCallStatus": end.status,
        "DialCallSid": child,
        "DialCallDuration": end.seconds,
        "DialBridged": "true" if end.was_bridged else "false",
    }
    if tag == "Sip":
        expected["DialSipCallId"] = f"{name}@example.com"
        if end.code is not None:
            expected["DialSipResponseCode"] = end.code
    if is_recorded and end.rang:
        (recording,) = scene.recordings
        expected.update(
            RecordingSid=recording.sid,
            RecordingUrl=f"http://ringfork.example.com/{recording.sid}",
            RecordingDuration="7",
        )
    assert {key: value for key, value in told.items() if key.startswith(("Dial", "Recording", "Queue"))} == expected
    assert told["CallSid"] == scene.session.facts.sid
    assert told["CallStatus"] == ("completed" if end.is_owed else "in-progress")
    assert not any("/never" in request.url for request in scene.requests)


NOBODY: dict[str, tuple[str, dict[str, Any], str, str | None]] = {
    "empty": ("", {}, "failed", None),
    "identity without device": ("<Client>bob</Client>", {"devices": {"bob": 0}}, "no-answer", "sid"),
    "number without trunk": ("<Number>+15550123</Number>", {"has_trunk": False}, "failed", "sid"),
    "sim": ("<Sim>DE1</Sim>", {}, "failed", "sid"),
    "whatsapp": ("<WhatsApp>+15550123</WhatsApp>", {}, "failed", "sid"),
    "application": ("<Application>APnone</Application>", {}, "failed", "sid"),
    "queue": ("<Queue>nobody</Queue>", {}, "failed", None),
}


@pytest.mark.parametrize("case", NOBODY)
def test_dial_action_is_told_that_nobody_could_be_dialled(case: str) -> None:
    noun, more, status, sid = NOBODY[case]
    dial = f"<Dial action='/after' record='true' callerId='+15550100'>{noun}</Dial>"
    scene = Scene({"/voice": f"<Response>{dial}</Response>", "/after": "<Response/>"}, **more)
    run(scene.run())
    scene.assert_nothing_lives()
    told = scene.last_request
    expected = {"DialCallStatus": status, "DialBridged": "false"}
    if sid is not None:
        expected["DialCallDuration"] = "0"
        assert told.pop("DialCallSid") != told["CallSid"]
    found = {key: value for key, value in told.items() if key.startswith(("Dial", "Recording", "Queue"))}
    assert found == expected


# Rooms: no called party, and so neither its sid nor its time. The queue's are those of the queued call.


@dataclass(frozen=True)
class RoomEnd:
    name: str
    dial: str
    noun: str
    story: Callable[[House, Caller, Caller], Awaitable[None]]
    expected: dict[str, str]
    is_owed: bool = False


async def hangs_up(house: House, other: Caller, caller: Caller) -> None:
    await asyncio.sleep(3)
    await caller.hangs_up()


async def other_hangs_up(house: House, other: Caller, caller: Caller) -> None:
    await asyncio.sleep(3)
    await other.hangs_up()


async def star(house: House, other: Caller, caller: Caller) -> None:
    await asyncio.sleep(3)
    caller.leg.presses("*")
    await asyncio.sleep(1)


async def redirects_other(house: House, other: Caller, caller: Caller) -> None:
    await asyncio.sleep(3)
    other.session.redirect(Fetch(url="http://app.example.com/else", method="POST"))
    await asyncio.sleep(1)


async def waits(house: House, other: Caller, caller: Caller) -> None:
    await asyncio.sleep(60)


ANSWERED = {"DialCallStatus": "answered", "DialBridged": "true"}
TALKED = {"DialCallStatus": "completed", "DialBridged": "true", "QueueTime": "2"}
ROOM_ENDS = (
    RoomEnd("conference, caller leaves", "", "<Conference>room</Conference>", hangs_up, ANSWERED, is_owed=True),
    RoomEnd("conference, star", "hangupOnStar='true'", "<Conference>room</Conference>", star, ANSWERED),
    RoomEnd("conference, time limit", "timeLimit='4'", "<Conference>room</Conference>", waits, ANSWERED),
    RoomEnd(
        "conference, nobody else",
        "timeLimit='4'",
        "<Conference>other</Conference>",
        waits,
        {"DialCallStatus": "answered", "DialBridged": "false"},
    ),
    RoomEnd(
        "conference, refused",
        "",
        "<Conference coach='CA00000000000000000000000000000000'>room</Conference>",
        waits,
        {"DialCallStatus": "failed", "DialBridged": "false"},
    ),
    RoomEnd("queue, taker leaves", "", "<Queue>line</Queue>", hangs_up, {**TALKED, "DialCallDuration": "3"}, True),
    RoomEnd("queue, caller leaves", "", "<Queue>line</Queue>", other_hangs_up, {**TALKED, "DialCallDuration": "3"}),
    RoomEnd("queue, star", "hangupOnStar='true'", "<Queue>line</Queue>", star, {**TALKED, "DialCallDuration": "3"}),
    RoomEnd("queue, time limit", "timeLimit='4'", "<Queue>line</Queue>", waits, {**TALKED, "DialCallDuration": "4"}),
    RoomEnd("queue, caller redirected", "", "<Queue>line</Queue>", redirects_other, TALKED),
    RoomEnd(
        "queue, nobody comes",
        "timeout='5'",
        "<Queue>empty</Queue>",
        waits,
        {"DialCallStatus": "no-answer", "DialBridged": "false"},
    ),
)


@pytest.mark.parametrize("end", ROOM_ENDS, ids=lambda end: end.name)
def test_dial_action_of_a_room_is_told_how_it_ended(end: RoomEnd) -> None:
    for is_recorded in (False, True):
        hold_room_to(end, is_recorded=is_recorded)


def hold_room_to(end: RoomEnd, *, is_recorded: bool) -> None:
    """One visit of a room, recorded or not."""
    is_queue = "Queue" in end.noun
    sids: dict[str, str] = {}

    async def story(house: House) -> None:
        if "empty" in end.noun:
            await (await house.call("first", "<Enqueue>empty</Enqueue>")).hangs_up()
        body = "<Enqueue>line</Enqueue>" if is_queue else "<Dial><Conference>room</Conference></Dial>"
        other = await house.call("other", body + "<Pause length='60'/>")
        await asyncio.sleep(2)
        record = "record='true'" if is_recorded else ""
        caller = await house.call("caller", f"<Dial action='/after' {record} {end.dial}>{end.noun}</Dial>")
        sids.update(other=other.sid, caller=caller.sid, queue=house.queue_sid("line") if is_queue else "")
        await end.story(house, other, caller)

    documents: dict[str, Any] = {"/after": "<Response/>", "/else": "<Response><Pause length='60'/></Response>"}
    house = visited(House(documents), story)
    (told,) = house.owed("/after") if end.is_owed else house.asked("/after")
    expected = dict(end.expected)
    if "QueueTime" in expected:
        expected.update(DialCallSid=sids["other"], QueueSid=sids["queue"], DequeingCallSid=sids["caller"])
    was_sound = is_recorded and end.expected["DialCallStatus"] in ("answered", "completed")
    if was_sound:
        (recording,) = house.recordings
        expected.update(
            RecordingSid=recording.sid,
            RecordingUrl=f"http://ringfork.example.com/{recording.sid}",
            RecordingDuration="7",
        )
    relevant = ("Dial", "Recording", "Queue", "Dequeing")
    assert {key: value for key, value in told.items() if key.startswith(relevant)} == expected
