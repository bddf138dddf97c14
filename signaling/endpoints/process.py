"""Drive an endpoint's process from an event loop: start it, tell it what to do, wait for what it tells.

Owns the process from ``async with`` to its end, whatever happens in between; ends it by its own pid and no other way.
Loads neither PJSIP nor aiortc into this process.
"""

import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from signaling.endpoints.commands import (
    Answer,
    Command,
    Dial,
    DigitMethod,
    Digits,
    Hangup,
    Hold,
    Play,
    Progress,
    Quit,
    Reject,
    Resume,
    Ring,
    Statistics,
    command_line,
)
from signaling.endpoints.events import Event, EventName
from signaling.endpoints.options import EndpointOptions

WAIT_S = 10.0
START_S = 30.0
"""Loading the libraries takes a second or two, and more on a machine that has other things to do."""
QUIT_S = 8.0
KILL_S = 2.0
STDERR_LINES = 200
_ROOT = Path(__file__).parents[2]


class PhoneError(Exception):
    """An endpoint did not do what was asked or expected of it; the message has all it told."""


@dataclass
class Phone:
    """``async with Phone(options) as phone``: one client endpoint in its own process.

    on_event: called for every event as it comes, on the loop.
    ``events``: everything told so far. ``wait`` hands out each event once, in order, so that two waits for
    ``digit`` are two keys, and an event that came before the wait is not missed.
    """

    options: EndpointOptions
    on_event: Callable[[Event], None] | None = None
    events: list[Event] = field(default_factory=list)
    _unread: list[Event] = field(default_factory=list)
    _errors: deque[str] = field(default_factory=lambda: deque(maxlen=STDERR_LINES))
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _ids: Any = field(default_factory=lambda: count(1))
    _process: asyncio.subprocess.Process | None = None
    _readers: list["asyncio.Task[None]"] = field(default_factory=list)

    @property
    def identity(self) -> str:
        return self.options.identity

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def exit_code(self) -> int | None:
        return None if self._process is None else self._process.returncode

    @property
    def told(self) -> str:
        """Everything the endpoint said, for a failure's message."""
        lines = [f"  {event.t:.3f} {event.name} {dict(event.values)}" for event in self.events]
        return "\n".join([f"{self.identity}:", *lines, *(f"  ! {line}" for line in self._errors)])

    async def __aenter__(self) -> Self:
        self.options = replace(self.options, commands=True)
        search = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "signaling.endpoints",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": search},
        )
        assert self._process.stdout is not None and self._process.stderr is not None
        self._readers = [
            asyncio.create_task(self._read_events(self._process.stdout)),
            asyncio.create_task(self._read_errors(self._process.stderr)),
        ]
        self._write(self.options.to_json().encode() + b"\n")
        try:
            await self.wait(EventName.STARTED, timeout_s=START_S)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Hang up, unregister and end; by force if that takes too long. Any number of times."""
        process = self._process
        if process is None:
            return
        try:
            if process.returncode is None:
                self.send(Quit())
                await _ended(process, QUIT_S)
        finally:
            for force in (process.terminate, process.kill):
                if process.returncode is None:
                    force()
                    await _ended(process, KILL_S)
            if process.stdin is not None:
                process.stdin.close()
            await asyncio.gather(*self._readers)

    # Commands

    def send(self, command: Command) -> int:
        """Returns the id that an event which answers to it will have as ``command``."""
        asked_id: int = next(self._ids)
        self._write(command_line(command, asked_id=asked_id))
        return asked_id

    async def dial(self, target: str, *, headers: dict[str, str] | None = None) -> int:
        """Send the INVITE. Returns the call's number. Raises PhoneError when the phone could not."""
        asked_id = self.send(Dial(target, headers or {}))
        event = await self.wait(EventName.DIALING, EventName.ERROR, command=asked_id)
        if event.name == EventName.ERROR or event.call is None:
            raise PhoneError(f"{self.identity} could not dial {target}: {event['message']}")
        return event.call

    def ring(self, call: int | None = None) -> None:
        self.send(Ring(call))

    def progress(self, call: int | None = None) -> None:
        """183 with sound."""
        self.send(Progress(call))

    def answer(self, call: int | None = None) -> None:
        self.send(Answer(call))

    def reject(self, code: int = 486, call: int | None = None) -> None:
        self.send(Reject(code, call))

    def hangup(self, call: int | None = None) -> None:
        self.send(Hangup(call))

    def digits(self, digits: str, *, method: DigitMethod = DigitMethod.RFC4733, call: int | None = None) -> None:
        self.send(Digits(digits, method, call))

    def hold(self, call: int | None = None) -> None:
        self.send(Hold(call))

    def resume(self, call: int | None = None) -> None:
        self.send(Resume(call))

    def play(self, sound: str, *, once: bool = False) -> None:
        self.send(Play(sound, once))

    async def statistics(self, call: int | None = None) -> Event:
        self.send(Statistics(call))
        return await self.wait(EventName.STATISTICS)

    # Events

    async def registered(self, timeout_s: float = WAIT_S) -> Event:
        """Raises PhoneError when the server refuses."""
        event = await self.wait(EventName.REGISTERED, EventName.REGISTRATION_FAILED, timeout_s=timeout_s)
        if event.name == EventName.REGISTRATION_FAILED:
            raise PhoneError(f"{self.identity} was not registered: {event['code']} {event['reason']}")
        return event

    async def wait(self, *names: str, call: int | None = None, timeout_s: float = WAIT_S, **values: Any) -> Event:
        """The first event not handed out yet that has one of the names, and that call and those values if given.

        Raises PhoneError when it does not come in time or the process ends first.
        """

        def fits(event: Event) -> bool:
            return (
                event.name in names
                and (call is None or event.call == call)
                and all(event.values.get(key) == value for key, value in values.items())
            )

        wanted = " or ".join(names)
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    for index, event in enumerate(self._unread):
                        if fits(event):
                            return self._unread.pop(index)
                    if self._readers[0].done():
                        raise PhoneError(f"{self.identity} ended before {wanted}\n{self.told}")
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise PhoneError(f"no {wanted} within {timeout_s:g} s\n{self.told}") from None

    def seen(self, name: str) -> list[Event]:
        """All events of that name so far, handed out or not."""
        return [event for event in self.events if event.name == name]

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise PhoneError(f"{self.identity} was not started")
        return self._process

    def _write(self, line: bytes) -> None:
        stdin = self._running().stdin
        if stdin is not None and not stdin.is_closing():
            stdin.write(line)

    async def _read_events(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            event = Event.parse(line)
            if event is None:
                continue
            self.events.append(event)
            self._unread.append(event)
            self._news.set()
            if self.on_event is not None:
                self.on_event(event)
        self._news.set()

    async def _read_errors(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            self._errors.append(line.decode(errors="replace").rstrip())


async def _ended(process: asyncio.subprocess.Process, limit_s: float) -> None:
    try:
        async with asyncio.timeout(limit_s):
            await process.wait()
    except TimeoutError:
        return
