"""Log lines: no secrets, and no waiting for whoever reads them."""

import io
import json
import threading
from datetime import UTC, datetime

from gateway.logs import Line, LineWriter, as_json, hide_secrets, show_time


def test_logs_hide_values_under_secret_names() -> None:
    line = {"event": "x", "auth_token": "a", "Password": "b", "client_secret": "c", "authorization": "d", "code": 7}
    assert hide_secrets(None, "info", line) == {
        "event": "x", "auth_token": "***", "Password": "***", "client_secret": "***", "authorization": "***", "code": 7,
    }  # fmt: skip


def test_logs_json_line_shows_what_json_has_no_word_for() -> None:
    found = json.loads(
        as_json(None, "info", {"event": 'sip "refused"', "peer": ("192.0.2.1", 5060), "kind": KeyError("x")})
    )
    assert found == {"event": 'sip "refused"', "peer": ["192.0.2.1", 5060], "kind": "KeyError('x')"}


class Stuck(io.StringIO):
    """A pipe whose reader has stopped until ``go``."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def write(self, text: str) -> int:
        self.go.wait(5)
        return super().write(text)


def test_logs_stuck_reader_costs_lines_not_time() -> None:
    stream = Stuck()
    lines = LineWriter(stream, limit=10)
    for number in range(100):
        lines.write(f"{number}\n")
    assert lines.dropped == 90
    stream.go.set()
    lines.close()
    assert stream.getvalue().startswith("0\n1\n2\n")


def test_logs_line_is_put_into_words_by_the_thread_that_writes_it() -> None:
    stream = io.StringIO()
    threads: list[str] = []

    def shown(_logger: object, _method: str, line: Line) -> str:
        threads.append(threading.current_thread().name)
        return as_json(None, "", line)

    lines = LineWriter(stream, words=(show_time, hide_secrets, shown))
    lines.take({"event": "sip.answered", "auth_token": "sesame", "timestamp": datetime(2025, 3, 14, tzinfo=UTC)})
    lines.write("WARNING asyncio slow\n")
    lines.close()
    first, second = stream.getvalue().splitlines()
    assert json.loads(first) == {"event": "sip.answered", "auth_token": "***", "timestamp": "2025-03-14T00:00:00Z"}
    assert second == "WARNING asyncio slow" and threads == ["log"]


class Mute:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


def test_logs_value_without_words_costs_its_own_line_only() -> None:
    stream = io.StringIO()
    lines = LineWriter(stream)
    lines.take({"event": "one", "value": Mute()})
    lines.take({"event": "two"})
    lines.close()
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first["event"] == "log line not written" and first["reason"] == "RuntimeError"
    assert second == {"event": "two"} and lines.dropped == 1


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_logs_full_disk_is_survived() -> None:
    lines = LineWriter(Full())
    lines.write("one\n")
    lines.write("two\n")
    lines.close()
    assert lines.dropped == 2
