"""What can be wrong with a document: errors that end it, problems that are noted while it runs.

Pure. Owns Position, Problem, TwimlError and the level of each of Twilio's codes. Codes and levels are those of
Twilio's error and warning dictionary; what a problem leads to (a default, a skipped element) is decided where it is
found.
Source: Twilio Error and Warning Dictionary.
"""

from dataclasses import dataclass, field
from enum import Enum

from signaling.errors import PeerError

PARSE_FAILURE = 12100
SCHEMA_WARNING = 12200
INVALID_URL = 11100

MAX_PROBLEMS = 100
"""Problems kept per document; a document made of mistakes may not fill a call's record."""

_ERROR_CODES = frozenset(
    {11100, 11750, 11770, 12100, 12101, 12102, 12300, 13201, 13224, 13231, 13238, 13239, 13240, 13257, 13338}
    | {13621, 13801, 13806, 14201, 14202, 14203, 14204, 14205, 14206, 14210, 14211, 14212, 14213, 14300, 15004}
    | {16023, 16025, 31105}
)


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Where an element starts: 1-based line and column, in characters, of its ``<``."""

    line: int
    column: int


class Level(Enum):
    WARNING = "warning"
    ERROR = "error"


def level_of(code: int) -> Level:
    """The dictionary's level of a code. An error level does not by itself end the document."""
    return Level.ERROR if code in _ERROR_CODES else Level.WARNING


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One finding in a document that still runs."""

    code: int
    level: Level
    message: str
    line: int
    column: int


class TwimlError(PeerError):
    """A document that cannot run. ``code`` is Twilio's; line and column are 1-based, None where there is no place."""

    def __init__(self, code: int, message: str, *, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.line = line
        self.column = column

    def __str__(self) -> str:
        place = "" if self.line is None else f" (line {self.line}, column {self.column})"
        return f"{self.code}: {self.message}{place}"


@dataclass
class ProblemLog:
    """Collects the problems of one document, at most MAX_PROBLEMS of them and then one that says so."""

    problems: list[Problem] = field(default_factory=list)

    def add(self, code: int, message: str, position: Position, *, level: Level | None = None) -> None:
        """level: where it is not the dictionary's."""
        if len(self.problems) > MAX_PROBLEMS:
            return
        if len(self.problems) == MAX_PROBLEMS:
            code, message, level = SCHEMA_WARNING, f"more than {MAX_PROBLEMS} problems; the rest is not listed", None
        self.problems.append(
            Problem(
                code=code,
                level=level_of(code) if level is None else level,
                message=message,
                line=position.line,
                column=position.column,
            )
        )


def quoted(value: str, *, limit: int = 60) -> str:
    """A value from a document as it may stand in a message: printable, short."""
    return ascii(value if len(value) <= limit else value[:limit] + "...")
