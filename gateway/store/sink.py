"""The writer's own connection: rows into the database by prepared statements, below SQLAlchemy's execution.

SQLAlchemy makes the statements and the connection; going through it for every statement of every transaction would
cost more than the rows themselves. Blocks: used by one thread.
"""

from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from gateway.store.batch import Rows, execute, statements


class Sink:
    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._sql = statements(engine.dialect)
        # PostgreSQL's driver begins by itself; SQLite is to take the write lock at once, not half-way.
        self._begin = "BEGIN IMMEDIATE" if engine.dialect.name == "sqlite" else None
        self._driver: Any = engine.dialect.loaded_dbapi
        self._connection: Any = None

    def write(self, rows: Rows) -> None:
        """One transaction. Raises the driver's error, or SQLAlchemy's while connecting; then nothing was written."""
        if self._connection is None:
            self._connection = self._engine.raw_connection()
            self._connection.detach()
        is_written = False
        try:
            cursor = self._connection.cursor()
            if self._begin is not None:
                cursor.execute(self._begin)
            execute(rows, sql=self._sql, run=cursor.executemany)
            self._connection.commit()
            is_written = True
        finally:
            if not is_written:
                self.close()

    def close(self) -> None:
        """Give up the connection with whatever was not committed; the next write makes a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(self._driver.Error):
                connection.rollback()
            connection.close()

    def is_unavailable(self, error: Exception) -> bool:
        """Whether the database is at fault, not what was asked of it."""
        if isinstance(error, sa.exc.DBAPIError) and isinstance(error.orig, Exception):
            error = error.orig
        if isinstance(error, (self._driver.OperationalError, self._driver.InterfaceError)):
            return True
        # What SQLite says of a file that is damaged as a whole.
        return type(error) is self._driver.DatabaseError
