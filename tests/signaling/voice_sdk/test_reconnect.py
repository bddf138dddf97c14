"""Calls that outlive their socket: coming back, taking over, ICE restart, and who is refused.

Source: reliability checks R-07, R-08, S-23.
"""

import asyncio

import pytest

from signaling.leg import HangupCause, LegState
from signaling.peer_media import Connected, Failed, Gone
from signaling.voice_sdk.settings import VoiceSdkSettings
from tests.signaling.voice_sdk.peers import CALL_SID, Browser, Rig, browser_sdp, token
from tests.signaling.voice_sdk.test_calls import called, ended, invite_of, kinds, ringing, settle, talking
from tests.virtual_time import run

# Nobody echoes heartbeats in these scenes.
QUIET = VoiceSdkSettings(silent_s=1e6)


def token_in(browser: Browser) -> str:
    """The last reconnect token the device was given."""
    found = [frame["payload"]["reconnect"] for frame in browser.wire.take() if "reconnect" in frame["payload"]]
    return str(found[-1])


def test_lost_while_ringing_is_unreachable_at_once_and_over_in_a_second() -> None:
    async def scene() -> None:
        rig = Rig(QUIET)
        browser = rig.browser()
        leg = await ringing(rig, browser)
        browser.connection.lost()
        assert rig.agent.devices("alice") == []
        await asyncio.sleep(1.1)
        assert ended(leg).cause is HangupCause.UNREACHABLE
        # The dead call in the page goes away when it is back.
        back = Browser(rig)
        back.say("listen", token=token())
        assert back.wire.kinds() == ["connected", "cancel"]
        rig.agent.stop()

    run(scene())


def test_lost_while_ringing_rings_again_on_the_next_socket() -> None:
    async def scene() -> None:
        rig = Rig(QUIET)
        browser = rig.browser()
        leg = await ringing(rig, browser)
        first = invite_of(browser)
        browser.connection.lost()
        await asyncio.sleep(0.3)
        back = Browser(rig)
        back.say("listen", token=token())
        back.say("register", media={"audio": True})
        frames = back.wire.take()
        assert [frame["type"] for frame in frames] == ["connected", "cancel", "invite", "ready"]
        assert frames[2]["payload"]["callsid"] == first["callsid"]
        back.say("answer", callsid=CALL_SID, sdp=browser_sdp())
        await settle()
        assert kinds(leg) == ["Answered"]
        rig.agent.stop()

    run(scene())


def test_lost_before_its_call_is_answered_ends_the_call() -> None:
    """It has no reconnect token yet, so it could not have the call back; ``cancel`` frees it."""

    async def scene() -> None:
        rig = Rig(QUIET)
        browser = rig.browser()
        leg = await called(rig, browser)
        await leg.ring()
        browser.connection.lost()
        assert ended(leg).cause is HangupCause.CANCELED
        assert ended(leg).by_remote
        back = Browser(rig)
        back.say("listen", token=token())
        connected, cancel = back.wire.take()
        assert (connected["type"], cancel["type"]) == ("connected", "cancel")
        assert cancel["payload"] == {"callsid": leg.call_sid}
        rig.agent.stop()

    run(scene())


@pytest.mark.parametrize("outage_s", [0.2, 25.0])
def test_socket_loss_alone_does_not_end_a_call(outage_s: float) -> None:
    async def scene() -> None:
        rig = Rig(QUIET)
        browser = rig.browser()
        leg = await talking(rig, browser)
        first = token_in(browser)
        browser.connection.lost()
        assert rig.agent.devices("alice") == []
        await asyncio.sleep(outage_s)
        assert leg.state is LegState.UP
        back = Browser(rig)
        back.say("listen", token=token())
        back.say("invite", callsid=CALL_SID, reconnect=first, sdp=browser_sdp(), twilio={})
        back.say("register", media={"audio": True})
        frames = back.wire.take()
        assert [frame["type"] for frame in frames] == ["connected", "answer", "ready"]
        answer = frames[1]["payload"]
        assert answer["callsid"] == CALL_SID
        assert "sdp" not in answer
        assert answer["reconnect"] != first
        assert rig.sounds[0].asked[-1][0] == "accept_answer"
        await asyncio.sleep(60)
        assert leg.state is LegState.UP
        leg.hangup()
        assert back.wire.kinds() == ["hangup"]
        rig.agent.stop()

    run(scene())


