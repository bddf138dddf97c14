"""A process of its own for an engine that is somebody else's C: it may crash, hang or eat memory without harm.

Owns the process: started when first needed, replaced when it dies, killed when it does not answer in time. One
request at a time; those that wait are bounded, the next one is refused. A request whose worker died is tried once
more with a new one, so that one bad text fails alone. Nothing is shared but two pipes: a line of JSON goes in, a line
of JSON and as many bytes as it names come out.
"""

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

MAX_WAITING: Final = 64
MAX_REPLY: Final = 64 * 2**20
MAX_LINE: Final = 64 * 1024
END_S: Final = 2.0
_ROOT: Final = Path(__file__).parents[2]

_log = logging.getLogger(__name__)


class WorkerError(Exception):
    """No answer: the worker died or hung, or said that it could not."""


class WorkerBusy(WorkerError):
    """Too many wait already."""


class Worker:
    """module: run as ``python -m``, talks as described above. limit_s: for one answer, the start included."""

    def __init__(self, module: str, *arguments: str, limit_s: float, max_waiting: int = MAX_WAITING) -> None:
        self._module = module
        self._arguments = arguments
        self._limit_s = limit_s
        self._max_waiting = max_waiting
        self._waiting = 0
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._is_closed = False

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        process = self._process
        return None if process is None or process.returncode is not None else process.pid

    async def ask(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        """The answer and its bytes. Raises WorkerError; a request that is cancelled costs the process."""
        if self._waiting >= self._max_waiting:
            raise WorkerBusy(f"expected fewer than {self._max_waiting} requests waiting for {self._module}")
        self._waiting += 1
        try:
            async with self._turn:
                try:
                    return await self._exchange(request)
                except (EOFError, ConnectionError):
                    _log.warning("%s died over a request; once more with another", self._module)
                try:
                    return await self._exchange(request)
                except (EOFError, ConnectionError):
                    raise WorkerError(f"{self._module} died twice over the same request") from None
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """Idempotent."""
        self._is_closed = True
        await self._end()

    async def _exchange(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        is_whole = False
        try:
            async with asyncio.timeout(self._limit_s):
                process = await self._running()
                assert process.stdin is not None and process.stdout is not None
                process.stdin.write(json.dumps(request).encode("ascii") + b"\n")
                await process.stdin.drain()
                answer, octets = await _answer(process.stdout)
            is_whole = True
        except TimeoutError:
            raise WorkerError(f"expected an answer of {self._module} within {self._limit_s:g} s, found none") from None
        finally:
            if not is_whole:
                await self._end()
        if "error" in answer:
            raise WorkerError(str(answer["error"])[:200])
        return answer, octets

    async def _running(self) -> asyncio.subprocess.Process:
        if self._is_closed:
            raise WorkerError(f"expected a running {self._module}, found one closed")
        if self._process is None or self._process.returncode is not None:
            search = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                self._module,
                *self._arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": search},
                limit=MAX_LINE,
            )
        return self._process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        # Shielded from a second cancellation only by being short: the process is killed already.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                await process.wait()


async def _answer(stream: asyncio.StreamReader) -> tuple[dict[str, Any], bytes]:
    try:
        line = await stream.readline()
        answer = json.loads(line) if line else None
        if not isinstance(answer, dict):
            raise EOFError
        size = int(answer.get("bytes", 0))
        if not 0 <= size <= MAX_REPLY:
            raise WorkerError(f"expected an answer of at most {MAX_REPLY} bytes, found {size}")
        return answer, await stream.readexactly(size)
    except (asyncio.IncompleteReadError, ValueError, TypeError):
        # Half an answer is the answer of one that died.
        raise EOFError from None
