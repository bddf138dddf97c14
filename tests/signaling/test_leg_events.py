"""The event stream of a leg: order, bound, end, and consumers that change."""

import asyncio

from signaling.leg import Answered, DigitReceived, Ended, HangupCause, Held, LegEvent, LegEvents, Resumed, Ringing


async def read(events: LegEvents, into: list[LegEvent]) -> None:
    async for event in events:
        into.append(event)


async def test_leg_events_come_in_order_to_who_waits_and_to_who_comes_later() -> None:
    events, found = LegEvents(), list[LegEvent]()
    events.post(Ringing())
    reader = asyncio.create_task(read(events, found))
    await asyncio.sleep(0)
    assert found == [Ringing()]
    events.post(Answered())
    events.post(Held())
    events.post(Resumed())
    events.post(Ended(HangupCause.NORMAL))
    await reader
    assert found == [Ringing(), Answered(), Held(), Resumed(), Ended(HangupCause.NORMAL)]
    assert events.ended == Ended(HangupCause.NORMAL) and not events.post(Ringing())


async def test_leg_events_digits_that_nobody_reads_are_dropped_and_the_end_is_not() -> None:
    events, found = LegEvents(limit=3), list[LegEvent]()
    assert [events.post(DigitReceived(digit)) for digit in "12345"] == [True, True, True, False, False]
    assert events.post(Ended(HangupCause.NORMAL))
    await read(events, found)
    assert [each.digit for each in found if isinstance(each, DigitReceived)] == ["1", "2", "3"]
    assert found[-1] == Ended(HangupCause.NORMAL)


async def test_leg_events_go_to_the_consumer_that_follows_a_cancelled_one() -> None:
    events, before, after = LegEvents(), list[LegEvent](), list[LegEvent]()
    first = asyncio.create_task(read(events, before))
    await asyncio.sleep(0)
    first.cancel()
    second = asyncio.create_task(read(events, after))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    events.post(Ringing())
    events.post(Ended(HangupCause.NORMAL))
    async with asyncio.timeout(5):
        await second
    assert first.cancelled() and before == [] and after == [Ringing(), Ended(HangupCause.NORMAL)]


async def test_leg_events_posted_to_a_consumer_that_is_cancelled_in_the_same_moment_stay_for_the_next() -> None:
    events, before, after = LegEvents(), list[LegEvent](), list[LegEvent]()
    first = asyncio.create_task(read(events, before))
    await asyncio.sleep(0)
    events.post(Ringing())
    first.cancel()
    await asyncio.wait([first])
    events.post(Ended(HangupCause.NORMAL))
    await read(events, after)
    assert before == [] and after == [Ringing(), Ended(HangupCause.NORMAL)]
