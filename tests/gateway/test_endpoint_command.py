"""``ringfork endpoint`` as a user types it."""

import importlib.util
import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from gateway.endpoint_command import MISSING_PJSUA2, app

needs_pjsua2 = pytest.mark.skipif(importlib.util.find_spec("pjsua2") is None, reason="pjsua2-python is not installed")
RUN = [sys.executable, "-c", "from gateway.endpoint_command import app; app()"]


@pytest.mark.parametrize(
    "wrong",
    [
        ["alice", "--server", "http://example.com"],
        ["alice", "--answer", "--reject"],
        ["alice", "--header", "X-Name"],
        ["alice", "--play", "tone:9"],
        ["alice", "--resume-after", "1"],
        ["alice", "--server", "none", "--dial", "bob"],
        ["alice", "--calls", "0"],
        [],
    ],
    ids=" ".join,
)
def test_endpoint_command_wrong_use_ends_with_two(wrong: list[str]) -> None:
    result = CliRunner().invoke(app, ["sip", *wrong])
    assert result.exit_code == 2


@pytest.mark.parametrize(
    "wrong",
    [
        ["alice", "--server", "sip:127.0.0.1"],
        ["alice", "--token", "T", "--account", "AC1", "--password", "P"],
        ["alice", "--password", "P"],
        ["alice", "--param", "Name"],
        ["alice", "--codec", "speex"],
        ["alice", "--ring-only", "--answer"],
        [],
    ],
    ids=" ".join,
)
def test_endpoint_command_of_a_browser_wrong_use_ends_with_two(wrong: list[str]) -> None:
    result = CliRunner().invoke(app, ["webrtc", *wrong])
    assert result.exit_code == 2


def test_endpoint_command_without_pjsua2_says_how_to_install_it() -> None:
    hidden = "import sys; sys.modules['pjsua2'] = None; from gateway.endpoint_command import app; app()"
    done = subprocess.run(
        [sys.executable, "-c", hidden, "sip", "alice", "--server", "none"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.strip() == MISSING_PJSUA2
    assert done.stdout == ""


@needs_pjsua2
@pytest.mark.wire
def test_endpoint_command_call_ends_with_one_when_nobody_is_there() -> None:
    dial = ["--server", "none", "--transport", "tcp", "--dial", "sip:bob@127.0.0.1:1;transport=tcp"]
    done = subprocess.run([*RUN, "sip", "alice", *dial], capture_output=True, timeout=30, check=False)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events] == ["started", "dialing", "ended", "stopped"]
    assert (done.returncode, events[-1]["exit_code"]) == (1, 1)


@pytest.mark.wire
def test_endpoint_command_of_a_browser_ends_with_one_when_no_server_is_there() -> None:
    call = ["webrtc", "alice", "--server", "http://127.0.0.1:1", "--token", "T", "--dial", "bob"]
    done = subprocess.run([*RUN, *call], capture_output=True, timeout=30, check=False)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events] == ["started", "registration_failed", "stopped"], done.stderr
    assert (done.returncode, events[1]["code"], events[-1]["exit_code"]) == (1, 0, 1)


@needs_pjsua2
@pytest.mark.wire
def test_endpoint_command_obeys_standard_input_until_it_ends() -> None:
    lines = b'{"do": "hangup", "id": 3}\nnonsense\n'
    done = subprocess.run(
        [*RUN, "sip", "alice", "--server", "none", "--commands"],
        input=lines,
        capture_output=True,
        timeout=30,
        check=False,
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events] == ["started", "error", "error", "stopped"]
    assert events[1]["command"] == 3
    assert done.returncode == 0
