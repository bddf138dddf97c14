"""<Dial><Conference> in virtual time: attribute by attribute, each test fails if its attribute is ignored."""

import asyncio

import pytest

from gateway.store.records import ConferenceRecord
from gateway.verbs.outcome import Fetch
from media.engine import Mixed, Silence
from media.music import entry_chime, exit_chime
from tests.gateway.peers import ACCOUNT_SID, HOLD_MUSIC
from tests.gateway.rooms.house import House, settle, visited
from tests.gateway.sound_peers import PeerMix


def room(attributes: str = "", *, dial: str = "", name: str = "Room 1") -> str:
    return f"<Dial {dial}><Conference {attributes}>{name}</Conference></Dial>"


EVENTS = 'statusCallback="/events" statusCallbackEvent="start end join leave mute hold modify speaker announcement"'


def test_conference_two_meet_and_the_first_waits_with_music() -> None:
    async def story(house: House) -> None:
        alice = await house.call("alice", room())
        assert (alice.hears, alice.joined) == (HOLD_MUSIC, None)
        assert alice.leg.done == ["answer"]
        bob = await house.call("bob", room())
        (mix,) = house.mixes
        assert [(each.hears, each.joined) for each in (alice, bob)] == [(mix, mix)] * 2
        await bob.hangs_up()
        assert (alice.hears, mix.is_closed) == (mix, False)

    visited(House(), story)


def test_conference_rooms_are_apart_by_name() -> None:
    async def story(house: House) -> None:
        alice = await house.call("alice", room(name="one"))
        bob = await house.call("bob", room(name="two"))
        assert [alice.hears, bob.hears] == [HOLD_MUSIC, HOLD_MUSIC]
        assert len(house.all.conferences) == 2

    visited(House(), story)


def test_conference_is_told_to_the_first_participants_callback_with_every_parameter() -> None:
    async def story(house: House) -> None:
        await house.call("alice", room(f'{EVENTS} participantLabel="boss" endConferenceOnExit="true" muted="true"'))
        await house.call("bob", room('statusCallback="/other" statusCallbackEvent="join"'))

    house = visited(House(), story)
    alice, bob = house.callers
    told = house.told("/events")
    assert house.told("/other") == []
    assert house.names("/events") == [
        "participant-join",
        "participant-join",
        "conference-start",
        "participant-leave",
        "participant-leave",
        "conference-end",
    ]
    assert [each["SequenceNumber"] for each in told] == [str(number) for number in range(1, 7)]
    sid = told[0]["ConferenceSid"]
    assert sid.startswith("CF")
    assert house.keys("/events") == {sid}
    assert told[0] == {
        "ConferenceSid": sid,
        "FriendlyName": "Room 1",
        "AccountSid": alice.session.facts.account_sid,
        "SequenceNumber": "1",
        "Timestamp": "Fri, 02 Jan 2026 03:04:05 +0000",
        "StatusCallbackEvent": "participant-join",
        "CallSid": alice.sid,
        "Muted": "true",
        "Hold": "false",
        "Coaching": "false",
        "EndConferenceOnExit": "true",
        "StartConferenceOnEnter": "true",
        "ParticipantLabel": "boss",
    }
    assert told[1]["CallSid"] == bob.sid
    assert (told[3]["ParticipantCallStatus"], told[3]["ReasonParticipantLeft"]) == ("completed", "participant_hung_up")
    assert told[4]["ReasonParticipantLeft"] == "moderator_ended_conference"
    assert told[5]["ReasonConferenceEnded"] == "participant-with-end-conference-on-exit-left"
    assert told[5]["CallSidEndingConference"] == alice.sid


def test_conference_unsubscribed_events_count_but_are_not_told() -> None:
    async def story(house: House) -> None:
        await house.call("alice", room('statusCallback="/events" statusCallbackEvent="start"'))
        await house.call("bob", room())

    (told,) = visited(House(), story).told("/events")
    assert (told["StatusCallbackEvent"], told["SequenceNumber"]) == ("conference-start", "3")