def test_call_from_a_device_comes_back_as_well() -> None:
    async def scene() -> None:
        rig = Rig(QUIET)
        browser = rig.browser()
        leg = await called(rig, browser)
        await leg.answer()
        first = token_in(browser)
        browser.connection.lost()
        back = Browser(rig)
        back.say("listen", token=token())
        back.say("invite", callsid=leg.call_sid, reconnect=first, sdp=browser_sdp(), twilio={})
        assert back.wire.kinds() == ["connected", "answer"]
        back.say("hangup", callsid=leg.call_sid)
        assert ended(leg).cause is HangupCause.NORMAL
        rig.agent.stop()

    run(scene())


def test_new_socket_before_the_old_one_is_noticed_to_be_dead() -> None:
    async def scene() -> None:
        rig = Rig(QUIET)
        browser = rig.browser()
        leg = await talking(rig, browser)
        first = token_in(browser)
        back = Browser(rig).log_in()
        back.say("invite", callsid=CALL_SID, reconnect=first, sdp=browser_sdp(), twilio={})
        assert back.wire.kinds() == ["answer"]
        assert browser.wire.take() == []
        # The old socket has no say any more, dead or not.
        browser.say("hangup", callsid=CALL_SID)
        browser.connection.lost()
        assert leg.state is LegState.UP
        rig.agent.stop()

    run(scene())


def test_lost_answer_leaves_the_token_before_valid() -> None:
    async def scene() -> None:
        rig = Rig(QUIET)
        browser = rig.browser()
        leg = await talking(rig, browser)
        first = token_in(browser)
        browser.connection.lost()
        for _ in range(3):
            back = Browser(rig).log_in()
            back.say("invite", callsid=CALL_SID, reconnect=first, sdp=browser_sdp(), twilio={})
            assert back.wire.kinds() == ["answer"]
            back.connection.lost()
        last = Browser(rig).log_in()
        last.say("invite", callsid=CALL_SID, reconnect=first, sdp=browser_sdp(), twilio={})
        second = token_in(last)
        last.say("invite", callsid=CALL_SID, reconnect=second, sdp=browser_sdp(), twilio={})
        assert last.wire.kinds() == ["answer"]
        last.say("invite", callsid=CALL_SID, reconnect=first, sdp=browser_sdp(), twilio={})
        assert last.wire.kinds() == ["hangup"]
        assert leg.state is LegState.UP
        rig.agent.stop()

    run(scene())


def test_token_renewed_in_a_call_keeps_the_call() -> None:
    """The SDK presents the call on the same socket after every ``connected``. Source: voice-sdk.md 5.3, case 2."""

    async def scene() -> None:
        rig = Rig(QUIET)
        browser = rig.browser()
        leg = await talking(rig, browser)
        first = token_in(browser)
        browser.say("listen", token=token())
        browser.say("invite", callsid=CALL_SID, reconnect=first, sdp=browser_sdp(), twilio={})
        assert browser.wire.kinds() == ["connected", "answer"]
        assert rig.sounds[0].asked[-1][0] == "accept_answer"
        assert leg.connection is browser.connection
        rig.agent.stop()

    run(scene())


def test_grace_over_ends_the_call_and_frees_the_device_when_it_is_back() -> None:
    async def scene() -> None:
        rig = Rig(QUIET)
        browser = rig.browser()
        leg = await talking(rig, browser)
        browser.connection.lost()
        await asyncio.sleep(29)
        assert leg.events.ended is None
        await asyncio.sleep(2)
        assert (ended(leg).cause, ended(leg).by_remote) == (HangupCause.NORMAL, True)
        back = Browser(rig)
        back.say("listen", token=token())
        assert {"callsid": CALL_SID} in [frame["payload"] for frame in back.wire.take()]
        later = Browser(rig)
        later.say("listen", token=token())
        assert later.wire.kinds() == ["connected"]
        rig.agent.stop()

    run(scene())


def test_grace_over_frees_a_device_that_is_back_without_its_call() -> None:
    """The answer with its first reconnect token was lost: it is back, but could not present the call."""

    async def scene() -> None:
        rig = Rig(QUIET)
        browser = rig.browser()
        leg = await talking(rig, browser)
        browser.connection.lost()
        back = rig.browser()
        await asyncio.sleep(31)
        assert leg.events.ended is not None
        assert back.wire.kinds() == ["cancel"]
        rig.agent.stop()

    run(scene())


