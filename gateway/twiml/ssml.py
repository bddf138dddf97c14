"""Markup inside <Say>: which elements there are, and what may stand in what.

Pure values. The markup is kept as a tree for the voice to read; only names are checked.
Source: Twilio <Say>, SSML.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.twiml.addresses import Pairs
from gateway.twiml.problems import Position


@dataclass(frozen=True, kw_only=True)
class Ssml:
    """One element of markup; content: text and elements in order."""

    tag: str
    attributes: Pairs
    content: "tuple[str | Ssml, ...]"
    position: Position


Markup = tuple[str | Ssml, ...]

_WORDS = frozenset({"break", "emphasis", "phoneme", "prosody", "say-as", "sub"})
_PHRASE = _WORDS | {"lang", "w"}
_SENTENCES = _PHRASE | {"s"}
SAY_CHILDREN = _SENTENCES | {"p"}

SSML: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "break": (frozenset({"strength", "time"}), frozenset()),
    "emphasis": (frozenset({"level"}), _PHRASE),
    "lang": (frozenset({"xml:lang"}), SAY_CHILDREN),
    "p": (frozenset(), _SENTENCES),
    "phoneme": (frozenset({"alphabet", "ph"}), frozenset()),
    "prosody": (frozenset({"pitch", "rate", "volume"}), SAY_CHILDREN),
    "s": (frozenset(), _PHRASE),
    "say-as": (frozenset({"format", "interpret-as"}), frozenset()),
    "sub": (frozenset({"alias"}), frozenset()),
    "w": (frozenset({"role"}), _WORDS),
}
"""Element: (its attributes, elements it may hold). Those it may not hold are left out, their text with them."""


def _words(markup: Markup) -> Iterator[str]:
    for part in markup:
        if isinstance(part, str):
            yield part
            continue
        alias = dict(part.attributes).get("alias") if part.tag == "sub" else None
        gap = " " if part.tag in ("p", "s", "break") else ""
        yield gap
        yield from [alias] if alias is not None else _words(part.content)
        yield gap


def plain_text(markup: Markup) -> str:
    """The words without the markup, blanks between them single."""
    return " ".join("".join(_words(markup)).split())
