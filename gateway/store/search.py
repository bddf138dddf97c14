"""What lists are asked for: filters on calls and what belongs to them, and a place in the list. Pure.

Lists run newest first; sids sort by time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from gateway.sids import first_sid
from gateway.store.schema import CONFERENCES, EVENTS, NOTIFICATIONS, QUEUES, RECORDINGS

CLOCK_S: Final = 60.0
"""So far a clock may be set between a sid and the moment that its record names."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """size: rows wanted. after: what comes behind this sid; before: what comes ahead of it; neither: the newest."""

    size: int
    after: str | None = None
    before: str | None = None


@dataclass(frozen=True, kw_only=True)
class Between:
    """start: the first moment, end: the first one beyond; None is open."""

    start: datetime | None = None
    end: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.start is None and self.end is None

    def conditions(self, column: "sa.Column[float]") -> "Iterator[sa.ColumnElement[bool]]":
        if self.start is not None:
            yield column >= self.start.timestamp()
        if self.end is not None:
            yield column < self.end.timestamp()


@dataclass(frozen=True, kw_only=True)
class Window:
    """Between which sids a list's rows lie, both outside; None is open."""

    lowest: str | None = None
    highest: str | None = None

    @staticmethod
    def made(prefix: str, created: Between) -> "Window":
        """Those that were made then: their sids begin with the time, taken a moment before that of the record."""
        start, end = created.start, created.end
        return Window(
            lowest=None if start is None else first_sid(prefix, start, more_s=-CLOCK_S),
            highest=None if end is None else first_sid(prefix, end, more_s=CLOCK_S),
        )

    def within(self, place: Place) -> "Window":
        """Of two bounds on one side a database would walk from one to the other."""
        lowest = max((each for each in (self.lowest, place.before) if each is not None), default=None)
        highest = min((each for each in (self.highest, place.after) if each is not None), default=None)
        return Window(lowest=lowest, highest=highest)


@dataclass(frozen=True, kw_only=True)
class CallSearch:
    """None: any. How it is looked for: call_list.py."""

    account_sid: str
    to: str | None = None
    from_: str | None = None
    parent_call_sid: str | None = None
    status: str | None = None
    started: Between = Between()
    ended: Between = Between()


@dataclass(frozen=True, kw_only=True)
class RecordingSearch:
    """None: any."""

    account_sid: str
    call_sid: str | None = None
    conference_sid: str | None = None
    created: Between = Between()
    with_deleted: bool = False

    @property
    def window(self) -> Window:
        return Window.made("RE", self.created)

    def conditions(self) -> "Iterator[sa.ColumnElement[bool]]":
        is_of_one = self.call_sid is not None or self.conference_sid is not None
        # An expression of the account is nothing that the index of all its recordings could be walked by.
        account_sid = RECORDINGS.c.account_sid.concat("") if is_of_one else RECORDINGS.c.account_sid
        yield account_sid == self.account_sid
        for column, wanted in (
            (RECORDINGS.c.call_sid, self.call_sid),
            (RECORDINGS.c.conference_sid, self.conference_sid),
        ):
            if wanted is not None:
                yield column == wanted
        yield from self.created.conditions(RECORDINGS.c.date_created)
        if not self.with_deleted:
            yield RECORDINGS.c.status != "deleted"


@dataclass(frozen=True, kw_only=True)
class ConferenceSearch:
    """None: any."""

    account_sid: str
    friendly_name: str | None = None
    status: str | None = None
    created: Between = Between()
    updated: Between = Between()

    @property
    def window(self) -> Window:
        return Window.made("CF", self.created)

    def conditions(self) -> "Iterator[sa.ColumnElement[bool]]":
        yield CONFERENCES.c.account_sid == self.account_sid
        for column, wanted in ((CONFERENCES.c.friendly_name, self.friendly_name), (CONFERENCES.c.status, self.status)):
            if wanted is not None:
                yield column == wanted
        yield from self.created.conditions(CONFERENCES.c.date_created)
        yield from self.updated.conditions(CONFERENCES.c.date_updated)


@dataclass(frozen=True, kw_only=True)
class QueueSearch:
    account_sid: str

    def conditions(self) -> "Iterator[sa.ColumnElement[bool]]":
        yield QUEUES.c.account_sid == self.account_sid
        yield QUEUES.c.date_deleted.is_(None)


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Where a line lies among an account's notifications: they run by time, and by position within a moment."""

    at: datetime
    position: int


@dataclass(frozen=True, kw_only=True)
class NotificationSearch:
    """An account's warnings and errors with a code. behind: older than this; ahead: newer; neither: the newest."""

    account_sid: str
    levels: tuple[str, ...]
    at: Between = Between()
    behind: Mark | None = None
    ahead: Mark | None = None

    def conditions(self, level: str) -> "Iterator[sa.ColumnElement[bool] | sa.TextClause]":
        """Of one level: an index has its lines in the list's order."""
        yield EVENTS.c.account_sid == self.account_sid
        yield EVENTS.c.level == level
        yield sa.text(NOTIFICATIONS)
        start, end = self.at.start, self.at.end
        # Of two bounds on one side a database would walk from one to the other.
        if self.behind is not None and (end is None or self.behind.at < end):
            end = None
            yield sa.tuple_(EVENTS.c.at, EVENTS.c.position) < _mark(self.behind)
        if self.ahead is not None and (start is None or self.ahead.at >= start):
            start = None
            yield sa.tuple_(EVENTS.c.at, EVENTS.c.position) > _mark(self.ahead)
        yield from Between(start=start, end=end).conditions(EVENTS.c.at)


def _mark(mark: Mark) -> "sa.Tuple":
    return sa.tuple_(sa.literal(mark.at.timestamp(), sa.Float(53)), sa.literal(mark.position, sa.BigInteger))


@dataclass(frozen=True, kw_only=True)
class EventSearch:
    """Lines of one call's timeline. Empty or None: any. above, below: positions, both outside."""

    call_sid: str
    names: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    with_code: bool = False
    at: Between = Between()
    above: int | None = None
    below: int | None = None

    def conditions(self) -> "Iterator[sa.ColumnElement[bool]]":
        yield EVENTS.c.call_sid == self.call_sid
        for column, wanted in ((EVENTS.c.name, self.names), (EVENTS.c.level, self.levels), (EVENTS.c.url, self.urls)):
            if wanted:
                yield column.in_(wanted)
        if self.with_code:
            yield EVENTS.c.code.is_not(None)
        yield from self.at.conditions(EVENTS.c.at)
        if self.above is not None:
            yield EVENTS.c.position > self.above
        if self.below is not None:
            yield EVENTS.c.position < self.below
