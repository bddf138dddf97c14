"""Streams of a live call, started and stopped over REST."""

import asyncio
from typing import Any

import pytest
from twilio.base.exceptions import TwilioRestException

from gateway.beside import MOST
from gateway.rest.errors import RestError
from gateway.rest.form import Form
from gateway.rest.streams import stream_order
from tests.gateway.peers import ACCOUNT_SID
from tests.gateway.rest.desk import Desk, asked
from tests.gateway.rest.serving import client_of
from tests.gateway.rooms.house import settle
from tests.gateway.streams.test_stream import PeerSocket

URL = "wss://app.example.com/sound"
STAY = "<Gather timeout='60'/>"
OTHER = "AC" + "9" * 32


class StreamDesk(Desk):
    """sockets: of every stream that was opened, with its URL."""

    def __init__(self, documents: Any = None, **more: Any) -> None:
        super().__init__(documents, **more)
        self.sockets: list[tuple[str, PeerSocket]] = []

    async def open_socket(self, url: str, *, account_sid: str) -> PeerSocket:
        assert account_sid == ACCOUNT_SID
        self.sockets.append((url, PeerSocket()))
        return self.sockets[-1][1]

    def events(self, path: str) -> list[tuple[str, str]]:
        return [(told["StreamName"], told["StreamEvent"]) for told in self.told(path)]


def test_stream_started_over_rest_tells_its_application_and_is_stopped_by_sid() -> None:
    async def story(desk: StreamDesk) -> None:
        alice = await desk.call("alice", STAY)
        await asyncio.sleep(1)
        form = {
            "Url": URL,
            "Track": "both_tracks",
            "StatusCallback": "http://app.example.com/told",
            "StatusCallbackMethod": "GET",
            "Parameter2.Name": "size",
            "Parameter2.Value": "9",
            "Parameter1.Name": "color",
            "Parameter1.Value": "blue",
        }
        stream = await desk.ask("POST", f"Calls/{alice.sid}/Streams", form)
        assert stream["sid"].startswith("MZ") and stream["name"] is None
        assert (stream["call_sid"], stream["account_sid"]) == (alice.sid, ACCOUNT_SID)
        assert stream["status"] == "in-progress"
        await asyncio.sleep(1)
        ((url, socket),) = desk.sockets
        start = next(told["start"] for told in socket.told if told["event"] == "start")
        assert (url, start["streamSid"], start["tracks"]) == (URL, stream["sid"], ["inbound", "outbound"])
        assert start["customParameters"] == {"color": "blue", "size": "9"}
        path = f"Calls/{alice.sid}/Streams/{stream['sid']}"
        stopped = await desk.ask("POST", path, {"Status": "stopped"})
        assert stopped == {**stream, "status": "stopped", "date_updated": stopped["date_updated"]}
        assert socket.closed and socket.told[-1]["event"] == "stop"
        assert await desk.refusal("POST", path, {"Status": "stopped"}) == (404, 20404)
        assert alice.leg.events.ended is None
        assert desk.events("/told") == [(stream["sid"], "stream-started"), (stream["sid"], "stream-stopped")]

    asked(StreamDesk(), story)


def test_stream_is_stopped_by_name_whoever_started_it() -> None:
    async def story(desk: StreamDesk) -> None:
        body = (
            f"<Start><Stream name='by document' url='{URL}'/></Start><Pause length='9'/><Stop><Stream name='b'/></Stop>"
        )
        alice = await desk.call("alice", body + STAY)
        path = f"Calls/{alice.sid}/Streams"
        await asyncio.sleep(1)
        stopped = await desk.ask("POST", f"{path}/by document", {"Status": "stopped"})
        assert (stopped["name"], stopped["status"]) == ("by document", "stopped")
        await desk.ask("POST", path, {"Url": URL, "Name": "b"})
        assert len(desk.beside) == 1
        await asyncio.sleep(20)
        assert len(desk.beside) == 0 and all(socket.closed for _, socket in desk.sockets)
        assert alice.leg.events.ended is None

    assert asked(StreamDesk(), story).codes() == []


def test_stream_of_a_document_without_a_name_is_stopped_by_its_sid() -> None:
    async def story(desk: StreamDesk) -> None:
        alice = await desk.call("alice", f"<Start><Stream url='{URL}'/></Start>{STAY}")
        await asyncio.sleep(1)
        sid = desk.sockets[0][1].told[1]["streamSid"]
        stopped = await desk.ask("POST", f"Calls/{alice.sid}/Streams/{sid}", {"Status": "stopped"})
        assert (stopped["sid"], stopped["name"]) == (sid, None)

    asked(StreamDesk(), story)


def test_streams_name_is_in_use_until_it_is_stopped() -> None:
    async def story(desk: StreamDesk) -> None:
        alice = await desk.call("alice", STAY)
        path, form = f"Calls/{alice.sid}/Streams", {"Url": URL, "Name": "a"}
        first = await desk.ask("POST", path, form)
        assert await desk.refusal("POST", path, form) == (409, 20409)
        await desk.ask("POST", f"{path}/a", {"Status": "stopped"})
        assert (await desk.ask("POST", path, form))["sid"] != first["sid"]
        # Nameless ones are known by their sids, so there may be several to one address.
        for _ in range(2):
            assert (await desk.ask("POST", path, {"Url": URL}))["name"] is None
        bob = await desk.call("bob", STAY)
        assert (await desk.ask("POST", f"Calls/{bob.sid}/Streams", form))["name"] == "a"

    asked(StreamDesk(), story)


