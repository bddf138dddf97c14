"""What tables are made of: columns whose type says how a record's value becomes a cell and back.

Times are seconds since 1970 in UTC, structured values are JSON text; the rest is what it looks like. A cell that does
not hold what its column promises raises UnreadableRow, without its value. Knows no table, no thread and no loop.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

import sqlalchemy as sa

from signaling.errors import UsageError

RecordT = TypeVar("RecordT")


class Instant(sa.Float[Any]):
    """Seconds since 1970, UTC; an aware datetime in the record."""


class Json(sa.Text):
    """JSON text; a mapping in the record."""


class Words(sa.Text):
    """JSON text; a tuple of strings in the record."""


class Pairs(sa.Text):
    """JSON text; a tuple of (name, value) in the record."""


def column_of(name: str, kind: type[sa.types.TypeEngine[Any]] = sa.Text, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, Instant(53) if kind is Instant else kind(), nullable=null)


def partial_index(name: str, column: str, *, where: str) -> sa.Index:
    """An index of a few rows only: writing the others costs nothing."""
    return sa.Index(name, column, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def is_in(statuses: Sequence[str]) -> str:
    return "status IN ({})".format(", ".join(f"'{status}'" for status in statuses))


def not_in(statuses: Sequence[str]) -> str:
    return "status NOT IN ({})".format(", ".join(f"'{status}'" for status in statuses))


class UnreadableRow(ValueError):
    """A row that does not hold what its table promises."""


@dataclass(frozen=True)
class RowMap(Generic[RecordT]):
    """How one kind of record is written and read."""

    table: sa.Table
    encode: Callable[[RecordT], tuple[object, ...]]
    decode: Callable[[Sequence[object]], RecordT]
    columns: tuple[str, ...]


def _encoders(table: sa.Table) -> list[tuple[int, Callable[[Any], object]]]:
    found: list[tuple[int, Callable[[Any], object]]] = []
    for index, column in enumerate(table.columns):
        match column.type:
            case Instant():
                found.append((index, datetime.timestamp))
            case Json():
                found.append((index, _json_object))
            case Words() | Pairs():
                found.append((index, _json_array))
            case _:
                pass
    return found


def _json_object(value: Mapping[str, object]) -> str:
    return _dumps(dict(value)) if value else "{}"


def _json_array(value: Sequence[object]) -> str:
    return _dumps(value)


_dumps: Final = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), default=str).encode


def _decode_instant(value: object) -> datetime:
    if not isinstance(value, (int, float)):
        raise UnreadableRow(f"expected a time, found {type(value).__name__}")
    return datetime.fromtimestamp(value, UTC)


def _decode_json(value: object) -> Mapping[str, object]:
    found = json.loads(_text(value))
    if not isinstance(found, dict):
        raise UnreadableRow(f"expected a JSON object, found {type(value).__name__}")
    return found


def _decode_words(value: object) -> tuple[str, ...]:
    return tuple(_text(word) for word in _array(value))


def _decode_pairs(value: object) -> tuple[tuple[str, str], ...]:
    return tuple((_text(name), _text(text)) for name, text in _array(value))


def _array(value: object) -> list[Any]:
    found = json.loads(_text(value))
    if not isinstance(found, list):
        raise UnreadableRow(f"expected a JSON array, found {type(value).__name__}")
    return found


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise UnreadableRow(f"expected text, found {type(value).__name__}")
    return value


def _integer(value: object) -> int:
    if not isinstance(value, int):
        raise UnreadableRow(f"expected an integer, found {type(value).__name__}")
    return value


def _number(value: object) -> float:
    if not isinstance(value, (int, float)):
        raise UnreadableRow(f"expected a number, found {type(value).__name__}")
    return float(value)


def _decoder(column: sa.Column[Any]) -> Callable[[object], object]:
    match column.type:
        case Instant():
            return _decode_instant
        case Json():
            return _decode_json
        case Words():
            return _decode_words
        case Pairs():
            return _decode_pairs
        case sa.Text():
            return _text
        case sa.Integer():
            return _integer
        case sa.Float():
            return _number
        case _:
            raise UsageError(f"expected a column type with a decoder, found {column.type!r} of {column.name}")


def row_map(record: type[RecordT], table: sa.Table) -> RowMap[RecordT]:
    names = tuple(field.name for field in fields(record))  # type: ignore[arg-type]  # RecordT is always a dataclass
    columns = tuple(column.name for column in table.columns)
    if names != columns:
        raise UsageError(f"expected columns {names} in table {table.name}, found {columns}")
    values = attrgetter(*names)
    encoders = _encoders(table)
    decoders = tuple((column.name, bool(column.nullable), _decoder(column)) for column in table.columns)

    def encode(value: RecordT) -> tuple[object, ...]:
        row = list(values(value))
        for index, encoder in encoders:
            if row[index] is not None:
                row[index] = encoder(row[index])
        return tuple(row)

    def decode(row: Sequence[object]) -> RecordT:
        try:
            return record(
                **{
                    name: None if cell is None and nullable else decoder(cell)
                    for (name, nullable, decoder), cell in zip(decoders, row, strict=True)
                }
            )
        except (ValueError, TypeError, OverflowError, OSError, RecursionError) as error:
            # Without the value: a row may hold a URL with a password.
            found = str(error) if isinstance(error, UnreadableRow) else type(error).__name__
            raise UnreadableRow(f"{table.name}: {found}") from error

    return RowMap(table, encode, decode, columns)
