"""baresip as a peer: another SIP stack altogether, headless, steered over its ctrl_tcp module (JSON in netstrings).

It says a sine tone; what it hears it only counts, as it has no output that works without a sound system.
"""

import asyncio
import json
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from gateway.demo.daemon import free_port

BARESIP = shutil.which("baresip")
MODULES = Path("/usr/lib/baresip/modules")
WAIT_S = 10.0
QUIT_S = 3.0


@dataclass
class Baresip:
    """``async with Baresip(...) as phone``. server: ``127.0.0.1:5060``; empty: no registration."""

    identity: str
    directory: Path
    server: str = ""
    password: str = ""
    transport: str = "udp"
    answers: bool = False
    tone_hz: int = 440
    codec: str = "PCMU"
    sip_port: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)
    _unread: list[dict[str, Any]] = field(default_factory=list)
    _replies: "asyncio.Queue[dict[str, Any]]" = field(default_factory=asyncio.Queue)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _process: asyncio.subprocess.Process | None = None
    _reader: "asyncio.Task[None] | None" = None
    _writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        if BARESIP is None:
            pytest.skip("baresip is not installed (Debian package baresip-core)")
        self.sip_port = self.sip_port or free_port()
        control_port = free_port()
        await asyncio.to_thread(self._write_files, control_port)
        log = await asyncio.to_thread((self.directory / "baresip.log").open, "wb")
        try:
            self._process = await asyncio.create_subprocess_exec(
                BARESIP, "-f", str(self.directory), "-v", stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )
        finally:
            log.close()
        try:
            reader = await self._connect(control_port)
        except BaseException:
            await self.close()
            raise
        self._reader = asyncio.create_task(self._read(reader))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        process = self._process
        if self._writer is not None and process is not None and process.returncode is None:
            with suppress(ConnectionError, TimeoutError):
                self._send("quit")
                async with asyncio.timeout(QUIT_S):
                    await process.wait()
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if self._writer is not None:
            self._writer.close()
        if self._reader is not None:
            await self._reader

    async def command(self, name: str, parameters: str = "") -> str:
        """One of baresip's commands (dial, accept, hangup, hold, resume, sndcode…). Returns its text."""
        self._send(name, parameters)
        async with asyncio.timeout(WAIT_S):
            reply = await self._replies.get()
        if not reply.get("ok"):
            raise AssertionError(f"baresip refused {name} {parameters}: {reply}")
        return str(reply.get("data", ""))

    async def registered(self) -> None:
        """Asked again and again: the event may have come before anybody listened."""
        deadline_s = asyncio.get_running_loop().time() + WAIT_S
        while "OK" not in (told := await self.command("reginfo")):
            if asyncio.get_running_loop().time() > deadline_s:
                raise AssertionError(f"baresip is not registered: {told}")
            await asyncio.sleep(0.05)

    async def wait(self, *types: str, timeout_s: float = WAIT_S) -> dict[str, Any]:
        """The first event of those types not handed out yet: REGISTER_OK, CALL_RINGING, CALL_CLOSED…"""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    for index, event in enumerate(self._unread):
                        if event.get("type") in types:
                            return self._unread.pop(index)
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            log = await asyncio.to_thread((self.directory / "baresip.log").read_text, errors="replace")
            raise AssertionError(f"no {types} from baresip; came: {self.events}\n{log[-4000:]}") from None

    def _write_files(self, control_port: int) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "config").write_text(
            f"sip_listen 127.0.0.1:{self.sip_port}\n"
            "rtp_ports 40000-49998\nrtp_timeout 60\n"
            "net_interface 127.0.0.1\naudio_player ausine,0\n"
            f"audio_source ausine,{self.tone_hz}\nausrc_srate 48000\nausrc_channels 2\n"
            f"module_path {MODULES}\n"
            "module g711.so\nmodule ausine.so\nmodule_tmp account.so\nmodule_app contact.so\nmodule_app menu.so\n"
            f"module_app ctrl_tcp.so\nctrl_tcp_listen 127.0.0.1:{control_port}\n"
        )
        server = f';outbound="sip:{self.server};transport={self.transport}"' if self.server else ""
        account = (
            f"<sip:{self.identity}@127.0.0.1;transport={self.transport}>;auth_user={self.identity}"
            f";auth_pass={self.password or 'none'};regint={300 if self.server else 0}{server}"
            f";answermode={'auto' if self.answers else 'manual'};audio_codecs={self.codec}/8000/1;ptime=20\n"
        )
        (self.directory / "accounts").write_text(account)
        (self.directory / "contacts").write_text("")

    async def _connect(self, port: int) -> asyncio.StreamReader:
        async with asyncio.timeout(WAIT_S):
            while True:
                try:
                    reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
                except ConnectionError:
                    await asyncio.sleep(0.05)
                else:
                    return reader

    def _send(self, name: str, parameters: str = "") -> None:
        assert self._writer is not None
        text = json.dumps({"command": name, "params": parameters}).encode()
        self._writer.write(b"%d:%s," % (len(text), text))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                size = int((await reader.readuntil(b":"))[:-1])
                message = json.loads((await reader.readexactly(size + 1))[:-1])
                if message.get("response"):
                    self._replies.put_nowait(message)
                else:
                    self.events.append(message)
                    self._unread.append(message)
                    self._news.set()
