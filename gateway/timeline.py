"""What a call leaves on its record beside its status: events, problems, and what its application is owed.

One of these per call, inbound or dialled; whoever does something for the call writes here. Nothing waits for storage.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

import structlog

from gateway.parameters import CallFacts, Parameters
from gateway.services import Services
from gateway.store.records import EventRecord, Operation, OwedCallback
from gateway.twiml import Problem

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Performing:
    """A verb that is being performed for a call, and where it stands. url: of its document."""

    call_sid: str
    url: str | None
    line: int
    column: int


_performing: ContextVar[Performing | None] = ContextVar("performing", default=None)

MOST_STEPS: Final = 1000
"""Verbs and documents of one script that are kept: a caller may wait for hours to the same few of them."""


class Timeline:
    """facts: of the call whose record it is; leg_id: for the log."""

    def __init__(self, services: Services, facts: CallFacts, *, leg_id: str) -> None:
        self._services = services
        self._call_sid = call_sid = facts.sid
        self._account_sid = facts.account_sid
        self._steps = 0
        self.log = _log.bind(call_sid=call_sid, leg_id=leg_id)

    def event(self, name: str, *, code: int | None = None, **more: Any) -> EventRecord:
        account_sid = None if code is None else self._account_sid
        return EventRecord(
            call_sid=self._call_sid, account_sid=account_sid, at=self._services.now(), name=name, code=code, **more
        )

    def note(self, *records: Operation) -> None:
        if records:
            self._services.store.write_soon(*records)

    def step(self, name: str, **more: Any) -> None:
        """An event of which a long call has very many; behind ``MOST_STEPS`` of them one line says that none follow."""
        self._steps += 1
        if self._steps <= MOST_STEPS:
            self.note(self.event(name, **more))
        elif self._steps == MOST_STEPS + 1:
            self.note(self.event("cut", message=f"more than {MOST_STEPS} steps: those that follow are not kept"))

    @contextmanager
    def performing(self, *, url: str | None, line: int, column: int) -> Iterator[None]:
        """A verb is performed: warnings of it, and of the tasks it starts, tell its place."""
        token = _performing.set(Performing(call_sid=self._call_sid, url=url, line=line, column=column))
        try:
            yield
        finally:
            _performing.reset(token)

    def warn(self, code: int, message: str, *, level: str = "warning", url: str | None = None) -> None:
        """Put a warning or an error with Twilio's code on the call's record, and into the log."""
        self.log.warning("call problem", code=code, problem=message, url=url)
        at = _performing.get()
        place: dict[str, Any] = {"url": url}
        # Another call's task may tell something about this one: its verb is not ours.
        if at is not None and at.call_sid == self._call_sid and url in (None, at.url):
            place = {"url": at.url, "line": at.line, "column": at.column}
        self.note(self.event("problem", level=level, code=code, message=message, **place))

    def note_problems(self, problems: tuple[Problem, ...], url: str | None) -> None:
        """The findings of a document, with line and column."""
        self.note(
            *(
                self.event(
                    "problem",
                    level=problem.level.value,
                    code=problem.code,
                    message=problem.message,
                    url=url,
                    line=problem.line,
                    column=problem.column,
                )
                for problem in problems
            )
        )

    def owe(self, *, url: str, method: str, parameters: Parameters, order_key: str | None = None) -> OwedCallback:
        """A request the application gets even if the call or the process is gone by then."""
        return OwedCallback(
            order_key=order_key or self._call_sid,
            url=url,
            method=method,
            params=tuple(parameters),
            created_at=self._services.now(),
            call_sid=self._call_sid,
        )
