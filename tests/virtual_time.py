"""An event loop whose clock jumps: minutes of ringing pass at once, in the right order, without sleeping."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _JumpingSelector(selectors.DefaultSelector):
    """Where the loop would wait for its next timer, the clock is put forward instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            # Nothing is due, ever: only another thread could wake this loop, and such tests have none.
            ready = super().select(1.0)
            if not ready:
                raise RuntimeError("everything waits for something that never comes")
            return ready
        ready = super().select(0)
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
