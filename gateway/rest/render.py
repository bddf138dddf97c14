"""An answer's resource as JSON or as the API's XML.

Pure. Names in PascalCase below ``<TwilioResponse>``; a list holds elements of the singular.
Source: Twilio "Twilio API responses", XML.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

_ENVELOPE: Final = frozenset(
    {"page", "page_size", "start", "end", "uri", "first_page_uri", "previous_page_uri", "next_page_uri"}
)
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_.-]")
_SINGULARS: Final = {"queue_members": "QueueMember", "credential_lists": "CredentialList"}


def as_json(resource: Mapping[str, Any]) -> bytes:
    return json.dumps(resource, ensure_ascii=False, separators=(",", ":")).encode()


def as_xml(name: str, resource: Mapping[str, Any]) -> bytes:
    """name: of a single resource's element, such as Call. A list is known by its envelope."""
    if "first_page_uri" in resource:
        key = next(each for each in resource if each not in _ENVELOPE)
        attributes = "".join(
            f" {each.replace('_', '')}={quoteattr(_text(resource[each]))}" for each in resource if each in _ENVELOPE
        )
        rows = "".join(_element(_singular(key), row) for row in resource[key])
        body = f"<{_pascal(key)}{attributes}>{rows}</{_pascal(key)}>"
    else:
        body = _element(name, resource)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<TwilioResponse>{body}</TwilioResponse>'.encode()


def _element(name: str, value: Any) -> str:
    match value:
        case None:
            return f"<{name}/>"
        case Mapping():
            inner = "".join(_element(_pascal(key), each) for key, each in value.items())
            return f"<{name}>{inner}</{name}>"
        case list() | tuple():
            inner = "".join(_element(_singular(name), each) for each in value)
            return f"<{name}>{inner}</{name}>"
        case _:
            return f"<{name}>{escape(_printable(_text(value)))}</{name}>"


def _text(value: Any) -> str:
    if value is None:
        return ""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _printable(text: str) -> str:
    """XML 1.0 has no way to write most control characters."""
    return "".join(each if each >= " " or each in "\t\n\r" else "\N{REPLACEMENT CHARACTER}" for each in text)


def _pascal(name: str) -> str:
    """A name of an element, whatever the key: those of a request's parameters are its sender's."""
    text = _NOT_IN_NAMES.sub("_", "".join(part[:1].upper() + part[1:] for part in name.split("_")))
    return text if text[:1].isalpha() else f"_{text}"


def _singular(name: str) -> str:
    if name in _SINGULARS:
        return _SINGULARS[name]
    return _pascal(name.removesuffix("s"))
