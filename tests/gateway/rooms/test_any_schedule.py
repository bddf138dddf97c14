"""Whoever comes, goes, presses, is taken away or cut off, in whatever order: nothing is left over."""

import asyncio
from collections.abc import Awaitable, Callable

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.verbs.outcome import Fetch
from tests.gateway.rooms.house import Caller, House, visited

ELSE = Fetch(url="http://app.example.com/else", method="POST")
DOCUMENTS = {
    "/wait": "<Response><Pause length='3'/></Response>",
    "/leaves": "<Response><Pause length='2'/><Leave/></Response>",
    "/whisper": "<Response><Pause length='2'/></Response>",
    "/else": "<Response><Pause length='4'/></Response>",
    "/after": "<Response><Pause length='1'/></Response>",
}
EVENTS = "statusCallback='/events' statusCallbackEvent='start end join leave mute hold speaker'"
BODIES = (
    f"<Dial action='/after' hangupOnStar='true'><Conference {EVENTS}>one</Conference></Dial>",
    f"<Dial><Conference {EVENTS} endConferenceOnExit='true' record='true'>one</Conference></Dial>",
    f"<Dial timeLimit='5'><Conference {EVENTS} startConferenceOnEnter='false' waitUrl='/wait'>one</Conference></Dial>",
    "<Enqueue action='/after' waitUrl='/wait' maxQueueSize='2'>two</Enqueue>",
    "<Enqueue waitUrl='/leaves'>two</Enqueue><Pause length='2'/>",
    "<Dial action='/after' timeout='5' hangupOnStar='true'><Queue>two</Queue></Dial>",
    "<Dial timeLimit='4' record='true'><Queue url='/whisper'>two</Queue></Dial>",
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("calls"), st.integers(0, len(BODIES) - 1)),
        st.tuples(st.sampled_from(["hangs up", "star", "redirect", "hold", "kick", "dequeue"]), st.integers(0, 5)),
        st.tuples(st.just("passes"), st.integers(1, 4)),
        st.tuples(st.just("ends"), st.just(0)),
    ),
    max_size=14,
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
            elif which < len(house.callers):
                happen(house, house.callers[which], step)

    return story


def happen(house: House, caller: Caller, step: str) -> None:
    if caller.leg.events.ended is not None:
        return
    match step:
        case "hangs up":
            caller.leg.hangs_up()
        case "star":
            caller.leg.presses("*")
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
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_rooms_any_schedule_leaves_nothing_behind(steps: list[tuple[str, int]]) -> None:
    house = House(DOCUMENTS)
    house.frame_s = 0.5
    visited(house, scheduled(steps))
    told = house.told("/events")
    for sid in {each["ConferenceSid"] for each in told}:
        mine = [each for each in told if each["ConferenceSid"] == sid]
        numbers = [int(each["SequenceNumber"]) for each in mine]
        assert numbers == sorted(set(numbers))
        assert mine[-1]["StatusCallbackEvent"] == "conference-end"
    # No call was answered to be forgotten: each says how it ended.
    assert all(house.record(caller.sid).end_time is not None for caller in house.callers)
