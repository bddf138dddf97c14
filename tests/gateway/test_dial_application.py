"""<Dial><Application>, in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from media.engine import Heard, Received
from signaling.leg import HangupCause
from tests.gateway.peers import ACCOUNT_SID, Scene
from tests.virtual_time import run

Story = Callable[[Scene], Awaitable[None]]
SID = "AP" + "1" * 32
APPLICATIONS = f'[{{"sid": "{SID}", "voice_url": "http://app.example.com/inner", "voice_method": "GET"}}]'


async def nobody(scene: Scene) -> None:
    """The application has the caller for itself."""


def played(attributes: str = "", *, story: Story = nobody, dial: str = "", inner: Any = "", beside: str = "") -> Scene:
    noun = (
        f'<Application {attributes}><ApplicationSid>{SID}</ApplicationSid><Parameter name="a" value="b"/></Application>'
    )
    scene = Scene(
        {
            "/voice": f'<Response><Dial action="/after" {dial}>{noun}{beside}</Dial></Response>',
            "/inner": inner or "<Response><Pause length='7'/></Response>",
            "/after": "<Response><Hangup/></Response>",
        },
        settings={"RINGFORK_APPLICATIONS": APPLICATIONS},
    )
    run(scene.run(story))
    scene.assert_nothing_lives()
    return scene


def test_application_is_asked_in_a_call_of_its_own_and_the_dial_goes_on_behind_it() -> None:
    scene = played()
    inner = scene.requests[1]
    assert (inner.url, inner.method) == ("http://app.example.com/inner", "GET")
    told = dict(inner.params)
    assert told["CallSid"] != scene.session.facts.sid and told["ParentCallSid"] == scene.session.facts.sid
    assert (told["To"], told["From"], told["Direction"]) == (SID, "sip:carol@example.com", "outbound-dial")
    assert (told["ApplicationSid"], told["Param_a"], told["CustomerId"]) == (SID, "b", ACCOUNT_SID)
    after = scene.last_request
    assert after["CallSid"] == scene.session.facts.sid
    assert (after["DialCallStatus"], after["DialCallDuration"], after["DialBridged"]) == ("completed", "7", "true")
    assert after["DialCallSid"] == told["CallSid"]
    child = scene.record(told["CallSid"])
    assert (child.status, child.duration_s, child.parent_call_sid) == ("completed", 7, scene.session.facts.sid)


def test_application_attributes_change_the_request() -> None:
    told = dict(played('copyParentTo="true" customerId="c-1" url="/inner?x" method="POST"').requests[1].params)
    assert (told["To"], told["CustomerId"]) == ("sip:desk@example.com", "c-1")


def test_application_url_takes_the_place_of_the_configured_one() -> None:
    request = played('url="/inner?x=1" method="POST"').requests[1]
    assert (request.url, request.method) == ("http://app.example.com/inner?x=1", "POST")


def test_application_hangup_ends_its_own_call_only() -> None:
    scene = played(inner="<Response><Hangup/></Response>")
    assert scene.requests[-1].url.endswith("/after")
    assert scene.last_request["CallStatus"] == "in-progress"


def test_application_may_dial_in_turn() -> None:
    async def story(scene: Scene) -> None:
        leg = await scene.leg("bob-0")
        leg.picks_up()
        await asyncio.sleep(3)
        assert scene.caller.media.hears is leg.media
        leg.hangs_up()

    scene = played(story=story, inner="<Response><Dial>+15550123</Dial><Dial><Client>bob</Client></Dial></Response>")
    assert scene.last_request["DialCallDuration"] == "3"
    bob = scene.dialled[0].request
    assert bob is not None and bob.caller.address == "sip:carol@example.com"


@pytest.mark.parametrize("hangs_up", [True, False])
def test_application_ends_with_its_caller_or_when_he_presses_star(hangs_up: bool) -> None:
    async def story(scene: Scene) -> None:
        await asyncio.sleep(2)
        if hangs_up:
            scene.caller.hangs_up()
        else:
            scene.caller.presses("*")

    scene = played('statusCallback="/events"', story=story, dial='hangupOnStar="true"')
    told = scene.owed("/after")[0] if hangs_up else scene.last_request
    assert (told["DialCallStatus"], told["DialCallDuration"]) == ("completed", "2")
    assert scene.owed("/events")[0]["CallStatus"] == "completed"
    assert scene.caller.hung_up_with is (None if hangs_up else HangupCause.NORMAL)


def test_application_is_recorded_with_all_that_the_caller_hears() -> None:
    scene = played('statusCallback="/events"', dial='record="record-from-answer-dual" recordingStatusCallback="/r"')
    (recording,) = scene.recordings
    sound = scene.caller.media
    assert recording.channels == [[[Received(sound)], [Heard(sound)]]]
    assert (recording.order.call_sid, recording.order.callback_url) == (
        scene.session.facts.sid,
        "http://app.example.com/r",
    )
    assert scene.last_request["RecordingSid"] == recording.sid
    assert scene.owed("/events")[0]["RecordingSid"] == recording.sid


def test_application_that_answers_late_is_recorded_from_then_on() -> None:
    async def story(scene: Scene) -> None:
        await asyncio.sleep(3)
        assert (scene.recordings, scene.caller.done) == ([], [])
        await asyncio.sleep(3)
        assert ([each.is_running for each in scene.recordings], scene.caller.done) == ([True], ["answer"])

    late = "<Response><Pause length='5'/><Play>/a.ulaw</Play><Pause length='5'/></Response>"
    scene = Scene(
        {
            "/voice": "<Response><Dial answerOnBridge='true' record='true'>"
            f"<Application>{SID}</Application></Dial></Response>",
            "/inner": late,
        },
        settings={"RINGFORK_APPLICATIONS": APPLICATIONS},
    )
    scene.sounds["/a.ulaw"] = 0.5
    run(scene.run(story))
    scene.assert_nothing_lives()


@pytest.mark.parametrize("ends", ["hangs up", "star", "fails"])
def test_application_recording_is_finished_however_it_ends(ends: str) -> None:
    async def story(scene: Scene) -> None:
        await asyncio.sleep(2)
        if ends == "hangs up":
            scene.caller.hangs_up()
        elif ends == "star":
            scene.caller.presses("*")

    inner = "<Response><Pause length='3'/><Redirect>/gone</Redirect></Response>" if ends == "fails" else ""
    scene = played(story=story, dial='record="true" hangupOnStar="true"', inner=inner)
    assert [recording.is_running for recording in scene.recordings] == [False]
    told = scene.owed("/after")[0] if ends == "hangs up" else scene.last_request
    assert told["RecordingSid"] == scene.recordings[0].sid


def test_application_time_is_limited() -> None:
    assert played(dial='timeLimit="3"').last_request["DialCallDuration"] == "3"


@pytest.mark.parametrize("inner", ["<Response><Oops", "<Response><Dial><Sip>ftp:x</Sip></Dial></Respon"])
def test_application_whose_document_is_broken_fails(inner: str) -> None:
    scene = played(inner=inner)
    assert (scene.last_request["DialCallStatus"], scene.last_request["DialBridged"]) == ("failed", "false")
    assert 12100 in scene.codes()


def test_application_that_there_is_not_fails() -> None:
    scene = Scene(
        {
            "/voice": '<Response><Dial action="/after"><Application>APnone</Application></Dial></Response>',
            "/after": "<Response/>",
        }
    )
    run(scene.run(nobody))
    assert scene.codes() == [13215]
    assert (scene.last_request["DialCallStatus"], scene.last_request["DialBridged"]) == ("failed", "false")


def test_application_is_dialled_alone() -> None:
    scene = played(beside="<Client>bob</Client>")
    assert not scene.dialled and 13215 in scene.codes()
