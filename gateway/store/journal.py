"""What could not be written to the database yet, on local disk.

One JSON line per batch of rows, synced before anybody is told that it is safe. Read again in the same order when the
database is back, or at the next start. A line cut short by a crash, or not readable for any other reason, is skipped
and logged; it never keeps the process from starting.
Blocks: used by the writer thread only.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import structlog

from gateway.store.batch import Row, Rows, Statement
from gateway.store.schema import EVENTS

_log = structlog.get_logger()


class Journal:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def append(self, rows: Rows) -> None:
        """Raises OSError when the disk does not take it; the file then holds no part of it that will be read."""
        line = json.dumps({statement.value: found for statement, found in rows.items()})
        if self._file is None:
            self._file = self._path.open("ab", buffering=0)
            _sync_directory(self._path.parent)
        # The first line feed ends a line that was cut short before, which would swallow this one.
        text = b"\n" + line.encode("ascii") + b"\n"
        written = self._file.write(text)
        if written != len(text):
            raise OSError(f"expected to write {len(text)} bytes, wrote {written}")
        os.fsync(self._file.fileno())

    def batches(self) -> Iterator[Rows]:
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return
        with file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    yield _rows(json.loads(line))
                except (ValueError, TypeError, AttributeError, RecursionError) as error:
                    _log.error("unreadable line in the journal skipped", line=number, kind=type(error).__name__)

    def clear(self) -> None:
        self.close()
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _sync_directory(path: Path) -> None:
    """So that the name of a new file survives a power cut too."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _rows(found: dict[str, list[list[Any]]]) -> Rows:
    rows: dict[Statement, list[Row]] = {}
    for name, many in found.items():
        statement = Statement(name)
        rows[statement] = [_widened(statement, row) for row in many]
    return rows


def _widened(statement: Statement, row: list[Any]) -> Row:
    """A row that an older version wrote has no cells for columns that came later."""
    missing = len(EVENTS.columns) - len(row) if statement is Statement.ADD_EVENT else 0
    return (*row, *[None] * missing)