def test_hung_up_while_offline_is_noticed_by_the_sound() -> None:
    async def scene() -> None:
        rig = Rig(QUIET)
        browser = rig.browser()
        leg = await talking(rig, browser)
        browser.connection.lost()
        rig.sounds[0].tell(Gone())
        assert (ended(leg).cause, ended(leg).by_remote) == (HangupCause.NORMAL, True)
        rig.agent.stop()

    run(scene())


def test_cable_cut_ends_the_call_within_the_media_time() -> None:
    async def scene() -> None:
        rig = Rig(QUIET)
        browser = rig.browser()
        leg = await talking(rig, browser)
        browser.connection.lost()
        rig.sounds[0].tell(Failed("nothing heard"))
        await asyncio.sleep(5.1)
        assert ended(leg).cause is HangupCause.MEDIA_TIMEOUT
        rig.agent.stop()

    run(scene())


@pytest.mark.parametrize("presented", ["", "guess", "x" * 256])
def test_wrong_reconnect_token_is_refused_and_touches_nothing(presented: str) -> None:
    async def scene() -> None:
        rig = Rig(QUIET)
        browser = rig.browser()
        leg = await talking(rig, browser)
        browser.wire.take()
        other = rig.browser()
        other.say("invite", callsid=CALL_SID, reconnect=presented, sdp=browser_sdp("ff"), twilio={})
        [refused] = other.wire.take()
        if presented:
            assert (refused["type"], refused["payload"]["error"]["code"]) == ("hangup", 31209)
        assert browser.wire.take() == []
        assert leg.connection is browser.connection
        rig.agent.stop()

    run(scene())


def test_right_reconnect_token_of_another_identity_or_call_is_refused_alike() -> None:
    async def scene() -> None:
        rig = Rig(QUIET)
        browser = rig.browser()
        leg = await talking(rig, browser)
        right = token_in(browser)
        mallory = rig.browser(token("mallory"))
        answers = []
        for sid in (CALL_SID, "CA" + "0" * 32):
            mallory.say("invite", callsid=sid, reconnect=right, sdp=browser_sdp("ff"), twilio={})
            [refused] = mallory.wire.take()
            answers.append((refused["type"], refused["payload"]["error"]))
        assert answers[0] == answers[1]
        for kind in ("hangup", "reject", "dtmf", "answer", "reinvite"):
            mallory.say(kind, callsid=CALL_SID, dtmf="1", sdp=browser_sdp("ff"))
        assert leg.state is LegState.UP
        assert leg.connection is browser.connection
        assert browser.wire.take() == []
        # The token was not used up either.
        browser.say("invite", callsid=CALL_SID, reconnect=right, sdp=browser_sdp(), twilio={})
        assert browser.wire.kinds() == ["answer"]
        rig.agent.stop()

    run(scene())


def test_another_device_of_the_identity_has_no_say_without_the_token() -> None:
    async def scene() -> None:
        rig = Rig(QUIET)
        browser = rig.browser()
        leg = await talking(rig, browser)
        other = rig.browser()
        for kind in ("hangup", "reject"):
            other.say(kind, callsid=CALL_SID)
        assert leg.state is LegState.UP
        assert leg.connection is browser.connection
        rig.agent.stop()

    run(scene())


def test_ringing_call_is_taken_over_by_connect_token() -> None:
    async def scene() -> None:
        rig = Rig(QUIET)
        first = rig.browser()
        leg = await ringing(rig, first)
        connect_token = token_in(first)
        second = rig.browser(register=False)
        second.say("invite", callsid=CALL_SID, reconnect=connect_token, sdp=browser_sdp("22"), twilio={})
        await settle()
        assert kinds(leg) == ["Answered"]
        assert first.wire.kinds() == ["cancel"]
        [answer] = second.wire.take()
        assert answer["payload"]["sdp"].startswith("our new answer")
        assert len(answer["payload"]["reconnect"]) >= 32
        assert rig.sounds[0].asked[-1] == ("restart", browser_sdp("22"))
        # The first device may still say reject when it is destroyed.
        first.say("reject", callsid=CALL_SID)
        assert leg.state is LegState.UP
        second.say("hangup", callsid=CALL_SID)
        assert ended(leg).cause is HangupCause.NORMAL
        rig.agent.stop()

    run(scene())


