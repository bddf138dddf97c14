"""Calls to and from browsers: what the device is told, what the leg's owner hears, and who may speak for a call."""

import asyncio
from typing import Any

import pytest

from signaling.call_message import CallMessage
from signaling.leg import (
    DigitReceived,
    Direction,
    Ended,
    HangupCause,
    LegEvent,
    LegState,
)
from signaling.location import Location
from signaling.peer_media import Connected, Digit, Failed, Gone
from signaling.voice_sdk.leg import VoiceSdkLeg
from signaling.voice_sdk.settings import VoiceSdkSettings
from tests.signaling.voice_sdk.peers import ACCOUNT, APPLICATION, CALL_SID, Browser, Rig, browser_sdp, token
from tests.virtual_time import run


async def settle() -> None:
    """Let work on descriptions finish; it takes a few turns of the loop and no time."""
    for _ in range(8):
        await asyncio.sleep(0)


def heard(leg: VoiceSdkLeg) -> list[LegEvent]:
    """The events so far."""
    waiting = leg.events._waiting._waiting
    found = waiting.copy()
    waiting.clear()
    return found


def kinds(leg: VoiceSdkLeg) -> list[str]:
    return [type(event).__name__ for event in heard(leg)]


def ended(leg: VoiceSdkLeg) -> Ended:
    assert leg.events.ended is not None
    assert leg.state is LegState.ENDED
    return leg.events.ended


async def ringing(rig: Rig, browser: Browser, **more: Any) -> VoiceSdkLeg:
    [leg] = rig.dial(**more)
    await settle()
    assert kinds(leg) == ["Ringing"]
    return leg


async def talking(rig: Rig, browser: Browser) -> VoiceSdkLeg:
    """A call to the device that was answered, its sound up."""
    leg = await ringing(rig, browser)
    browser.say("answer", callsid=CALL_SID, sdp=browser_sdp())
    await settle()
    rig.sounds[-1].tell(Connected())
    assert kinds(leg) == ["Answered"]
    return leg


def invite_of(browser: Browser) -> dict[str, Any]:
    [frame] = browser.wire.take()
    assert frame["type"] == "invite"
    payload: dict[str, Any] = frame["payload"]
    return payload


async def called(rig: Rig, browser: Browser, params: str = "To=bob") -> VoiceSdkLeg:
    """A call from the device, just arrived."""
    browser.say("invite", callsid="TJS1", sdp=browser_sdp(), twilio={"params": params})
    await settle()
    return rig.calls[-1]


