"""The thread that writes: many callers' operations in one transaction.

Owns the thread and its connection. The first write after a quiet moment is committed at once; under load a
transaction starts no sooner than ``spacing_s`` after the one before, so that everything that arrived meanwhile shares
its cost (on SQLite one fsync). Operations are written in the order they were submitted.
While the database is away everything goes to the journal on local disk and counts as safe from there; the database is
tried once a second. If the journal fails too, batches wait in memory and their callers are told that they are not
safe. One bad operation costs its own submission, never the batch it came with.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

import sqlalchemy as sa
import structlog

from gateway.store.batch import Rows, encode, execute, scrubbed, statements
from gateway.store.journal import Journal
from gateway.store.records import Operation
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

    urgent: somebody waits, here or at the receiver of a callback. context: the submitter's own.
    """

    operations: Sequence[Operation]
    urgent: bool
    context: Any = None


@dataclass(frozen=True)
class Outcome:
    """What became of a submission. Without an error it survives a crash of the process and of the machine."""

    submission: Submission
    error: Exception | None = None


_STOP: Final = Submission((), urgent=True)


class Writer:
    """spacing_s: least time between two transactions. linger_s: how long operations nobody waits for may gather.
    retry_s: between two tries while the database is away.

    report: called on the writer thread with what became of the submissions, in their order.
    """

    def __init__(
        self,
        engine: sa.Engine,
        *,
        journal: Journal,
        report: Callable[[list[Outcome]], None],
        spacing_s: float = 0.01,
        linger_s: float = 0.05,
        retry_s: float = RETRY_S,
    ) -> None:
        self._engine = engine
        self._journal = journal
        self._report = report
        self._spacing_s = spacing_s
        self._linger_s = linger_s
        self._retry_s = retry_s
        self._sql = statements(engine.dialect)
        self._queue: queue.SimpleQueue[Submission] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._away = False
        self._retry_at = 0.0
        self._held: deque[Rows] = deque(maxlen=HELD_LIMIT)

    @property
    def is_away(self) -> bool:
        return self._away

    def start(self) -> None:
        self._thread.start()

    def replay(self) -> None:
        """Write what the journal holds from before; blocks. Raises sa.exc.DBAPIError while the database is away."""
        for rows in self._journal.batches():
            self._write_or_skip(rows)
        self._journal.clear()

    def submit(self, submission: Submission) -> None:
        self._queue.put(submission)

    def stop(self, timeout_s: float) -> bool:
        """Write what was submitted and end the thread; blocks. False when the time was not enough."""
        self._queue.put(_STOP)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        began = 0.0
        while True:
            submissions, stopping = self._gather(earliest=began + self._spacing_s)
            began = monotonic()
            if self._away and (stopping or began >= self._retry_at):
                self._come_back()
            if submissions:
                self._report(self._settle(submissions))
            if stopping:
                self._journal.close()
                return

    def _gather(self, *, earliest: float) -> tuple[list[Submission], bool]:
        """The submissions of the next transaction, and whether it is the last one."""
        try:
            first = self._queue.get(timeout=max(0.0, self._retry_at - monotonic()) if self._away else None)
        except queue.Empty:
            return [], False
        if first is _STOP:
            return [], True
        batch = [first]
        size = len(first.operations)
        now = monotonic()
        deadline = earliest if first.urgent else max(earliest, now + self._linger_s)
        while size < BATCH_LIMIT:
            try:
                found = self._queue.get(timeout=deadline - now) if deadline > now else self._queue.get_nowait()
            except queue.Empty:
                break
            if found is _STOP:
                return batch, True
            batch.append(found)
            size += len(found.operations)
            if found.urgent:
                deadline = earliest
            now = monotonic()
        return batch, False

    def _settle(self, submissions: list[Submission]) -> list[Outcome]:
        try:
            rows = encode(each for one in submissions for each in one.operations)
            self._keep(rows)
        except StorageUnavailable as error:
            return [Outcome(each, error) for each in submissions]
        except Exception as error:  # noqa: BLE001  # whatever is wrong with one submission must not cost the others
            if len(submissions) == 1:
                return [Outcome(submissions[0], self._rescue(submissions[0], error))]
            return [outcome for each in submissions for outcome in self._settle([each])]
        return [Outcome(each) for each in submissions]

    def _rescue(self, submission: Submission, error: Exception) -> Exception | None:
        """A lone submission failed: once more with text any database takes."""
        try:
            self._keep(scrubbed(encode(submission.operations)))
        except Exception as second:  # noqa: BLE001  # the writer outlives every submission
            _log.error("record refused by the database", error=str(error), kind=type(second).__name__)
            return second
        return None

    def _keep(self, rows: Rows) -> None:
        """Make the rows safe: in the database, else in the journal. Raises StorageUnavailable if they only wait."""
        if not self._away:
            try:
                self._write(rows)
            except sa.exc.DBAPIError as error:
                if not is_unavailable(error):
                    raise
                self._away = True
                _log.error("storage unavailable, records go to the journal", error=str(error.orig))
                self._retry_at = monotonic() + self._retry_s
            else:
                return
        if self._held:
            self._held.append(rows)
            raise StorageUnavailable("expected the database or the journal to take records, found neither")
        try:
            self._journal.append(scrubbed(rows))
        except OSError as error:
            self._held.append(rows)
            raise StorageUnavailable(f"expected the journal to take records, found {error}") from error

    def _write(self, rows: Rows) -> None:
        with self._engine.begin() as connection:
            execute(rows, sql=self._sql, run=connection.exec_driver_sql)

    def _write_or_skip(self, rows: Rows) -> None:
        try:
            self._write(rows)
        except sa.exc.DBAPIError as error:
            if is_unavailable(error):
                raise
            _log.error("record in the journal refused by the database", error=str(error.orig))

    def _come_back(self) -> None:
        try:
            self.replay()
            while self._held:
                self._write_or_skip(self._held[0])
                self._held.popleft()
        except (sa.exc.DBAPIError, OSError) as error:
            _log.warning("storage still unavailable", kind=type(error).__name__)
            self._retry_at = monotonic() + self._retry_s
        else:
            self._away = False
            _log.info("storage is back")


def is_unavailable(error: sa.exc.DBAPIError) -> bool:
    """Whether the database is at fault, not what was asked of it."""
    return error.connection_invalidated or isinstance(error, (sa.exc.OperationalError, sa.exc.InterfaceError))
