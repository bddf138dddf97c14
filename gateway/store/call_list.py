"""How a page of calls is looked for, so that a page costs the same wherever it lies and whatever is asked for. Pure.

A list is the union of strands, each of which an index gives in the list's own order and from which only one page is
taken: calls that are over by their status, those that are not over all together. Calls' sids begin with the time they
were made at, so a filter on StartTime or EndTime is at the same time one on sids. For the few calls of which that is
not true (a clock that was set, a call of many hours) there is an index of their own, and a strand that looks there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa

from gateway.sids import first_sid
from gateway.store.records import FINAL_CALL_STATUSES
from gateway.store.schema import ANSWERED, CALLS, FINISHED_CALLS, UNFINISHED_CALLS, UNTIMELY_CALLS
from gateway.store.search import CallSearch, Place
from gateway.store.timely import EARLY_S, LATE_S

_GRAIN_S: Final = 1.0  # databases round the thousandths of a second differently
_SHAPES: Final = 1024
_BEYOND: Final = "CB"

Rows = sa.Select[*tuple[Any, ...]]
_Condition = sa.ColumnElement[bool] | sa.TextClause
_FILTERS: Final[Mapping[str, sa.ColumnElement[bool]]] = {
    "to": CALLS.c.to == sa.bindparam("to_"),
    "from": CALLS.c.from_ == sa.bindparam("from_"),
    "parent": CALLS.c.parent_call_sid == sa.bindparam("parent"),
    "status": CALLS.c.status == sa.bindparam("status"),
    "started from": CALLS.c.start_time >= sa.bindparam("started_from"),
    "started until": CALLS.c.start_time < sa.bindparam("started_until"),
    "ended from": CALLS.c.end_time >= sa.bindparam("ended_from"),
    "ended until": CALLS.c.end_time < sa.bindparam("ended_until"),
}


@dataclass(frozen=True)
class _Shape:
    """What is asked for, without the values: questions of one shape share a statement. is_up: towards newer calls."""

    filters: frozenset[str]
    is_over: bool
    is_up: bool
    is_further: bool
    has_lowest: bool
    has_highest: bool


@dataclass(frozen=True)
class _Strand:
    """is_short: an index of few rows gives it whole; it is put in order afterwards."""

    conditions: tuple[_Condition, ...]
    is_short: bool = False

    def query(self, shape: _Shape) -> sa.Select[tuple[str]]:
        # An expression of the sid is nothing that an index of all calls could be walked by.
        sid = CALLS.c.sid.concat("") if self.is_short else CALLS.c.sid
        page = sa.select(CALLS.c.sid).where(*self.conditions).limit(sa.bindparam("size", type_=sa.Integer))
        if shape.is_further and self.is_short:
            page = page.where(sid > _bound("place") if shape.is_up else sid < _bound("place"))
        if shape.has_lowest and not self.is_short:
            page = page.where(sid > _bound("lowest"))
        if shape.has_highest and not self.is_short:
            page = page.where(sid < _bound("highest"))
        page = page.order_by(sid.asc() if shape.is_up else sid.desc())
        return sa.select(page.subquery().c.sid)


def call_list(search: CallSearch, place: Place, *, dialect: str) -> tuple[Rows, Mapping[str, object]]:
    """The statement and its parameters: the rows of the page and one more, in the order in which they are walked,
    downwards, or up from ``before``; cells as the driver gives them.
    """
    values = {
        "to": search.to,
        "from": search.from_,
        "parent": search.parent_call_sid,
        "status": search.status,
        "started from": search.started.start,
        "started until": search.started.end,
        "ended from": search.ended.start,
        "ended until": search.ended.end,
    }
    asked = {name: value for name, value in values.items() if value is not None}
    starts = [at for at in (search.started.start, search.ended.start) if at is not None]
    ends = [at for at in (search.started.end, search.ended.end) if at is not None]
    # Of two bounds on one side a database would walk from one to the other.
    lowest = max([first_sid("CA", at, more_s=-LATE_S - _GRAIN_S) for at in starts] + [place.before or ""])
    highest = min([first_sid("CA", at, more_s=EARLY_S + _GRAIN_S) for at in ends] + [place.after or _BEYOND])
    shape = _Shape(
        filters=frozenset(asked),
        is_over=search.status in FINAL_CALL_STATUSES,
        is_up=place.before is not None,
        is_further=place.before is not None or place.after is not None,
        has_lowest=bool(lowest),
        has_highest=highest != _BEYOND,
    )
    parameters: dict[str, object] = {
        "account": search.account_sid,
        "size": place.size + 1,
        **{
            _PARAMETERS[name]: value.timestamp() if isinstance(value, datetime) else value
            for name, value in asked.items()
        },
    }
    if shape.is_further:
        parameters["place"] = place.before or place.after
    if shape.has_lowest:
        parameters["lowest"] = lowest
    if shape.has_highest:
        parameters["highest"] = highest
    return _statement(shape, dialect), parameters


_PARAMETERS: Final = {
    "to": "to_",
    "from": "from_",
    **{name: name.replace(" ", "_") for name in _FILTERS if name not in ("to", "from")},
}


@lru_cache(_SHAPES)
def _statement(shape: _Shape, dialect: str) -> Rows:
    strands = [strand.query(shape) for strand in _strands(shape, dialect)]
    found = sa.union(*strands).subquery() if len(strands) > 1 else strands[0].subquery()
    order = found.c.sid.asc() if shape.is_up else found.c.sid.desc()
    sids = sa.select(found.c.sid).order_by(order).limit(sa.bindparam("size", type_=sa.Integer))
    raw = [sa.type_coerce(column, sa.types.NullType()).label(column.name) for column in CALLS.columns]
    rows = sa.select(*raw).where(CALLS.c.sid.in_(sids))
    return rows.order_by(CALLS.c.sid.asc() if shape.is_up else CALLS.c.sid.desc())


def _strands(shape: _Shape, dialect: str) -> Iterator[_Strand]:
    account = CALLS.c.account_sid == sa.bindparam("account")
    # As with the sid: not by an index of all calls.
    unindexed = CALLS.c.account_sid.concat("") == sa.bindparam("account")
    filters = shape.filters
    wanted = tuple(condition for name, condition in _FILTERS.items() if name in filters)
    is_started = bool({"started from", "started until"} & filters)
    is_timed = is_started or bool({"ended from", "ended until"} & filters)
    if "parent" in filters:
        yield _Strand((unindexed, *wanted), is_short=True)
        return
    if not filters:
        yield _Strand((account,))
        return
    timely = (account, *wanted)
    # Only an answered call has a StartTime; one that has one all the same counts as untimely.
    for status in (ANSWERED,) if is_started else FINAL_CALL_STATUSES:
        if shape.is_over:
            yield _Strand((*timely, sa.text(FINISHED_CALLS)))
            break
        if "status" not in filters:
            yield _Strand((*timely, sa.text(FINISHED_CALLS), CALLS.c.status == sa.literal_column(f"'{status}'")))
    if not shape.is_over:
        yield _Strand((unindexed, *wanted, sa.text(UNFINISHED_CALLS)), is_short=True)
    if is_timed:
        yield _Strand((unindexed, *wanted, sa.text(UNTIMELY_CALLS[dialect])), is_short=True)


def _bound(name: str) -> sa.BindParameter[str]:
    return sa.bindparam(name, type_=sa.Text)
