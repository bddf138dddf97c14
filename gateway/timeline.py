"""What a call leaves on its record beside its status: events, problems, and what its application is owed.

One of these per call, inbound or dialled; whoever does something for the call writes here. Nothing waits for storage.
"""

from typing import Any

import structlog

from gateway.parameters import Parameters
from gateway.services import Services
from gateway.store.records import EventRecord, Operation, OwedCallback
from gateway.twiml import Problem

_log = structlog.get_logger(__name__)


class Timeline:
    """call_sid: whose record it is; leg_id: for the log."""

    def __init__(self, services: Services, *, call_sid: str, leg_id: str) -> None:
        self._services = services
        self._call_sid = call_sid
        self.log = _log.bind(call_sid=call_sid, leg_id=leg_id)

    def event(self, name: str, **more: Any) -> EventRecord:
        return EventRecord(call_sid=self._call_sid, at=self._services.now(), name=name, **more)

    def note(self, *records: Operation) -> None:
        if records:
            self._services.store.write_soon(*records)

    def warn(self, code: int, message: str, *, level: str = "warning", url: str | None = None) -> None:
        """Put a warning or an error with Twilio's code on the call's record, and into the log."""
        self.log.warning("call problem", code=code, problem=message, url=url)
        self.note(self.event("problem", level=level, code=code, message=message, url=url))

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
