"""From elements to values: looks every name up in the table and notes what is not in it.

Pure. Unknown elements and attributes are skipped with a problem, bad values replaced as their kind says. What a
single attribute cannot know (who may stand beside whom, which of several texts counts) is in rules.py.
Source: Twilio TwiML for Programmable Voice (names are case-sensitive); Error and Warning Dictionary 12200.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, cast

from gateway.twiml.kinds import BadValue, Use
from gateway.twiml.problems import SCHEMA_WARNING, ProblemLog, quoted
from gateway.twiml.rules import RULES, Draft
from gateway.twiml.schema import Attribute, Children, Shape, Text, shape_of, tag_of
from gateway.twiml.ssml import SAY_CHILDREN, SSML, Ssml
from gateway.twiml.tree import Node

NO_CODES: Mapping[int, int] = MappingProxyType({})

_SILENT_ATTRIBUTES = ("xml:", "{http://www.w3.org/2001/XMLSchema-instance}")
"""Of XML itself, not of TwiML: they mean nothing here and are no mistake."""


def build_verbs(root: Node, verbs: Mapping[str, type], log: ProblemLog) -> tuple[Any, ...]:
    """The values of the root's elements; neither attributes nor text mean anything there."""
    for name, _ in root.attributes:
        _note_unknown_attribute(name, root, log)
    if root.text.strip():
        log.add(SCHEMA_WARNING, f"{root.tag}: no text expected, found {quoted(root.text.strip())}", root.position)
    return _build_children(root, verbs, log)


def _build_children(node: Node, classes: Mapping[str, type], log: ProblemLog) -> tuple[Any, ...]:
    built: list[Any] = []
    for element in node.elements:
        cls = classes.get(element.tag)
        if cls is None:
            _note_unknown(element, node, log, SCHEMA_WARNING)
            continue
        value = build(element, cls, log)
        if value is not None:
            built.append(value)
    return tuple(built)


MOST_CHILDREN: Final = 100
"""Of one element. What nobody writes by hand need not be read: it costs time that calls want."""


def build(node: Node, cls: type, log: ProblemLog, *, codes: Mapping[int, int] = NO_CODES) -> object | None:
    """The dataclass for an element, or None if nothing can be done with it (a problem says why).

    codes: of bad values, where they differ from the table's because of the parent.
    """
    shape = shape_of(cls)
    draft = Draft(node=node, log=log, values={}, given=set())
    grouped: dict[str, dict[str, object]] = {}
    for name, raw in node.attributes:
        known = shape.attributes.get(name)
        if known is None:
            _note_unknown_attribute(name, node, log)
            continue
        value = _convert(raw, known, node, log, codes)
        if value is Use.DEFAULT:
            continue
        draft.given.add(name)
        target = draft.values if known.group is None else grouped.setdefault(known.group, {})
        target[known.target] = value
    for group in shape.groups:
        key = shape.attributes[group.key]
        values = grouped.get(group.target, {})
        if values.get(key.target):
            draft.values[group.target] = group.cls(**values)
    _add_content(draft, shape, cls)
    rule = RULES.get(cls)
    if rule is not None and not rule(draft):
        return None
    return cast(object, cls(position=node.position, **draft.values))


def _convert(raw: str, attribute: Attribute, node: Node, log: ProblemLog, codes: Mapping[int, int]) -> object:
    try:
        return attribute.kind.convert(raw)
    except BadValue as bad:
        code = attribute.code if bad.code is None else bad.code
        log.add(
            codes.get(code, code),
            f"{node.tag} {attribute.name}: {bad.expected} expected, found {quoted(raw)}",
            node.position,
        )
        return bad.instead


