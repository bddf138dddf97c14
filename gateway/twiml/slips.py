"""The slips of a pen that XML parsers explain badly: a bare ``&``, curly quotes, HTML's entities, a bare ``<``.

Pure, linear in the text. Only finds the words for what is refused already, and its place; nothing is repaired.
Source: XML 1.0 2.4 (& and < are markup), 2.3 (quotes of a value), 4.6 (predefined entities).
"""

import re
from dataclasses import dataclass

from gateway.twiml.problems import quoted

CURLY_QUOTES = "\u201c\u201d\u201e\u201f\u00ab\u00bb\u2018\u2019\u201a\u201b\u2033\u2032"

_REFERENCE = re.compile(r"&(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6});")
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]{0,31});")
_OPENED_BY_CURLY = re.compile(rf"=\s*+([{CURLY_QUOTES}])")
_CLOSED_BY_CURLY = re.compile(rf"=\s*+([\"'])[^\"'<>]*?([{CURLY_QUOTES}])(?=[\s/>])")
_PROTECTED = (("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>"))
_SHOWN = 24


@dataclass(frozen=True)
class Slip:
    """message: what was expected and found. offset: of the character that is wrong."""

    message: str
    offset: int


def find_slip(text: str, line: int, column: int) -> Slip | None:
    """The slip that made an XML parser give up at this place (1-based), or None if it was something else."""
    at = _offset(text, line, column)
    return _ampersand(text, at) or _curly_quote(text, at) or _bare_less_than(text, at)


def place_of(text: str, offset: int) -> tuple[int, int]:
    """1-based line and column of a character."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _offset(text: str, line: int, column: int) -> int:
    start = 0
    for _ in range(line - 1):
        start = text.find("\n", start) + 1
        if start == 0:
            return len(text)
    return min(start + column - 1, len(text))


def _ampersand(text: str, at: int) -> Slip | None:
    """The first ``&`` up to there that begins no reference."""
    found = text.find("&")
    protected_end = 0
    while 0 <= found <= at:
        protected_end = _end_of_protected(text, protected_end, found)
        if protected_end > found:
            found = text.find("&", protected_end)
            continue
        if _REFERENCE.match(text, found) is None:
            return Slip(_ampersand_message(text, found), found)
        found = text.find("&", found + 1)
    return None


def _end_of_protected(text: str, start: int, offset: int) -> int:
    """Skips comments, CDATA and processing instructions that begin before offset; where the last of them ends."""
    while True:
        openings = [(text.find(opening, start, offset), closing) for opening, closing in _PROTECTED]
        there = [pair for pair in openings if pair[0] >= 0]
        if not there:
            return start
        begin, closing = min(there)
        end = text.find(closing, begin)
        if end < 0:
            return len(text)
        start = end + len(closing)


def _ampersand_message(text: str, at: int) -> str:
    entity = _ENTITY.match(text, at)
    if entity is not None:
        return f"one of &amp; &lt; &gt; &quot; &apos; or a number such as &#160; expected, found HTML's {entity[0]}"
    return f"&amp; expected, found a bare & in {quoted(text[at : at + _SHOWN].partition(chr(10))[0])}"


def _curly_quote(text: str, at: int) -> Slip | None:
    """A typographic quote where a value of the start tag before this place should begin or end."""
    start = text.rfind("<", 0, at)
    if start < 0:
        return None
    opened = _OPENED_BY_CURLY.search(text, start, at + 1)
    if opened is not None:
        return Slip(f"\" or ' before an attribute's value expected, found the curly quote {opened[1]}", opened.start(1))
    closed = _CLOSED_BY_CURLY.search(text, start, at + 1)
    if closed is not None:
        return Slip(
            f"{closed[1]} behind an attribute's value expected, found the curly quote {closed[2]}", closed.start(2)
        )
    return None


def _bare_less_than(text: str, at: int) -> Slip | None:
    start = text.rfind("<", 0, at)
    if start < 0 or start + 1 != at or text[at : at + 1].isalpha() or text[at : at + 1] in "/!?_":
        return None
    return Slip(f"&lt; expected, found a bare < in {quoted(text[start : start + _SHOWN].partition(chr(10))[0])}", start)
