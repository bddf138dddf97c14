"""The call of a dialled party, changed over REST: it goes its own way, and so does whoever dialled it."""

import asyncio

import pytest

from gateway.store.records import LegRecord
from media.engine import Silence
from signaling.leg import HangupCause
from tests.gateway.peers import PeerLeg
from tests.gateway.rest.desk import Desk, asked
from tests.gateway.rooms.house import Caller, settle

CLIENT = '<Client statusCallback="/status" statusCallbackEvent="answered completed">bob</Client>'
DIAL = f'<Dial action="/after">{CLIENT}</Dial>'
STAY = {"Twiml": "<Response><Pause length='60'/></Response>"}
PARENT_GOES_ON = {"/after": "<Response><Pause length='100'/></Response>", "/status": "<Response/>"}


async def connected(desk: Desk, dial: str = DIAL) -> tuple[Caller, PeerLeg, str]:
    """The caller, the dialled party's leg, and the sid of its call."""
    alice = await desk.call("alice", dial)
    bob = await desk.rung(0)
    bob.rings()
    await asyncio.sleep(2)
    bob.picks_up()
    await settle()
    assert bob.request is not None
    return alice, bob, bob.request.call_sid


def test_dialled_call_that_is_redirected_leaves_its_dial_which_goes_on_with_the_action() -> None:
    async def story(desk: Desk) -> None:
        alice, bob, sid = await connected(desk)
        await asyncio.sleep(5)
        moved = await desk.ask("POST", f"Calls/{sid}", {"Url": "http://app.example.com/own", "Method": "GET"})
        assert (moved["status"], moved["parent_call_sid"], moved["direction"]) == (
            "in-progress",
            alice.sid,
            "outbound-dial",
        )
        (own,) = desk.asked("/own")
        assert (own["CallSid"], own["ParentCallSid"], own["CallStatus"]) == (sid, alice.sid, "in-progress")
        (after,) = desk.asked("/after")
        assert (after["DialCallStatus"], after["DialBridged"], after["DialCallSid"]) == ("completed", "true", sid)
        assert "DialCallDuration" not in after
        assert bob.events.ended is None and alice.leg.events.ended is None
        assert (alice.hears, bob.media.hears) == (Silence(), Silence())
        assert not desk.told("/status")[-1]["CallStatus"] == "completed"
        await desk.ask("POST", f"Calls/{sid}", {"Twiml": "<Response><Pause length='7'/></Response>"})
        assert (await desk.ask("GET", f"Calls/{sid}"))["status"] == "in-progress"
        await desk.moved[0][1]
        assert bob.hung_up_with is HangupCause.NORMAL
        assert alice.leg.events.ended is None
        done = await desk.ask("GET", f"Calls/{sid}")
        assert (done["status"], done["duration"]) == ("completed", "12")

    desk = asked(Desk({**PARENT_GOES_ON, "/own": "<Response><Pause length='60'/></Response>"}), story)
    told = [(told["CallStatus"], told["SequenceNumber"]) for told in desk.told("/status")]
    assert told == [("in-progress", "2"), ("completed", "3")]
    assert [each.leg_id for each in desk.written if isinstance(each, LegRecord)].count("bob-0") == 1


def test_dialled_call_that_is_ended_ends_its_dial() -> None:
    async def story(desk: Desk) -> None:
        alice, bob, sid = await connected(desk)
        await desk.ask("POST", f"Calls/{sid}", {"Status": "canceled"})
        assert bob.events.ended is None
        assert (await desk.ask("POST", f"Calls/{sid}", {"Status": "completed"}))["status"] == "in-progress"
        assert (await desk.ask("GET", f"Calls/{sid}"))["status"] == "completed"
        assert desk.asked("/after")[0]["DialCallStatus"] == "completed"
        assert await desk.refusal("POST", f"Calls/{sid}", {"Status": "completed"}) == (400, 21220)

    asked(Desk(PARENT_GOES_ON), story)