def test_more_streams_than_a_call_may_have_are_refused() -> None:
    async def story(desk: StreamDesk) -> None:
        alice = await desk.call("alice", STAY)
        for _ in range(MOST):
            await desk.ask("POST", f"Calls/{alice.sid}/Streams", {"Url": URL})
        assert await desk.refusal("POST", f"Calls/{alice.sid}/Streams", {"Url": URL}) == (429, 20429)

    assert len(asked(StreamDesk(), story).beside) == 0


def test_only_the_sound_of_a_call_in_progress_is_streamed() -> None:
    async def story(desk: StreamDesk) -> None:
        placed = await desk.ask("POST", "Calls", {"To": "client:bob", "From": "+15550100", "Twiml": "<Response/>"})
        (bob,) = [await desk.rung(0)]
        assert await desk.refusal("POST", f"Calls/{placed['sid']}/Streams", {"Url": URL}) == (400, 21220)
        alice = await desk.call("alice", "<Dial><Client>carol</Client></Dial>")
        carol = await desk.rung(1)
        carol.picks_up()
        await settle()
        assert carol.request is not None
        path = f"Calls/{carol.request.call_sid}/Streams"
        assert await desk.refusal("POST", path, {"Url": URL}) == (400, 21220)
        await desk.ask("POST", f"Calls/{alice.sid}/Streams", {"Url": URL, "Name": "a"})
        await asyncio.sleep(1)
        await alice.hangs_up()
        assert await desk.refusal("POST", f"Calls/{alice.sid}/Streams", {"Url": URL}) == (400, 21220)
        assert await desk.refusal("POST", f"Calls/{alice.sid}/Streams/a", {"Status": "stopped"}) == (404, 20404)
        assert desk.sockets[0][1].closed and len(desk.beside) == 0
        bob.hangs_up()

    asked(StreamDesk(), story)


def test_stream_of_another_account_is_not_there() -> None:
    async def story(desk: StreamDesk) -> None:
        alice = await desk.call("alice", STAY)
        path = f"Calls/{alice.sid}/Streams"
        sid = (await desk.ask("POST", path, {"Url": URL, "Name": "a"}))["sid"]
        for asked_path, form in (
            (path, {"Url": URL}),
            (path, {}),
            (f"{path}/{sid}", {"Status": "stopped"}),
            (f"{path}/a", {"Status": "stopped"}),
        ):
            assert await desk.refusal("POST", asked_path, form, account_sid=OTHER) == (404, 20404)
        for nothing in ("CA" + "0" * 32, "x"):
            assert await desk.refusal("POST", f"Calls/{nothing}/Streams", {"Url": URL}) == (404, 20404)
        # One call's stream is not found below another.
        bob = await desk.call("bob", STAY)
        assert await desk.refusal("POST", f"Calls/{bob.sid}/Streams/{sid}", {"Status": "stopped"}) == (404, 20404)
        assert len(desk.beside) == 1 and not desk.sockets[0][1].closed

    asked(StreamDesk(), story)


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({}, 21205),
        ({"Url": "http://app.example.com/sound"}, 21205),
        ({"Url": "/sound"}, 21205),
        ({"Url": "wss://app.example.com/sound?x=1"}, 21205),
        ({"Url": "wss:///sound"}, 21205),
        ({"Url": URL, "Track": "both"}, 31941),
        ({"Url": URL, "StatusCallback": "http://a_b.example.com/"}, 21502),
        ({"Url": URL, "StatusCallback": "/told"}, 21502),
        ({"Url": URL, "StatusCallbackMethod": "PUT"}, 21209),
        ({"Url": URL, "Name": "x" * 256}, 20001),
        ({"Url": URL, "Parameter1.Value": "blue"}, 20001),
        ({"Url": URL, "Parameter1.Name": "x", "Parameter1.Value": "y" * 499}, 20001),
    ],
)
def test_bad_parameter_of_a_stream_is_refused(form: dict[str, str], code: int) -> None:
    with pytest.raises(RestError) as refused:
        stream_order(Form(form.items()))
    assert (refused.value.status, refused.value.code) == (400, code)


def test_parameters_of_a_stream_are_numbered_from_1_to_99() -> None:
    form = {
        "Url": URL,
        "Parameter0.Name": "a",
        "Parameter100.Name": "b",
        "Parameter99.Name": "c",
        "Parameter01.Name": "d",
    }
    assert stream_order(Form(form.items())).parameters == {"c": ""}


async def test_stream_as_the_official_client_reads_it() -> None:
    desk = StreamDesk()
    desk.open()
    alice = await desk.call("alice", STAY)
    async with client_of(ACCOUNT_SID, desk.resources) as client:
        streams = client.calls(alice.sid).streams
        more = {"parameter1_name": "color", "parameter1_value": "blue", "status_callback": "http://app.example.com/x"}
        stream = await asyncio.to_thread(streams.create, URL, name="my stream", track="outbound_track", **more)
        assert (stream.name, stream.status, stream.call_sid) == ("my stream", "in-progress", alice.sid)
        assert stream.date_updated is not None and stream.uri.endswith(f"/Streams/{stream.sid}.json")
        with pytest.raises(TwilioRestException) as refused:
            await asyncio.to_thread(streams.create, URL, name="my stream")
        assert (refused.value.status, refused.value.code) == (409, 20409)
        by_name = client.calls(alice.sid).streams("my stream")
        stopped = await asyncio.to_thread(by_name.update, status="stopped")
        assert (stopped.sid, stopped.status) == (stream.sid, "stopped")
        with pytest.raises(TwilioRestException) as gone:
            await asyncio.to_thread(stream.update, status="stopped")
        assert gone.value.status == 404
        with pytest.raises(TwilioRestException) as unsaid:
            await asyncio.to_thread(stream.update, status="paused")
        assert unsaid.value.code == 20001
    await alice.hangs_up()
    assert desk.sockets[0][1].closed and len(desk.beside) == 0