def test_conference_start_on_enter_false_waits_for_one_who_may_begin() -> None:
    async def story(house: House) -> None:
        guests = [await house.call(name, room('startConferenceOnEnter="false"')) for name in ("a", "b")]
        assert [guest.hears for guest in guests] == [HOLD_MUSIC] * 2
        await house.call("c", room())
        assert [guest.joined for guest in guests] == house.mixes * 2

    visited(House(), story)


def test_conference_end_on_exit_sends_the_others_to_their_next_verb() -> None:
    async def story(house: House) -> None:
        boss = await house.call("boss", room('endConferenceOnExit="true"'))
        guest = await house.call("guest", room() + "<Pause length='5'/>")
        await boss.hangs_up()
        await settle()
        assert guest.leg.events.ended is None
        assert (guest.hears, guest.joined) == (Silence(), None)
        await asyncio.sleep(5.1)
        assert guest.task.done()

    visited(House(), story)


def test_conference_action_is_told_answered_and_no_child_call() -> None:
    async def story(house: House) -> None:
        await house.call("boss", room('endConferenceOnExit="true"'))
        await house.call("guest", room(dial='action="/after"'))
        await house.callers[0].hangs_up()
        await house.callers[1].over()

    house = visited(House({"/after": "<Response><Hangup/></Response>"}), story)
    (asked,) = house.asked("/after")
    assert (asked["DialCallStatus"], asked["DialBridged"], asked["CallStatus"]) == ("answered", "true", "in-progress")
    assert not {"DialCallSid", "DialCallDuration", "RecordingUrl"} & set(asked)


def test_conference_action_is_owed_when_the_caller_hangs_up() -> None:
    async def story(house: House) -> None:
        await house.call("alice", room(dial='action="/after" method="GET"'))

    (owed,) = visited(House(), story).owed("/after")
    assert (owed["DialCallStatus"], owed["DialBridged"], owed["CallStatus"]) == ("answered", "false", "completed")


def test_conference_hangup_on_star_leaves_the_room_and_goes_on() -> None:
    async def story(house: House) -> None:
        alice = await house.call("alice", room(dial='hangupOnStar="true" action="/after"'))
        bob = await house.call("bob", room())
        bob.leg.presses("*")
        await settle()
        assert bob.joined is house.mixes[0]
        alice.leg.presses("*")
        await alice.over()

    house = visited(House({"/after": "<Response/>"}), story)
    assert house.asked("/after")[0]["DialCallStatus"] == "answered"


def test_conference_time_limit_leaves_the_room() -> None:
    async def story(house: House) -> None:
        alice = await house.call("alice", room(dial='timeLimit="60"'))
        await house.call("bob", room())
        await asyncio.sleep(59)
        assert not alice.task.done()
        await asyncio.sleep(2)
        assert alice.task.done()

    visited(House(), story)


def test_conference_recorded_by_the_dial_has_the_caller_and_what_he_hears() -> None:
    async def story(house: House) -> None:
        await house.call("alice", room(dial='record="record-from-answer-dual" action="/after"'))
        assert [len(channel) for channel in house.recordings[0].channels[0]] == [1, 1]
        taps = [type(tap).__name__ for (tap,) in house.recordings[0].channels[0]]
        assert taps == ["Received", "Heard"]

    house = visited(House(), story)
    assert house.recordings[0].order.source == "DialVerb"
    assert house.owed("/after")[0]["RecordingSid"] == house.recordings[0].sid


def test_conference_full_goes_on_with_the_next_verb() -> None:
    async def story(house: House) -> None:
        await house.call("a", room('maxParticipants="2"'))
        await house.call("b", room('maxParticipants="5"'))
        third = await house.call("c", room('maxParticipants="5"', dial='action="/after"'))
        assert third.task.done()

    house = visited(House({"/after": "<Response/>"}), story)
    assert 16020 in house.codes()
    assert (house.asked("/after")[0]["DialCallStatus"], house.asked("/after")[0]["DialBridged"]) == ("failed", "false")


def test_conference_label_in_use_and_coach_of_nobody_are_refused() -> None:
    async def story(house: House) -> None:
        await house.call("a", room('participantLabel="one"'))
        assert (await house.call("b", room('participantLabel="one"'))).task.done()
        assert (await house.call("c", room(f'coach="CA{"0" * 32}"'))).task.done()
        assert (await house.call("d", room(f'coach="CA{"0" * 32}"', name="empty"))).task.done()
        assert len(house.all.conferences) == 1

    assert visited(House(), story).codes() == [16025, 13240, 13240]


