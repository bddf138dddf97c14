"""Every attribute of the voice path, row by row: its default, what it may be, and what becomes of anything else."""

from collections.abc import Iterator
from typing import Any

import pytest

from gateway.twiml import parse
from gateway.twiml.problems import level_of
from gateway.twiml.support import EXECUTED, language
from tests.gateway.twiml.attribute_rows import ELEMENTS, FREE_TEXT, ROWS
from tests.gateway.twiml.rows import GONE, Row


def found(row: Row, written: str) -> tuple[object, list[int]]:
    """What the row's field became, and the codes noted."""
    document = parse(f"<Response>{ELEMENTS[row.path].format(written)}</Response>".encode())
    assert all(problem.level is level_of(problem.code) for problem in document.warnings)
    (verb,) = document.verbs
    value: Any = verb
    if "/" in row.path:
        children = getattr(verb, "prompts" if row.path.startswith("Gather") else "nouns")
        value = children[0] if children else GONE
    for step in row.target.split("."):
        if value is GONE or value is None:
            value = GONE
            break
        value = value[int(step)] if step.isdigit() else getattr(value, step)
    return value, [problem.code for problem in document.warnings]


def test_every_attribute_of_the_voice_path_has_its_row() -> None:
    known = {(element.path, name) for element in language() if element.path in ELEMENTS for name in element.attributes}
    assert sorted((row.path, row.name) for row in ROWS) == sorted(known)
    running = {path for path, names in EXECUTED.items() if names and not path.startswith(("Say/", "Gather/Say/"))}
    assert running <= set(ELEMENTS)


def test_every_attribute_that_can_be_wrong_is_once_in_its_row() -> None:
    assert {(row.path, row.name) for row in ROWS if not row.bad} == FREE_TEXT


PAIRS = {("name", path) for path in ELEMENTS if path.endswith(("/Parameter", "/Header"))}
"""A pair is nothing without its name."""


def rows_of(path: str) -> Iterator[tuple[Row, str]]:
    """The rows of one element, and how each is told."""
    return ((row, f"{path} {row.name}") for row in ROWS if row.path == path)


@pytest.mark.parametrize("path", ELEMENTS)
def test_attribute_that_is_not_given_is_the_default(path: str) -> None:
    for row, told in rows_of(path):
        if (row.name, path) in PAIRS:
            continue
        value, codes = found(row, row.beside if row.default is not GONE else "")
        assert (value, codes) == (row.default, [13249] if row.name in ("username", "password") else []), told


@pytest.mark.parametrize("path", ELEMENTS)
def test_attribute_is_converted(path: str) -> None:
    for row, told in rows_of(path):
        for value, meant in row.good.items():
            assert found(row, f"{row.beside} {row.name}='{value}'") == (meant, []), f"{told} {value[:40]}"


@pytest.mark.parametrize("path", ELEMENTS)
def test_attribute_with_a_bad_value_is_noted_and_replaced(path: str) -> None:
    for row, told in rows_of(path):
        for value, (code, instead) in row.bad.items():
            assert found(row, f"{row.beside} {row.name}='{value}'") == (instead, [code]), f"{told} {value[:40]}"
