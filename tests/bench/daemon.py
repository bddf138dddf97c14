"""The real daemon for a bench: a configuration of its own on loopback, started, waited for, asked, ended.

Owns the process (by its id) and the files in the run's directory. Knows the daemon from outside only: its command,
its configuration file and its HTTP endpoints.
"""

import asyncio
import random
import secrets
import socket
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tests.bench.callers import NUMBER
from tests.bench.figures import exposition
from tests.bench.process import BenchError, Child
from tests.bench.rtp import ADDRESS

MEDIA_PORTS = (10_000, 31_999)
DOMAIN = "bench.example.com"
_READY_WITHIN_S = 240.0  # the first start compiles
ACCOUNT, KEY_SID, APPLICATION = "AC" + "b" * 32, "SK" + "b" * 32, "AP" + "b" * 32
KEY_SECRET = secrets.token_hex(16)


@dataclass(frozen=True)
class Phone:
    identity: str
    password: str


class Daemon:
    """``start``, then ``metrics`` any time, then ``end``."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self.http_port, self.sip_port = _free_port(socket.SOCK_STREAM), _free_port(socket.SOCK_DGRAM)
        self.child: Child | None = None

    @property
    def pid(self) -> int:
        if self.child is None:
            raise BenchError("the daemon is not running")
        return self.child.pid

    @property
    def recordings(self) -> Path:
        return self._run / "recordings"

    async def start(self, *, phones: list[Phone], voice_url: str, capacity: int, maximum: int) -> None:
        """Write the configuration, start the daemon, wait until it is ready."""
        path = self._run / "ringfork.toml"
        text = self._configuration(phones, voice_url, capacity, maximum)
        await asyncio.to_thread(path.write_text, text, encoding="utf-8")
        command = ["gateway.cli", "serve", "--config", str(path)]
        self.child = await Child.start("gateway", command, log=self._run / "gateway.log", asked=False)
        deadline = time.monotonic() + _READY_WITHIN_S
        while not await asyncio.to_thread(self._is_ready):
            if not self.child.is_running:
                raise BenchError(f"the gateway ended while starting{self.child.last_words()}")
            if time.monotonic() > deadline:
                raise BenchError(f"the gateway was not ready in {_READY_WITHIN_S:g} s{self.child.last_words()}")
            await asyncio.sleep(0.1)

    async def end(self) -> None:
        if self.child is not None:
            await self.child.terminate()

    async def metrics(self) -> list[tuple[str, dict[str, str], float]]:
        """Samples of /metrics; empty when there are none to be had."""
        try:
            text = await asyncio.to_thread(self._get, "/metrics")
        except OSError:
            return []
        return [(name, dict(labels), value) for name, labels, value in exposition(text)]

    def _is_ready(self) -> bool:
        try:
            self._get("/readyz")
        except OSError:
            return False
        return True

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://{ADDRESS}:{self.http_port}{path}", timeout=10) as response:
            text: str = response.read().decode()
            return text

    def _configuration(self, phones: list[Phone], voice_url: str, capacity: int, maximum: int) -> str:
        clients = "\n".join(
            f'[[clients]]\nidentity = "{phone.identity}"\npassword = "{phone.password}"' for phone in phones
        )
        return f"""
[server]
listen = "{ADDRESS}:{self.http_port}"
drain_s = 0
[account]
sid = "{ACCOUNT}"
auth_token = "{secrets.token_hex(16)}"
[[api_keys]]
sid = "{KEY_SID}"
secret = "{KEY_SECRET}"
[sip]
listen = ["udp:{ADDRESS}:{self.sip_port}"]
domain = "{DOMAIN}"
[media]
address = "{ADDRESS}"
port_range = [{MEDIA_PORTS[0]}, {MEDIA_PORTS[1]}]
capacity = {capacity}
[speech]
cache_directory = "{self._run / "speech"}"
[recordings]
directory = "{self.recordings}"
[storage]
url = "sqlite:///{self._run / "ringfork.db"}"
[calls]
maximum = {maximum}
per_second = 1000
[[numbers]]
phone_number = "{NUMBER}"
voice_url = "{voice_url}"
[[applications]]
sid = "{APPLICATION}"
voice_url = "{voice_url}"
[[trunks]]
name = "load"
uri = "sip:{ADDRESS}:9"
sources = ["{ADDRESS}/32"]
{clients}
"""


def new_phones(count: int) -> list[Phone]:
    return [Phone(f"p{number}", secrets.token_hex(8)) for number in range(count)]


def _free_port(kind: socket.SocketKind) -> int:
    """A port below the ephemeral range that nobody has now."""
    for _ in range(1000):
        port = random.randrange(5100, 9900)
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind((ADDRESS, port))
            except OSError:
                continue
            return port
    raise BenchError("no free port between 5100 and 9900")
