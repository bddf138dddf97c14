"""Logging: one line per thing that happened, readable on a terminal, JSON otherwise.

Values under names that hold secrets never reach a line, whoever logs them. Lines are written by a thread of their own:
a full disk or a stuck pipe costs lines, never calls.
"""

import atexit
import json
import logging
import sys
import threading
from collections import deque
from collections.abc import MutableMapping
from functools import cache
from typing import Any, TextIO

import structlog

_SECRET = ("password", "secret", "token", "authorization", "credential")


def hide_secrets(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in line:
        if _holds_secret(name):
            line[name] = "***"
    return line


@cache  # Names are those that stand in the code.
def _holds_secret(name: str) -> bool:
    return any(word in name.lower() for word in _SECRET)


_encode = json.JSONEncoder(default=repr).encode


def as_json(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> str:
    """A line with values of any type; those that JSON has no word for as Python shows them."""
    return _encode(line)


class LineWriter:
    """A stream that never waits: ``limit`` lines may be on their way, what comes beyond is counted and dropped.

    The thread gathers for a moment before it writes, so that a busy daemon wakes it some twenty times a second at most
    and an idle one never.
    """

    def __init__(self, stream: TextIO, *, limit: int = 10_000, gather_s: float = 0.05) -> None:
        self._stream = stream
        self._limit = limit
        self._gather_s = gather_s
        self._lines: deque[str] = deque()
        self._waiting = threading.Event()
        self._closing = threading.Event()
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, text: str) -> int:
        if len(self._lines) >= self._limit:
            self.dropped += 1
            return len(text)
        self._lines.append(text)
        if not self._waiting.is_set():
            self._waiting.set()
        return len(text)

    def flush(self) -> None:
        """Lines are flushed as they are written."""

    def close(self, *, timeout_s: float = 2.0) -> None:
        """Write what is on its way, for at most ``timeout_s``. Idempotent."""
        self._closing.set()
        self._waiting.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            self._waiting.wait()
            self._closing.wait(self._gather_s)
            # Cleared before the lines are taken: one that comes meanwhile sets it again.
            self._waiting.clear()
            self._write_all()
            if self._closing.is_set():
                return

    def _write_all(self) -> None:
        count = len(self._lines)
        try:
            self._stream.write("".join(self._lines.popleft() for _ in range(count)))
            self._stream.flush()
        except (OSError, ValueError):
            # The disk is full or the reader is gone; the next lines may fare better.
            self.dropped += count


def set_up(level: str, *, stream: TextIO = sys.stderr) -> None:
    """level: debug, info, warning or error. Lines go to ``stream``."""
    lines = LineWriter(stream)
    atexit.register(lines.close)
    number = logging.getLevelNamesMapping()[level.upper()]
    renderer: structlog.typing.Processor
    if stream.isatty():
        renderer = structlog.dev.ConsoleRenderer()
    else:
        renderer = as_json
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            hide_secrets,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=lines),  # type: ignore[arg-type]  # only write and flush are used
        cache_logger_on_first_use=True,
    )
    # Libraries log through the standard module; only their warnings are of interest.
    logging.basicConfig(stream=lines, level=max(number, logging.WARNING), format="%(levelname)s %(name)s %(message)s")