def _add_content(draft: Draft, shape: Shape, cls: type) -> None:
    node, log = draft.node, draft.log
    if shape.markup is not None:
        draft.values[shape.markup.target] = _markup(node, SAY_CHILDREN, log)
        return
    nested: dict[str, list[object]] = {}
    if shape.text_child is not None:
        _add_text_child(draft, shape.text_child, nested)
    elif shape.text is not None:
        _add_text(draft, shape.text)
    elif node.text.strip():
        log.add(SCHEMA_WARNING, f"{node.tag}: no text expected, found {quoted(node.text.strip())}", node.position)
    for element in node.elements:
        if shape.text is not None and element.tag == shape.text.element:
            continue
        if (wrapper := shape.wrapped.get(element.tag)) is not None:
            for name, _ in element.attributes:
                _note_unknown_attribute(name, element, log)
            classes = {tag_of(each): each for each in wrapper.classes}
            nested.setdefault(wrapper.target, []).extend(_build_children(element, classes, log))
            continue
        known = shape.children.get(element.tag)
        if known is None:
            _note_unknown(element, node, log, getattr(cls, "nested_code", SCHEMA_WARNING))
            continue
        spec, child_class = known
        if len(nested.get(spec.target, ())) == MOST_CHILDREN:
            log.add(
                SCHEMA_WARNING,
                f"{node.tag}: at most {MOST_CHILDREN} elements expected; those from here on are left out",
                element.position,
            )
            break
        value = build(element, child_class, log, codes=spec.codes)
        if value is not None:
            nested.setdefault(spec.target, []).append(value)
    for field, values in nested.items():
        draft.values[field] = _gathered(values, shape.nested_fields[field])


def _markup(node: Node, allowed: frozenset[str], log: ProblemLog) -> tuple[str | Ssml, ...]:
    parts: list[str | Ssml] = []
    for part in node.content:
        if isinstance(part, str):
            parts.append(part)
        elif part.tag not in allowed:
            _note_unknown(part, node, log, SCHEMA_WARNING)
        else:
            names, inner = SSML[part.tag]
            for name, _ in part.attributes:
                if name not in names:
                    _note_unknown_attribute(name, part, log)
            attributes = tuple(pair for pair in part.attributes if pair[0] in names)
            content = _markup(part, inner, log)
            parts.append(Ssml(tag=part.tag, attributes=attributes, content=content, position=part.position))
    return tuple(parts)


def _gathered(values: list[Any], spec: Children) -> object:
    if spec.one:
        return values[0]
    if spec.pairs:
        return tuple((value.name, value.value) for value in values)
    return tuple(values)


def _add_text(draft: Draft, spec: Text) -> None:
    node = draft.node
    holder = next((each for each in node.elements if each.tag == spec.element), node)
    raw = holder.text
    if holder is not node:
        for name, _ in holder.attributes:
            _note_unknown_attribute(name, holder, draft.log)
        for element in holder.elements:
            _note_unknown(element, holder, draft.log, SCHEMA_WARNING)
    if not raw.strip():
        return
    try:
        draft.values[spec.target] = spec.kind.convert(raw)
    except BadValue as bad:
        code = spec.code if bad.code is None else bad.code
        draft.log.add(code, f"{node.tag}: {bad.expected} expected, found {quoted(raw.strip())}", holder.position)
        if bad.instead is not Use.DEFAULT:
            draft.values[spec.target] = bad.instead


def _add_text_child(draft: Draft, spec: Children, nested: dict[str, list[object]]) -> None:
    """Plain text stands for one child. Source: Twilio <Dial>, plain text is a phone number."""
    node = draft.node
    if not node.text.strip() or spec.text is None:
        return
    alone = Node(tag=tag_of(spec.text), attributes=(), content=(node.text,), position=node.position)
    value = build(alone, spec.text, draft.log)
    if value is not None:
        nested.setdefault(spec.target, []).append(value)


def _note_unknown(element: Node, parent: Node, log: ProblemLog, code: int) -> None:
    log.add(code, f"no <{quoted(element.tag)[1:-1]}> expected in <{parent.tag}>; skipped", element.position)


def _note_unknown_attribute(name: str, node: Node, log: ProblemLog) -> None:
    if not name.startswith(_SILENT_ATTRIBUTES):
        log.add(SCHEMA_WARNING, f"<{node.tag}> has no attribute {quoted(name)}; skipped", node.position)
