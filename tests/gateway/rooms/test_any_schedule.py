"""Whoever comes, goes, answers, presses, is taken away or cut off, in whatever order: nothing is left over."""

import asyncio
from collections.abc import Awaitable, Callable

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.verbs.outcome import Fetch
from signaling.leg import HangupCause
from tests.gateway.peers import PeerLeg
from tests.gateway.rooms.house import Caller, House, settle, visited

FINAL = {"completed", "busy", "no-answer", "failed", "canceled"}
ELSE = Fetch(url="http://app.example.com/else", method="POST")
DOCUMENTS = {
    "/wait": "<Response><Pause length='3'/></Response>",
    "/leaves": "<Response><Pause length='2'/><Leave/></Response>",
    "/whisper": "<Response><Pause length='2'/></Response>",
    "/else": "<Response><Pause length='4'/></Response>",
    "/after": "<Response><Pause length='1'/></Response>",
    "/inner": "<Response><Pause length='1'/><Record timeout='2'/><Dial><Client>dora</Client></Dial></Response>",
}
APPLICATION = "AP" + "1" * 32
SETTINGS = {
    "RINGFORK_APPLICATIONS": f'[{{"sid": "{APPLICATION}", "voice_url": "http://app.example.com/inner"}}]',
}
EVENTS = "statusCallback='/events' statusCallbackEvent='start end join leave mute hold speaker'"
TELLS = "statusCallback='/progress' statusCallbackEvent='initiated ringing answered completed'"
CALLEES = f"<Client {TELLS}>bob</Client><Client {TELLS} url='/whisper'>carl</Client><Sip {TELLS}>eve@example.com</Sip>"
BODIES = (
    f"<Dial action='/after' hangupOnStar='true'><Conference {EVENTS}>one</Conference></Dial>",
    f"<Dial><Conference {EVENTS} endConferenceOnExit='true' record='true'>one</Conference></Dial>",
    f"<Dial timeLimit='5'><Conference {EVENTS} startConferenceOnEnter='false' waitUrl='/wait'>one</Conference></Dial>",
    "<Enqueue action='/after' waitUrl='/wait' maxQueueSize='2'>two</Enqueue>",
    "<Enqueue waitUrl='/leaves'>two</Enqueue><Pause length='2'/>",
    "<Dial action='/after' timeout='5' hangupOnStar='true'><Queue>two</Queue></Dial>",
    "<Dial timeLimit='4' record='true'><Queue url='/whisper'>two</Queue></Dial>",
    f"<Dial action='/after' record='record-from-ringing-dual' timeout='5' hangupOnStar='true'>{CALLEES}</Dial>",
    f"<Dial sequential='true' timeout='5' timeLimit='6' referUrl='/else' record='true'>{CALLEES}</Dial>",
    f"<Dial action='/after' answerOnBridge='true'><Client {TELLS} url='/whisper'>bob</Client></Dial>",
    f"<Dial action='/after' record='true' hangupOnStar='true'><Application {TELLS}>{APPLICATION}</Application></Dial>",
    "<Record action='/after' timeout='2' maxLength='5' transcribe='true' transcribeCallback='/heard'/>",
    "<Gather action='/after' numDigits='2' timeout='2'><Pause length='2'/><Say>Choose</Say></Gather>",
    "<Start><Recording/></Start><Gather input='dtmf speech' action='/after' timeout='3'/><Pause length='3'/>",
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("calls"), st.integers(0, len(BODIES) - 1)),
        st.tuples(
            st.sampled_from(["hangs up", "star", "key", "redirect", "hold", "kick", "dequeue"]), st.integers(0, 5)
        ),
        st.tuples(st.sampled_from(["rings", "answers", "is busy", "leaves", "refers"]), st.integers(0, 5)),
        st.tuples(st.just("passes"), st.integers(1, 4)),
        st.tuples(st.just("ends"), st.just(0)),
    ),
    max_size=16,
)


def scheduled(steps: list[tuple[str, int]]) -> Callable[[House], Awaitable[None]]:
    async def story(house: House) -> None:
        for number, (step, which) in enumerate(steps):
            if step == "calls":
                await house.call(f"caller{number}", BODIES[which])
            elif step == "passes":
                await asyncio.sleep(which)
            elif step == "ends":
                for conference in house.all.conferences:
                    conference.end()
            elif step in DIALLED:
                there = [leg for leg in house.dialled if leg.events.ended is None]
                if which < len(there):
                    DIALLED[step](there[which])
                    await settle()
            elif which < len(house.callers):
                happen(house, house.callers[which], step)

    return story


DIALLED: dict[str, Callable[[PeerLeg], None]] = {
    "rings": PeerLeg.rings,
    "answers": PeerLeg.picks_up,
    "is busy": lambda leg: leg.hangs_up(HangupCause.BUSY, sip_status=486),
    "leaves": PeerLeg.hangs_up,
    "refers": lambda leg: leg.refers("sip:else@example.com"),
}
"""What those who are dialled do."""


def happen(house: House, caller: Caller, step: str) -> None:
    if caller.leg.events.ended is not None:
        return
    match step:
        case "hangs up":
            caller.leg.hangs_up()
        case "star":
            caller.leg.presses("*")
        case "key":
            caller.leg.presses("1")
        case "redirect":
            caller.session.redirect(ELSE)
        case "hold":
            for conference in house.all.conferences:
                conference.hold(caller.sid, is_held=True)
        case "kick":
            for conference in house.all.conferences:
                conference.kick(caller.sid)
        case "dequeue":
            for queue in house.all.queues:
                queue.dequeue(caller.sid, ELSE)


@example([("calls", 3), ("calls", 6), ("calls", 3)])
@example([("calls", 7), ("rings", 0), ("answers", 1), ("passes", 3), ("leaves", 0)])
@example([("calls", 8), ("answers", 0), ("passes", 1), ("refers", 0), ("calls", 10), ("passes", 2), ("answers", 0)])
@example([("calls", 11), ("passes", 2), ("key", 0), ("calls", 13), ("passes", 2), ("redirect", 1)])
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_any_schedule_leaves_nothing_behind(steps: list[tuple[str, int]]) -> None:
    house = House(DOCUMENTS, settings=SETTINGS)
    house.frame_s = 0.5
    house.speech_s = [(1.0, 6.0), (9.0, 12.0)]
    visited(house, scheduled(steps))
    told = house.told("/events")
    for sid in {each["ConferenceSid"] for each in told}:
        mine = [each for each in told if each["ConferenceSid"] == sid]
        numbers = [int(each["SequenceNumber"]) for each in mine]
        assert numbers == sorted(set(numbers))
        assert mine[-1]["StatusCallbackEvent"] == "conference-end"
    # Whoever is told of a dialled party is told of its end, once and last.
    told = house.told("/progress")
    for sid in {each["CallSid"] for each in told}:
        steps_told = sorted(
            (int(each["SequenceNumber"]), each["CallStatus"]) for each in told if each["CallSid"] == sid
        )
        assert [number for number, _ in steps_told] == sorted({number for number, _ in steps_told})
        assert [status in FINAL for _, status in steps_told] == [False] * (len(steps_told) - 1) + [True]
    # No call was answered to be forgotten: each says how it ended, those of dialled parties too.
    assert {caller.sid for caller in house.callers} <= house.call_sids()
    assert all(house.record(sid).end_time is not None for sid in house.call_sids())
