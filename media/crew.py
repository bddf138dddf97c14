"""A few threads that do small jobs at a beat: all that waits for a disk happens on them.

Decides who works: normally one thread does every job, which costs the fewest switches; the others come to help when it
does not get on, because the disk keeps it waiting. What the jobs are is their owner's business (media/recorder.py).
"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

Job = Callable[[], object]

_log = logging.getLogger(__name__)

HELP_AFTER_S = 0.05


class Crew:
    """gather: called at each beat for the jobs that are due; None says that there is nothing to beat for until wake().

    A job may wait as long as it likes. One that raises is a bug: it is logged, and the thread goes on.
    """

    def __init__(self, name: str, gather: Callable[[], Iterable[Job] | None], *, workers: int, beat_s: float) -> None:
        self._gather = gather
        self._beat_s = beat_s
        self._condition = threading.Condition()
        self._jobs: deque[Job] = deque()
        self._waiting_since = 0.0
        self._next_beat = time.monotonic()
        self._is_stopping = False
        self._threads = [
            threading.Thread(
                target=self._work, args=(HELP_AFTER_S if number else 0.0,), name=f"{name}-{number}", daemon=True
            )
            for number in range(workers)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def submit(self, *jobs: Job) -> None:
        """Has jobs done as soon as may be, behind those already due."""
        with self._condition:
            self._add(jobs)
            self._condition.notify_all()

    def wake(self) -> None:
        """There is something to beat for again."""
        with self._condition:
            if self._next_beat == math.inf:
                self._next_beat = time.monotonic()
                self._condition.notify_all()

    def finish(self) -> None:
        """No more beats; the threads end when the jobs are done."""
        with self._condition:
            self._is_stopping = True
            self._condition.notify_all()

    def join(self, deadline: float) -> bool:
        """Waits for the threads until `deadline` (monotonic). Says whether all have ended."""
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self, patience_s: float) -> None:
        while (job := self._take(patience_s)) is not None:
            try:
                job()
            except Exception:  # noqa: BLE001 - one bad job must not end the thread that writes all other recordings
                _log.exception("a job of %s failed", threading.current_thread().name)

    def _take(self, patience_s: float) -> Job | None:
        """The next job; None when it is time to go home. patience_s: how long jobs may wait for another thread."""
        with self._condition:
            while True:
                now = time.monotonic()
                if not self._is_stopping and now >= self._next_beat:
                    jobs = self._gather()
                    self._next_beat = math.inf if jobs is None else max(self._next_beat + self._beat_s, now)
                    self._add(jobs or ())
                if self._jobs:
                    if (rest_s := self._waiting_since + patience_s - now) <= 0 or self._is_stopping:
                        return self._jobs.popleft()
                elif self._is_stopping:
                    return None
                else:
                    rest_s = self._next_beat + patience_s - now
                self._condition.wait(None if rest_s == math.inf else rest_s)

    def _add(self, jobs: Iterable[Job]) -> None:
        if not self._jobs:
            self._waiting_since = time.monotonic()
        self._jobs.extend(jobs)
