"""The load process: legs that talk, with or without signalling, in one loop and one compiled thread.

Run as ``python -m tests.bench.load CAPACITY``. Speaks JSON lines on standard input; ends when it closes. Requests
without SIP: start, open, connect. With SIP: sip, register, place, hang_up, progress, times, answers. Both: epoch,
figures and close.
"""

import contextlib
import os
import selectors
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from media.srtp import SrtpSessions
from tests.bench.callers import Callers
from tests.bench.endpoint import Endpoint
from tests.bench.pairs import Pair, keys_of
from tests.bench.phones import Phones
from tests.bench.process import reply_to
from tests.bench.rtp import ADDRESS, RtpLoad
from tests.bench.timers import Timers

_REGISTERING_AT_ONCE = 20
_REGISTER_WITHIN_S = 120.0
_LONGEST_WAIT_S = 0.5


class Load:
    """One run. ``serve`` answers requests until standard input closes."""

    def __init__(self, rtp: RtpLoad) -> None:
        self._rtp = rtp
        self._legs: range = range(0)
        self._timers = Timers(time.monotonic)
        self._selector = selectors.DefaultSelector()
        self._sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sink.bind((ADDRESS, 0))
        self._callers: Callers | None = None
        self._phones: Phones | None = None
        self._placed = 0
        self._placing_s = 0.0

    def serve(self) -> None:
        handlers = {
            name: getattr(self, name)
            for name in (
                "start", "open", "connect", "sip", "register", "place", "hang_up",
                "epoch", "progress", "times", "answers", "figures", "close",
            )
        }  # fmt: skip
        self._selector.register(sys.stdin, selectors.EVENT_READ, None)
        pending = b""
        while True:
            if not self._turn(_LONGEST_WAIT_S):
                continue
            received = os.read(sys.stdin.fileno(), 1 << 20)
            if not received:
                return
            pending += received
            while b"\n" in pending:
                line, _, pending = pending.partition(b"\n")
                sys.stdout.write(reply_to(line, handlers) + "\n")
                sys.stdout.flush()

    def _turn(self, at_most_s: float) -> bool:
        """Wait for something, do it; answers whether standard input has something to read."""
        asked = False
        for key, _ in self._selector.select(self._timers.wait_s(at_most_s)):
            if key.data is None:
                asked = True
            else:
                endpoint, receive = key.data
                for raw, arrived in endpoint.waiting():
                    receive(raw, arrived)
        self._timers.run_due()
        return asked

    def _turn_until(self, done: Callable[[], bool], within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while not done() and time.monotonic() < deadline:
            if self._turn(0.05):
                time.sleep(0.001)

    def start(self, _: Mapping[str, Any]) -> None:
        """Nothing: that it can be answered says that the compiled loop runs."""

    def open(self, request: Mapping[str, Any]) -> list[tuple[str, int]]:
        self._legs = range(int(request["legs"]))
        pair = Pair.of(request["pair"])
        addresses = [self._rtp.open(slot) for slot in self._legs]
        for slot, keys in zip(self._legs, request["keys"], strict=True):
            self._rtp.speak(slot, pair.party(slot).speech)
            agreed = keys_of(keys, own="load")
            if agreed is not None:
                self._rtp.secure(slot, SrtpSessions.of(agreed))
        return addresses

    def connect(self, request: Mapping[str, Any]) -> None:
        for slot, (host, port) in enumerate(request["addresses"]):
            self._rtp.connect(slot, (host, port))
            self._rtp.talk(slot)

    def sip(self, request: Mapping[str, Any]) -> None:
        """gateway: address; domain; sound: whether calls carry RTP; hold_s, answer_after_s."""
        host, port = request["gateway"]
        rtp = self._rtp if request["sound"] else None
        silent = self._sink.getsockname()[1]
        self._callers = Callers(
            (host, port), timers=self._timers, rtp=rtp, silent_port=silent, hold_s=request["hold_s"]
        )
        self._phones = Phones(
            (host, port),
            timers=self._timers,
            rtp=rtp,
            silent_port=silent,
            domain=request["domain"],
            answer_after_s=request["answer_after_s"],
        )
        self._watch(self._callers.endpoint, self._callers.receive)
        self._watch(self._phones.endpoint, self._phones.receive)

    def _watch(self, endpoint: Endpoint, receive: Callable[[bytes, int], None]) -> None:
        self._selector.register(endpoint.socket, selectors.EVENT_READ, (endpoint, receive))

    def register(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Register all phones, some at once; answers when each is registered or refused."""
        phones = self._signalling()[1]
        waiting = list(request["phones"])

        def done() -> bool:
            while waiting and phones.registering < _REGISTERING_AT_ONCE:
                identity, password = waiting.pop()
                phones.register(identity, password)
            return not phones.registering

        self._turn_until(done, _REGISTER_WITHIN_S)
        return {"registered": phones.registered, "failures": dict(phones.failures)}

    def place(self, request: Mapping[str, Any]) -> None:
        """Begin ``calls`` calls, ``rate`` a second; an open loop that waits for nobody."""
        callers = self._signalling()[0]
        count, rate = int(request["calls"]), float(request["rate"])
        self._legs = range(2 * count)
        began = time.monotonic()

        def next_call() -> None:
            while self._placed < count and began + self._placed / rate <= time.monotonic():
                callers.place(self._placed)
                self._placed += 1
            if self._placed < count:
                self._timers.at(began + self._placed / rate, next_call)
            else:
                self._placing_s = time.monotonic() - began

        next_call()

    def hang_up(self, request: Mapping[str, Any]) -> None:
        self._signalling()[0].hang_up_all(rate=float(request["rate"]))

    def _signalling(self) -> tuple[Callers, Phones]:
        if self._callers is None or self._phones is None:
            raise RuntimeError("expected the request 'sip' first")
        return self._callers, self._phones

    def epoch(self, request: Mapping[str, Any]) -> None:
        self._rtp.set_epoch(int(request["value"]))

    def progress(self, _: Mapping[str, Any]) -> dict[str, Any]:
        callers, phones = self._signalling()
        return {
            "placed": self._placed,
            "placing_s": self._placing_s,
            "answered": callers.answered,
            "over": callers.over,
            "dropped": callers.dropped,
            "phones_live": phones.live,
            "failures": dict(callers.failures + phones.failures),
            "retransmissions": callers.retransmissions + phones.retransmissions,
        }

    def times(self, _: Mapping[str, Any]) -> list[dict[str, int]]:
        """Per call, ns of the wall clock; 0 for what did not happen."""
        callers, phones = self._signalling()
        of_phones = phones.times()
        rows = []
        for index, (invited, trying, ringing, answered) in sorted(callers.times().items()):
            phone = of_phones.get(index, (0, 0, 0))
            rows.append(
                {
                    "index": index,
                    "invited": invited,
                    "trying": trying,
                    "ringing": ringing,
                    "answered": answered,
                    "phone_invited": phone[0],
                    "phone_rang": phone[1],
                    "phone_answered": phone[2],
                }
            )
        return rows

    def answers(self, _: Mapping[str, Any]) -> list[tuple[int, int, int, int]]:
        """Of calls whoever placed them: number, and when a phone was invited, rang and answered, as in ``times``."""
        return [(index, *moments) for index, moments in sorted(self._signalling()[1].times().items())]

    def figures(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return asdict(self._rtp.figures(self._legs))

    def close(self, _: Mapping[str, Any]) -> None:
        for slot in self._legs:
            self._rtp.close(slot)
        for side in (self._callers, self._phones):
            if side is not None:
                with contextlib.suppress(KeyError):
                    self._selector.unregister(side.endpoint.socket)
                side.endpoint.close()
        self._sink.close()


def main() -> None:
    with RtpLoad(int(sys.argv[1])) as rtp:
        Load(rtp).serve()


if __name__ == "__main__":
    main()
