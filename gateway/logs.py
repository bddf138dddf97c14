"""Logging: one line per thing that happened, readable on a terminal, JSON otherwise.

Values under names that hold secrets never reach a line, whoever logs them.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

_SECRET = ("password", "secret", "token", "authorization", "credential")


def hide_secrets(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in line:
        if any(word in name.lower() for word in _SECRET):
            line[name] = "***"
    return line


def set_up(level: str, *, stream: TextIO = sys.stderr) -> None:
    """level: debug, info, warning or error. Lines go to ``stream``."""
    number = logging.getLevelNamesMapping()[level.upper()]
    renderer: structlog.typing.Processor
    if stream.isatty():
        renderer = structlog.dev.ConsoleRenderer()
    else:
        renderer = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            hide_secrets,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    # Libraries log through the standard module; only their warnings are of interest.
    logging.basicConfig(stream=stream, level=max(number, logging.WARNING), format="%(levelname)s %(name)s %(message)s")
