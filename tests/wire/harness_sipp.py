"""SIPp as a peer: runs a scenario of ours with a bound on calls and time, tells the counters and what went wrong."""

import asyncio
import csv
import shutil
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.wire.harness_scenarios import Step, write

SIPP = shutil.which("sipp")
GRACE_S = 5.0
LOG_TAIL = 120


@dataclass(frozen=True)
class SippOutcome:
    """exit_code: 0 when every call went as the scenario says."""

    exit_code: int
    successful: int
    failed: int
    messages: str
    errors: str

    def verify(self, *, calls: int = 1) -> None:
        """Fails with what was said on the wire."""
        if self.exit_code != 0 or self.successful != calls or self.failed:
            tail = "\n".join(self.messages.splitlines()[-LOG_TAIL:])
            raise AssertionError(
                f"SIPp ended with {self.exit_code}, {self.successful} good and {self.failed} bad calls of {calls}\n"
                f"{self.errors}\n{tail}"
            )


@dataclass
class Sipp:
    """One run. ``start`` returns when it listens, ``outcome`` when it is over."""

    host: str
    port: int
    _process: asyncio.subprocess.Process
    _directory: Path
    _limit_s: float

    @property
    def pid(self) -> int:
        return self._process.pid

    @staticmethod
    async def start(
        steps: Sequence[Step],
        remote: str,
        *,
        directory: Path,
        calls: int = 1,
        limit_s: float = 20.0,
        host: str = "127.0.0.1",
        port: int = 0,
        transport: str = "u1",
        service: str = "service",
        keys: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
    ) -> "Sipp":
        """remote: ``host:port``. keys: ``[name]`` in the scenario.

        host: address to speak from. transport: SIPp's ``-t`` (u1, t1). service: user of the request URI.
        """
        if SIPP is None:
            pytest.skip("SIPp is not installed (Debian package sip-tester)")
        port = port or _free_port(host, transport)
        await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
        path = await asyncio.to_thread(write, directory / "scenario.xml", *steps)
        command = [
            SIPP,
            *("-sf", str(path), "-i", host, "-p", str(port), "-mi", host, "-t", transport),
            *("-m", str(calls), "-l", str(calls), "-r", "10", "-nostdin"),
            *("-timeout", f"{limit_s:g}", "-timeout_error", "-recv_timeout", f"{limit_s * 1000:.0f}"),
            *("-trace_msg", "-message_file", str(directory / "messages.log")),
            *("-trace_err", "-error_file", str(directory / "errors.log")),
            *("-trace_stat", "-stf", str(directory / "statistics.csv"), "-fd", "1"),
            *("-s", service),
            *(part for name, value in (keys or {}).items() for part in ("-key", name, value)),
            *arguments,
            remote,
        ]
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        run = Sipp(host, port, process, directory, limit_s)
        await run._listening(transport)
        return run

    async def outcome(self) -> SippOutcome:
        try:
            async with asyncio.timeout(self._limit_s + GRACE_S):
                await self._process.wait()
        except TimeoutError:
            await self.close()
        exit_code = self._process.returncode
        return await asyncio.to_thread(self._read, -1 if exit_code is None else exit_code)

    async def close(self) -> None:
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def _listening(self, transport: str) -> None:
        deadline_s = asyncio.get_running_loop().time() + GRACE_S
        while self._process.returncode is None and not _is_taken(self.host, self.port, transport):
            if asyncio.get_running_loop().time() > deadline_s:
                raise AssertionError(f"SIPp does not listen on {self.port}")
            await asyncio.sleep(0.02)

    def _read(self, exit_code: int) -> SippOutcome:
        successful = failed = 0
        with suppress(OSError), (self._directory / "statistics.csv").open(newline="") as file:
            for row in csv.DictReader(file, delimiter=";"):
                successful, failed = int(row["SuccessfulCall(C)"]), int(row["FailedCall(C)"])
        return SippOutcome(
            exit_code,
            successful,
            failed,
            _text(self._directory / "messages.log"),
            _text(self._directory / "errors.log"),
        )


async def run_sipp(
    steps: Sequence[Step], remote: str, *, directory: Path, calls: int = 1, **more: object
) -> SippOutcome:
    """Start it and wait for its end."""
    run = await Sipp.start(steps, remote, directory=directory, calls=calls, **more)  # type: ignore[arg-type]
    try:
        return await run.outcome()
    finally:
        await run.close()


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(errors="replace")
    return ""


def _socket(transport: str) -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM if transport.startswith("u") else socket.SOCK_STREAM)


def _free_port(host: str, transport: str) -> int:
    with _socket(transport) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def _is_taken(host: str, port: int, transport: str) -> bool:
    with _socket(transport) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return True
        return False