class TestToDevice:
    def test_invite_shows_caller_and_parameters(self) -> None:
        async def scene() -> None:
            rig = Rig()
            browser = rig.browser()
            leg = await ringing(rig, browser, parameters={"team": "sales & more"})
            invite = invite_of(browser)
            assert invite["callsid"] == CALL_SID
            assert invite["sdp"] == "our offer"
            assert len(invite["reconnect"]) >= 32
            assert invite["parameters"] == {
                "CallSid": CALL_SID,
                "AccountSid": ACCOUNT,
                "ApiVersion": "2010-04-01",
                "From": "+15550100",
                "To": "client:alice",
                "Params": "team=sales%20%26%20more",
            }
            assert (leg.state, leg.direction) == (LegState.RINGING, Direction.OUTBOUND)
            assert leg.device == "voice-sdk:alice@192.0.2.1"
            leg.hangup()
            rig.agent.stop()

        run(scene())

    def test_answer_posts_answered_once_the_description_is_taken(self) -> None:
        async def scene() -> None:
            rig = Rig()
            browser = rig.browser()
            leg = await ringing(rig, browser)
            browser.say("answer", callsid=CALL_SID, sdp=browser_sdp("07", kind="active"))
            assert kinds(leg) == []
            await settle()
            assert kinds(leg) == ["Answered"]
            assert leg.state is LegState.UP
            assert rig.sounds[0].asked == [("offer", ""), ("accept_answer", browser_sdp("07", kind="active"))]
            browser.say("hangup", callsid=CALL_SID)
            assert ended(leg) == Ended(HangupCause.NORMAL, by_remote=True)
            assert rig.sounds[0].is_closed
            assert browser.connection.legs == {}
            assert rig.agent.live["legs"] == 0
            rig.agent.stop()

        run(scene())

    def test_answer_of_a_call_that_is_over_is_hung_up(self) -> None:
        async def scene() -> None:
            rig = Rig()
            browser = rig.browser()
            leg = await ringing(rig, browser)
            leg.hangup(HangupCause.CANCELED)
            assert browser.wire.kinds() == ["invite", "cancel"]
            browser.say("answer", callsid=CALL_SID, sdp=browser_sdp())
            [hangup] = browser.wire.take()
            assert (hangup["type"], hangup["payload"]) == ("hangup", {"callsid": CALL_SID})
            assert ended(leg).cause is HangupCause.CANCELED
            rig.agent.stop()

        run(scene())

    @pytest.mark.parametrize("kind", ["reject", "hangup"])
    def test_reject_and_refused_microphone_are_declined(self, kind: str) -> None:
        async def scene() -> None:
            rig = Rig()
            browser = rig.browser()
            leg = await ringing(rig, browser)
            browser.say(kind, callsid=CALL_SID)
            assert ended(leg) == Ended(HangupCause.DECLINED, by_remote=True, sip_status=603)
            rig.agent.stop()

        run(scene())

    def test_ignored_or_busy_device_runs_into_our_own_timer(self) -> None:
        async def scene() -> None:
            rig = Rig(VoiceSdkSettings(ring_s=30, silent_s=1e6))
            browser = rig.browser()
            leg = await ringing(rig, browser)
            await asyncio.sleep(29)
            assert leg.events.ended is None
            await asyncio.sleep(2)
            assert ended(leg).cause is HangupCause.NO_ANSWER
            assert browser.wire.kinds() == ["invite", "cancel"]
            rig.agent.stop()

        run(scene())

    def test_unusable_answer_ends_the_leg_without_answered(self) -> None:
        async def scene() -> None:
            rig = Rig()
            browser = rig.browser()
            leg = await ringing(rig, browser)
            browser.say("answer", callsid=CALL_SID, sdp="refuse me")
            await settle()
            assert kinds(leg) == ["Ended"]
            assert ended(leg).cause is HangupCause.NOT_ACCEPTABLE
            assert browser.wire.kinds() == ["invite", "hangup"]
            rig.agent.stop()

        run(scene())

    def test_no_port_left_ends_the_leg_at_once(self) -> None:
        async def scene() -> None:
            rig = Rig(ports=0)
            browser = rig.browser()
            [leg] = rig.dial()
            assert ended(leg).cause is HangupCause.OVERLOAD
            assert browser.wire.take() == []
            rig.agent.stop()

        run(scene())

    def test_fork_each_device_has_its_own_offer_and_the_losers_get_cancel(self) -> None:
        async def scene() -> None:
            rig = Rig()
            first, second = rig.browser(), rig.browser()
            location = Location(sources=[rig.agent], numbers=None, uris=None)  # type: ignore[arg-type]
            assert location.is_reachable("alice")
            legs = rig.dial()
            await settle()
            assert len(rig.sounds) == 2
            assert invite_of(first)["reconnect"] != invite_of(second)["reconnect"]
            second.say("answer", callsid=CALL_SID, sdp=browser_sdp())
            await settle()
            legs[0].hangup(HangupCause.ANSWERED_ELSEWHERE)
            assert legs[1].state is LegState.UP
            assert first.wire.kinds() == ["cancel"]
            assert second.wire.kinds() == []
            second.say("hangup", callsid=CALL_SID)
            assert legs[1].events.ended is not None
            rig.agent.stop()

        run(scene())

    def test_no_sound_path_ends_the_call(self) -> None:
        async def scene() -> None:
            rig = Rig(VoiceSdkSettings(connect_s=20, silent_s=1e6))
            browser = rig.browser()
            leg = await ringing(rig, browser)
            browser.say("answer", callsid=CALL_SID, sdp=browser_sdp())
            await asyncio.sleep(19)
            assert leg.events.ended is None
            await asyncio.sleep(2)
            assert ended(leg).cause is HangupCause.FAILED
            assert browser.wire.kinds() == ["invite", "hangup"]
            rig.agent.stop()

        run(scene())

    def test_lost_sound_path_ends_the_call_unless_it_comes_back(self) -> None:
        async def scene() -> None:
            rig = Rig(VoiceSdkSettings(media_s=5, silent_s=1e6))
            browser = rig.browser()
            leg = await talking(rig, browser)
            rig.sounds[0].tell(Failed("nothing heard"))
            await asyncio.sleep(4)
            rig.sounds[0].tell(Connected())
            await asyncio.sleep(10)
            assert leg.events.ended is None
            rig.sounds[0].tell(Failed("nothing heard"))
            await asyncio.sleep(5.1)
            assert ended(leg).cause is HangupCause.MEDIA_TIMEOUT
            [_, hangup] = browser.wire.take()
            assert hangup["payload"]["error"]["code"] == 53405
            rig.agent.stop()

        run(scene())

    def test_closed_peer_connection_ends_the_call_at_once(self) -> None:
        async def scene() -> None:
            rig = Rig()
            browser = rig.browser()
            leg = await talking(rig, browser)
            rig.sounds[0].tell(Gone())
            assert ended(leg) == Ended(HangupCause.NORMAL, by_remote=True)
            rig.agent.stop()

        run(scene())

    def test_digits_come_by_message_and_by_rtp(self) -> None:
        async def scene() -> None:
            rig = Rig()
            browser = rig.browser()
            leg = await talking(rig, browser)
            browser.say("dtmf", callsid=CALL_SID, dtmf="1#w2")
            rig.sounds[0].tell(Digit("9", 160))
            await asyncio.sleep(0.1)
            assert [event.digit for event in heard(leg) if isinstance(event, DigitReceived)] == ["9", "1", "#"]
            await asyncio.sleep(0.5)
            assert heard(leg) == [DigitReceived("2", is_in_media=False)]
            await leg.send_digits("42")
            assert rig.sounds[0].digits == ["42"]
            rig.agent.stop()

        run(scene())

    def test_messages_are_acknowledged_both_ways(self) -> None:
        async def scene() -> None:
            rig = Rig()
            browser = rig.browser()
            leg = await talking(rig, browser)
            browser.wire.take()
            said: list[object] = []
            leg.on_message = lambda message: said.append(message.content)
            browser.say("message", callsid=CALL_SID, content={"a": 1}, voiceeventsid="KX1")
            assert said == [{"a": 1}]
            [acknowledged] = browser.wire.take()
            assert acknowledged["payload"] == {"acktype": "message", "callsid": CALL_SID, "voiceeventsid": "KX1"}
            browser.say("message", callsid=CALL_SID, content="x" * 20_000, voiceeventsid="KX2")
            [error] = browser.wire.take()
            assert (error["payload"]["error"]["code"], error["payload"]["voiceeventsid"]) == (31212, "KX2")
            assert leg.send_message(CallMessage(content={"hello": "page"}, sid="KX3"))
            [message] = browser.wire.take()
            assert (message["payload"]["content"], message["payload"]["voiceeventsid"]) == ({"hello": "page"}, "KX3")
            rig.agent.stop()
            assert not leg.send_message(CallMessage(content="too late"))

        run(scene())

    def test_more_messages_than_a_page_may_send_are_refused_and_nobody_hears_them(self) -> None:
        async def scene() -> None:
            rig = Rig(settings=VoiceSdkSettings(call_messages_per_s=0.5, call_message_burst=3))
            browser = rig.browser()
            leg = await talking(rig, browser)
            said: list[object] = []
            leg.on_message = lambda message: said.append(message.content)

            def answers(count: int) -> list[object]:
                browser.wire.take()
                for number in range(count):
                    browser.say("message", callsid=CALL_SID, content=number, voiceeventsid=f"KX{number}")
                told = [each["payload"] for each in browser.wire.take()]
                return [each.get("acktype") or each["error"]["code"] for each in told]

            assert answers(5) == ["message"] * 3 + [31206] * 2
            assert said == [0, 1, 2]
            await asyncio.sleep(2)
            assert answers(2) == ["message", 31206]
            rig.agent.stop()

        run(scene())

    def test_message_with_a_number_that_is_no_json_is_refused(self) -> None:
        async def scene() -> None:
            rig = Rig()
            browser = rig.browser()
            leg = await talking(rig, browser)
            browser.wire.take()
            leg.on_message = lambda message: pytest.fail("nothing to be said")
            browser.connection.receive(
                f'{{"type": "message", "payload": {{"callsid": "{CALL_SID}", "content": 1e999}}}}'
            )
            [error] = browser.wire.take()
            assert error["payload"]["error"]["code"] == 31212
            rig.agent.stop()

        run(scene())


