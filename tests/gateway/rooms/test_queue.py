"""<Enqueue>, <Leave> and <Dial><Queue> in virtual time: each test fails if its attribute is ignored."""

import asyncio
from typing import Any

from gateway.verbs.outcome import Fetch
from media.engine import Silence
from media.tones import Tone
from tests.gateway.peers import ACCOUNT_SID, HOLD_MUSIC
from tests.gateway.rooms.house import Caller, House, settle, visited

AFTER = {"/after": "<Response><Pause length='60'/></Response>", "/dialled": "<Response><Pause length='60'/></Response>"}


def enqueue(attributes: str = "", *, name: str = "support") -> str:
    return f"<Enqueue {attributes}>{name}</Enqueue>"


def take(attributes: str = "", *, dial: str = "", name: str = "support") -> str:
    return f"<Dial {dial}><Queue {attributes}>{name}</Queue></Dial>"


def talk(first: Caller, second: Caller) -> bool:
    return bool(first.hears is second.leg.media and second.hears is first.leg.media)


def test_queue_waiting_call_hears_music_and_is_connected_to_who_takes_it() -> None:
    async def story(house: House) -> None:
        carol = await house.call("carol", enqueue('action="/after"'))
        assert carol.hears == HOLD_MUSIC
        await asyncio.sleep(10)
        agent = await house.call("agent", take(dial='action="/dialled"'))
        assert talk(carol, agent)
        await asyncio.sleep(20)
        await agent.hangs_up()
        await settle()
        assert carol.hears == Silence()
        assert carol.leg.events.ended is None

    house = visited(House(AFTER), story)
    carol, agent = house.callers
    (asked,) = house.asked("/after")
    assert (asked["QueueResult"], asked["QueueTime"]) == ("bridged", "10")
    assert asked["QueueSid"].startswith("QU")
    (owed,) = house.owed("/dialled")
    assert {name: owed[name] for name in ("DialCallStatus", "DialCallSid", "DialCallDuration", "DialBridged")} == {
        "DialCallStatus": "completed",
        "DialCallSid": carol.sid,
        "DialCallDuration": "20",
        "DialBridged": "true",
    }
    assert (owed["QueueSid"], owed["QueueTime"]) == (asked["QueueSid"], "10")
    assert owed["DequeingCallSid"] == agent.sid


def test_queue_without_action_goes_on_with_the_next_verb() -> None:
    async def story(house: House) -> None:
        carol = await house.call("carol", enqueue() + "<Pause length='5'/>")
        agent = await house.call("agent", take() + "<Pause length='5'/>")
        await asyncio.sleep(5)
        await agent.hangs_up()
        await asyncio.sleep(4)
        assert not carol.task.done()
        await asyncio.sleep(2)
        assert carol.task.done()

    visited(House(), story)


def test_queue_caller_who_hangs_up_in_the_talk_ends_it_and_is_told_bridged() -> None:
    async def story(house: House) -> None:
        carol = await house.call("carol", enqueue('action="/after"'))
        await house.call("agent", take(dial='action="/dialled"'))
        await asyncio.sleep(7)
        await carol.hangs_up()
        await settle()

    house = visited(House(AFTER), story)
    assert house.owed("/after")[0]["QueueResult"] == "bridged"
    (asked,) = house.asked("/dialled")
    assert (asked["DialCallStatus"], asked["DialCallDuration"]) == ("completed", "7")


def test_queue_caller_who_hangs_up_while_waiting_is_told_so() -> None:
    async def story(house: House) -> None:
        carol = await house.call("carol", enqueue('action="/after" method="GET"'))
        await asyncio.sleep(30)
        await carol.hangs_up()

    (owed,) = visited(House(), story).owed("/after")
    assert (owed["QueueResult"], owed["QueueTime"], owed["CallStatus"]) == ("hangup", "30", "completed")


def test_queue_wait_url_is_asked_again_with_the_state_of_the_queue() -> None:
    async def story(house: House) -> None:
        await house.call("carol", enqueue('waitUrl="/wait" waitUrlMethod="GET" maxQueueSize="7"'))
        await asyncio.sleep(5)
        await house.call("dave", enqueue('waitUrl="/other"'))
        await asyncio.sleep(21)

    documents = {"/wait": "<Response><Pause length='20'/></Response>", "/other": "<Response><Pause/></Response>"}
    house = visited(House(documents), story)
    first, second = house.asked("/wait")
    sid = first["QueueSid"]
    assert house.requests[1].method == "GET"
    names = ("QueuePosition", "QueueTime", "AvgQueueTime", "CurrentQueueSize", "MaxQueueSize", "QueueSid")
    assert [first[name] for name in names] == ["1", "0", "0", "1", "7", sid]
    assert [second[name] for name in names] == ["1", "20", "17", "2", "7", sid]
    assert house.asked("/other")[-1]["QueuePosition"] == "2"


