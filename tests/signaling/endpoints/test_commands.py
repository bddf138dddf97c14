"""The lines an endpoint obeys, and those it refuses with a reason."""

import json
import os

import pytest

from signaling.endpoints.commands import (
    Answer,
    Asked,
    Command,
    Dial,
    DigitMethod,
    Digits,
    Hangup,
    Hold,
    LineReader,
    Play,
    Progress,
    Quit,
    Reject,
    Resume,
    Ring,
    Statistics,
    command_line,
    parse_command,
)
from signaling.endpoints.servers import OptionError

EVERY_COMMAND: list[Command] = [
    Dial("bob", {"X-Name": "value"}),
    Ring(),
    Progress(2),
    Answer(1),
    Reject(603),
    Hangup(),
    Digits("12#w*", DigitMethod.INFO),
    Hold(3),
    Resume(),
    Play("tone:440", True),
    Play(""),
    Statistics(),
    Quit(),
]


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=lambda command: type(command).__name__)
def test_command_line_is_read_back_as_the_command(command: Command) -> None:
    assert parse_command(command_line(command, asked_id=7)) == Asked(command, 7)


def test_command_without_id_answers_to_its_name() -> None:
    assert parse_command(b'{"do": "hangup"}') == Asked(Hangup(), "hangup")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"hangup",
        b"[]",
        b"{}",
        b'{"do": "explode"}',
        b'{"do": ["dial"]}',
        b'{"do": "dial"}',
        b'{"do": "dial", "target": ""}',
        b'{"do": "dial", "target": "bob", "colour": "red"}',
        b'{"do": "dial", "target": "bob", "headers": {"X-A": 1}}',
        b'{"do": "dial", "target": "bob", "headers": {"X-A": "a\\nb"}}',
        b'{"do": "answer", "call": "1"}',
        b'{"do": "answer", "call": true}',
        b'{"do": "reject", "code": 200}',
        b'{"do": "digits", "digits": "x"}',
        b'{"do": "digits", "digits": "1", "method": "loud"}',
        b'{"do": "play", "sound": "/nowhere.wav"}',
        b'{"do": "play", "sound": "tone:440", "once": 1}',
    ],
)
def test_command_that_makes_no_sense_is_refused(line: bytes) -> None:
    with pytest.raises(OptionError):
        parse_command(line)


def test_line_reader_takes_whole_lines_and_tells_the_end() -> None:
    readable, writable = os.pipe()
    try:
        reader = LineReader(readable)
        assert reader.lines() == []
        os.write(writable, json.dumps({"do": "quit"}).encode() + b"\n\nhalf")
        assert reader.lines() == [b'{"do": "quit"}']
        os.write(writable, b" a line\n")
        assert reader.lines() == [b"half a line"]
        assert not reader.is_at_end
        os.close(writable)
        writable = -1
        assert reader.lines() == []
        assert reader.is_at_end
    finally:
        os.close(readable)
        if writable >= 0:
            os.close(writable)
