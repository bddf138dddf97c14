import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from media.crew import Crew, Job


@contextmanager
def at_work(crew: Crew) -> Iterator[Crew]:
    crew.start()
    try:
        yield crew
    finally:
        crew.finish()
        assert crew.join(time.monotonic() + 10)


def test_job_that_fails_is_logged_and_the_next_is_done(caplog: pytest.LogCaptureFixture) -> None:
    done = threading.Event()

    def fail() -> None:
        raise RuntimeError("on purpose")

    with at_work(Crew("test", lambda: None, workers=1, beat_s=1)) as crew:
        crew.submit(fail, done.set)
        assert done.wait(10)
    assert "on purpose" in caplog.text


def test_others_help_when_one_is_kept_waiting() -> None:
    gate, done = threading.Event(), threading.Event()
    with at_work(Crew("test", lambda: None, workers=2, beat_s=1)) as crew:
        crew.submit(gate.wait, done.set)
        assert done.wait(10)
        gate.set()


def test_crew_with_nothing_to_beat_for_rests_until_it_is_woken() -> None:
    asked, is_due, done = threading.Semaphore(0), threading.Event(), threading.Event()

    def gather() -> list[Job] | None:
        asked.release()
        return [done.set] if is_due.is_set() else None

    with at_work(Crew("test", gather, workers=2, beat_s=0.001)) as crew:
        assert asked.acquire(timeout=10)
        assert not asked.acquire(timeout=0.05)
        is_due.set()
        crew.wake()
        assert done.wait(10)


def test_crew_finishes_what_it_was_given() -> None:
    done: list[int] = []
    crew = Crew("test", lambda: None, workers=3, beat_s=1)
    jobs = [lambda number=number: done.append(number) for number in range(100)]
    crew.submit(*jobs)
    with at_work(crew):
        pass
    assert sorted(done) == list(range(100))
