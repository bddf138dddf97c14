"""The descriptions of one browser's call: offer and answer, with the media that makes and takes them.

Owns the PeerMedia from the leg's beginning to its end and the work on it: one piece at a time, a later one takes the
place of an earlier. What it means for the call is said by the callbacks, which never come after ``close``.
Source: voice-sdk.md 6.1, 6.4 of the specification; RFC 8829.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from signaling.errors import GatewayError
from signaling.peer_media import PeerMedia
from signaling.voice_sdk.descriptions import fingerprint_of

Callback = Callable[[], None]


class LegSound:
    """far: the device's last description, so far. on_refused: one of its descriptions cannot be used."""

    def __init__(self, media: PeerMedia, log: structlog.stdlib.BoundLogger, *, far: str, on_refused: Callback) -> None:
        self.media = media
        self.far = far
        self.ours = ""
        self.is_up = False
        self._log = log
        self._on_refused = on_refused
        self._fingerprint = fingerprint_of(far)
        self._work: asyncio.Task[None] | None = None
        self._answering: asyncio.Task[str] | None = None
        self._is_closed = False

    def is_other_peer(self, description: str) -> bool:
        """Whether a description is that of another peer connection than the call has."""
        fingerprint = fingerprint_of(description)
        return bool(fingerprint) and fingerprint != self._fingerprint

    def offer(self, done: Callback) -> None:
        self._start(self._make_offer, done)

    def apply_answer(self, done: Callback) -> None:
        """``far`` is the answer to our offer."""
        self._fingerprint = fingerprint_of(self.far)
        self._start(self._apply_answer, done)

    def restart(self, done: Callback) -> None:
        """``far`` is an offer for a fresh connection; ``ours`` will be the answer."""
        self._fingerprint = fingerprint_of(self.far)
        self.is_up = False
        self._start(self._restart, done)

    async def answered(self) -> bool:
        """Make ``ours``, the answer to the device's first offer, unless it is there. False if that is not to be."""
        if self._answering is None and not self._is_closed:
            self._answering = asyncio.get_running_loop().create_task(self._answer())
            self._answering.add_done_callback(self._finished)
        if self._answering is not None:
            await asyncio.wait([self._answering])
        return bool(self.ours) and not self._is_closed

    def close(self) -> None:
        self._is_closed = True
        for task in (self._work, self._answering):
            if task is not None:
                task.cancel()
        self.media.close()

    async def _answer(self) -> str:
        self.ours = await self.media.answer(self.far)
        return self.ours

    async def _make_offer(self) -> None:
        self.ours = await self.media.offer()

    async def _apply_answer(self) -> None:
        await self.media.accept_answer(self.far)

    async def _restart(self) -> None:
        self.ours = await self.media.restart(self.far)

    def _start(self, work: Callable[[], Awaitable[None]], done: Callback) -> None:
        if self._work is not None:
            self._work.cancel()
        self._work = asyncio.get_running_loop().create_task(_finish(work, done))
        self._work.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[None] | asyncio.Task[str]") -> None:
        problem = None if task.cancelled() else task.exception()
        if problem is None or self._is_closed:
            return
        if isinstance(problem, GatewayError):
            self._log.warning("voice_sdk.description_refused", problem=str(problem))
        else:
            self._log.error("voice_sdk.media_broke", exc_info=problem)
        self._on_refused()


async def _finish(work: Callable[[], Awaitable[None]], done: Callback) -> None:
    await work()
    done()
