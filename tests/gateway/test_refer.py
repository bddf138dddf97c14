"""REFER of a dialled party (referUrl), and <Refer>, in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.verbs.refer import call_status
from signaling.leg import HangupCause, TransferResult
from tests.gateway.peers import Scene
from tests.virtual_time import run

Story = Callable[[Scene], Awaitable[None]]


def played(verbs: str, story: Story, **documents: str) -> Scene:
    scene = Scene(
        {
            "/voice": f"<Response>{verbs}</Response>",
            "/after": "<Response><Hangup/></Response>",
            **{f"/{name}": document for name, document in documents.items()},
        }
    )
    run(scene.run(story))
    scene.assert_nothing_lives()
    return scene


def test_refer_of_the_called_party_hands_the_caller_to_another_document() -> None:
    async def story(scene: Scene) -> None:
        leg = await scene.leg("bob-0")
        leg.refers("sip:early@example.com")
        leg.picks_up()
        await asyncio.sleep(1)
        leg.refers("sip:carol@example.com")
        await asyncio.sleep(1)
        assert leg.hung_up_with is HangupCause.NORMAL
        assert scene.caller.events.ended is None

    dial = '<Dial action="/after" referUrl="/refer" referMethod="GET"><Client>bob</Client></Dial>'
    scene = played(dial, story, refer="<Response><Pause length='5'/></Response>")
    assert [request.url.rpartition("/")[2] for request in scene.requests] == ["voice?x=1", "refer"]
    assert scene.requests[-1].method == "GET"
    told = scene.last_request
    assert told["ReferTransferTarget"] == "sip:carol@example.com"
    assert told["CallSid"] == scene.session.facts.sid and told["CallStatus"] == "in-progress"
    assert "DialCallStatus" not in told
    assert scene.codes() == [13802], "a REFER before the bridge is declined"


def test_refer_without_refer_url_is_declined_and_told() -> None:
    async def story(scene: Scene) -> None:
        leg = await scene.leg("bob-0")
        leg.picks_up()
        await asyncio.sleep(1)
        leg.refers("sip:carol@example.com")
        scene.caller.refers("sip:carol@example.com")
        await asyncio.sleep(1)
        assert leg.events.ended is None and not leg.accepts_transfer
        leg.hangs_up()

    scene = played('<Dial action="/after"><Client>bob</Client></Dial>', story)
    assert scene.codes() == [13802, 13802]
    assert scene.last_request["DialCallStatus"] == "completed"


@pytest.mark.parametrize(
    ("result", "status", "told"),
    [
        (TransferResult(sip_status=202, notify_status=200), "in-progress", ("202", "200")),
        (TransferResult(sip_status=202, notify_status=486), "busy", ("202", "486")),
        (TransferResult(sip_status=202, notify_status=404), "failed", ("202", "404")),
        (TransferResult(sip_status=202, notify_status=480), "no-answer", ("202", "480")),
        (TransferResult(sip_status=202, notify_status=487), "canceled", ("202", "487")),
        (TransferResult(sip_status=202), "in-progress", ("202", None)),
        (TransferResult(sip_status=405), "failed", ("405", None)),
        (TransferResult(), "failed", (None, None)),
    ],
)
def test_refer_verb_tells_what_became_of_it(result: TransferResult, status: str, told: tuple[Any, Any]) -> None:
    assert call_status(result).value == status

    async def story(scene: Scene) -> None:
        scene.caller.transfer_results.put_nowait(result)

    refer = '<Refer action="/after" method="GET"><Sip>sip:dave@example.com?X-A=1</Sip></Refer>'
    scene = played(refer, story)
    assert scene.caller.done == ["answer", "refer sip:dave@example.com {'X-A': '1'}"]
    assert scene.requests[-1].method == "GET"
    request = scene.last_request
    assert request["ReferCallStatus"] == status
    assert (request.get("ReferSipResponseCode"), request.get("NotifySipResponseCode")) == told


def test_refer_verb_without_action_goes_on_or_ends_the_call() -> None:
    async def story(scene: Scene) -> None:
        scene.caller.transfer_results.put_nowait(TransferResult(sip_status=202, notify_status=200))

    scene = played("<Refer><Sip>sip:dave@example.com</Sip></Refer>", story)
    assert len(scene.requests) == 1 and scene.caller.hung_up_with is HangupCause.NORMAL


def test_refer_verb_tells_the_application_also_when_the_phone_hangs_up() -> None:
    async def story(scene: Scene) -> None:
        await asyncio.sleep(1)
        scene.caller.transfer_results.put_nowait(TransferResult(sip_status=202))
        scene.caller.hangs_up()

    scene = played('<Refer action="/after"><Sip>sip:dave@example.com</Sip></Refer>', story)
    (owed,) = scene.owed("/after")
    assert (owed["ReferCallStatus"], owed["ReferSipResponseCode"], owed["CallStatus"]) == (
        "in-progress",
        "202",
        "completed",
    )
    assert len(scene.requests) == 1


def test_refer_verb_on_a_leg_that_is_not_sip_is_told_and_fails() -> None:
    class Browser:
        """What the gateway sees of a leg without transfers."""

        def __init__(self, leg: Any) -> None:
            self._leg = leg

        def __getattr__(self, name: str) -> Any:
            if name in ("transfer", "accept_transfers"):
                raise AttributeError(name)
            return getattr(self._leg, name)

    async def story(scene: Scene) -> None:
        await asyncio.sleep(0)

    scene = Scene(
        {
            "/voice": '<Response><Refer action="/after"><Sip>sip:dave@example.com</Sip></Refer></Response>',
            "/after": "<Response/>",
        }
    )
    scene.caller = Browser(scene.caller)  # type: ignore[assignment]
    run(scene.run(story))
    assert scene.codes() == [13801]
    assert scene.last_request["ReferCallStatus"] == "failed"
    assert "ReferSipResponseCode" not in scene.last_request
