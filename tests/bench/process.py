"""The processes of a bench: started, asked by JSON lines on their standard input, always ended.

Owns child processes, by their process id. A child ends when its standard input closes, so that nothing is left over
when the bench itself dies; the kernel's parent-death signal does the same for a child that is not ours (the daemon).
"""

import asyncio
import ctypes
import inspect
import json
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

_END_S = 10.0
_LINE_OCTETS = 1 << 24
_PR_SET_PDEATHSIG = 1


class BenchError(Exception):
    """The bench cannot go on; the message says what a person should look at."""


class Child:
    """A process of ours. Use ``start``; ``ask`` sends one request and waits for its reply; ``end`` is idempotent."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self._process = process
        self._log = log

    @classmethod
    async def start(cls, name: str, arguments: Sequence[str], *, log: Path, asked: bool = True) -> "Child":
        """Run the Python module and arguments given; its standard error goes to ``log``.

        asked: it answers requests. Otherwise its standard output goes to the log as well.
        """
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE if asked else errors,
                stderr=errors,
                limit=_LINE_OCTETS,
                preexec_fn=_die_with_parent,
            )
        return cls(name, process, log)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None

    async def ask(self, do: str, *, within_s: float = 60.0, **details: Any) -> Any:
        """Send a request, answer its reply. Raises BenchError for an error, a death or silence."""
        if self._process.stdin is None or self._process.stdout is None:
            raise BenchError(f"{self.name} has no pipes")
        with suppress(ConnectionError):
            self._process.stdin.write(json.dumps({"do": do, **details}).encode() + b"\n")
            await self._process.stdin.drain()
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), within_s)
        except TimeoutError:
            raise BenchError(f"{self.name} did not reply to '{do}' within {within_s:g} s{self.last_words()}") from None
        if not line:
            code = await self.end()
            raise BenchError(f"{self.name} ended with {code} during '{do}'{self.last_words()}")
        reply = json.loads(line)
        if "error" in reply:
            raise BenchError(f"{self.name} failed at '{do}': {reply['error']}{self.last_words()}")
        return reply.get("reply")

    def last_words(self, lines: int = 15) -> str:
        """The end of what it wrote to standard error, for a message."""
        with suppress(FileNotFoundError):
            text = self._log.read_text(errors="replace").strip().splitlines()[-lines:]
            if text:
                return "\n  " + "\n  ".join(text)
        return ""

    async def end(self) -> int:
        """Close its input and wait; then SIGTERM; then SIGKILL. Answers the exit code."""
        process = self._process
        if process.returncode is None and process.stdin is not None:
            process.stdin.close()
        for send in (None, process.terminate, process.kill):
            if process.returncode is not None:
                break
            if send is not None:
                with suppress(ProcessLookupError):
                    send()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _END_S if send is not None else _END_S / 2)
        return process.returncode if process.returncode is not None else -1

    async def terminate(self) -> int:
        """SIGTERM at once, for a daemon that does not watch its input; then as ``end``."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), _END_S)
        return await self.end()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


Handler = Callable[[Mapping[str, Any]], Any]


def reply_to(line: str | bytes, handlers: Mapping[str, Handler]) -> str:
    """Run the handler a request names; answers the line to print. An exception becomes the reply ``error``."""
    request = json.loads(line)
    try:
        return json.dumps({"reply": handlers[request["do"]](request)})
    except Exception as error:  # noqa: BLE001 the other process reports it
        return _error(error)


async def areply_to(line: str | bytes, handlers: Mapping[str, Handler]) -> str:
    """As ``reply_to``; a handler may be a coroutine function."""
    request = json.loads(line)
    try:
        reply = handlers[request["do"]](request)
        return json.dumps({"reply": await reply if inspect.isawaitable(reply) else reply})
    except Exception as error:  # noqa: BLE001 the other process reports it
        return _error(error)


def _error(error: Exception) -> str:
    traceback.print_exception(error)
    return json.dumps({"error": f"{type(error).__name__}: {error}"})


def serve_requests(handlers: Mapping[str, Handler]) -> None:
    """Answer requests on standard input, one at a time, until it closes."""
    for line in sys.stdin:
        _print(reply_to(line, handlers))


async def aserve_requests(handlers: Mapping[str, Handler]) -> None:
    """As ``serve_requests``, on the running loop."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_LINE_OCTETS)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async for line in reader:
        _print(await areply_to(line, handlers))


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
