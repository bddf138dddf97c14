"""The text of a document and where its elements start.

Pure. Decides the encoding, refuses what XML may but TwiML must not contain (a DOCTYPE, extreme nesting, masses of
elements or attributes) before the XML parser sees it, and finds the position of every start tag in document order.
What is not well-formed is left to the XML parser: the scan stops there.
Source: XML 1.0 2.11 (line ends), 3.1 (start tags), 4.3.3 (encodings); RFC 7303 3 (BOM, then charset, then declaration).
"""

import re

from gateway.twiml.problems import PARSE_FAILURE, Position, TwimlError

MAX_BYTES = 64 * 1024
MAX_ELEMENTS = 4000
MAX_DEPTH = 32
MAX_ATTRIBUTES = 100

_BOMS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", None),
    (b"\x00\x00\xfe\xff", None),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_ONE_BYTE_ENCODINGS = frozenset(
    {"utf-8", "utf8", "us-ascii", "ascii", "latin-1", "latin1"}
    | {f"iso-8859-{part}" for part in (*range(1, 12), *range(13, 17))}
    | {f"windows-{page}" for page in range(1250, 1259)}
)
_TWO_BYTE_ENCODINGS = {"utf-16": "utf-16-le", "utf-16le": "utf-16-le", "utf-16be": "utf-16-be"}

_DECLARATION = re.compile(rb"""<\?xml\s[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_VERSION = re.compile(r"""<\?xml\s+version\s*=\s*["']([^"'<>]{0,40})["']""")
_START_TAG = re.compile(r"""<[^\s<>/!?&"'=]+((?:[^<>"']|"[^"<]*"|'[^'<]*')*+)>""")
_QUOTED = re.compile(r""""[^"<]*"|'[^'<]*'""")


def decode(document: bytes, *, charset: str | None = None) -> str:
    """The document's text with ``\\n`` line ends and no byte order mark.

    charset: that of the Content-Type, if it had one. Only UTF-8, UTF-16 and the Latin family are read; a declared
    UTF-16 over 8-bit text (what .NET writers produce) is taken as UTF-8.
    Raises TwimlError: 11750 too large, 11770 empty, 12100 not decodable, 12101 XML version.
    """
    if len(document) > MAX_BYTES:
        raise TwimlError(11750, f"document of at most {MAX_BYTES} bytes expected, found {len(document)}")
    encoding, bom = _encoding(document, charset)
    try:
        text = document[bom:].decode(encoding)
    except UnicodeDecodeError as error:
        before = document[bom : bom + error.start].decode(encoding, "replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise TwimlError(
            PARSE_FAILURE, f"{encoding} text expected, found other bytes", line=line, column=column
        ) from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise TwimlError(11770, "a document expected, found an empty body")
    version = _VERSION.match(text)
    if version is not None and version[1] != "1.0":
        raise TwimlError(12101, f"XML version 1.0 expected, found {ascii(version[1])}", line=1, column=1)
    return text


def _encoding(document: bytes, charset: str | None) -> tuple[str, int]:
    """(Python codec, length of the byte order mark)."""
    for mark, encoding in _BOMS:
        if document.startswith(mark):
            if encoding is None:
                raise _unreadable("UTF-32")
            return encoding, len(mark)
    if document[:4:2] == b"\0\0" and document[1:2] != b"\0":
        return "utf-16-be", 0
    if document[1:4:2] == b"\0\0" and document[:1] != b"\0":
        return "utf-16-le", 0
    declared = _DECLARATION.match(document)
    for name in (charset, None if declared is None else declared[1].decode("ascii")):
        if name is None:
            continue
        key = name.strip().lower().replace("_", "-")
        if key in _TWO_BYTE_ENCODINGS:
            continue
        if key not in _ONE_BYTE_ENCODINGS:
            raise _unreadable(name)
        return key, 0
    return "utf-8", 0


def _unreadable(encoding: str) -> TwimlError:
    return TwimlError(PARSE_FAILURE, f"UTF-8, UTF-16 or a Latin encoding expected, found {ascii(encoding[:40])}")


def start_tags(text: str) -> list[Position]:
    """Position of every start tag in document order, up to the first place that is not well-formed.

    Raises TwimlError 12100 for a DOCTYPE and for a document beyond the limits of this module. Linear in the text.
    """
    found: list[Position] = []
    depth = 0
    line, line_start, counted = 1, 0, 0
    at = text.find("<")
    while at >= 0:
        newlines = text.count("\n", counted, at)
        if newlines:
            line += newlines
            line_start = text.rfind("\n", counted, at) + 1
        counted = at
        if text.startswith("</", at):
            depth -= 1
            end = text.find(">", at)
        elif text.startswith("<!--", at):
            end = text.find("-->", at + 4)
        elif text.startswith("<![CDATA[", at):
            end = text.find("]]>", at)
        elif text.startswith("<?", at):
            end = text.find("?>", at)
        elif text.startswith("<!", at):
            raise TwimlError(
                PARSE_FAILURE,
                "a document without DOCTYPE or declarations expected",
                line=line,
                column=at - line_start + 1,
            )
        else:
            tag = _START_TAG.match(text, at)
            if tag is None:
                break
            end = tag.end() - 1
            position = Position(line, at - line_start + 1)
            found.append(position)
            depth += 1
            _check_limits(position, depth=depth, elements=len(found), attributes=tag[1])
            if tag[1].endswith("/"):
                depth -= 1
        if end < 0:
            break
        at = text.find("<", end)
    return found


def _check_limits(position: Position, *, depth: int, elements: int, attributes: str) -> None:
    if depth > MAX_DEPTH:
        excess = f"at most {MAX_DEPTH} levels of elements"
    elif elements > MAX_ELEMENTS:
        excess = f"at most {MAX_ELEMENTS} elements"
    elif len(attributes) > 4 * MAX_ATTRIBUTES and len(_QUOTED.findall(attributes)) > MAX_ATTRIBUTES:
        excess = f"at most {MAX_ATTRIBUTES} attributes on one element"
    else:
        return
    raise TwimlError(PARSE_FAILURE, f"{excess} expected, found more", line=position.line, column=position.column)
