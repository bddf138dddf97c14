"""Participants who are called and brought into a conference: what the room, the call and its callbacks make of it."""

import asyncio

import pytest

from gateway.rest.errors import RestError
from gateway.rest.form import Form
from gateway.rest.participant_form import participant_order
from gateway.routing import Router
from gateway.store.records import EventRecord
from media.engine import Silence
from signaling.leg import HangupCause
from tests.gateway.peers import ACCOUNT_SID, HOLD_MUSIC, Scene
from tests.gateway.rest.desk import Desk, asked
from tests.gateway.rooms.house import settle

HALL = "Conferences/town hall/Participants"
BOB = {"From": "+15550100", "To": "client:bob"}


def test_participant_starts_a_conference_and_joins_it_on_the_answer() -> None:
    async def story(desk: Desk) -> None:
        made = await desk.ask(
            "POST",
            HALL,
            {
                **BOB,
                "Label": "desk",
                "StatusCallback": "http://app.example.com/status",
                "StatusCallbackEvent": "initiated ringing answered completed",
                "ConferenceStatusCallback": "http://app.example.com/room",
                "ConferenceStatusCallbackEvent": "start end join leave",
                "Beep": "false",
                "EndConferenceOnExit": "true",
            },
        )
        assert (made["status"], made["label"], made["end_conference_on_exit"]) == ("queued", "desk", True)
        bob = await desk.rung(0)
        (room,) = desk.all.conferences
        assert (room.sid, room.name) == (made["conference_sid"], "town hall")
        one = f"Conferences/{room.sid}/Participants/desk"
        assert (await desk.ask("GET", one))["status"] == "connecting"
        bob.rings()
        await settle()
        assert (await desk.ask("GET", one))["status"] == "ringing"
        assert [each["call_sid"] for each in await desk.ask("GET", HALL)] == [made["call_sid"]]
        bob.picks_up()
        await settle()
        assert (await desk.ask("GET", one))["status"] == "connected"
        assert bob.media.hears == HOLD_MUSIC
        call = await desk.ask("GET", f"Calls/{made['call_sid']}")
        assert (call["direction"], call["status"], call["to"]) == ("outbound-api", "in-progress", "client:bob")
        alice = await desk.call("alice", "<Dial><Conference>town hall</Conference></Dial>")
        assert alice.joined is bob.media.joined is not None
        bob.hangs_up()
        await alice.over()

    desk = asked(Desk(), story)
    assert [told["CallStatus"] for told in desk.told("/status")] == ["initiated", "ringing", "in-progress", "completed"]
    assert desk.names("/room") == [
        "participant-join",
        "participant-join",
        "conference-start",
        "participant-leave",
        "participant-leave",
        "conference-end",
    ]
    assert desk.told("/room")[0]["ParticipantLabel"] == "desk"


def test_participant_who_does_not_answer_is_gone_and_an_empty_conference_is_over() -> None:
    async def story(desk: Desk) -> None:
        made = await desk.ask(
            "POST", HALL, {**BOB, "Timeout": "20", "ConferenceStatusCallback": "http://app.example.com/room"}
        )
        await desk.rung(0)
        await desk.launched[0][1]
        one = f"Conferences/{made['conference_sid']}/Participants/{made['call_sid']}"
        assert await desk.refusal("GET", one) == (404, 20404)
        conference = await desk.ask("GET", f"Conferences/{made['conference_sid']}")
        assert (conference["status"], conference["reason_conference_ended"]) == ("completed", "last-participant-left")
        assert await desk.refusal("POST", f"Conferences/{made['conference_sid']}/Participants", BOB) == (400, 16022)
        assert (await desk.ask("GET", f"Calls/{made['call_sid']}"))["status"] == "no-answer"

    assert asked(Desk(), story).names("/room") == ["conference-end"]


def test_participant_on_the_way_is_changed_and_called_off() -> None:
    async def story(desk: Desk) -> None:
        made = await desk.ask("POST", HALL, {**BOB, "Muted": "true", "StartConferenceOnEnter": "false"})
        one = f"Conferences/town hall/Participants/{made['call_sid']}"
        changed = await desk.ask("POST", one, {"Muted": "false", "EndConferenceOnExit": "true"})
        assert (changed["muted"], changed["end_conference_on_exit"]) == (False, True)
        document = {"AnnounceUrl": "http://app.example.com/hello"}
        assert await desk.refusal("POST", one, document) == (400, 20001)
        bob = await desk.rung(0)
        assert await desk.ask("DELETE", one) is None
        assert bob.hung_up_with is HangupCause.CANCELED
        assert await desk.refusal("GET", one) == (404, 20404)

    asked(Desk(), story)


def test_participant_who_is_called_when_the_conference_ends_is_called_off() -> None:
    async def story(desk: Desk) -> None:
        alice = await desk.call("alice", "<Dial><Conference>town hall</Conference></Dial>")
        await desk.ask("POST", HALL, BOB)
        bob = await desk.rung(0)
        await desk.ask("POST", f"Conferences/{next(iter(desk.all.conferences)).sid}", {"Status": "completed"})
        await alice.over()
        assert bob.hung_up_with is HangupCause.CANCELED

    asked(Desk(), story)


