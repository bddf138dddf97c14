"""Databases of older and newer versions."""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.store.database import open_engine
from gateway.store.schema import METADATA, MIGRATIONS, SCHEMA, Migration, SchemaTooNew, migrate
from tests.gateway.store.records import url_of

LATER_TABLES = ("conferences", "queues")


def add_column(name: str) -> Migration:
    def apply(connection: sa.Connection) -> None:
        connection.execute(sa.text(f"ALTER TABLE calls ADD COLUMN {name} TEXT"))

    return Migration(apply, readable_from=1)


def columns(engine: sa.Engine) -> set[str]:
    return {column["name"] for column in sa.inspect(engine).get_columns("calls")}


NEWEST = 1 + len(MIGRATIONS)


def version(engine: sa.Engine) -> tuple[int, int]:
    with engine.connect() as connection:
        row = connection.execute(sa.select(SCHEMA)).one()
    return row.version, row.readable_from


@pytest.fixture
def engine(tmp_path: Path) -> sa.Engine:
    return open_engine(url_of(tmp_path))


def test_migrate_makes_a_fresh_database_once(engine: sa.Engine) -> None:
    assert migrate(engine) == NEWEST
    assert migrate(engine) == NEWEST
    assert version(engine) == (NEWEST, 1)
    assert "sid" in columns(engine)


def test_migrate_brings_an_older_database_up_to_date_step_by_step(engine: sa.Engine) -> None:
    migrate(engine)
    assert migrate(engine, migrations=[*MIGRATIONS, add_column("one"), add_column("two")]) == NEWEST + 2
    assert {"one", "two"} < columns(engine)
    assert (
        migrate(engine, migrations=[*MIGRATIONS, add_column("one"), add_column("two"), add_column("three")])
        == NEWEST + 3
    )
    assert "three" in columns(engine)


def test_migrate_step_that_fails_changes_nothing_and_can_be_repeated(engine: sa.Engine) -> None:
    def half(connection: sa.Connection) -> None:
        connection.execute(sa.text("ALTER TABLE calls ADD COLUMN half TEXT"))
        connection.execute(sa.text("ALTER TABLE nowhere ADD COLUMN half TEXT"))

    migrate(engine)
    with pytest.raises(sa.exc.OperationalError):
        migrate(engine, migrations=[*MIGRATIONS, add_column("one"), Migration(half, readable_from=1)])
    assert version(engine) == (NEWEST + 1, 1)
    assert "one" in columns(engine)
    assert "half" not in columns(engine)


def test_migrate_newer_database_is_used_if_it_may_and_refused_if_not(engine: sa.Engine) -> None:
    migrate(engine)
    assert migrate(engine, migrations=[*MIGRATIONS, add_column("one")]) == NEWEST + 1
    assert migrate(engine) == NEWEST + 1
    migrate(engine, migrations=[*MIGRATIONS, add_column("one"), Migration(lambda _: None, readable_from=NEWEST + 1)])
    with pytest.raises(SchemaTooNew):
        migrate(engine)


def test_migrate_fresh_database_of_a_later_version_skips_its_steps(engine: sa.Engine) -> None:
    def fail(_: sa.Connection) -> None:
        raise AssertionError

    assert migrate(engine, migrations=[Migration(fail, readable_from=2)]) == 2
    assert version(engine) == (2, 2)


def test_migrate_adds_the_indexes_of_call_lists_to_an_older_database(engine: sa.Engine) -> None:
    migrate(engine, migrations=[])
    with engine.begin() as connection:
        for name in ("calls_by_account", "calls_by_to", "calls_by_from"):
            connection.execute(sa.text(f"DROP INDEX {name}"))
    migrate(engine)
    found = {index["name"] for index in sa.inspect(engine).get_indexes("calls")}
    assert {"calls_by_account", "calls_by_to", "calls_by_from"} <= found


def shape(engine: sa.Engine) -> dict[str, Any]:
    """Columns with type and null, and indexes, of every table."""
    inspect = sa.inspect(engine)
    return {
        table: (
            [(column["name"], str(column["type"]), column["nullable"]) for column in inspect.get_columns(table)],
            sorted(str(index["name"]) for index in inspect.get_indexes(table)),
            inspect.get_pk_constraint(table)["constrained_columns"],
        )
        for table in inspect.get_table_names()
    }


def index_texts(engine: sa.Engine) -> dict[str, str]:
    """What SQLite keeps of each index, without the spelling."""
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    with engine.connect() as connection:
        found = connection.exec_driver_sql(query).all()
    return {name: "".join(text.replace("IF NOT EXISTS", "").replace('"', "").split()) for name, text in found}


def test_migrate_released_steps_lead_to_the_tables_of_a_fresh_database(tmp_path: Path) -> None:
    fresh, old = (open_engine(f"sqlite:///{tmp_path / name}.db") for name in ("fresh", "old"))
    assert migrate(fresh) == 1 + len(MIGRATIONS)
    first = [table for name, table in METADATA.tables.items() if name not in LATER_TABLES]
    assert migrate(old, migrations=[], create=lambda connection: METADATA.create_all(connection, first)) == 1
    assert migrate(old) == 1 + len(MIGRATIONS)
    assert shape(old) == shape(fresh)
    assert index_texts(old) == index_texts(fresh)
    assert set(LATER_TABLES) < set(shape(old))
