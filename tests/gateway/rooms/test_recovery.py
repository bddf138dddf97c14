"""Conferences that a killed process left open."""

from dataclasses import replace
from pathlib import Path

from gateway.recovery import end_unfinished_conferences
from gateway.store import Store
from gateway.store.records import ConferenceRecord
from tests.gateway.store.records import ACCOUNT, START, url_of


async def test_recovery_open_conferences_are_ended_and_told_once(tmp_path: Path) -> None:
    open_room = ConferenceRecord(
        sid="CF" + "1" * 32,
        account_sid=ACCOUNT,
        friendly_name="Room 1",
        status="in-progress",
        date_created=START,
        date_updated=START,
        status_callback="http://app.example.com/events",
        status_callback_method="GET",
        status_callback_events=("end",),
        sequence=7,
    )
    unsubscribed = replace(open_room, sid="CF" + "2" * 32, status="init", status_callback_events=("join",))
    store = await Store.open(url_of(tmp_path))
    await store.write(open_room, unsubscribed)
    assert await end_unfinished_conferences(store, now=lambda: START) == 2
    assert await end_unfinished_conferences(store, now=lambda: START) == 0
    assert {each.status for each in await store.conferences()} == {"completed"}
    (owed,) = await store.owed_callbacks()
    told = dict(owed.params)
    assert (owed.order_key, owed.method) == (open_room.sid, "GET")
    assert (told["StatusCallbackEvent"], told["SequenceNumber"]) == ("conference-end", "8")
    assert told["ReasonConferenceEnded"] == "last-participant-left"
    await store.close()