def test_queue_wait_url_that_takes_no_time_is_asked_once_a_second() -> None:
    async def story(house: House) -> None:
        await house.call("carol", enqueue('waitUrl="/wait"'))
        await asyncio.sleep(100)

    house = visited(House({"/wait": "<Response/>"}), story)
    assert 90 < len(house.asked("/wait")) <= 101


def test_queue_empty_wait_url_is_silence() -> None:
    async def story(house: House) -> None:
        carol = await house.call("carol", enqueue('waitUrl=""'))
        assert carol.hears == Silence()

    visited(House(), story)


def test_queue_leave_in_the_wait_document_goes_on_behind_the_enqueue() -> None:
    async def story(house: House) -> None:
        carol = await house.call("carol", enqueue('waitUrl="/wait" action="/after"'))
        await asyncio.sleep(5)
        assert len(house.asked("/after")) == 1
        assert len(house.all.queues) == 0
        assert not carol.task.done()

    house = visited(House({**AFTER, "/wait": "<Response><Pause length='3'/><Leave/></Response>"}), story)
    assert (house.asked("/after")[0]["QueueResult"], house.asked("/after")[0]["QueueTime"]) == ("leave", "3")


def test_queue_gather_in_the_wait_document_leads_to_a_document_that_leaves() -> None:
    async def story(house: House) -> None:
        carol = await house.call("carol", enqueue('waitUrl="/wait" action="/after"'))
        carol.leg.presses("1")
        await settle()
        assert house.asked("/after")[0]["QueueResult"] == "leave"
        assert house.asked("/keys")[0]["QueuePosition"] == "1"

    gather = "<Response><Gather numDigits='1' action='/keys' timeout='30'/></Response>"
    visited(House({**AFTER, "/wait": gather, "/keys": "<Response><Leave/></Response>"}), story)


def test_queue_hangup_in_the_wait_document_ends_the_call() -> None:
    async def story(house: House) -> None:
        carol = await house.call("carol", enqueue('waitUrl="/wait" action="/after"') + "<Pause length='60'/>")
        await carol.over()

    house = visited(House({"/wait": "<Response><Hangup/></Response>"}), story)
    assert house.owed("/after")[0]["QueueResult"] == "hangup"


def test_queue_wait_document_that_fails_is_an_error_of_the_queue() -> None:
    async def story(house: House) -> None:
        await house.call("carol", enqueue('waitUrl="/gone" action="/after"'))
        await house.call("dave", enqueue('waitUrl="/dials" action="/after"'))

    house = visited(House({**AFTER, "/dials": "<Response><Dial>+15550100</Dial></Response>"}), story)
    assert [asked["QueueResult"] for asked in house.asked("/after")] == ["error", "error"]
    assert {11217, 13238} <= set(house.codes())


def test_leave_outside_a_queue_is_skipped_and_told() -> None:
    async def story(house: House) -> None:
        carol = await house.call("carol", "<Leave/><Pause length='60'/>")
        assert not carol.task.done()

    assert visited(House(), story).codes() == [13750]


def test_queue_full_is_told_without_a_queue_sid() -> None:
    async def story(house: House) -> None:
        await house.call("carol", enqueue('maxQueueSize="1"'))
        await house.call("dave", enqueue('action="/after"'))

    house = visited(House(AFTER), story)
    (asked,) = house.asked("/after")
    assert asked["QueueResult"] == "queue-full"
    assert not {"QueueSid", "QueueTime"} & set(asked)
    assert house.codes() == [14207]


def test_queue_workflow_is_told_not_to_be_executed() -> None:
    async def story(house: House) -> None:
        await house.call("carol", f'<Enqueue workflowSid="WW{"0" * 32}" action="/after"><Task>{{}}</Task></Enqueue>')

    house = visited(House(AFTER), story)
    assert house.codes().count(13750) == 2
    assert house.asked("/after")[0]["QueueResult"] == "error"


def test_dial_queue_first_call_first_and_every_agent_gets_one() -> None:
    async def story(house: House) -> None:
        callers = [await house.call(f"c{number}", enqueue()) for number in range(3)]
        agents = [await house.call(f"a{number}", take()) for number in range(3)]
        assert [talk(caller, agent) for caller, agent in zip(callers, agents, strict=True)] == [True] * 3

    visited(House(), story)


