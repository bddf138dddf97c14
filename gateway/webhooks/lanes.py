"""Which owed callback may leave now: order per key, patience with receivers that are away, fairness between them.

Pure: time (monotonic seconds) comes in, callbacks come out. A lane is one order key at one receiver; only its oldest
callback is ever under way. A receiver that cannot be connected to is probed with one callback at a time, with growing
pauses, and its lanes all go on when it is back; a receiver that answers badly makes only that lane wait. Receivers
never wait for each other.
Every callback handed out by ``due`` comes back by exactly one of ``done``, ``wait`` and ``unreachable``.
"""

import heapq
from collections import deque
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from gateway.store.records import OwedCallback

AT_ONCE: Final = 32
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 300.0
LONGEST_PROBE_PAUSE_S: Final = 60.0
FRESH_PROBE_S: Final = 5.0

LaneKey = tuple[str, str]


def receiver_of(url: str) -> str:
    """Scheme, host and port: what may be away as a whole."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".lower()
    except ValueError:
        return url


def pause_s(attempts: int, *, longest_s: float) -> float:
    """How long to wait after so many failures in a row; doubles each time."""
    return float(min(longest_s, FIRST_PAUSE_S * 2 ** min(attempts - 1, 30)))


@dataclass(eq=False)
class _Lane:
    key: LaneKey
    callbacks: deque[OwedCallback] = field(default_factory=deque)


@dataclass(eq=False)
class _Receiver:
    """lanes: how many there are. ready: those whose head may leave. probe_at: set while it cannot be connected to."""

    lanes: int = 0
    ready: deque[_Lane] = field(default_factory=deque)
    under_way: int = 0
    failures: int = 0
    probe_at: float | None = None
    probed_at: float = 0.0


class Lanes:
    """at_once: how many callbacks may be under way to one receiver."""

    def __init__(self, *, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._lanes: dict[LaneKey, _Lane] = {}
        self._receivers: dict[str, _Receiver] = {}
        self._waiting: list[tuple[float, int, _Lane]] = []
        self._serial = 0
        self._born: dict[str, float] = {}

    def __len__(self) -> int:
        """Callbacks held, under way or not."""
        return len(self._born)

    def add(self, callback: OwedCallback, *, now: float, age_s: float = 0.0, pause_s: float = 0.0) -> None:
        """Behind everything of its key. pause_s: how long one that was deferred before still has to wait."""
        name = receiver_of(callback.url)
        key = (callback.order_key, name)
        lane = self._lanes.get(key)
        receiver = self._receivers.setdefault(name, _Receiver())
        self._born[callback.token] = now - age_s
        if lane is not None:
            lane.callbacks.append(callback)
        else:
            lane = self._lanes[key] = _Lane(key, deque([callback]))
            receiver.lanes += 1
            if pause_s > 0:
                self._sleep(lane, now + min(pause_s, LONGEST_PAUSE_S))
            else:
                receiver.ready.append(lane)
        if receiver.probe_at is not None:
            receiver.probe_at = min(receiver.probe_at, max(now, receiver.probed_at + FRESH_PROBE_S))

    def due(self, now: float) -> list[OwedCallback]:
        """What is to be sent now."""
        self._wake(now)
        found = []
        for receiver in self._receivers.values():
            while receiver.ready and self._may_send(receiver, now):
                lane = receiver.ready.popleft()
                receiver.under_way += 1
                found.append(lane.callbacks[0])
        return found

    def next_at(self) -> float | None:
        """When ``due`` should be asked again if nothing else happens."""
        times = [
            receiver.probe_at
            for receiver in self._receivers.values()
            if receiver.probe_at is not None and receiver.ready and not receiver.under_way
        ]
        if self._waiting:
            times.append(self._waiting[0][0])
        return min(times, default=None)

    def done(self, callback: OwedCallback, *, was_answered: bool = True) -> None:
        """Delivered or given up. was_answered: the receiver is there."""
        lane, receiver = self._returned(callback, was_answered=was_answered)
        lane.callbacks.popleft()
        del self._born[callback.token]
        if lane.callbacks:
            receiver.ready.append(lane)
        else:
            self._close(lane)

    def wait(self, callback: OwedCallback, *, until: float, was_answered: bool) -> None:
        """This lane goes on at that time, with this newer value of the callback."""
        lane, _ = self._returned(callback, was_answered=was_answered)
        lane.callbacks[0] = callback
        self._sleep(lane, until)

    def unreachable(self, callback: OwedCallback, *, now: float) -> float:
        """No connection: the receiver's lanes all wait until the returned time, when one of them probes."""
        lane, receiver = self._returned(callback, was_answered=False)
        lane.callbacks[0] = callback
        if receiver.probe_at is None or receiver.probe_at <= now:
            receiver.failures += 1
            receiver.probed_at = now
            receiver.probe_at = now + pause_s(receiver.failures, longest_s=LONGEST_PROBE_PAUSE_S)
        receiver.ready.append(lane)
        return receiver.probe_at

    def age_s(self, callback: OwedCallback, *, now: float) -> float:
        return now - self._born[callback.token]

    def expired(self, callback: OwedCallback, *, older_than_s: float, now: float) -> list[OwedCallback]:
        """Takes out what is older than that and waits at the same receiver as this one."""
        name = receiver_of(callback.url)
        receiver = self._receivers.get(name)
        found: list[OwedCallback] = []
        for lane in list(receiver.ready) if receiver is not None else ():
            while lane.callbacks and self.age_s(lane.callbacks[0], now=now) > older_than_s:
                found.append(lane.callbacks.popleft())
            if not lane.callbacks and receiver is not None:
                receiver.ready.remove(lane)
                self._close(lane)
        for old in found:
            del self._born[old.token]
        return found

    def _may_send(self, receiver: _Receiver, now: float) -> bool:
        if receiver.probe_at is None:
            return receiver.under_way < self._at_once
        return receiver.under_way == 0 and receiver.probe_at <= now

    def _returned(self, callback: OwedCallback, *, was_answered: bool) -> tuple[_Lane, _Receiver]:
        name = receiver_of(callback.url)
        lane, receiver = self._lanes[callback.order_key, name], self._receivers[name]
        receiver.under_way -= 1
        if was_answered:
            receiver.failures = 0
            receiver.probe_at = None
        return lane, receiver

    def _close(self, lane: _Lane) -> None:
        name = lane.key[1]
        del self._lanes[lane.key]
        self._receivers[name].lanes -= 1
        if not self._receivers[name].lanes:
            del self._receivers[name]

    def _sleep(self, lane: _Lane, until: float) -> None:
        self._serial += 1
        heapq.heappush(self._waiting, (until, self._serial, lane))

    def _wake(self, now: float) -> None:
        while self._waiting and self._waiting[0][0] <= now:
            lane = heapq.heappop(self._waiting)[2]
            self._receivers[lane.key[1]].ready.append(lane)
