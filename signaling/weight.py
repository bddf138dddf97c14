"""In which order several ways to one party are tried. Pure. Source: RFC 2782, "Priority" and "Weight"."""

import random
from collections.abc import Sequence
from typing import Protocol, TypeVar


class Weighted(Protocol):
    @property
    def priority(self) -> int: ...
    @property
    def weight(self) -> int: ...


W = TypeVar("W", bound=Weighted)


def by_weight(ways: Sequence[W], chance: random.Random) -> list[W]:
    """By priority, lower values first, and by chance according to weight within one."""
    ordered: list[W] = []
    for priority in sorted({way.priority for way in ways}):
        # Those of weight 0 first, so that they have a small chance to be selected.
        left = sorted((way for way in ways if way.priority == priority), key=lambda way: way.weight)
        while left:
            pick = chance.randint(0, sum(way.weight for way in left))
            for index, way in enumerate(left):
                pick -= way.weight
                if pick <= 0:
                    ordered.append(left.pop(index))
                    break
    return ordered
