"""The database behind a storage URL, set up so that what was committed stays.

SQLite runs in WAL mode with ``synchronous=FULL``: NORMAL would survive a killed process but may lose the last commits
of a power cut, and a callback that is owed must not be lost. The price is one fsync a transaction, which group commit
shares among all calls.
Source: SQLite documentation, PRAGMA synchronous.
"""

from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from signaling.errors import UsageError

ANSWER_S: Final = 2

_PRAGMAS: Final = ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={ANSWER_S * 1000}", "temp_store=MEMORY")


def open_engine(url: str) -> sa.Engine:
    """An engine for ``sqlite:///file`` or ``postgresql://…``; blocks, but does not connect yet.

    Raises UsageError for a URL of anything else.
    """
    parsed = sa.make_url(url)
    match parsed.get_backend_name():
        case "sqlite":
            return _sqlite(parsed)
        case "postgresql":
            return sa.create_engine(
                parsed.set(drivername="postgresql+psycopg"),
                paramstyle="format",
                hide_parameters=True,
                pool_size=4,
                max_overflow=0,
                pool_timeout=ANSWER_S,
                pool_pre_ping=True,
                connect_args={"connect_timeout": ANSWER_S, "options": "-c lock_timeout=2s -c timezone=UTC"},
            )
        case other:
            raise UsageError(f"expected a storage url of sqlite or postgresql, found {other}")


def journal_path(url: str) -> Path:
    """Where records wait while the database is away: beside a SQLite file, else in the working directory."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        return Path(f"{parsed.database}.pending")
    return Path("ringfork.pending")


def _sqlite(url: sa.URL) -> sa.Engine:
    if not url.database or url.database == ":memory:":
        raise UsageError("expected a file in the storage url (sqlite:///ringfork.db), found none")
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url, hide_parameters=True)

    def connected(connection: Any, _record: object) -> None:
        # The driver's own BEGIN comes late and not at all before DDL; ours is below.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def begun(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    sa.event.listen(engine, "connect", connected)
    sa.event.listen(engine, "begin", begun)
    return engine
