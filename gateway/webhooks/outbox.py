"""Callbacks applications are owed, delivered: now, later, or after a restart.

A callback is a row, written in the same transaction as the fact it tells (gateway/store); the store says here when it
is safe, and the row goes when it was delivered or given up. Owns the sending tasks and their timer. Order and patience
are lanes.py's. Memory is bounded: beyond ``capacity`` callbacks stay in the store until there is room.
A reply that is an error (4xx) settles the matter and is recorded as a warning, as is a reply that is no TwiML.
Source: design D6; reliability check R-06; Twilio warnings 15003 and 32711, error 13807.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, Protocol

import structlog

from gateway.store.records import DeferredCallback, EventRecord, Operation, OwedCallback, SettledCallback
from gateway.store.store import Store
from gateway.store.writer import StorageUnavailable
from gateway.webhooks.client import Fetched, Request
from gateway.webhooks.errors import FetchCode, FetchError, Retry, without_credentials
from gateway.webhooks.lanes import LONGEST_PAUSE_S, Lanes, pause_s

_log = structlog.get_logger()

BAD_REPLY: Final = 15003
BAD_NOTIFICATION: Final = 13807
BAD_USER_MESSAGE: Final = 32711
GIVE_UP_S: Final = 24 * 3600.0
READY_PAUSE_S: Final = 30.0
CAPACITY: Final = 5_000
PAGE: Final = 1_000
RELOAD_S: Final = 2.0
_AGAIN: Final = frozenset({FetchCode.TOTAL_TIMEOUT, FetchCode.CONNECTION_FAILURE})
_TWIML_TYPES: Final = frozenset({"text/xml", "application/xml"})


class Cancellable(Protocol):
    def cancel(self) -> None: ...


class Timers(Protocol):
    """What of an event loop is needed."""

    def time(self) -> float: ...
    def call_later(self, delay: float, callback: Callable[[], None], /) -> Cancellable: ...


class Sender(Protocol):
    """What of WebhookClient is needed."""

    async def fetch(self, request: Request) -> Fetched: ...


class Outbox:
    """recording_ready: whether the recording's file can be read at its URL. now: wall clock, aware.

    timers: the running loop unless a test drives time. Pauses and ages are measured by it, so that a step of the wall
    clock neither delays nor gives up anything; the wall clock only bridges a restart.
    """

    def __init__(
        self,
        *,
        store: Store,
        sender: Sender,
        recording_ready: Callable[[str], Awaitable[bool]],
        now: Callable[[], datetime],
        timers: Timers | None = None,
        capacity: int = CAPACITY,
    ) -> None:
        self._store = store
        self._sender = sender
        self._recording_ready = recording_ready
        self._now = now
        self._timers = timers or asyncio.get_running_loop()
        self._capacity = capacity
        self._lanes = Lanes()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: Cancellable | None = None
        self._through = 0  # position of the newest callback that was taken into memory
        self._is_behind = True  # the store holds callbacks that were not
        self._is_loading = False
        self._load_at = 0.0
        self._arrived: list[OwedCallback] = []
        self._is_closed = False

    @property
    def waiting(self) -> int:
        """Callbacks in memory that were not delivered yet."""
        return len(self._lanes)

    async def start(self) -> None:
        """Take up what is owed from before and what is written from now on. Raises StorageUnavailable."""
        self._store.listen_owed(self._take)
        await self._load()
        self._pump()

    async def close(self, *, grace_s: float = 2.0) -> None:
        """Let requests under way end, then stop; what is owed stays in the store. Idempotent."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _take(self, callbacks: Sequence[OwedCallback]) -> None:
        """The store's news: these are safe now."""
        if self._is_loading:
            self._arrived += callbacks
        if self._is_behind:
            return
        if len(self._lanes) + len(callbacks) > self._capacity:
            self._is_behind = True  # they are in the store; _load finds them when there is room
            return
        self._keep(callbacks)
        self._pump()

    def _keep(self, callbacks: Sequence[OwedCallback]) -> None:
        now, today = self._timers.time(), self._now()
        for callback in callbacks:
            if callback.position > self._through:
                self._through = callback.position
                age_s = (today - callback.created_at).total_seconds()
                left_s = (callback.due_at - today).total_seconds() if callback.due_at is not None else 0.0
                self._lanes.add(callback, now=now, age_s=max(0.0, age_s), pause_s=left_s)

    async def _load(self) -> None:
        """Fill up from the store. News that comes while it reads is kept, so that nothing falls in between."""
        self._is_loading = True
        try:
            while len(self._lanes) < self._capacity:
                if self._store.is_away:
                    raise StorageUnavailable("expected callbacks in the database, found it away")
                self._arrived = []
                page = min(PAGE, self._capacity - len(self._lanes))
                found = await self._store.owed_callbacks(after=self._through, limit=page)
                self._keep(found)
                if not found and len(self._lanes) + len(self._arrived) <= self._capacity:
                    self._keep(self._arrived)
                    self._is_behind = False
                    return
        finally:
            self._arrived = []
            self._is_loading = False

    async def _reload(self) -> None:
        try:
            await self._load()
        except StorageUnavailable as error:
            _log.warning("callbacks wait for the storage", reason=str(error))
            self._load_at = self._timers.time() + RELOAD_S

    def _pump(self) -> None:
        """Send what is due, and come back when something else will be."""
        if self._is_closed:
            return
        now = self._timers.time()
        for callback in self._lanes.due(now):
            self._start(self._deliver(callback), name=f"callback {callback.call_sid}")
        times = [self._lanes.next_at()]
        if self._is_behind and not self._is_loading and len(self._lanes) <= self._capacity // 2:
            if self._load_at <= now:
                self._is_loading = True
                self._start(self._reload(), name="callbacks from the store")
            else:
                times.append(self._load_at)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        next_at = min((time for time in times if time is not None), default=None)
        if next_at is not None:
            self._timer = self._timers.call_later(max(0.0, next_at - now), self._pump)

    def _start(self, work: Coroutine[None, None, None], *, name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._pump()

    async def _deliver(self, callback: OwedCallback) -> None:
        try:
            await self._attempt(callback)
        except Exception as error:  # noqa: BLE001  # a bug of ours must not hold up the lane for good
            _log.exception("callback not sent", call_sid=callback.call_sid)
            self._postpone(callback, reason=f"internal failure: {type(error).__name__}")

    async def _attempt(self, callback: OwedCallback) -> None:
        sid = callback.awaits_recording
        if sid is not None and not await self._is_ready(sid):
            self._postpone(callback, reason="the recording cannot be read yet", was_answered=False)
            return
        request = Request(
            url=callback.url,
            method=callback.method,
            params=callback.params,
            call_sid=callback.call_sid,
            account_sid=callback.account_sid,
            token=callback.token,
            may_be_empty=True,
        )
        try:
            reply = await self._sender.fetch(request)
        except FetchError as error:
            self._failed(callback, error)
        else:
            self._lanes.done(callback)
            self._settle(callback, None if _is_fine(reply) else f"found {reply.content_type or 'no type'}, no TwiML")

    async def _is_ready(self, sid: str) -> bool:
        try:
            return await self._recording_ready(sid)
        except (OSError, StorageUnavailable) as error:
            _log.warning("recording not checked", recording_sid=sid, reason=str(error))
            return False

    def _failed(self, callback: OwedCallback, error: FetchError) -> None:
        match _verdict(error):
            case Verdict.SETTLED:
                self._lanes.done(callback, was_answered=error.http_status is not None)
                self._settle(callback, error.message)
            case Verdict.LATER:
                self._postpone(callback, reason=error.message)
            case Verdict.AWAY:
                now = self._timers.time()
                later = replace(callback, attempts=callback.attempts + 1)
                probe_at = self._lanes.unreachable(later, now=now)
                expired = self._lanes.expired(later, older_than_s=GIVE_UP_S, now=now)
                for old in expired:
                    self._settle(old, f"given up after 24 hours: {error.message}", level="error")
                if later not in expired:
                    self._defer(later, probe_at - now)

    def _postpone(self, callback: OwedCallback, *, reason: str, was_answered: bool = True) -> None:
        """This callback later, and with it those behind it in its lane."""
        now = self._timers.time()
        if self._lanes.age_s(callback, now=now) > GIVE_UP_S:
            self._lanes.done(callback, was_answered=was_answered)
            self._settle(callback, f"given up after 24 hours: {reason}", level="error")
            return
        later = replace(callback, attempts=callback.attempts + 1)
        longest_s = LONGEST_PAUSE_S if callback.awaits_recording is None else READY_PAUSE_S
        wait_s = pause_s(later.attempts, longest_s=longest_s)
        self._lanes.wait(later, until=now + wait_s, was_answered=was_answered)
        self._defer(later, wait_s)

    def _settle(self, callback: OwedCallback, complaint: str | None, *, level: str = "warning") -> None:
        """No longer owed; what there is to complain about goes on the call's record in the same transaction."""
        settled = SettledCallback(callback.position)
        if complaint is None:
            self._write(settled)
            return
        url = without_credentials(callback.url)
        told, code = "callback", BAD_REPLY
        if callback.is_notification:
            told, code, level = "clientNotificationUrl", BAD_NOTIFICATION, "error"
        elif callback.is_user_message:
            told, code = "UserDefinedMessageSubscription", BAD_USER_MESSAGE
        self._write(
            settled,
            EventRecord(
                call_sid=callback.call_sid,
                account_sid=callback.account_sid or None,
                at=self._now(),
                name="problem",
                level=level,
                code=code,
                message=f"{told}: {complaint}",
                url=url,
                details={"attempts": callback.attempts + 1},
            ),
        )

    def _defer(self, callback: OwedCallback, wait_s: float) -> None:
        when = self._now() + timedelta(seconds=wait_s)
        self._write(DeferredCallback(position=callback.position, attempts=callback.attempts, due_at=when))

    def _write(self, *operations: Operation) -> None:
        # A store that was closed first still holds the row: the callback is sent again, with the same token.
        with contextlib.suppress(StorageUnavailable):
            self._store.write_soon(*operations)


class Verdict(Enum):
    """SETTLED: told, or never will be. LATER: this callback again. AWAY: its receiver cannot be connected to."""

    SETTLED = "settled"
    LATER = "later"
    AWAY = "away"


def _verdict(error: FetchError) -> Verdict:
    if error.kind is Retry.CONNECT:
        return Verdict.AWAY
    if error.kind in (Retry.READ, Retry.SERVER_ERROR) or error.code in _AGAIN:
        return Verdict.LATER
    return Verdict.SETTLED


def _is_fine(reply: Fetched) -> bool:
    """Source: Twilio status callbacks: reply 204, or 200 with an empty document."""
    return not reply.body.strip() or reply.content_type in _TWIML_TYPES
