"""A daemon for a while: its configuration is one the daemon takes, its ports are its own."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.config import load
from gateway.demo.daemon import (
    Daemon,
    DaemonError,
    Secrets,
    free_port,
    loopback_configuration,
    rtp_ports,
    toml_of,
)


def configuration(directory: Path) -> dict[str, object]:
    return loopback_configuration(
        directory=directory,
        secrets_=Secrets(),
        voice_url="http://127.0.0.1:1/voice",
        clients={"alice": 'a "quoted" \\ pass\u00e9', "bob": "b"},
    )


def test_daemon_configuration_is_what_the_gateway_reads(tmp_path: Path) -> None:
    written = configuration(tmp_path)
    path = tmp_path / "ringfork.toml"
    path.write_text(toml_of(written), encoding="utf-8")
    read = load(path, {})
    assert {client.identity: client.password.get_secret_value() for client in read.clients} == {
        "alice": 'a "quoted" \\ pass\u00e9',
        "bob": "b",
    }
    assert read.sip.voice_url == "http://127.0.0.1:1/voice"
    assert all(listen.split(":")[1] == "127.0.0.1" for listen in read.sip.listen)


def test_daemon_free_port_is_free_for_both_kinds() -> None:
    port = free_port()
    with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", port))
        udp.bind(("127.0.0.1", port))


def test_daemon_sound_ports_are_even_and_inside_the_range() -> None:
    for _ in range(50):
        low, high = rtp_ports(256)
        assert low % 2 == 0 and 20_000 <= low < high < 31_000 and high - low == 255


def test_daemon_that_cannot_start_tells_its_last_words(tmp_path: Path) -> None:
    wrong = configuration(tmp_path) | {"nonsense": {"key": 1}}
    daemon = Daemon(wrong, tmp_path / "ringfork.toml", tmp_path / "daemon.log")
    daemon.start()
    try:
        with pytest.raises(DaemonError, match="nonsense"):
            daemon.wait_ready(limit_s=30)
    finally:
        daemon.stop()
    assert daemon.exit_code == 1
    assert (tmp_path / "ringfork.toml").stat().st_mode & 0o077 == 0


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux")
def test_daemon_on_its_leash_ends_with_who_started_it() -> None:
    """A parent starts a sleeper on the leash and dies without a word."""
    sleep = "import time; print('up', flush=True); time.sleep(60)"
    sleeper = [sys.executable, "-m", "gateway.demo.leash", sys.executable, "-c", sleep]
    parent = (
        "import os, subprocess\n"
        f"child = subprocess.Popen({sleeper!r}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", parent], capture_output=True, timeout=30, check=False)
    pid = int(done.stdout)
    deadline_s = time.monotonic() + 5
    while _is_alive(pid) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert not _is_alive(pid)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
