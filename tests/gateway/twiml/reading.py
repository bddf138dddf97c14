"""Short ways for tests to read a document and what was noted."""

from typing import TypeVar

from gateway.twiml import parse
from gateway.twiml.model import Dial, Noun, Verb

T = TypeVar("T")


def read(inner: str, cls: type[T]) -> tuple[T, list[int]]:
    """The one verb of a document, and the codes noted."""
    document = parse(f"<Response>{inner}</Response>".encode())
    (verb,) = document.verbs
    assert isinstance(verb, cls)
    return verb, [problem.code for problem in document.warnings]


def read_noun(inner: str, cls: type[T]) -> tuple[T, list[int]]:
    """The one noun of a Dial."""
    dial, codes = read(f"<Dial>{inner}</Dial>", Dial)
    (noun,) = dial.nouns
    assert isinstance(noun, cls)
    return noun, codes


def nouns_of(inner: str) -> tuple[tuple[Noun, ...], list[int]]:
    dial, codes = read(f"<Dial>{inner}</Dial>", Dial)
    return dial.nouns, codes


def verbs_of(inner: str) -> tuple[tuple[Verb, ...], list[int]]:
    document = parse(f"<Response>{inner}</Response>".encode())
    return document.verbs, [problem.code for problem in document.warnings]