def test_conference_name_of_the_element_counts_where_it_has_no_text() -> None:
    async def story(house: House) -> None:
        await house.call("a", "<Dial><Conference name='Room 1'><Video enable='true'/></Conference></Dial>")
        assert house.all.conferences.named("Room 1", account_sid=ACCOUNT_SID) is not None

    visited(House(), story)


def test_conference_empty_wait_url_is_silence() -> None:
    async def story(house: House) -> None:
        alice = await house.call("alice", room('waitUrl=""'))
        assert alice.hears == Silence()

    visited(House(), story)


def test_conference_wait_document_is_performed_until_it_begins() -> None:
    async def story(house: House) -> None:
        alice = await house.call("alice", room('waitUrl="/wait" waitMethod="GET"'))
        assert house.requests[-1].method == "GET"
        await asyncio.sleep(95)
        assert len(house.asked("/wait")) == 5
        await house.call("bob", room())
        assert alice.hears is house.mixes[0]
        await asyncio.sleep(95)
        assert len(house.asked("/wait")) == 5

    visited(House({"/wait": "<Response><Pause length='20'/><Redirect method='GET'/></Response>"}), story)


def test_conference_wait_document_without_verbs_left_is_silence() -> None:
    async def story(house: House) -> None:
        alice = await house.call("alice", room('waitUrl="/wait"'))
        await asyncio.sleep(30)
        assert (alice.hears, len(house.asked("/wait"))) == (Silence(), 1)

    visited(House({"/wait": "<Response><Pause/></Response>"}), story)


def test_conference_wait_document_that_takes_no_time_is_asked_for_once_a_second() -> None:
    async def story(house: House) -> None:
        await house.call("alice", room('waitUrl="/wait"'))
        await asyncio.sleep(2000)
        assert 1500 < len(house.asked("/wait")) <= 2010

    visited(House({"/wait": "<Response><Redirect/></Response>"}), story)


def test_conference_wait_url_that_fails_costs_the_place_but_not_the_call() -> None:
    async def story(house: House) -> None:
        await house.call("alice", room(f'waitUrl="/gone" {EVENTS}', dial='action="/after"'))
        await settle()
        assert len(house.all.conferences) == 0

    house = visited(House({"/after": "<Response><Pause/></Response>"}), story)
    assert house.asked("/after")[0]["DialCallStatus"] == "failed"
    assert house.told("/events")[1]["ReasonParticipantLeft"] == "participant_add_failed"
    assert 11217 in house.codes()


def test_conference_wait_document_with_another_verb_is_told() -> None:
    async def story(house: House) -> None:
        alice = await house.call("alice", room('waitUrl="/wait"'))
        assert alice.task.done()

    house = visited(House({"/wait": "<Response><Dial>+15550100</Dial></Response>"}), story)
    assert 13238 in house.codes()


def test_conference_call_taken_away_by_the_api_leaves_and_its_action_is_not_told() -> None:
    async def story(house: House) -> None:
        alice = await house.call("alice", room(f"{EVENTS}", dial='action="/after"'))
        bob = await house.call("bob", room())
        assert alice.session.redirect(Fetch(url="http://app.example.com/else", method="POST"))
        await settle()
        assert (alice.joined, bob.joined) == (None, house.mixes[0])
        assert alice.leg.events.ended is None

    house = visited(House({"/else": "<Response><Pause length='60'/></Response>"}), story)
    assert len(house.asked("/else")) == 1
    assert house.owed("/after") == house.asked("/after") == []


