"""Logging: one line per thing that happened, readable on a terminal, JSON otherwise.

Values under names that hold secrets never reach a line, whoever logs them. Lines are put into words and written by a
thread of their own, many at a time: a full disk or a stuck pipe costs lines, never calls.
"""

import atexit
import json
import logging
import sys
import threading
from collections import deque
from collections.abc import Callable, MutableMapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, TextIO, TypeAlias

import structlog

Line: TypeAlias = MutableMapping[str, Any]
Processor: TypeAlias = Callable[[Any, str, Line], Any]

_SECRET = ("password", "secret", "token", "authorization", "credential")


def hide_secrets(_logger: Any, _method: str, line: Line) -> Line:
    for name in line:
        if _holds_secret(name):
            line[name] = "***"
    return line


@cache  # Names are those that stand in the code.
def _holds_secret(name: str) -> bool:
    return any(word in name.lower() for word in _SECRET)


_encode = json.JSONEncoder(default=repr).encode


def show_time(_logger: Any, _method: str, line: Line) -> Line:
    line["timestamp"] = line["timestamp"].isoformat().replace("+00:00", "Z")
    return line


def as_json(_logger: Any, _method: str, line: Line) -> str:
    """A line with values of any type; those that JSON has no word for as Python shows them."""
    return _encode(line)


class LineWriter:
    """A stream that never waits: ``limit`` lines may be on their way, what comes beyond is counted and dropped.

    words: make text of what ``take`` was given, one after the other, as structlog's processors do; called on the
    thread. The thread gathers for a moment before it writes, so that a busy daemon wakes it some twenty times a second
    at most and an idle one never.
    """

    def __init__(
        self, stream: TextIO, *, words: Sequence[Processor] = (as_json,), limit: int = 10_000, gather_s: float = 0.05
    ) -> None:
        self._stream = stream
        self._words = words
        self._limit = limit
        self._gather_s = gather_s
        self._lines: deque[str | Line] = deque()
        self._waiting = threading.Event()
        self._closing = threading.Event()
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, text: str) -> int:
        """Text that ends its own lines."""
        self._queue(text)
        return len(text)

    def take(self, line: Line) -> None:
        """The values of a line, the writer's from now on."""
        self._queue(line)

    def _queue(self, line: str | Line) -> None:
        if len(self._lines) >= self._limit:
            self.dropped += 1
            return
        self._lines.append(line)
        if not self._waiting.is_set():
            self._waiting.set()

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
        text = "".join([self._text_of(self._lines.popleft()) for _ in range(count)])
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            # The disk is full or the reader is gone; the next lines may fare better.
            self.dropped += count

    def _text_of(self, line: str | Line) -> str:
        if isinstance(line, str):
            return line
        shown: Any = line
        try:
            for process in self._words:
                shown = process(None, "", shown)
        except Exception as error:  # noqa: BLE001  # whatever a value says of itself, the lines behind it come through
            self.dropped += 1
            shown = as_json(None, "", {"event": "log line not written", "reason": type(error).__name__})
        return f"{shown}\n"


class _Logger:
    """What structlog calls at the end: every level takes the line as it is."""

    def __init__(self, lines: LineWriter) -> None:
        self.debug = self.info = self.warning = self.error = self.critical = self.exception = lines.take


def _of_this_moment(logger: Any, method: str, line: Line) -> tuple[tuple[Line], dict[str, Any]]:
    """With what only the moment of the call knows; as arguments for ``_Logger``."""
    if "exc_info" in line:
        structlog.processors.format_exc_info(logger, method, line)
    line["level"] = "error" if method == "exception" else method
    line["timestamp"] = datetime.now(UTC)
    return (line,), {}


def set_up(level: str, *, stream: TextIO = sys.stderr) -> None:
    """level: debug, info, warning or error. Lines go to ``stream``."""
    shown: Processor = structlog.dev.ConsoleRenderer() if stream.isatty() else as_json
    lines = LineWriter(stream, words=(show_time, hide_secrets, shown))
    atexit.register(lines.close)
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[_of_this_moment],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: _Logger(lines),
        cache_logger_on_first_use=True,
    )
    # Libraries log through the standard module; only their warnings are of interest.
    logging.basicConfig(stream=lines, level=max(number, logging.WARNING), format="%(levelname)s %(name)s %(message)s")
