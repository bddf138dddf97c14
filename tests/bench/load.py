"""The load process: legs that talk, and later the signalling of callers and phones.

Run as ``python -m tests.bench.load CAPACITY``. Speaks JSON lines on standard input; ends when it closes.
"""

import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tests.bench.process import Handler, serve_requests
from tests.bench.rtp import RtpLoad


class MediaLoad:
    """Legs without signalling: their addresses are told by request."""

    def __init__(self, rtp: RtpLoad) -> None:
        self._rtp = rtp
        self._legs = 0

    def handlers(self) -> dict[str, Handler]:
        return {
            "start": lambda _: {},
            "open": self.open,
            "connect": self.connect,
            "epoch": self.epoch,
            "figures": self.figures,
            "close": self.close,
        }

    def open(self, request: Mapping[str, Any]) -> list[tuple[str, int]]:
        self._legs = int(request["legs"])
        return [self._rtp.open(slot) for slot in range(self._legs)]

    def connect(self, request: Mapping[str, Any]) -> None:
        for slot, (host, port) in enumerate(request["addresses"]):
            self._rtp.connect(slot, (host, port))
            self._rtp.talk(slot)

    def epoch(self, request: Mapping[str, Any]) -> None:
        self._rtp.set_epoch(int(request["value"]))

    def figures(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return asdict(self._rtp.figures(range(self._legs)))

    def close(self, _: Mapping[str, Any]) -> None:
        for slot in range(self._legs):
            self._rtp.close(slot)


def main() -> None:
    with RtpLoad(int(sys.argv[1])) as rtp:
        serve_requests(MediaLoad(rtp).handlers())


if __name__ == "__main__":
    main()