def test_participant_is_refused_a_label_in_use_and_a_coach_without_a_pupil() -> None:
    async def story(desk: Desk) -> None:
        coach = {**BOB, "Coaching": "true", "CallSidToCoach": f"CA{'0' * 32}"}
        assert await desk.refusal("POST", HALL, coach) == (400, 13240)
        assert len(desk.all.conferences) == 0
        await desk.ask("POST", HALL, {**BOB, "Label": "desk"})
        assert await desk.refusal("POST", HALL, {**BOB, "Label": "desk"}) == (400, 16025)
        desk.has_room = False
        assert await desk.refusal("POST", HALL, BOB) == (429, 20429)
        assert len(next(iter(desk.all.conferences)).invited) == 1
        assert await desk.refusal("POST", f"Conferences/CF{'0' * 32}/Participants", BOB) == (404, 20404)

    desk = asked(Desk(), story)
    assert len(desk.launched) == 1


def test_participant_as_a_coach_is_heard_by_his_pupil_alone() -> None:
    async def story(desk: Desk) -> None:
        alice = await desk.call("alice", "<Dial><Conference>town hall</Conference></Dial>")
        await desk.ask("POST", HALL, {**BOB, "Coaching": "true", "CallSidToCoach": alice.sid})
        bob = await desk.rung(0)
        bob.picks_up()
        await settle()
        assert bob.media.heard_by == [alice.leg.media]

    asked(Desk(), story)


def test_participant_joins_at_once_and_who_answered_is_told_later() -> None:
    async def story(desk: Desk) -> None:
        desk.speech_s = [(0.0, 8.0)]
        amd = {"MachineDetection": "Enable", "AmdStatusCallback": "http://app.example.com/amd"}
        made = await desk.ask("POST", HALL, {**BOB, **amd})
        bob = await desk.rung(0)
        bob.picks_up()
        await settle()
        assert bob.media.hears == HOLD_MUSIC
        await asyncio.sleep(5)
        assert (await desk.ask("GET", f"Calls/{made['call_sid']}"))["answered_by"] == "machine_start"

    assert [told["AnsweredBy"] for told in asked(Desk(), story).told("/amd")] == ["machine_start"]


def test_participant_waits_to_what_was_asked_for_and_is_recorded_as_asked() -> None:
    async def story(desk: Desk) -> None:
        await desk.ask(
            "POST",
            HALL,
            {
                **BOB,
                "WaitUrl": "",
                "ConferenceRecord": "record-from-start",
                "ConferenceTrim": "do-not-trim",
                "ConferenceRecordingStatusCallback": "http://app.example.com/recorded",
                "Record": "true",
                "RecordingChannels": "dual",
                "ClientNotificationUrl": "http://app.example.com/push",
                "CallerDisplayName": "Town Hall",
                "CallerId": "+15550111",
                "EarlyMedia": "true",
                "Byoc": "BY1",
                "JitterBufferSize": "small",
            },
        )
        bob = await desk.rung(0)
        assert bob.request is not None
        assert (bob.request.caller.display_name, bob.request.caller.address) == ("Town Hall", "+15550111")
        bob.picks_up()
        await settle()
        assert bob.media.hears == Silence()
        assert bob.media.delay_limits_ms == [40]
        await desk.call("alice", "<Dial><Conference>town hall</Conference></Dial>")
        own, whole = desk.recordings
        assert (own.order.source, len(own.channels[0])) == ("OutboundAPI", 2)
        assert (whole.order.source, whole.order.is_trimmed) == ("Conference", False)
        assert whole.order.callback_url == "http://app.example.com/recorded"

    desk = asked(Desk(), story)
    assert desk.told("/push")[0]["CallStatus"] == "initiated"
    told = [each.message.split()[0] for each in desk.written if isinstance(each, EventRecord) and each.code == 13750]
    assert told == ["Byoc", "EarlyMedia:"]


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("Timeout", "4", 21208),
        ("MaxParticipants", "1", 20001),
        ("Beep", "loud", 20001),
        ("ConferenceRecord", "yes", 20001),
        ("ConferenceStatusCallback", "ftp://app.example.com", 21502),
        ("ConferenceStatusCallbackEvent", "party", 20001),
        ("ConferenceRecordingStatusCallbackEvent", "party", 13621),
        ("Label", "a/b", 16023),
        ("Label", f"CA{'0' * 32}", 16023),
        ("CallSidToCoach", "alice", 13240),
        ("Coaching", "true", 13240),
        ("CallerDisplayName", "x", 20001),
        ("Region", "mars", 20001),
        ("To", "", 21201),
        ("From", "", 21213),
    ],
)
def test_participant_with_a_bad_parameter_is_refused(name: str, value: str, code: int) -> None:
    form = Form({**BOB, name: value}.items())
    with pytest.raises(RestError) as refused:
        participant_order(form, room="hall", account_sid=ACCOUNT_SID, router=Router(Scene({}).configuration))
    assert refused.value.code == code
