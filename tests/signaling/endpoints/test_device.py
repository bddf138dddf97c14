"""The browser's end of the Voice SDK's protocol, spoken with the server's real end; no sockets."""

import asyncio
import itertools
import json
from collections.abc import Callable

import pytest

from signaling.endpoints.device import (
    Device,
    DeviceNote,
    Invited,
    LoggedIn,
    Opened,
    Over,
    Rang,
    Refused,
    Registered,
    SentAway,
    Unregistered,
    custom_parameters,
)
from signaling.endpoints.notes import LibraryError
from signaling.leg import DigitReceived, HangupCause, LegState
from signaling.peer_media import Connected
from signaling.voice_sdk.connection import Connection
from signaling.voice_sdk.leg import VoiceSdkLeg
from signaling.voice_sdk.settings import VoiceSdkSettings
from tests.signaling.voice_sdk.peers import CALL_SID, Rig, browser_sdp, token
from tests.signaling.voice_sdk.test_calls import ended, heard, settle
from tests.virtual_time import run

QUIET = VoiceSdkSettings(silent_s=1e6)


class Page:
    """A Device on a wire to the server of a rig; ``read`` takes in what has come."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._waiting: list[str] = []
        self.closed = 0
        self.connection: Connection = rig.agent.open(self, "192.0.2.1")
        numbers = itertools.count(1)
        self.device = Device(self._say, lambda: next(numbers))

    def send(self, frame: str) -> None:
        self._waiting.append(frame)

    def close(self, code: int, reason: str) -> None:
        self.closed = code

    def _say(self, frame: str) -> None:
        self.connection.receive(frame)

    def read(self) -> list[DeviceNote]:
        frames, self._waiting = self._waiting, []
        return [note for frame in frames for note in self.device.receive(frame)]

    def one(self) -> DeviceNote:
        [note] = self.read()
        return note

    def log_in(self) -> "Page":
        self.device.listen(token())
        [logged_in] = self.read()
        assert isinstance(logged_in, LoggedIn) and 3590 <= logged_in.ttl_s <= 3600
        self.device.register(is_reachable=True)
        assert self.one() == Registered()
        return self

    def come_back(self) -> None:
        """On a new socket, with the same memory."""
        self.connection.lost()
        assert list(self.device.lost()) == []
        self._waiting.clear()
        self.connection = self._rig.agent.open(self, "192.0.2.1")
        self.device.listen(token())
        assert isinstance(self.one(), LoggedIn)


async def called(rig: Rig, page: Page, number: int = 1) -> VoiceSdkLeg:
    page.device.invite(number, "TJS1", browser_sdp(), {"To": "bob", "colour": "deep & red"})
    await settle()
    return rig.calls[-1]


async def talking(rig: Rig, page: Page) -> VoiceSdkLeg:
    leg = await called(rig, page)
    await leg.answer()
    await settle()
    rig.sounds[-1].tell(Connected())
    opened = page.one()
    assert isinstance(opened, Opened)
    return leg


def test_device_logs_in_registers_and_leaves() -> None:
    async def scene() -> None:
        rig = Rig(QUIET)
        page = Page(rig).log_in()
        assert len(rig.agent.devices("alice")) == 1
        page.device.register(is_reachable=False)
        assert page.one() == Unregistered()
        assert rig.agent.devices("alice") == []
        rig.agent.stop()

    run(scene())


def test_device_with_a_wrong_token_is_refused_by_code_and_status() -> None:
    async def scene() -> None:
        rig = Rig(QUIET)
        page = Page(rig)
        page.device.listen("nonsense")
        refused = page.one()
        assert isinstance(refused, Refused)
        assert (refused.code, refused.status) == (31204, 401)
        rig.agent.stop()

    run(scene())


def test_device_is_called_with_parameters_answers_and_is_hung_up() -> None:
    async def scene() -> None:
        rig = Rig(QUIET)
        page = Page(rig).log_in()
        [leg] = rig.dial(parameters={"team": "sales & more", "empty": ""})
        await settle()
        invited = page.one()
        assert isinstance(invited, Invited)
        assert (invited.caller, invited.callee, invited.call.offer) == ("+15550100", "client:alice", "our offer")
        assert invited.parameters == {"team": "sales & more", "empty": ""}
        page.device.answer(invited.call.number, browser_sdp(kind="active"))
        await settle()
        assert leg.state is LegState.UP
        leg.hangup()
        over = page.one()
        assert isinstance(over, Over) and over.status == 200
        assert page.device.calls == ()
        rig.agent.stop()

    run(scene())


@pytest.mark.parametrize(
    ("end", "cause"),
    [
        (lambda device, number: device.reject(number), HangupCause.DECLINED),
        (lambda device, number: device.hangup(number), HangupCause.DECLINED),
    ],
    ids=["reject", "hangup"],
)
def test_device_refuses_a_call(end: Callable[[Device, int], None], cause: HangupCause) -> None:
    async def scene() -> None:
        rig = Rig(QUIET)
        page = Page(rig).log_in()
        [leg] = rig.dial()
        await settle()
        invited = page.one()
        assert isinstance(invited, Invited)
        end(page.device, invited.call.number)
        assert ended(leg).cause is cause
        assert (page.read(), page.device.calls) == ([], ())
        rig.agent.stop()

    run(scene())


def test_device_is_told_of_a_call_that_is_cancelled_and_may_no_longer_answer() -> None:
    async def scene() -> None:
        rig = Rig(QUIET)
        page = Page(rig).log_in()
        [leg] = rig.dial()
        await settle()
        leg.hangup(HangupCause.CANCELED)
        invited, over = page.read()
        assert isinstance(over, Over) and over.status == 487
        with pytest.raises(LibraryError, match="not there"):
            page.device.answer(over.call.number, browser_sdp())
        rig.agent.stop()

    run(scene())


def test_device_calls_hears_ringing_and_the_answer() -> None:
    async def scene() -> None:
        rig = Rig(QUIET)
        page = Page(rig).log_in()
        leg = await called(rig, page)
        assert leg.facts.parameters == {"To": "bob", "colour": "deep & red"}
        await leg.ring()
        rang = page.one()
        assert isinstance(rang, Rang) and (rang.sdp, rang.call.sid) == ("", leg.call_sid)
        await leg.answer()
        await settle()
        opened = page.one()
        assert isinstance(opened, Opened) and opened.sdp == "our answer"
        page.device.digits(1, "1#")
        await asyncio.sleep(0.1)
        assert [event.digit for event in heard(leg) if isinstance(event, DigitReceived)] == ["1", "#"]
        page.device.hangup(1)
        assert ended(leg).cause is HangupCause.NORMAL
        rig.agent.stop()

    run(scene())


def test_device_with_early_media_takes_no_second_description() -> None:
    async def scene() -> None:
        rig = Rig(QUIET)
        page = Page(rig).log_in()
        leg = await called(rig, page)
        await leg.early_media()
        await settle()
        rang = page.one()
        assert isinstance(rang, Rang) and rang.sdp == "our answer"
        await leg.answer()
        await settle()
        opened = page.one()
        assert isinstance(opened, Opened) and opened.sdp == ""
        rig.agent.stop()

    run(scene())


@pytest.mark.parametrize(
    ("cause", "status"),
    [
        (HangupCause.BUSY, 486),
        (HangupCause.DECLINED, 603),
        (HangupCause.NO_ANSWER, 480),
        (HangupCause.NOT_FOUND, 404),
        (HangupCause.FORBIDDEN, 403),
        (HangupCause.NOT_ACCEPTABLE, 488),
        (HangupCause.FAILED, 500),
        (HangupCause.NORMAL, 480),
    ],
)
def test_device_learns_why_its_call_was_refused(cause: HangupCause, status: int) -> None:
    async def scene() -> None:
        rig = Rig(QUIET)
        page = Page(rig).log_in()
        leg = await called(rig, page)
        leg.hangup(cause)
        over = page.one()
        assert isinstance(over, Over) and over.status == status
        rig.agent.stop()

    run(scene())


def test_device_keeps_its_call_over_a_lost_socket() -> None:
    async def scene() -> None:
        rig = Rig(QUIET)
        page = Page(rig).log_in()
        leg = await talking(rig, page)
        for _ in range(2):
            before = page.device.calls[0].reconnect
            page.come_back()
            page.device.reconnect(1, browser_sdp())
            await settle()
            assert page.read() == []
            assert page.device.calls[0].reconnect not in ("", before)
        assert leg.state is LegState.UP
        leg.hangup()
        assert isinstance(page.one(), Over)
        rig.agent.stop()

    run(scene())


def test_device_gives_up_calls_that_cannot_outlive_their_socket() -> None:
    async def scene() -> None:
        rig = Rig(QUIET)
        page = Page(rig).log_in()
        await called(rig, page)
        page.connection.lost()
        assert [over.status for over in page.device.lost()] == [503]
        assert page.device.calls == ()
        rig.agent.stop()

    run(scene())


def test_device_echoes_heartbeats_and_obeys_a_close() -> None:
    sent: list[str] = []
    device = Device(sent.append, lambda: 1)
    assert list(device.receive("\n")) == []
    assert sent == ["\n"]
    assert list(device.receive('{"type": "close", "payload": {}}')) == [SentAway()]
    assert list(device.receive('{"type": "something-new"}')) == []


def test_device_ignores_a_hangup_while_a_call_waits_and_messages_of_unknown_calls() -> None:
    device = Device(lambda frame: None, lambda: 1)
    payload = {"callsid": CALL_SID, "sdp": "an offer", "reconnect": "R", "parameters": {}}
    [invited] = device.receive(json.dumps({"type": "invite", "payload": payload}))
    assert isinstance(invited, Invited)
    for kind, sid in (("hangup", CALL_SID), ("cancel", "CA" + "0" * 32), ("answer", "CA" + "0" * 32)):
        assert list(device.receive(json.dumps({"type": kind, "payload": {"callsid": sid}}))) == []
    assert len(device.calls) == 1


@pytest.mark.parametrize(
    ("params", "read"),
    [
        ("a=b+c%20d", {"a": "b c d"}),
        ("k%26y=v", {"k%26y": "v"}),
        ("a=b=c", {"a": "b"}),
        ("a=&b", {"a": ""}),
        ("", {}),
    ],
)
def test_custom_parameters_are_read_with_the_oddities_of_the_sdk(params: str, read: dict[str, str]) -> None:
    assert custom_parameters({"Params": params}) == read
