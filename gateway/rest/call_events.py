"""What happened on a call, as resources: the exchanges with its application, and its warnings and errors.

Both are lines of the call's timeline: they live as long as its record, with what the trace took out or cut, and have no
table of their own. A line's sid is its position and a digest of its call, so that one of another call is recognised.
Source: rest-api.md 2, 3 and 7 of the specification; Twilio Call Event and Call Notification resources.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlencode

from gateway.console.redaction import redact_text
from gateway.dialled_calls import DialledCalls
from gateway.live_calls import LiveCalls
from gateway.parameters import API_VERSION, rfc2822
from gateway.rest.calls import between
from gateway.rest.dispatch import ROOT, Ask, Reply, Resource
from gateway.rest.errors import RestError, not_found
from gateway.rest.known_calls import KnownCalls
from gateway.rest.paging import BAD_TOKEN, Page, asked_page
from gateway.sids import is_sid
from gateway.store import Store
from gateway.store.records import EventRecord
from gateway.store.search import EventSearch
from gateway.webhooks.errors import without_credentials

NOTIFICATION: Final = "NO"
_EXCHANGE: Final = "EV"
LEVELS: Final = {"0": "error", "1": "warning"}
LOGS: Final = {level: log for log, level in LEVELS.items()}
_MOST_POSITIONS: Final = 2**63
MOST_ON_A_PAGE: Final = 100
"""Lines with their bodies are long: a page of more of them would hold up the loop while it is written."""
_MOST_EXCHANGES: Final = 500
"""As many as the trace keeps of a call."""


def line_sid(prefix: str, call_sid: str, position: int) -> str:
    """Those of one call sort as they were written."""
    return f"{prefix}{position:016x}{hashlib.sha256(call_sid.encode()).hexdigest()[:16]}"


def position_of(sid: str, prefix: str, call_sid: str) -> int | None:
    """None: not the sid of a line of this call."""
    if not is_sid(prefix, sid):
        return None
    position = int(sid[2:18], 16)
    return position if position < _MOST_POSITIONS and line_sid(prefix, call_sid, position) == sid else None


class CallEventsApi:
    def __init__(self, *, store: Store, calls: LiveCalls, dialled: DialledCalls) -> None:
        self._store = store
        self._known = KnownCalls(store=store, calls=calls, dialled=dialled)

    def resources(self) -> list[Resource]:
        return [
            Resource("Calls/{call_sid}/Events", {"GET": self._list_exchanges}),
            Resource("Calls/{call_sid}/Notifications", {"GET": self._list_notifications}),
            Resource("Calls/{call_sid}/Notifications/{notification_sid}", {"GET": self._fetch}),
        ]

    async def _list_exchanges(self, ask: Ask) -> Reply:
        call_sid = await self._call_sid(ask)
        page, lines = await self._page(ask, EventSearch(call_sid=call_sid, names=("webhook",)), _EXCHANGE, "events")
        return Reply(resource=replace(page, rows=[exchange_resource(line) for line in lines]))

    async def _list_notifications(self, ask: Ask) -> Reply:
        call_sid = await self._call_sid(ask)
        log = ask.form.choice("Log", tuple(LEVELS), default=None)
        search = EventSearch(
            call_sid=call_sid,
            levels=tuple(LOGS) if log is None else (LEVELS[log],),
            with_code=True,
            at=between(ask.form.instants("MessageDate")),
        )
        page, lines = await self._page(ask, search, NOTIFICATION, "notifications")
        exchanges = await exchanges_of(self._store, lines)
        rows = [
            notification_resource(line, account_sid=ask.account_sid, exchange=exchange)
            for line, exchange in zip(lines, exchanges, strict=True)
        ]
        return Reply(resource=replace(page, rows=rows))

    async def _fetch(self, ask: Ask) -> Reply:
        call_sid = await self._call_sid(ask)
        position = position_of(ask.parts["notification_sid"], NOTIFICATION, call_sid)
        if position is None:
            raise not_found(ask.path)
        search = EventSearch(
            call_sid=call_sid, levels=tuple(LOGS), with_code=True, above=position - 1, below=position + 1
        )
        found, _ = await self._store.search_events(search, size=1)
        if not found:
            raise not_found(ask.path)
        (exchange,) = await exchanges_of(self._store, found)
        resource = notification_resource(found[0], account_sid=ask.account_sid, exchange=exchange)
        return Reply(resource={**resource, **exchanged(exchange)}, name="Notification")

    async def _page(self, ask: Ask, search: EventSearch, prefix: str, key: str) -> tuple[Page, list[EventRecord]]:
        """The page without its rows, and the lines they are made of. Raises RestError 21481."""
        asked = asked_page(ask.form)
        asked = replace(asked, size=min(asked.size, MOST_ON_A_PAGE))
        token = asked.after or asked.before
        if token is not None:
            position = position_of(token, prefix, search.call_sid)
            if position is None:
                raise RestError(400, BAD_TOKEN, "The PageToken is none of ours")
            search = replace(search, below=position) if asked.after else replace(search, above=position)
        lines, has_more = await self._store.search_events(search, size=asked.size)
        sids = [line_sid(prefix, line.call_sid, line.position) for line in lines]
        return Page(key=key, rows=[], sids=sids, has_more=has_more, asked=asked), lines

    async def _call_sid(self, ask: Ask) -> str:
        """Raises RestError for a call there is not, or not of this account."""
        record = await self._known.record(ask)
        # What was told before this request is in its answer.
        await self._store.flush()
        return record.sid


async def exchanges_of(store: Store, lines: Sequence[EventRecord]) -> list[EventRecord | None]:
    """Of each line the last exchange of its call before it with the same address, as far as it is kept."""
    of_calls: dict[str, list[EventRecord]] = {}
    for line in lines:
        of_calls.setdefault(line.call_sid, []).append(line)
    kept: dict[str, list[EventRecord]] = {}
    for call_sid, of_call in of_calls.items():
        urls = {url for line in of_call if (url := shown_url(line)) is not None}
        if urls:
            below = max(line.position for line in of_call)
            search = EventSearch(call_sid=call_sid, names=("webhook",), urls=tuple(urls), below=below)
            kept[call_sid], _ = await store.search_events(search, size=1 if len(of_call) == 1 else _MOST_EXCHANGES)
    return [
        next(
            (
                each
                for each in kept.get(line.call_sid, ())
                if each.url == shown_url(line) and each.position < line.position
            ),
            None,
        )
        for line in lines
    ]


def exchange_resource(line: EventRecord) -> dict[str, Any]:
    """The Event resource: a webhook line of the timeline as request and response."""
    details = line.details
    return {
        "request": {"method": details.get("method"), "url": line.url, "parameters": dict(_params(line))},
        "response": {
            "response_code": details.get("status"),
            "request_duration": details.get("took_ms"),
            "content_type": details.get("content_type"),
            "response_body": details.get("body"),
            "error_code": None if line.code is None else str(line.code),
            "date_created": rfc2822(line.at),
        },
    }


def notification_resource(
    line: EventRecord, *, account_sid: str, exchange: EventRecord | None, is_below_call: bool = True
) -> dict[str, Any]:
    """The Notification resource as lists have it. exchange: the request it is about, None if it is not kept."""
    sid = line_sid(NOTIFICATION, line.call_sid, line.position)
    parent = f"Calls/{line.call_sid}/" if is_below_call else ""
    return {
        "sid": sid,
        "account_sid": account_sid,
        "call_sid": line.call_sid,
        "api_version": API_VERSION,
        "date_created": rfc2822(line.at),
        "date_updated": rfc2822(line.at),
        "error_code": str(line.code),
        "log": LOGS[line.level],
        "message_date": rfc2822(line.at),
        "message_text": redact_text(line.message),
        "more_info": f"https://www.twilio.com/docs/errors/{line.code}",
        "request_method": None if exchange is None else exchange.details.get("method"),
        "request_url": shown_url(line),
        "uri": f"{ROOT}/Accounts/{account_sid}/{parent}Notifications/{sid}.json",
    }


def exchanged(exchange: EventRecord | None) -> Mapping[str, Any]:
    """What only a single notification has."""
    details: Mapping[str, Any] = {} if exchange is None else exchange.details
    content_type = details.get("content_type")
    return {
        "request_variables": None if exchange is None else urlencode(_params(exchange)),
        "response_body": details.get("body"),
        "response_headers": urlencode({"Content-Type": content_type}) if content_type else None,
    }


def _params(line: EventRecord) -> list[tuple[str, str]]:
    found = line.details.get("params")
    return [(str(name), str(value)) for name, value in found] if isinstance(found, list) else []


def shown_url(line: EventRecord) -> str | None:
    """As the trace writes it."""
    return None if line.url is None else redact_text(without_credentials(line.url))