def test_running_call_moves_to_another_device() -> None:
    async def scene() -> None:
        rig = Rig(QUIET)
        first = rig.browser()
        leg = await talking(rig, first)
        connect_token = token_in(first)
        second = rig.browser()
        second.say("invite", callsid=CALL_SID, reconnect=connect_token, sdp=browser_sdp("22"), twilio={})
        await settle()
        rig.sounds[0].tell(Connected())
        assert first.wire.kinds() == ["cancel"]
        assert second.wire.kinds() == ["answer"]
        assert kinds(leg) == []
        await asyncio.sleep(60)
        assert leg.state is LegState.UP
        rig.agent.stop()

    run(scene())


def test_take_over_of_a_fork_by_a_device_that_rings_too() -> None:
    """Both ring under one CallSid; the cancel for the other leg must not reach the call that was taken."""

    async def scene() -> None:
        rig = Rig(QUIET)
        first, second = rig.browser(), rig.browser()
        mine, theirs = rig.dial()
        await settle()
        connect_token = token_in(first)
        second.wire.take()
        second.say("invite", callsid=CALL_SID, reconnect=connect_token, sdp=browser_sdp("22"), twilio={})
        await settle()
        theirs.hangup(HangupCause.ANSWERED_ELSEWHERE)
        assert ended(theirs).cause is HangupCause.DECLINED
        assert mine.state is LegState.UP
        assert second.wire.kinds() == ["answer"]
        second.say("hangup", callsid=CALL_SID)
        assert mine.events.ended is not None
        rig.agent.stop()

    run(scene())


def test_ice_restart_answers_on_a_fresh_connection() -> None:
    async def scene() -> None:
        rig = Rig(QUIET)
        browser = rig.browser()
        leg = await talking(rig, browser)
        browser.wire.take()
        rig.sounds[0].tell(Failed("path lost"))
        browser.say("reinvite", callsid=CALL_SID, sdp=browser_sdp())
        await settle()
        [answer] = browser.wire.take()
        assert answer["type"] == "answer"
        assert answer["payload"] == {"callsid": CALL_SID, "sdp": "our new answer 3"}
        await asyncio.sleep(10)
        rig.sounds[0].tell(Connected())
        await asyncio.sleep(60)
        assert leg.state is LegState.UP
        browser.say("reinvite", callsid=CALL_SID, sdp=browser_sdp())
        await asyncio.sleep(21)
        assert ended(leg).cause is HangupCause.FAILED
        rig.agent.stop()

    run(scene())


def test_ice_restarts_are_limited() -> None:
    async def scene() -> None:
        rig = Rig(QUIET)
        browser = rig.browser()
        await talking(rig, browser)
        browser.wire.take()
        for _ in range(50):
            browser.say("reinvite", callsid=CALL_SID, sdp=browser_sdp())
            await settle()
        assert len(browser.wire.take()) == QUIET.restarts_per_minute
        browser.say("reinvite", callsid="CAgone", sdp=browser_sdp())
        assert browser.wire.kinds() == ["hangup"]
        rig.agent.stop()

    run(scene())


def test_unusable_restart_leaves_the_call_as_it_is() -> None:
    async def scene() -> None:
        rig = Rig(QUIET)
        browser = rig.browser()
        leg = await talking(rig, browser)
        browser.wire.take()
        browser.say("reinvite", callsid=CALL_SID, sdp="refuse")
        await settle()
        assert browser.wire.take() == []
        assert leg.state is LegState.UP
        rig.agent.stop()

    run(scene())


def test_everything_is_given_back() -> None:
    async def scene() -> None:
        rig = Rig(QUIET)
        for number in range(20):
            browser = rig.browser()
            leg = await talking(rig, browser)
            if number % 2:
                browser.connection.lost()
            leg.hangup()
            browser.connection.lost()
        assert rig.agent.live == {"connections": 0, "registered": 0, "legs": 0}
        assert all(sound.is_closed for sound in rig.sounds)
        rig.agent.stop()

    run(scene())
