"""What happens, told to open consoles as it happens: server-sent events.

Owns the listeners. Each has a queue of fixed length; whoever does not read in time is cut off, and the browser comes
back by itself and reads everything anew. A fact is told when it can be read back from the store. An account hears of
its own calls and recordings only, and of a call's lines whoever has that call's page open.
Source: WHATWG HTML, server-sent events (9.2.5 the stream, 9.2.7 keeping it open).
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.console.rows import call_row, recording_row
from gateway.store.records import CallRecord, DraftedEvent, EventRecord, LegRecord, Operation, RecordingRecord

GATHER_S: Final = 0.15
MOST_WAITING: Final = 1000
MOST_LISTENERS: Final = 60
MOST_OF_ACCOUNT: Final = 30
MOST_CHILDREN: Final = 200


@dataclass(eq=False)
class Listener:
    """One open console. call_sid: the call whose page is open, with its children. cut: ends its connection."""

    account_sid: str
    call_sid: str | None
    cut: Callable[[], None]
    queue: "asyncio.Queue[bytes | None]" = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))
    children: set[str] = field(default_factory=set)

    def tell(self, message: bytes | None) -> bool:
        """None: it is over. False: too slow, cut off."""
        try:
            self.queue.put_nowait(message)
        except asyncio.QueueFull:
            self.cut()
            return False
        return True

    def note_child(self, record: CallRecord) -> None:
        """A call that the one with the open page began is a part of its story."""
        is_child = record.parent_call_sid is not None and record.parent_call_sid == self.call_sid
        if is_child and len(self.children) < MOST_CHILDREN:
            self.children.add(record.sid)

    def has_open(self, call_sid: str) -> bool:
        return call_sid == self.call_sid or call_sid in self.children


class Audience:
    """Everybody who listens. Empty: telling costs nothing. What happens within ``GATHER_S`` is told together, once."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._is_closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._calls: dict[str, CallRecord] = {}
        self._recordings: dict[str, RecordingRecord] = {}
        self._stories: dict[str, None] = {}
        self._has_presence = False

    def __len__(self) -> int:
        return len(self._listeners)

    def join(self, listener: Listener) -> bool:
        """False: there is no room for another one."""
        own = sum(each.account_sid == listener.account_sid for each in self._listeners)
        if self._is_closed or len(self._listeners) >= MOST_LISTENERS or own >= MOST_OF_ACCOUNT:
            return False
        self._listeners.add(listener)
        return True

    def leave(self, listener: Listener) -> None:
        self._listeners.discard(listener)

    def close(self) -> None:
        """The daemon stops: every stream ends."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for listener in tuple(self._listeners):
            listener.tell(None)

    def written(self, operations: Sequence[Operation]) -> None:
        """The store's news: these can be read back now."""
        if not self._listeners:
            return
        for operation in operations:
            match operation:
                case CallRecord(sid=sid):
                    self._calls[sid] = operation
                    self._stories[sid] = None
                case RecordingRecord(sid=sid, call_sid=call_sid):
                    self._recordings[sid] = operation
                    self._stories[call_sid] = None
                case EventRecord(call_sid=call_sid) | DraftedEvent(call_sid=call_sid) | LegRecord(call_sid=call_sid):
                    self._stories[call_sid] = None
                case _:
                    continue
            self._tell_soon()

    def presence_changed(self) -> None:
        """Somebody came or went. Who it was is read by those who may know."""
        if self._listeners:
            self._has_presence = True
            self._tell_soon()

    def _tell_soon(self) -> None:
        if self._timer is None and not self._is_closed:
            self._timer = asyncio.get_running_loop().call_later(GATHER_S, self._tell)

    def _tell(self) -> None:
        self._timer = None
        calls, self._calls = self._calls, {}
        recordings, self._recordings = self._recordings, {}
        stories, self._stories = self._stories, {}
        has_presence, self._has_presence = self._has_presence, False
        for call in calls.values():
            for listener in self._listeners:
                listener.note_child(call)
            self._to([each for each in self._listeners if each.account_sid == call.account_sid], "call", call_row(call))
        for recording in recordings.values():
            own = [each for each in self._listeners if each.account_sid == recording.account_sid]
            self._to(own, "recording", recording_row(recording))
        for sid in stories:
            self._to([each for each in self._listeners if each.has_open(sid)], "story", {"call_sid": sid})
        if has_presence:
            self._to(tuple(self._listeners), "presence", {})

    def _to(self, listeners: Sequence[Listener], kind: str, row: Mapping[str, object]) -> None:
        if not listeners:
            return
        message = sse_message(kind, row)
        for listener in listeners:
            if not listener.tell(message):
                self._listeners.discard(listener)


def sse_message(kind: str, row: Mapping[str, object]) -> bytes:
    """JSON has no raw line breaks, so it is one line of data."""
    return f"event: {kind}\ndata: {json.dumps(row)}\n\n".encode()
