"""The story of one call, with its children: records and running legs put together for its page and its download.

Owns nothing; reads the store and asks for the legs that are up. What a reader may see is decided by the account: a
call of another one is not there.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from gateway.console.rows import Row, call_row, event_row, leg_row, quality_of, recording_row, time_of
from gateway.store import Store
from gateway.store.records import EventRecord
from signaling.leg import Leg, LegState

MOST_CHILDREN: Final = 100
MOST_LINES: Final = 5_000

LegsOf = Callable[[Sequence[str]], Mapping[str, Sequence[Leg]]]
"""The legs of these calls that are not over, by the sid of their call."""

_OWN_LISTS: Final = ("webhook", "sip")


class Stories:
    """now: wall clock, aware. keeps_webhooks, keeps_sip: whether there would be any, for who finds none."""

    def __init__(
        self,
        *,
        store: Store,
        legs_of: LegsOf,
        now: Callable[[], datetime],
        keeps_webhooks: bool = True,
        keeps_sip: bool = True,
    ) -> None:
        self._kept = {"webhooks": keeps_webhooks, "sip": keeps_sip}
        self._store = store
        self._legs_of = legs_of
        self._now = now

    async def children_of(self, account_sid: str, call_sid: str) -> list[str] | None:
        """Sids of the calls that this one began; None: the account has no such call."""
        record = await self._store.call(call_sid)
        if record is None or record.account_sid != account_sid:
            return None
        return [each.sid for each in await self._store.calls(parent_call_sid=call_sid, limit=MOST_CHILDREN)]

    async def story(self, account_sid: str, call_sid: str) -> dict[str, Any] | None:
        """None: the account has no such call."""
        record = await self._store.call(call_sid)
        if record is None or record.account_sid != account_sid:
            return None
        children = await self._store.calls(parent_call_sid=call_sid, limit=MOST_CHILDREN)
        parent = None if record.parent_call_sid is None else await self._store.call(record.parent_call_sid)
        if parent is not None and parent.account_sid != account_sid:
            parent = None
        sids = [call_sid, *(child.sid for child in children)]
        lines = await self._store.events_of(sids, limit=MOST_LINES)
        if parent is not None:
            # What became of a dialled call stands on the timeline of the call that dialled.
            told = await self._store.events_of([parent.sid], limit=MOST_LINES)
            lines += [line for line in told if line.details.get("child_sid") == call_sid or line.message == call_sid]
        legs = [leg_row(each) for each in await self._store.legs_of(sids)]
        recordings = await self._store.recordings_of(sids)
        return {
            "call": call_row(record),
            "parent": None if parent is None else call_row(parent),
            "children": [call_row(child) for child in reversed(children)],
            "legs": legs + self.running(sids),
            # A long call has thousands of them: too many for the loop.
            **await asyncio.to_thread(_told, lines),
            "recordings": [recording_row(each) for each in recordings],
            "is_kept": self._kept,
            "is_whole": len(lines) < MOST_LINES,
            "read_at": time_of(self._now()),
        }

    def running(self, call_sids: Sequence[str]) -> list[Row]:
        """The legs of these calls that are not over, with what their sound is like now."""
        running = self._legs_of(call_sids)
        return [running_leg_row(leg, call_sid=sid) for sid in call_sids for leg in running.get(sid, ())]


def running_leg_row(leg: Leg, *, call_sid: str) -> Row:
    is_up = leg.state is LegState.UP
    return {
        "leg_id": leg.leg_id,
        "call_sid": call_sid,
        "kind": "sip" if leg.sip is not None else "voice-sdk",
        "direction": leg.direction.value,
        "device": leg.device,
        "target": leg.callee.address,
        "remote_address": leg.sip.source_ip or None if leg.sip is not None else None,
        "sip_call_id": leg.sip.call_id if leg.sip is not None else None,
        "codec": next(iter(leg.codec_names), None) if is_up else None,
        "cause": None,
        "sip_status": None,
        "is_live": True,
        "state": leg.state.value,
        "quality": quality_of(asdict(leg.media.statistics())) if is_up else None,
    }


def _told(lines: list[EventRecord]) -> dict[str, list[Row]]:
    """The lines in the order in which they happened, each in the list where it is shown."""
    rows = [(line, event_row(line)) for line in sorted(lines, key=_moment)]
    return {
        "timeline": [row for line, row in rows if line.name not in _OWN_LISTS],
        "webhooks": [row for line, row in rows if line.name == "webhook"],
        "messages": [row for line, row in rows if line.name == "sip"],
        "warnings": [row for line, row in rows if line.level != "info"],
    }


def _moment(line: EventRecord) -> tuple[float, int]:
    """A webhook is written when it is over, and stands where it began."""
    took_ms = line.details.get("took_ms") if line.name == "webhook" else None
    began_s = line.at.timestamp() - (took_ms / 1000 if isinstance(took_ms, (int, float)) else 0.0)
    return began_s, line.position
