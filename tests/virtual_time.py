"""An event loop whose clock jumps: minutes of ringing pass at once, in the right order, without sleeping."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

THREAD_S = 10.0
"""So long a thread may work before the clock goes on without it."""


class _JumpingSelector(selectors.DefaultSelector):
    """Where the loop would wait for its next timer, the clock is put forward instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.threads_at_work = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            # Nothing is due, ever: only another thread could wake this loop, and such tests have none.
            ready = super().select(1.0)
            if not ready:
                raise RuntimeError("everything waits for something that never comes")
            return ready
        # What another thread does takes no time by this clock.
        ready = super().select(THREAD_S if self.threads_at_work and timeout > 0 else 0)
        if not ready and timeout > 0:
            # The loop compares timers with its clock's resolution; land safely behind the timer.
            self.now += timeout + 1e-6
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        self._jumping.threads_at_work += 1
        work = super().run_in_executor(executor, func, *args)
        work.add_done_callback(self._note_thread_done)
        return work

    def _note_thread_done(self, _work: asyncio.Future[Any]) -> None:
        self._jumping.threads_at_work -= 1


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end in virtual time; fails if a task is left over."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:

        async def main() -> T:
            result = await work
            for _ in range(10):
                await asyncio.sleep(0)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, f"tasks left over: {left}"
            return result

        return runner.run(main())
