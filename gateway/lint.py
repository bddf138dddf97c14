"""TwiML files checked as the gateway would read them: what ``ringfork lint`` prints.

Reads files, runs nothing, repairs nothing. Owns Linted and Finding; the codes and places are gateway/twiml's, the words
how to mend them lint_hints.py's. What Ringfork reads but does not execute is found by the list of what is supported
(gateway/twiml/support.py): a document may be fine and still ask for more than it will get.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Final

from gateway.lint_hints import NOT_EXECUTED, hint_for
from gateway.twiml import Level, Problem, TwimlError, parse
from gateway.twiml.parse import read_tree
from gateway.twiml.source import MAX_BYTES
from gateway.twiml.support import Element, Status, language
from gateway.twiml.tree import Node

SUFFIXES: Final = frozenset({".xml", ".twiml"})
"""Of the files that are looked for in folders."""
NOT_EXECUTED_CODE: Final = 13750
MAX_FILES: Final = 100_000


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something about a document. hint: a sentence how to mend it. is_executed: False for what has no effect here."""

    code: int
    level: Level
    message: str
    line: int
    column: int
    hint: str
    is_executed: bool = True


@dataclass(frozen=True, kw_only=True)
class Linted:
    """One file. findings: by place. unreadable: why the file could not be read, then there are no findings."""

    file: str
    findings: tuple[Finding, ...] = ()
    unreadable: str | None = None
    is_missing: bool = False

    @property
    def runs(self) -> bool:
        """False for a document that cannot run, and for one of which an error takes something out."""
        return self.unreadable is None and not any(finding.level is Level.ERROR for finding in self.findings)

    def lines(self) -> list[str]:
        """``file:line:column: level code message`` and a hint for each finding, or one line that says it is fine."""
        if self.unreadable is not None:
            return [f"{self.file}: {self.unreadable}"]
        found = []
        for finding in self.findings:
            level = finding.level.value if finding.is_executed else "not executed"
            place = f"{self.file}:{finding.line}:{finding.column}"
            found += [f"{place}: {level} {finding.code} {finding.message}", f"    {finding.hint}"]
        return found or [f"{self.file}: fine"]

    def as_json(self) -> dict[str, object]:
        findings = [{**asdict(finding), "level": finding.level.value} for finding in self.findings]
        return {"file": self.file, "runs": self.runs, "findings": findings, "unreadable": self.unreadable}


def lint_document(document: bytes, *, content_type: str | None = None) -> tuple[Finding, ...]:
    """Everything there is to say about a document, by place.

    A document that cannot run has one finding, its reason.
    """
    try:
        problems = parse(document, content_type=content_type).warnings
    except TwimlError as error:
        line, column = error.line or 1, error.column or 1
        problem = Problem(code=error.code, level=Level.ERROR, message=error.message, line=line, column=column)
        return (_finding(problem),)
    found = [_finding(problem) for problem in problems]
    found += _without_effect(read_tree(document, content_type=content_type))
    return tuple(sorted(found, key=lambda finding: (finding.line, finding.column)))


def lint_files(paths: Iterable[Path]) -> list[Linted]:
    """Files, and what is in folders below these, in the order of their names."""
    return [_lint_file(file) for path in paths for file in _documents(path)]


def _documents(path: Path) -> list[Path]:
    """The path itself unless it is a folder; folders that are links are not followed."""
    if not path.is_dir():
        return [path]
    found = []
    for folder, folders, names in os.walk(path):
        folders.sort()
        found += [Path(folder, name) for name in sorted(names) if Path(name).suffix.lower() in SUFFIXES]
        if len(found) > MAX_FILES:
            break
    return found or [path]


def _lint_file(path: Path) -> Linted:
    try:
        # Opened without waiting: a pipe has no writer perhaps.
        with open(path, "rb", opener=_opened) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return Linted(file=str(path), unreadable="no regular file")
            document = file.read(MAX_BYTES + 1)
    except IsADirectoryError:
        return Linted(file=str(path), unreadable=f"no {' or '.join(sorted(SUFFIXES))} file in this folder")
    except OSError as error:
        is_missing = isinstance(error, FileNotFoundError)
        return Linted(file=str(path), unreadable=error.strerror or str(error), is_missing=is_missing)
    return Linted(file=str(path), findings=lint_document(document))


def _opened(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def _finding(problem: Problem) -> Finding:
    return Finding(
        code=problem.code,
        level=problem.level,
        message=problem.message,
        line=problem.line,
        column=problem.column,
        hint=hint_for(problem.code),
    )


@cache
def _elements() -> Mapping[str, Element]:
    return {element.path: element for element in language()}


def _without_effect(root: Node) -> Iterator[Finding]:
    for verb in root.elements:
        yield from _without_effect_below(verb, verb.tag)


def _without_effect_below(node: Node, path: str) -> Iterator[Finding]:
    """Elements and attributes that are known but not executed; below an element that is not, nothing is said."""
    element = _elements().get(path)
    if element is None:
        return
    if element.status is Status.PARSED:
        yield _idle(node, f"<{node.tag}> is skipped")
        return
    names = [name for name, _ in node.attributes if element.attributes.get(name) is Status.PARSED]
    for name in names:
        yield _idle(node, f"<{node.tag} {name}> has no effect")
    for inner in node.elements:
        yield from _without_effect_below(inner, f"{path}/{inner.tag}")


def _idle(node: Node, message: str) -> Finding:
    return Finding(
        code=NOT_EXECUTED_CODE,
        level=Level.WARNING,
        message=message,
        line=node.position.line,
        column=node.position.column,
        hint=NOT_EXECUTED,
        is_executed=False,
    )
