"""TwiML text to a Document: the only place that knows the XML library.

Pure but for the XML library, which is given no entities, no network, no DTD. What the parser must never see (a
DOCTYPE, extreme nesting, masses of elements) source.py refuses first; what is well-formed is then looked up in the
table (build.py). Takes at most some 100 ms for any 64 kB.
Source: Twilio TwiML for Programmable Voice; Error and Warning Dictionary 11750, 11770, 12100, 12101, 12102.
"""

from collections.abc import Iterator

from lxml import etree

from gateway.twiml.build import build_verbs
from gateway.twiml.content import charset_of
from gateway.twiml.model import VERBS, Document
from gateway.twiml.problems import PARSE_FAILURE, Position, ProblemLog, TwimlError, quoted
from gateway.twiml.schema import tag_of
from gateway.twiml.slips import find_slip, place_of
from gateway.twiml.source import decode, start_tags
from gateway.twiml.tree import Node

_VERBS_BY_TAG: dict[str, type] = {tag_of(verb): verb for verb in VERBS}
_XML = "{http://www.w3.org/XML/1998/namespace}"
_XML_PARSER = etree.XMLParser(
    encoding="utf-8",  # the text is ours by now; a declaration inside it no longer counts
    resolve_entities=False,
    no_network=True,
    load_dtd=False,
    huge_tree=False,
    remove_comments=True,
    remove_pis=True,
)


def parse(document: bytes, *, content_type: str | None = None) -> Document:
    """The document's verbs, and what was odd about it.

    content_type: the reply's header, for its charset. Raises TwimlError for a document that cannot run at all; every
    other fault is a warning of the document.
    """
    root = read_tree(document, content_type=content_type)
    if root.tag != "Response":
        raise TwimlError(
            12102,
            f"<Response> as root expected, found <{quoted(root.tag)[1:-1]}>",
            line=root.position.line,
            column=root.position.column,
        )
    log = ProblemLog()
    verbs = build_verbs(root, _VERBS_BY_TAG, log)
    return Document(verbs=verbs, warnings=tuple(log.problems))


def read_tree(document: bytes, *, content_type: str | None = None) -> Node:
    """The elements as they are written, whatever they are called. Raises TwimlError."""
    text = decode(document, charset=charset_of(content_type))
    positions = start_tags(text)
    try:
        root = etree.fromstring(text.encode(), _XML_PARSER)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        slip = find_slip(text, line, column)
        if slip is not None:
            line, column = place_of(text, slip.offset)
            raise TwimlError(PARSE_FAILURE, slip.message, line=line, column=column) from None
        reason = "".join(each if each.isprintable() else " " for each in str(error).partition(", line ")[0]).strip()
        raise TwimlError(PARSE_FAILURE, f"well-formed XML expected: {reason[:200]}", line=line, column=column) from None
    if root.getroottree().docinfo.doctype:  # type: ignore[union-attr]  # the stubs lack it
        raise TwimlError(PARSE_FAILURE, "a document without DOCTYPE expected", line=1, column=1)
    if sum(1 for _ in root.iter()) != len(positions):
        raise TwimlError(PARSE_FAILURE, "start tags that can be told apart expected", line=1, column=1)
    return _node(root, iter(positions))


def _node(element: etree._Element, positions: Iterator[Position]) -> Node:
    position = next(positions)
    content: list[str | Node] = [element.text] if element.text else []
    for inner in element:
        content.append(_node(inner, positions))
        if inner.tail:
            content.append(inner.tail)
    return Node(
        tag=_written(element.tag, element.prefix),
        attributes=tuple((_attribute_name(str(name)), str(value)) for name, value in element.attrib.items()),
        content=tuple(content),
        position=position,
    )


def _written(tag: str, prefix: str | None) -> str:
    """The name as written: an element in a default namespace is that of TwiML, a prefixed one is foreign."""
    local = tag.rpartition("}")[2]
    return local if prefix is None else f"{prefix}:{local}"


def _attribute_name(name: str) -> str:
    return f"xml:{name.removeprefix(_XML)}" if name.startswith(_XML) else name