def test_dialled_call_that_rings_is_canceled_and_cannot_be_redirected() -> None:
    async def story(desk: Desk) -> None:
        await desk.call("alice", DIAL)
        bob = await desk.rung(0)
        bob.rings()
        await settle()
        assert bob.request is not None
        sid = bob.request.call_sid
        assert (await desk.ask("GET", f"Calls/{sid}"))["status"] == "ringing"
        assert await desk.refusal("POST", f"Calls/{sid}", STAY) == (400, 21220)
        await desk.ask("POST", f"Calls/{sid}", {"Status": "canceled"})
        assert bob.hung_up_with is HangupCause.CANCELED
        assert (await desk.ask("GET", f"Calls/{sid}"))["status"] == "canceled"
        assert desk.asked("/after")[0]["DialCallStatus"] == "canceled"

    asked(Desk(PARENT_GOES_ON), story)


def test_dialled_call_is_limited_in_time_and_told_to_another_receiver() -> None:
    async def story(desk: Desk) -> None:
        alice, bob, sid = await connected(desk)
        await desk.ask("POST", f"Calls/{sid}", {"TimeLimit": "30"})
        await desk.ask(
            "POST", f"Calls/{sid}", {**STAY, "TimeLimit": "20", "StatusCallback": "http://app.example.com/other"}
        )
        await asyncio.sleep(25)
        assert bob.hung_up_with is HangupCause.NORMAL

    desk = asked(Desk(PARENT_GOES_ON), story)
    assert [told["CallDuration"] for told in desk.told("/other")] == ["20"]
    assert "completed" not in {told["CallStatus"] for told in desk.told("/status")}


def test_dialled_call_is_limited_in_time_while_its_dial_goes_on() -> None:
    async def story(desk: Desk) -> None:
        _, bob, sid = await connected(desk)
        await desk.ask("POST", f"Calls/{sid}", {"TimeLimit": "30"})
        await asyncio.sleep(29)
        assert bob.events.ended is None
        await asyncio.sleep(2)
        assert bob.hung_up_with is HangupCause.NORMAL

    asked(Desk(PARENT_GOES_ON), story)


def test_dialled_call_with_a_document_that_fails_is_asked_for_its_fallback() -> None:
    async def story(desk: Desk) -> None:
        _, _, sid = await connected(desk)
        form = {"Url": "http://app.example.com/gone", "FallbackUrl": "http://app.example.com/fallback"}
        await desk.ask("POST", f"Calls/{sid}", form)
        assert desk.asked("/fallback")[0]["ErrorUrl"] == "http://app.example.com/gone"

    asked(Desk({**PARENT_GOES_ON, "/fallback": "<Response><Pause length='9'/></Response>"}), story)


def test_dialled_call_that_is_redirected_during_its_whisper_hears_nothing_more_of_it() -> None:
    async def story(desk: Desk) -> None:
        dial = '<Dial action="/after"><Client url="/whisper">bob</Client></Dial>'
        alice, bob, sid = await connected(desk, dial)
        await asyncio.sleep(3)
        await desk.ask("POST", f"Calls/{sid}", STAY)
        (after,) = desk.asked("/after")
        assert (after["DialCallStatus"], after["DialBridged"]) == ("completed", "false")
        await asyncio.sleep(10)
        assert (bob.events.ended, bob.media.played_to_the_end) == (None, [])

    documents = {**PARENT_GOES_ON, "/whisper": "<Response><Play>/sound</Play></Response>"}
    desk = Desk(documents)
    desk.sounds["/sound"] = 8.0
    asked(desk, story)


def test_parent_that_is_redirected_drops_the_dialled_party() -> None:
    async def story(desk: Desk) -> None:
        alice, bob, sid = await connected(desk)
        await desk.ask("POST", f"Calls/{alice.sid}", STAY)
        assert (bob.hung_up_with, alice.leg.events.ended) == (HangupCause.NORMAL, None)
        assert desk.asked("/after") == []
        assert await desk.refusal("POST", f"Calls/{sid}", STAY) == (400, 21220)

    asked(Desk(PARENT_GOES_ON), story)


@pytest.mark.parametrize("leaves_first", [True, False])
def test_dialled_call_and_its_parent_that_both_go_their_ways_end_apart(leaves_first: bool) -> None:
    async def story(desk: Desk) -> None:
        alice, bob, sid = await connected(desk)
        await desk.ask("POST", f"Calls/{sid}", STAY)
        await desk.ask("POST", f"Calls/{alice.sid}", STAY)
        first, second = (bob, alice.leg) if leaves_first else (alice.leg, bob)
        first.hangs_up()
        await asyncio.sleep(5)
        assert second.events.ended is None

    asked(Desk(PARENT_GOES_ON), story)
