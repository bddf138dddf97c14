"""Whether the machine stood still during a test.

A phone written in Python that is not woken for 40 ms sends its packets late, and is heard to; an answer misses its
time limit. That says nothing of the gateway. The watch notices it from outside: a thread that sleeps a moment at a
time and looks how late it was woken, which both other processes and a held interpreter lock delay.
"""

import threading
import time
from typing import Final

NAP_S: Final = 0.005
STALL_S: Final = 0.03


class Stalls:
    """``begin`` at the start of a test; ``longest_s`` is how late the watch has been woken since, at the worst."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="stalls", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def begin(self) -> None:
        self.longest_s = 0.0

    def seen(self) -> bool:
        return self.longest_s > STALL_S

    def _watch(self) -> None:
        while True:
            asleep_at = time.monotonic()
            if self._over.wait(NAP_S):
                return
            self.longest_s = max(self.longest_s, time.monotonic() - asleep_at - NAP_S)