def test_conference_actions_of_the_api_are_heard_and_told() -> None:
    async def story(house: House) -> None:
        alice = await house.call("alice", room(EVENTS + ' participantLabel="one"'))
        bob = await house.call("bob", room())
        conference = house.all.conferences.named("Room 1", account_sid=ACCOUNT_SID)
        assert conference is not None
        assert house.all.conferences.get(conference.sid) is conference
        assert conference.attendance("one") is conference.attendance(alice.sid) is not None
        mix: PeerMix = house.mixes[0]
        conference.mute(alice.sid, is_muted=True)
        assert (alice.hears, alice.joined) == (mix, None)
        conference.hold(bob.sid, is_held=True)
        assert (bob.hears, bob.joined) == (HOLD_MUSIC, None)
        conference.hold(bob.sid, is_held=False)
        assert (bob.hears, bob.joined) == (mix, mix)
        conference.kick(bob.sid)
        await bob.over()
        conference.end()
        await alice.over()

    house = visited(House(), story)
    assert house.names("/events")[3:] == [
        "participant-mute",
        "participant-hold",
        "participant-unhold",
        "participant-leave",
        "participant-leave",
        "conference-end",
    ]
    assert house.told("/events")[-1]["ReasonConferenceEnded"] == "conference-ended-via-api"


def test_conference_hold_url_is_performed_while_on_hold() -> None:
    async def story(house: House) -> None:
        alice = await house.call("alice", room())
        await house.call("bob", room())
        conference = house.all.conferences.named("Room 1", account_sid=ACCOUNT_SID)
        assert conference is not None
        conference.hold(alice.sid, is_held=True, ambience=Fetch(url="http://app.example.com/hold", method="GET"))
        await asyncio.sleep(12)
        assert len(house.asked("/hold")) == 3
        conference.hold(alice.sid, is_held=False)
        await asyncio.sleep(12)
        assert len(house.asked("/hold")) == 3
        assert alice.hears is house.mixes[0]

    visited(House({"/hold": "<Response><Pause length='5'/><Redirect method='GET'/></Response>"}), story)


def test_conference_beeps_when_somebody_comes_and_goes_unless_told_not_to() -> None:
    async def story(house: House) -> None:
        await house.call("a", room())
        (mix,) = house.mixes
        assert mix.played == []
        await house.call("b", room('beep="onExit"'))
        await house.call("c", room('beep="onEnter"'))
        await house.call("d", room('beep="false"'))
        assert mix.played == [entry_chime()]
        for caller in house.callers[1:]:
            await caller.hangs_up()
        assert mix.played == [entry_chime(), exit_chime()]

    visited(House(), story)


def test_conference_coach_is_heard_by_one_participant_alone() -> None:
    async def story(house: House) -> None:
        await house.call("customer", room())
        agent = await house.call("agent", room())
        coach = await house.call("coach", room(f'coach="{agent.sid}"'))
        assert (coach.hears, coach.joined, coach.leg.media.heard_by) == (*house.mixes * 2, [agent.leg.media])
        assert agent.leg.media.heard_by is None
        await agent.hangs_up()
        conference = house.all.conferences.named("Room 1", account_sid=ACCOUNT_SID)
        assert conference is not None
        conference.mute(coach.sid, is_muted=True)
        conference.mute(coach.sid, is_muted=False)
        assert coach.leg.media.heard_by == []

    visited(House(), story)


def test_conference_is_recorded_from_its_start_to_its_end() -> None:
    attributes = (
        'record="record-from-start" trim="do-not-trim" recordingStatusCallback="/recorded"'
        ' recordingStatusCallbackMethod="GET" recordingStatusCallbackEvent="in-progress absent"'
    )

    async def story(house: House) -> None:
        await house.call("a", room(attributes))
        assert house.recordings == []
        await house.call("b", room('record="true"'))
        (recording,) = house.recordings
        assert recording.channels == [[[Mixed(house.mixes[0])]]]  # type: ignore[arg-type]
        await house.callers[0].hangs_up()
        assert recording.is_running
        await house.callers[1].hangs_up()
        assert not recording.is_running

    house = visited(House(), story)
    order = house.recordings[0].order
    sid = next(each.sid for each in house.written if isinstance(each, ConferenceRecord))
    assert (order.conference_sid, order.call_sid, order.source) == (sid, house.callers[0].sid, "Conference")
    assert (order.is_trimmed, order.callback_url) == (False, "http://app.example.com/recorded")
    assert (order.callback_method, order.callback_events) == ("GET", frozenset({"in-progress", "absent"}))


