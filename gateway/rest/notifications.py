"""The warnings and errors of all calls of an account, as resources. Those of one call: call_events.py.

The same lines under the same sids, kept as long as their calls. A page begins behind a moment and a position, which
its PageToken holds, so that it costs what the first one does even if the line it was made of is gone.
Source: rest-api.md 2, 3 and 7 of the specification; Twilio Notification resource.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from gateway.rest.call_events import (
    LEVELS,
    LOGS,
    MOST_ON_A_PAGE,
    NOTIFICATION,
    exchanged,
    exchanges_of,
    line_sid,
    notification_resource,
)
from gateway.rest.calls import between
from gateway.rest.dispatch import Ask, Reply, Resource
from gateway.rest.errors import RestError, not_found
from gateway.rest.paging import BAD_TOKEN, Page, asked_page
from gateway.sids import is_sid
from gateway.store import Store
from gateway.store.records import EventRecord
from gateway.store.search import Mark, NotificationSearch

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MOST_POSITIONS: Final = 2**63


def mark_token(mark: Mark) -> str:
    """What stands in a PageToken, in the form of a sid."""
    return f"{NOTIFICATION}{(mark.at - _EPOCH) // _MICROSECOND:013x}{mark.position:016x}000"


def mark_of(token: str) -> Mark:
    """Raises RestError 21481 for what ``mark_token`` does not write."""
    if is_sid(NOTIFICATION, token) and token.endswith("000"):
        position = int(token[15:31], 16)
        if position < _MOST_POSITIONS:
            return Mark(at=_EPOCH + int(token[2:15], 16) * _MICROSECOND, position=position)
    raise RestError(400, BAD_TOKEN, "The PageToken is none of ours")


class NotificationsApi:
    def __init__(self, *, store: Store) -> None:
        self._store = store

    def resources(self) -> list[Resource]:
        return [
            Resource("Notifications", {"GET": self._list}),
            Resource("Notifications/{notification_sid}", {"GET": self._fetch}),
        ]

    async def _list(self, ask: Ask) -> Reply:
        asked = asked_page(ask.form)
        asked = replace(asked, size=min(asked.size, MOST_ON_A_PAGE))
        log = ask.form.choice("Log", tuple(LEVELS), default=None)
        search = NotificationSearch(
            account_sid=ask.account_sid,
            levels=tuple(LOGS) if log is None else (LEVELS[log],),
            at=between(ask.form.instants("MessageDate")),
            behind=None if asked.after is None else mark_of(asked.after),
            ahead=None if asked.before is None else mark_of(asked.before),
        )
        # What was told before this request is in its answer.
        await self._store.flush()
        lines, has_more = await self._store.search_notifications(search, size=asked.size)
        exchanges = await exchanges_of(self._store, lines)
        page = Page(
            key="notifications",
            rows=[
                notification_resource(line, account_sid=ask.account_sid, exchange=exchange, is_below_call=False)
                for line, exchange in zip(lines, exchanges, strict=True)
            ],
            sids=[mark_token(Mark(at=line.at, position=line.position)) for line in lines],
            has_more=has_more,
            asked=asked,
        )
        return Reply(resource=page)

    async def _fetch(self, ask: Ask) -> Reply:
        line = await self._line(ask)
        (exchange,) = await exchanges_of(self._store, [line])
        resource = notification_resource(line, account_sid=ask.account_sid, exchange=exchange, is_below_call=False)
        return Reply(resource={**resource, **exchanged(exchange)}, name="Notification")

    async def _line(self, ask: Ask) -> EventRecord:
        sid = ask.parts["notification_sid"]
        position = int(sid[2:18], 16) if is_sid(NOTIFICATION, sid) else _MOST_POSITIONS
        found: Sequence[EventRecord] = ()
        if position < _MOST_POSITIONS:
            await self._store.flush()
            found = await self._store.notifications_at(ask.account_sid, position)
        for line in found:
            if line_sid(NOTIFICATION, line.call_sid, line.position) == sid:
                return line
        raise not_found(ask.path)
