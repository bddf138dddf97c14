"""Bounds on real time: the machine is not ours alone, so one of a few tries has to keep them."""

from collections.abc import Awaitable, Callable

TRIES = 3


async def keeps(bound: float, measure: Callable[[], Awaitable[float]]) -> None:
    """A stall of the machine spoils one try, a defect of ours all of them."""
    found: list[float] = []
    for _ in range(TRIES):
        found.append(await measure())
        if found[-1] < bound:
            return
    raise AssertionError(f"not below {bound}: {found}")