def test_conference_recording_is_trimmed_unless_told_not_to() -> None:
    async def story(house: House) -> None:
        await house.call("a", room('record="record-from-start"'))
        await house.call("b", room())
        assert house.recordings[0].order.is_trimmed

    visited(House(), story)


def test_conference_announcement_is_heard_by_all_beside_the_others() -> None:
    async def story(house: House) -> None:
        await house.call("a", room(EVENTS))
        await house.call("b", room('beep="false"'))
        conference = house.all.conferences.named("Room 1", account_sid=ACCOUNT_SID)
        assert conference is not None
        conference.announce(Fetch(url="http://app.example.com/say", method="POST"))
        await asyncio.sleep(5)
        assert len(house.mixes[0].played) == 1
        conference.announce(Fetch(url="http://app.example.com/gone", method="POST"))
        await settle()

    house = visited(House({"/say": "<Response><Say>three words here</Say></Response>"}), story)
    ended, failed = (told for told in house.told("/events") if told["StatusCallbackEvent"].startswith("announcement"))
    assert (ended["StatusCallbackEvent"], ended["AnnounceUrl"]) == ("announcement-end", "http://app.example.com/say")
    assert failed["StatusCallbackEvent"] == "announcement-fail"
    assert "404" in failed["ReasonAnnouncementFailed"]
    assert house.asked("/say")[0]["ConferenceSid"] == ended["ConferenceSid"]
    assert "CallSid" not in house.asked("/say")[0]


def test_conference_announcement_to_one_is_heard_by_that_one_who_then_hears_the_room() -> None:
    async def story(house: House) -> None:
        a, b = await house.call("a", room(EVENTS)), await house.call("b", room())
        conference = house.all.conferences.named("Room 1", account_sid=ACCOUNT_SID)
        assert conference is not None
        conference.announce_to(b.sid, Fetch(url="http://app.example.com/say", method="POST"))
        await settle()
        assert (b.hears, a.hears, b.joined) == (Silence(), house.mixes[0], house.mixes[0])
        await asyncio.sleep(5)
        assert len(b.leg.media.played) == 1
        assert b.hears is house.mixes[0]

    house = visited(House({"/say": "<Response><Say>three words here</Say></Response>"}), story)
    (told,) = (told for told in house.told("/events") if told["StatusCallbackEvent"] == "announcement-end")
    assert told["CallSid"] == house.callers[1].sid


def test_conference_tells_who_speaks_to_those_who_want_to_know() -> None:
    async def story(house: House) -> None:
        house.speech_s = [(2.0, 5.0)]
        await house.call("a", room('statusCallback="/events" statusCallbackEvent="speaker"'))
        assert house.listeners == []
        b = await house.call("b", room('muted="true"'))
        assert len(house.listeners) == 1
        await asyncio.sleep(10)
        assert house.names("/events") == ["participant-speech-start", "participant-speech-stop"]
        await b.hangs_up()

    house = visited(House(), story)
    assert {told["CallSid"] for told in house.told("/events")} == {house.callers[0].sid}
    assert all(listener.is_closed for listener in house.listeners)


def test_conference_speakers_nobody_asked_for_cost_nothing() -> None:
    async def story(house: House) -> None:
        for name in "ab":
            await house.call(name, room('statusCallback="/events" statusCallbackEvent="start"'))
        assert house.listeners == []

    visited(House(), story)


def test_conference_attributes_without_effect_are_told() -> None:
    async def story(house: House) -> None:
        await house.call("a", room('eventCallbackUrl="/old" recordingConfigurationId="x"'))

    assert visited(House(), story).codes() == [13750] * 2


@pytest.mark.parametrize(("size", "most_ms"), [("off", 0), ("small", 40), ("medium", 80), ("large", None), ("", None)])
def test_conference_jitter_buffer_is_the_participants_own_for_its_stay(size: str, most_ms: int | None) -> None:
    async def story(house: House) -> None:
        a = await house.call("a", room(f'jitterBufferSize="{size}"' if size else ""))
        b = await house.call("b", room())
        await a.hangs_up()
        assert a.leg.media.delay_limits_ms == [most_ms, None]
        assert b.leg.media.delay_limits_ms == [None]

    assert visited(House(), story).codes() == []
