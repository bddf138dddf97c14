"""Which UDP port numbers a new call may have: even ones, and none that a former call had a moment ago.

Pure; time comes in as clock. Source: RFC 3550 11 (even port, RTCP on the next); late packets of a closed call are why
a number rests.
"""

import random
from collections import deque
from collections.abc import Callable

REST_S = 30.0


class PortNumbers:
    """Even numbers of a range, each with its odd neighbour inside it; handed out in no order that can be guessed.

    clock: monotonic seconds.
    """

    def __init__(self, port_range: tuple[int, int], *, clock: Callable[[], float], rest_s: float = REST_S) -> None:
        low, high = port_range
        numbers = list(range(low + low % 2, high, 2))
        random.SystemRandom().shuffle(numbers)
        self._free = deque(numbers)
        self._resting: deque[tuple[float, int]] = deque()
        self._clock = clock
        self._rest_s = rest_s

    @property
    def resting(self) -> int:
        return len(self._resting)

    def take(self) -> int | None:
        """A number nobody has and nobody had for rest_s; None when there is none."""
        now = self._clock()
        while self._resting and self._resting[0][0] <= now:
            self._free.append(self._resting.popleft()[1])
        return self._free.popleft() if self._free else None

    def put_back(self, number: int) -> None:
        """Returns a number that was taken and not used."""
        self._free.appendleft(number)

    def give_back(self, number: int) -> None:
        """Lays a number to rest."""
        self._resting.append((self._clock() + self._rest_s, number))