def test_dial_queue_waits_for_a_call_until_its_timeout() -> None:
    async def story(house: House) -> None:
        await (await house.call("first", enqueue())).hangs_up()
        agent = await house.call("agent", take(dial='timeout="20" action="/dialled"'))
        assert isinstance(agent.hears, Tone)
        await asyncio.sleep(24)
        carol = await house.call("carol", enqueue())
        assert talk(carol, agent)
        late = await house.call("late", take(dial='timeout="20" action="/dialled"'))
        await asyncio.sleep(26)
        assert late.hears == Silence()
        assert talk(carol, agent)

    house = visited(House(AFTER), story)
    (asked,) = house.asked("/dialled")
    assert (asked["DialCallStatus"], asked["DialBridged"]) == ("no-answer", "false")
    assert "DialCallSid" not in asked


def test_dial_queue_by_its_sid() -> None:
    async def story(house: House) -> None:
        carol = await house.call("carol", enqueue())
        (queue,) = house.all.queues
        agent = await house.call("agent", take(name=queue.record.sid))
        assert talk(carol, agent)

    visited(House(), story)


def test_dial_queue_that_does_not_exist_has_failed() -> None:
    async def story(house: House) -> None:
        await house.call("agent", take(dial='action="/dialled"', name="nowhere"))
        await house.call("agent2", take(dial='action="/dialled"', name="QU" + "0" * 32))

    house = visited(House(AFTER), story)
    assert [asked["DialCallStatus"] for asked in house.asked("/dialled")] == ["failed", "failed"]
    assert house.codes() == [14213, 14213]


def test_dial_queue_document_is_heard_by_the_queued_caller_before_they_talk() -> None:
    async def story(house: House) -> None:
        carol = await house.call("carol", enqueue())
        await asyncio.sleep(9)
        agent = await house.call("agent", take('url="/whisper" method="GET"', dial='action="/dialled"'))
        assert not talk(carol, agent)
        assert isinstance(agent.hears, Tone)
        assert len(house.all.queues.live(house.asked("/whisper")[0]["QueueSid"]).members) == 0  # type: ignore[union-attr]
        await asyncio.sleep(6)
        assert talk(carol, agent)
        await carol.hangs_up()

    house = visited(House({**AFTER, "/whisper": "<Response><Pause length='5'/></Response>"}), story)
    carol, agent = house.callers
    (asked,) = house.asked("/whisper")
    assert (asked["CallSid"], asked["DequeingCallSid"], asked["QueueTime"]) == (carol.sid, agent.sid, "9")
    assert house.asked("/dialled")[0]["QueueTime"] == "14"


def test_dial_queue_agent_who_hangs_up_during_the_document_gives_the_call_back() -> None:
    async def story(house: House) -> None:
        carol = await house.call("carol", enqueue())
        dave = await house.call("dave", enqueue())
        agent = await house.call("agent", take('url="/whisper"', dial='action="/dialled"'))
        await asyncio.sleep(2)
        await agent.hangs_up()
        assert carol.hears == HOLD_MUSIC
        second = await house.call("second", take())
        assert talk(carol, second)
        assert dave.hears == HOLD_MUSIC

    house = visited(House({"/whisper": "<Response><Pause length='5'/></Response>"}), story)
    assert house.owed("/dialled")[0]["DialCallStatus"] == "canceled"


def test_dial_queue_caller_who_hangs_up_during_the_document_leaves_the_agent_to_the_next() -> None:
    async def story(house: House) -> None:
        carol = await house.call("carol", enqueue())
        agent = await house.call("agent", take('url="/whisper"'))
        dave = await house.call("dave", enqueue())
        await carol.hangs_up()
        await asyncio.sleep(6)
        assert talk(dave, agent)

    visited(House({"/whisper": "<Response><Pause length='5'/></Response>"}), story)


def test_dial_queue_caller_taken_away_during_the_document_was_being_bridged() -> None:
    async def story(house: House) -> None:
        carol = await house.call("carol", enqueue('action="/left"'))
        await house.call("agent", take('url="/whisper"'))
        carol.session.redirect(Fetch(url="http://app.example.com/else", method="POST"))
        await settle()

    documents = {"/whisper": "<Response><Pause length='5'/></Response>", "/else": "<Response/>"}
    house = visited(House(documents), story)
    assert house.owed("/left")[0]["QueueResult"] == "bridging-in-process"


def test_dial_queue_document_that_fails_is_told_and_they_talk_all_the_same() -> None:
    async def story(house: House) -> None:
        carol = await house.call("carol", enqueue())
        agent = await house.call("agent", take('url="/gone"'))
        assert talk(carol, agent)

    assert visited(House(), story).codes() == [11217]


def test_dial_queue_star_ends_the_talk_and_both_go_on() -> None:
    async def story(house: House) -> None:
        carol = await house.call("carol", enqueue('action="/after"'))
        agent = await house.call("agent", take(dial='hangupOnStar="true" action="/dialled"'))
        agent.leg.presses("*")
        await settle()
        assert (len(house.asked("/after")), len(house.asked("/dialled"))) == (1, 1)
        assert not carol.task.done()

    visited(House(AFTER), story)


