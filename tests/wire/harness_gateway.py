"""A real daemon for tests, and what hangs on it: phones, metrics, recordings."""

import asyncio
import re
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp

from gateway.demo.daemon import Daemon, Secrets, basic_authorization, free_port, loopback_configuration
from signaling.endpoints.options import SipEndpointOptions, WebRtcEndpointOptions
from signaling.endpoints.process import Phone
from tests.wire.harness_ears import Heard, channels, listen

IDENTITIES = ("alice", "bob", "carol", "dave", "erin", "sipp")
PASSWORD = "wire-test"
TRUNK_HOST = "127.0.0.2"
OWN_NUMBER = "+15550100"
IDLE_S = 8.0


@dataclass
class RunningGateway:
    """A daemon that takes calls. voice_port: where its application is expected; 0 for the built-in one.

    trunk_port: where the trunk ``carrier`` lives on TRUNK_HOST; numbers go there, calls from there are taken.
    """

    daemon: Daemon
    secrets: Secrets
    voice_port: int
    trunk_port: int

    @staticmethod
    def launch(
        directory: Path, *, has_application: bool = True, more: Mapping[str, Any] | None = None
    ) -> "RunningGateway":
        """Blocking; returns when it is ready. more: sections laid over the usual ones."""
        directory.mkdir(parents=True, exist_ok=True)
        secrets, voice_port, trunk_port = Secrets(), free_port() if has_application else 0, free_port()
        configuration = loopback_configuration(
            directory=directory,
            secrets_=secrets,
            voice_url=f"http://127.0.0.1:{voice_port}/voice" if has_application else "",
            clients=dict.fromkeys(IDENTITIES, PASSWORD),
            capacity=128,
        )
        configuration["trunks"] = [
            {"name": "carrier", "uri": f"sip:{TRUNK_HOST}:{trunk_port}", "sources": [f"{TRUNK_HOST}/32"]}
        ]
        configuration["numbers"] = [{"phone_number": OWN_NUMBER, "voice_url": configuration["sip"]["voice_url"]}]
        for section, values in (more or {}).items():
            before = configuration.get(section)
            configuration[section] = before | values if isinstance(before, dict) else values
        daemon = Daemon(configuration, directory / "ringfork.toml", directory / "daemon.log")
        gateway = RunningGateway(daemon, secrets, voice_port, trunk_port)
        daemon.start()
        try:
            daemon.wait_ready()
        except BaseException:
            daemon.stop()
            raise
        return gateway

    @property
    def sip_address(self) -> str:
        """``host:port``, the same for UDP and TCP."""
        return self.daemon.sip_servers[0].removeprefix("udp:")

    @property
    def authorization(self) -> dict[str, str]:
        """The account's credentials as a request header."""
        return basic_authorization(self.secrets.account_sid, self.secrets.auth_token)

    async def metrics(self) -> dict[str, float]:
        """Samples without labels, by name."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.daemon.http_url}/metrics") as answer:
            text = await answer.text()
        return {name: float(value) for name, value in re.findall(r"^(\w+) (\S+)$", text, re.MULTILINE)}

    async def assert_idle(self) -> None:
        """No live call, no open port, nothing owed: what every test must leave behind."""
        wanted = ("ringfork_calls", "ringfork_engine_ports", "ringfork_engine_recordings", "ringfork_callbacks_owed")
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + IDLE_S
        while True:
            metrics = await self.metrics()
            left = {name: metrics[name] for name in wanted if metrics.get(name, 0.0)}
            if not left:
                return
            if loop.time() > deadline_s:
                raise AssertionError(f"left over {IDLE_S:g} s after the test: {left}{self.daemon.last_words()}")
            await asyncio.sleep(0.05)

    async def recording(self, url: str, path: Path) -> list[Heard]:
        """Fetch a recording with the account's credentials; its channels."""
        async with aiohttp.ClientSession(headers=self.authorization) as session, session.get(url) as answer:
            assert answer.status == 200, f"{url}: {answer.status} {await answer.text()}"
            content = await answer.read()
        await asyncio.to_thread(path.write_bytes, content)
        return await asyncio.to_thread(channels, path)


@dataclass
class Phones:
    """Makes registered phones and ends them all. ``await phones("bob", incoming=Incoming.ANSWER)``."""

    gateway: RunningGateway
    directory: Path
    stack: AsyncExitStack
    _made: dict[str, int] = field(default_factory=dict)

    async def __call__(self, identity: str, *, is_registered: bool = True, **more: Any) -> Phone:
        """more: fields of SipEndpointOptions; what the phone hears is recorded."""
        options = SipEndpointOptions(
            identity=identity,
            server=f"sip:{self.gateway.sip_address}",
            password=PASSWORD,
            record=self._record(identity),
        )
        return await self._start(options, is_registered=is_registered, **more)

    async def browser(self, identity: str, *, is_registered: bool = True, **more: Any) -> Phone:
        """more: fields of WebRtcEndpointOptions; as above."""
        options = WebRtcEndpointOptions(
            identity=identity,
            server=self.gateway.daemon.http_url,
            account=self.gateway.secrets.account_sid,
            password=self.gateway.secrets.auth_token,
            record=self._record(identity),
        )
        return await self._start(options, is_registered=is_registered, **more)

    def _record(self, identity: str) -> str:
        count = self._made[identity] = self._made.get(identity, 0) + 1
        return str(self.directory / f"heard-{identity}-{count}.wav")

    async def _start(
        self, options: SipEndpointOptions | WebRtcEndpointOptions, *, is_registered: bool, **more: Any
    ) -> Phone:
        phone = await self.stack.enter_async_context(Phone(replace(options, **more)))
        if is_registered:
            await phone.registered()
        return phone


async def heard_by(phone: Phone, call: int = 1) -> Heard:
    """What a phone heard in a call that is over."""
    recorded = await phone.wait("recorded", call=call)
    return await asyncio.to_thread(listen, Path(recorded["file"]))
