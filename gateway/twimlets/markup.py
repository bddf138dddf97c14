"""TwiML written by twimlets: elements with their attributes and what stands in them, escaped as XML wants it. Pure."""

from collections.abc import Sequence
from urllib.parse import urlencode
from xml.etree import ElementTree


def element(tag: str, *content: "str | ElementTree.Element", **attributes: str | int | None) -> ElementTree.Element:
    """An element; an attribute that is None is left out. Text comes before child elements."""
    made = ElementTree.Element(tag, {name: str(value) for name, value in attributes.items() if value is not None})
    for part in content:
        if isinstance(part, str):
            made.text = (made.text or "") + _printable(part)
        else:
            made.append(part)
    return made


def response(*verbs: ElementTree.Element) -> bytes:
    made: bytes = ElementTree.tostring(element("Response", *verbs), encoding="utf-8", xml_declaration=True)
    return made


def address(path: str, pairs: Sequence[tuple[str, str]]) -> str:
    """A URL beside the twimlet that writes it."""
    return f"{path}?{urlencode(pairs)}"


def message(text: str) -> ElementTree.Element:
    """What starts with http is played, everything else is spoken."""
    text = text.strip()
    return element("Play", text) if text.lower().startswith("http") else element("Say", text)


def _printable(text: str) -> str:
    """XML 1.0 has no way to write most control characters."""
    return "".join(each if each >= " " or each in "\t\n\r" else " " for each in text)
