"""TwiML files checked as the gateway would read them: what ``ringfork lint`` prints.

Reads files, runs nothing. Owns Linted; the codes and places are gateway/twiml's.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from gateway.twiml import Level, Problem, TwimlError, parse
from gateway.twiml.source import MAX_BYTES


@dataclass(frozen=True, kw_only=True)
class Linted:
    """One file. problems: by place. unreadable: why the file could not be read, then there are no problems."""

    file: str
    problems: tuple[Problem, ...] = ()
    unreadable: str | None = None

    @property
    def runs(self) -> bool:
        """False for a document that cannot run, and for one of which an error takes something out."""
        return self.unreadable is None and not any(problem.level is Level.ERROR for problem in self.problems)

    def lines(self) -> list[str]:
        """``file:line:column: level code message`` for each problem, or one line that says it is fine."""
        if self.unreadable is not None:
            return [f"{self.file}: {self.unreadable}"]
        found = [
            f"{self.file}:{problem.line}:{problem.column}: {problem.level.value} {problem.code} {problem.message}"
            for problem in self.problems
        ]
        return found or [f"{self.file}: fine"]

    def as_json(self) -> dict[str, object]:
        problems = [{**asdict(problem), "level": problem.level.value} for problem in self.problems]
        return {"file": self.file, "runs": self.runs, "problems": problems, "unreadable": self.unreadable}


def lint_document(document: bytes, *, content_type: str | None = None) -> tuple[Problem, ...]:
    """Everything that is wrong with a document, by place. A document that cannot run has one error, its reason."""
    try:
        found = parse(document, content_type=content_type).warnings
    except TwimlError as error:
        line, column = error.line or 1, error.column or 1
        return (Problem(code=error.code, level=Level.ERROR, message=error.message, line=line, column=column),)
    return tuple(sorted(found, key=lambda problem: (problem.line, problem.column)))


def lint_files(paths: Iterable[Path]) -> list[Linted]:
    return [_lint_file(path) for path in paths]


def _lint_file(path: Path) -> Linted:
    try:
        with path.open("rb") as file:
            document = file.read(MAX_BYTES + 1)
    except OSError as error:
        return Linted(file=str(path), unreadable=error.strerror or str(error))
    return Linted(file=str(path), problems=lint_document(document))
