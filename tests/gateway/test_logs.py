"""Log lines: no secrets, and no waiting for whoever reads them."""

import io
import json
import threading

from gateway.logs import LineWriter, as_json, hide_secrets


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


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_logs_full_disk_is_survived() -> None:
    lines = LineWriter(Full())
    lines.write("one\n")
    lines.write("two\n")
    lines.close()
    assert lines.dropped == 2