class TestFromDevice:
    def test_call_is_handed_up_with_what_the_application_is_told(self) -> None:
        async def scene() -> None:
            rig = Rig()
            browser = rig.browser(token(parameters={"tier": "gold", "n": "token"}), register=False)
            leg = await called(rig, browser, "To=%2B15550101&n=device&empty=")
            assert leg.caller.address == "client:alice"
            assert leg.callee.address == "+15550101"
            assert leg.application_sid == APPLICATION
            assert leg.caller_parameters == {"To": "+15550101", "n": "token", "empty": "", "tier": "gold"}
            assert leg.call_sid.startswith("CA")
            assert leg.identity == "alice"
            assert leg.codec_names == ("PCMU", "OPUS", "G722", "PCMA")
            assert (leg.state, leg.direction) == (LegState.TRYING, Direction.INBOUND)
            assert browser.wire.take() == []
            rig.agent.stop()

        run(scene())

    def test_ring_then_answer(self) -> None:
        async def scene() -> None:
            rig = Rig()
            browser = rig.browser()
            leg = await called(rig, browser)
            await leg.ring()
            await leg.ring()
            [told] = browser.wire.take()
            assert (told["type"], told["payload"]) == ("ringing", {"callsid": leg.call_sid})
            await leg.answer()
            await leg.answer()
            [answer] = browser.wire.take()
            assert answer["payload"]["callsid"] == leg.call_sid
            assert answer["payload"]["sdp"] == "our answer"
            assert len(answer["payload"]["reconnect"]) >= 32
            assert leg.state is LegState.UP
            leg.hangup()
            [hangup] = browser.wire.take()
            assert hangup["payload"] == {"callsid": leg.call_sid}
            rig.agent.stop()

        run(scene())

    def test_early_media_carries_the_answer_already(self) -> None:
        async def scene() -> None:
            rig = Rig()
            browser = rig.browser()
            leg = await called(rig, browser)
            await leg.ring()
            await leg.early_media()
            await leg.answer()
            frames = browser.wire.take()
            assert [frame["type"] for frame in frames] == ["ringing", "ringing", "answer"]
            assert frames[1]["payload"]["sdp"] == "our answer"
            assert [asked for asked, _ in rig.sounds[0].asked] == ["answer"]
            rig.agent.stop()

        run(scene())

    @pytest.mark.parametrize("is_announced", [False, True])
    def test_refused_call_is_hung_up_by_the_name_the_device_knows(self, is_announced: bool) -> None:
        async def scene() -> None:
            rig = Rig()
            browser = rig.browser()
            leg = await called(rig, browser)
            if is_announced:
                await leg.ring()
                browser.wire.take()
            leg.hangup(HangupCause.NOT_FOUND)
            [hangup] = browser.wire.take()
            assert hangup["payload"]["callsid"] == (leg.call_sid if is_announced else "TJS1")
            assert hangup["payload"]["error"]["code"] == 31404
            rig.agent.stop()

        run(scene())

    @pytest.mark.parametrize("is_announced", [False, True])
    def test_device_hangs_up_before_the_answer(self, is_announced: bool) -> None:
        async def scene() -> None:
            rig = Rig()
            browser = rig.browser()
            leg = await called(rig, browser)
            if is_announced:
                await leg.ring()
            browser.say("hangup", callsid=leg.call_sid if is_announced else "TJS1")
            assert ended(leg) == Ended(HangupCause.CANCELED, by_remote=True)
            await leg.answer()
            assert "answer" not in browser.wire.kinds()
            rig.agent.stop()

        run(scene())

    def test_hangup_while_the_answer_is_made(self) -> None:
        async def scene() -> None:
            rig = Rig()
            browser = rig.browser()
            leg = await called(rig, browser)
            answering = asyncio.ensure_future(leg.answer())
            await asyncio.sleep(0)
            browser.say("hangup", callsid="TJS1")
            await answering
            assert ended(leg).cause is HangupCause.CANCELED
            assert browser.wire.kinds() == []
            rig.agent.stop()

        run(scene())

    def test_offer_that_cannot_be_answered_is_refused(self) -> None:
        async def scene() -> None:
            rig = Rig()
            browser = rig.browser()
            browser.say("invite", callsid="TJS1", sdp="nonsense", twilio={})
            [hangup] = browser.wire.take()
            assert (hangup["payload"]["callsid"], hangup["payload"]["error"]["code"]) == ("TJS1", 31400)
            assert rig.calls == []
            browser.say("invite", callsid="TJS2", sdp=browser_sdp() + "a=refuse\r\n", twilio={})
            await rig.calls[0].answer()
            assert ended(rig.calls[0]).cause is HangupCause.NOT_ACCEPTABLE
            assert browser.wire.kinds() == ["hangup"]
            rig.agent.stop()

        run(scene())

    def test_token_without_an_application_may_not_call(self) -> None:
        async def scene() -> None:
            rig = Rig()
            browser = rig.browser(token(application_sid=None))
            browser.say("invite", callsid="TJS1", sdp=browser_sdp(), twilio={})
            [hangup] = browser.wire.take()
            assert hangup["payload"]["error"]["code"] == 31002
            assert rig.calls == []
            rig.agent.stop()

        run(scene())

    def test_second_call_before_the_first_is_answered_is_busy(self) -> None:
        async def scene() -> None:
            rig = Rig()
            browser = rig.browser()
            await called(rig, browser)
            browser.say("invite", callsid="TJS1", sdp=browser_sdp(), twilio={})
            assert len(rig.calls) == 1
            browser.say("invite", callsid="TJS2", sdp=browser_sdp(), twilio={})
            [hangup] = browser.wire.take()
            assert (hangup["payload"]["callsid"], hangup["payload"]["error"]["code"]) == ("TJS2", 31486)
            rig.agent.stop()

        run(scene())

    def test_invite_waits_until_the_device_has_the_name_of_its_own_call(self) -> None:
        """The SDK writes the CallSid of ``ringing`` into every call of the socket. Source: voice-sdk.md 8, rule 6."""

        async def scene() -> None:
            rig = Rig()
            browser = rig.browser()
            mine = await called(rig, browser)
            [theirs] = rig.dial()
            await settle()
            assert browser.wire.kinds() == []
            assert theirs.state is LegState.TRYING
            await mine.ring()
            assert browser.wire.kinds() == ["ringing", "invite"]
            rig.agent.stop()

        run(scene())

    def test_microphone_refused_hangs_up_a_call_nobody_knows(self) -> None:
        async def scene() -> None:
            rig = Rig()
            browser = rig.browser()
            browser.say("hangup", callsid="TJSnever")
            browser.say("reject", callsid="CAnever")
            browser.say("dtmf", callsid="CAnever", dtmf="1")
            assert browser.wire.take() == []
            rig.agent.stop()

        run(scene())

    def test_drained_agent_takes_no_new_call_and_keeps_the_old(self) -> None:
        async def scene() -> None:
            rig = Rig()
            browser = rig.browser()
            leg = await talking(rig, browser)
            browser.wire.take()
            rig.agent.drain()
            browser.say("invite", callsid="TJS1", sdp=browser_sdp(), twilio={})
            [hangup] = browser.wire.take()
            assert hangup["type"] == "hangup"
            assert leg.state is LegState.UP
            assert rig.agent.has_room("192.0.2.9")
            leg.hangup()
            assert not rig.agent.has_room("192.0.2.9")
            rig.agent.stop()
            assert browser.wire.closed == 1001

        run(scene())


class TestIllegalAndUnused:
    def test_ringing_and_answering_an_outbound_leg_do_nothing(self) -> None:
        async def scene() -> None:
            rig = Rig()
            browser = rig.browser()
            leg = await ringing(rig, browser)
            await leg.ring()
            await leg.early_media()
            await leg.answer()
            assert browser.wire.kinds() == ["invite"]
            assert kinds(leg) == []
            leg.hangup()
            leg.hangup()
            assert kinds(leg) == ["Ended"]
            rig.agent.stop()

        run(scene())
