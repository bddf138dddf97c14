"""Elements of a parsed document, free of the XML library.

Pure values. Owns Node.
"""

from dataclasses import dataclass

from gateway.twiml.problems import Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One element. tag and attribute names carry their prefix as written; content: text and elements in order."""

    tag: str
    attributes: tuple[tuple[str, str], ...]
    content: "tuple[str | Node, ...]"
    position: Position

    @property
    def text(self) -> str:
        """The text directly in this element."""
        return "".join(part for part in self.content if isinstance(part, str))

    @property
    def elements(self) -> "tuple[Node, ...]":
        return tuple(part for part in self.content if not isinstance(part, str))
