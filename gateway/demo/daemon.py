"""A daemon of one's own for a while: its configuration file, its process, when it is ready, how it ends.

The daemon runs as a user runs it, ``ringfork serve --config FILE``, and writes its log to a file. Owns the process.
Everything here waits and is for a thread, not for an event loop; ``Daemon.start`` must be called on the main thread.
"""

import base64
import http.client
import json
import os
import random
import secrets
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

READY_S = 600.0  # the first start of all compiles the audio engine: minutes on a slow or busy machine
STOP_S = 10.0
PROBE_S = 0.1
LOG_TAIL = 60
_ROOT = Path(__file__).parents[2]
# Below the ports that the kernel hands out for outgoing connections.
_RTP_PORTS = (20_000, 31_000)


class DaemonError(Exception):
    """The daemon did not come up; the message ends with the end of its log."""


def free_port() -> int:
    """A port that nobody listens on now, neither UDP nor TCP, on 127.0.0.1."""
    while True:
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def basic_authorization(user: str, password: str) -> dict[str, str]:
    """HTTP Basic as a header. Source: RFC 7617."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def rtp_ports(count: int) -> tuple[int, int]:
    """A range for the sound, somewhere: daemons side by side should not share it."""
    low = random.randrange(_RTP_PORTS[0], _RTP_PORTS[1] - count, 2)  # noqa: S311
    return low, low + count - 1


@dataclass(frozen=True)
class Secrets:
    account_sid: str = field(default_factory=lambda: "AC" + secrets.token_hex(16))
    auth_token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    key_sid: str = field(default_factory=lambda: "SK" + secrets.token_hex(16))
    key_secret: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)


def loopback_configuration(
    *, directory: Path, secrets_: Secrets, voice_url: str, clients: Mapping[str, str], capacity: int = 64
) -> dict[str, Any]:
    """A whole configuration for one machine alone, on free ports; sections and keys as in ``ringfork.toml``.

    clients: password by identity.
    """
    http_port, sip_port = free_port(), free_port()
    return {
        "server": {
            "listen": f"127.0.0.1:{http_port}",
            "public_url": f"http://127.0.0.1:{http_port}",
            "drain_s": 2,
        },
        "account": {"sid": secrets_.account_sid, "auth_token": secrets_.auth_token},
        "api_keys": [{"sid": secrets_.key_sid, "secret": secrets_.key_secret}],
        "sip": {
            "listen": [f"udp:127.0.0.1:{sip_port}", f"tcp:127.0.0.1:{sip_port}"],
            "domain": "127.0.0.1",
            "voice_url": voice_url,
        },
        "media": {"address": "127.0.0.1", "port_range": list(rtp_ports(capacity * 4)), "capacity": capacity},
        "speech": {"cache_directory": str(directory / "speech")},
        "recordings": {"directory": str(directory / "recordings")},
        "storage": {"url": f"sqlite:///{directory / 'ringfork.db'}"},
        "webhooks": {"allow": ["127.0.0.0/8"]},
        "clients": [{"identity": identity, "password": password} for identity, password in clients.items()],
    }


def toml_of(configuration: Mapping[str, Any]) -> str:
    """Sections of scalars and lists, and lists of such sections; strings as JSON, which TOML reads alike."""
    lines = []
    for name, section in configuration.items():
        for table in section if isinstance(section, list) else [section]:
            lines.append(f"[[{name}]]" if isinstance(section, list) else f"[{name}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in table.items()]
            lines.append("")
    return "\n".join(lines)


@dataclass
class Daemon:
    """``ringfork serve`` in a process of its own, from a configuration as ``loopback_configuration`` makes it."""

    configuration: Mapping[str, Any]
    config_path: Path
    log_path: Path
    _process: "subprocess.Popen[bytes] | None" = None

    @property
    def http_url(self) -> str:
        return str(self.configuration["server"]["public_url"])

    @property
    def sip_servers(self) -> Sequence[str]:
        """As a phone's ``--server`` takes them: ``udp:127.0.0.1:5060``."""
        return [str(listen) for listen in self.configuration["sip"]["listen"]]

    @property
    def pid(self) -> int:
        if self._process is None:
            raise DaemonError("the daemon was not started")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Write the configuration, start the process. Returns at once."""
        self.config_path.write_text(toml_of(self.configuration), encoding="utf-8")
        self.config_path.chmod(0o600)
        search = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
        serve = [sys.executable, "-m", "gateway.cli", "serve", "--config", str(self.config_path)]
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gateway.demo.leash", *serve],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"PYTHONPATH": search},
                cwd=self.config_path.parent,
            )

    def wait_ready(self, *, limit_s: float = READY_S, on_wait: Callable[[], None] | None = None) -> None:
        """Returns when calls are taken. on_wait is called again and again meanwhile. Raises DaemonError."""
        deadline_s = time.monotonic() + limit_s
        while not self.is_ready():
            if not self.is_running:
                raise DaemonError(f"the daemon ended with {self.exit_code}{self.last_words()}")
            if time.monotonic() > deadline_s:
                raise DaemonError(f"the daemon was not ready within {limit_s:g} s{self.last_words()}")
            if on_wait is not None:
                on_wait()
            time.sleep(PROBE_S)

    def is_ready(self) -> bool:
        host, _, port = str(self.configuration["server"]["listen"]).rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=1)
        if self.configuration["server"].get("tls_certificate"):
            # It is asked whether it is there, nothing is told to it: its certificate does not matter.
            connection = http.client.HTTPSConnection(
                host, int(port), timeout=1, context=ssl._create_unverified_context()
            )
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    @property
    def exit_code(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def stop(self) -> int | None:
        """SIGTERM, then SIGKILL. Any number of times. Returns the exit code."""
        if self._process is None:
            return None
        for end in (self._process.terminate, self._process.kill):
            if self._process.poll() is None:
                end()
                try:
                    self._process.wait(STOP_S)
                except subprocess.TimeoutExpired:
                    continue
        return self._process.poll()

    def kill(self) -> None:
        """As a crash: no farewell."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_S)

    def last_words(self) -> str:
        """The end of its log, for a message."""
        try:
            lines = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL:]
        except OSError:
            return ""
        return "".join(f"\n  {line}" for line in lines)
