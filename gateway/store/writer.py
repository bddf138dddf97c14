"""The thread that writes: many callers' operations in one transaction.

Owns the thread and its connection. Everything that was submitted while a transaction ran is written in the next one,
and shares its cost (on SQLite one fsync). Operations are written in the order they were submitted; the store submits
many at a time, because waking a thread costs more than writing a row.
While the database is away everything goes to the journal on local disk and counts as safe from there; the database is
tried once a second. If the journal fails too, batches wait in memory and their callers are told that they are not
safe. One bad operation costs its own submission, never the batch it came with.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

import sqlalchemy as sa
import structlog

from gateway.store.batch import Rows, encode, scrubbed
from gateway.store.journal import Journal
from gateway.store.records import Operation
from gateway.store.sink import Sink
from signaling.errors import Fault, GatewayError

_log = structlog.get_logger()

BATCH_LIMIT: Final = 5_000
HELD_LIMIT: Final = 10_000
RETRY_S: Final = 1.0


class StorageUnavailable(GatewayError):
    """The database does not answer. Facts handed over are kept all the same and written when it is back."""

    fault = Fault.SERVER


@dataclass(frozen=True, eq=False)
class Submission:
    """Operations of one transaction.

    context: the submitter's own.
    """

    operations: Sequence[Operation]
    context: Any = None


@dataclass(frozen=True)
class Outcome:
    """What became of submissions. Without an error they survive a crash of the process and of the machine."""

    submissions: Sequence[Submission]
    error: Exception | None = None


class Writer:
    """retry_s: between two tries while the database is away.

    report: called on the writer thread with what became of the submissions, in their order.
    """

    def __init__(
        self,
        engine: sa.Engine,
        *,
        journal: Journal,
        report: Callable[[list[Outcome]], None],
        retry_s: float = RETRY_S,
    ) -> None:
        self._sink = Sink(engine)
        self._journal = journal
        self._report = report
        self._retry_s = retry_s
        self._queue: queue.SimpleQueue[list[Submission] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._away = False
        self._retry_at = 0.0
        self._positions: Iterator[int] = iter(())
        self._held: deque[Rows] = deque(maxlen=HELD_LIMIT)

    @property
    def is_away(self) -> bool:
        return self._away

    def start(self, positions: Iterator[int]) -> None:
        """positions: of events, above all that were written before."""
        self._positions = positions
        self._thread.start()

    def replay(self) -> None:
        """Write what the journal holds from before; blocks. Raises StorageUnavailable while the database is away."""
        for rows in self._journal.batches():
            self._write_again(rows)
        self._journal.clear()

    def submit(self, submissions: list[Submission]) -> None:
        self._queue.put(submissions)

    def stop(self, timeout_s: float) -> bool:
        """Write what was submitted and end the thread; blocks. False when the time was not enough."""
        self._queue.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        stopping = False
        while not stopping:
            submissions, stopping = self._gather()
            if self._away and (stopping or monotonic() >= self._retry_at):
                self._come_back()
            if submissions:
                self._report(self._settle(submissions))
        if self._held:
            _log.error("storage unavailable at the end, records lost", batches=len(self._held))
        self._journal.close()
        self._sink.close()

    def _gather(self) -> tuple[list[Submission], bool]:
        """The submissions of the next transaction, and whether it is the last one."""
        batch: list[Submission] = []
        size = 0
        wait_s = max(0.0, self._retry_at - monotonic()) if self._away else None
        try:
            found = self._queue.get(timeout=wait_s)
            while found is not None:
                batch += found
                size += sum(len(each.operations) for each in found)
                if size >= BATCH_LIMIT:
                    return batch, False
                found = self._queue.get_nowait()
        except queue.Empty:
            return batch, False
        return batch, True

    def _settle(self, submissions: list[Submission]) -> list[Outcome]:
        try:
            self._keep(encode((each for one in submissions for each in one.operations), self._positions))
        except StorageUnavailable as error:
            return [Outcome(submissions, error)]
        except Exception as error:  # noqa: BLE001  # whatever is wrong with one submission must not cost the others
            if len(submissions) == 1:
                return [Outcome(submissions, self._rescue(submissions[0], error))]
            return [outcome for each in submissions for outcome in self._settle([each])]
        return [Outcome(submissions)]

    def _rescue(self, submission: Submission, error: Exception) -> Exception | None:
        """A lone submission failed: once more with text any database takes."""
        try:
            self._keep(scrubbed(encode(submission.operations, self._positions)))
        except Exception as second:  # noqa: BLE001  # the writer outlives every submission
            # By kind only: drivers quote the row they refuse.
            _log.error("record refused by the database", first=type(error).__name__, then=type(second).__name__)
            return second
        return None

    def _keep(self, rows: Rows) -> None:
        """Make the rows safe: in the database, else in the journal. Raises StorageUnavailable if they only wait."""
        if not self._away:
            try:
                self._sink.write(rows)
            except Exception as error:
                if not self._sink.is_unavailable(error):
                    raise
                _log.error("storage unavailable, records go to the journal", error=str(error))
                self._away = True
                self._retry_at = monotonic() + self._retry_s
            else:
                return
        if not self._held:
            try:
                self._journal.append(scrubbed(rows))
            except OSError as error:
                _log.error("journal not written, records wait in memory", error=str(error))
            else:
                return
        self._held.append(rows)
        raise StorageUnavailable("expected the database or the journal to take records, found neither")

    def _write_again(self, rows: Rows) -> None:
        """Rows that waited. Raises StorageUnavailable; what the database refuses for itself is left out."""
        try:
            self._sink.write(rows)
        except Exception as error:
            if self._sink.is_unavailable(error):
                raise StorageUnavailable(f"expected the database to take records, found {error}") from error
            _log.error("record that waited refused by the database", kind=type(error).__name__)

    def _come_back(self) -> None:
        try:
            self.replay()
            while self._held:
                self._write_again(self._held[0])
                self._held.popleft()
        except (StorageUnavailable, OSError) as error:
            _log.warning("storage still unavailable", kind=type(error).__name__)
            self._retry_at = monotonic() + self._retry_s
        else:
            self._away = False
            _log.info("storage is back")