def test_dial_queue_time_limit_ends_the_talk() -> None:
    async def story(house: House) -> None:
        await house.call("carol", enqueue())
        await house.call("agent", take(dial='timeLimit="60" action="/dialled"'))
        await asyncio.sleep(59)
        assert house.asked("/dialled") == []
        await asyncio.sleep(2)

    house = visited(House(AFTER), story)
    assert house.asked("/dialled")[0]["DialCallDuration"] == "60"


def test_dial_queue_talk_is_recorded_as_any_dial() -> None:
    async def story(house: House) -> None:
        carol = await house.call("carol", enqueue())
        agent = await house.call("agent", take(dial='record="record-from-answer-dual" action="/dialled"'))
        ((parent,), (child,)) = house.recordings[0].channels[0]
        assert (parent.port, child.port) == (agent.leg.media, carol.leg.media)
        await carol.hangs_up()

    house = visited(House(AFTER), story)
    assert house.asked("/dialled")[0]["RecordingSid"] == house.recordings[0].sid


def test_dial_queue_answer_on_bridge_rings_until_they_talk() -> None:
    async def story(house: House) -> None:
        await (await house.call("first", enqueue())).hangs_up()
        agent = await house.call("agent", take(dial='answerOnBridge="true"'))
        assert agent.leg.done == ["ring"]
        await house.call("carol", enqueue())
        assert agent.leg.done == ["ring", "answer"]

    visited(House(), story)


def test_dial_queue_keys_beside_the_sound_are_passed_on_both_ways() -> None:
    async def story(house: House) -> None:
        carol = await house.call("carol", enqueue())
        agent = await house.call("agent", take())
        carol.leg.presses("1", is_in_media=False)
        agent.leg.presses("2", is_in_media=False)
        agent.leg.presses("3")
        await settle()
        assert [each.leg.done[-1] for each in (carol, agent)] == ["digits 2", "digits 1"]

    visited(House(), story)


def test_dequeued_by_the_api_the_call_performs_the_document_and_the_action_is_told() -> None:
    async def story(house: House) -> None:
        carol = await house.call("carol", enqueue('action="/after"'))
        (queue,) = house.all.queues
        assert [member.call.facts.sid for member in queue.members] == [carol.sid]
        assert not queue.dequeue("CA" + "0" * 32, Fetch(url="http://app.example.com/else", method="POST"))
        assert queue.dequeue(carol.sid, Fetch(url="http://app.example.com/else", method="POST"))
        await settle()
        assert len(house.asked("/else")) == 1

    house = visited(House({"/else": "<Response><Pause length='60'/></Response>"}), story)
    assert house.owed("/after")[0]["QueueResult"] == "redirected"
    assert house.asked("/after") == []


def test_redirected_calls_are_told_apart_by_whether_they_talked() -> None:
    async def story(house: House) -> None:
        carol = await house.call("carol", enqueue('action="/after"'))
        dave = await house.call("dave", enqueue('action="/after"'))
        agent = await house.call("agent", take(dial='action="/dialled"'))
        assert talk(carol, agent)
        for caller in (carol, dave):
            assert caller.session.redirect(Fetch(url="http://app.example.com/else", method="POST"))
        await settle()

    house = visited(House({**AFTER, "/else": "<Response><Pause length='60'/></Response>"}), story)
    assert [owed["QueueResult"] for owed in house.owed("/after")] == ["redirected-from-bridged", "redirected"]
    (asked,) = house.asked("/dialled")
    assert (asked["DialCallStatus"], "DialCallDuration" in asked) == ("completed", False)


def test_queue_keeps_its_sid_and_size_when_nobody_is_there() -> None:
    async def story(house: House) -> None:
        await (await house.call("carol", enqueue('maxQueueSize="3"'))).hangs_up()
        assert len(house.all.queues) == 0
        await house.call("dave", enqueue())
        (queue,) = house.all.queues
        records: list[Any] = [each for each in house.written if type(each).__name__ == "QueueRecord"]
        assert [record.sid for record in records] == [queue.record.sid]
        assert queue.record.max_size == 3

    visited(House(), story)


def test_queues_are_made_changed_and_deleted_for_the_api() -> None:
    async def story(house: House) -> None:
        queues = house.all.queues
        record = await queues.create("sales", account_sid=ACCOUNT_SID, max_size=2)
        await house.call("carol", enqueue(name="sales"))
        changed = await queues.change(record, name="orders", max_size=1)
        dave = await house.call("dave", enqueue('action="/after"', name="orders"))
        assert house.asked("/after")[0]["QueueResult"] == "queue-full"
        assert not dave.task.done()
        await house.callers[0].hangs_up()
        await queues.delete(changed)
        async with queues.found("orders", account_sid=ACCOUNT_SID) as found:
            assert found is None

    visited(House(AFTER), story)
