"""How a dataclass says which TwiML it stands for; the dataclasses themselves are the table of the language.

Pure. Every verb and noun is one frozen dataclass; each of its fields names the attribute, text or child it comes from
with the helpers below, together with kind, default and the code of a bad value. ``shape_of`` reads that back for the
builder, for the list of what is supported and for tests. A group is a dataclass of several attributes that only mean
something together.
Editing rule: an element or attribute is known if and only if a field of its dataclass names it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from functools import cache
from typing import Any, TypeVar, cast

from gateway.twiml.kinds import Kind

T = TypeVar("T")
_KEY = "twiml"


@dataclass(frozen=True)
class Attribute:
    """target: field of the dataclass (of ``group``'s, if that is not None)."""

    name: str
    kind: Kind[Any]
    code: int
    default: object
    target: str = ""
    group: str | None = None


@dataclass(frozen=True)
class Text:
    """The element's text; ``element``: a child that may hold it instead."""

    kind: Kind[Any]
    code: int
    element: str | None
    target: str = ""


@dataclass(frozen=True)
class Children:
    """Child elements. within: they stand inside this wrapper. one: a single one. pairs: kept as (name, value).

    text: the element's own text stands for one child of this class. codes: of a child's bad values, where they differ
    from those the child has elsewhere.
    """

    classes: tuple[type, ...]
    within: str | None = None
    one: bool = False
    pairs: bool = False
    text: type | None = None
    codes: Mapping[int, int] = field(default_factory=dict)
    target: str = ""


@dataclass(frozen=True)
class Group:
    cls: type
    key: str
    target: str = ""


@dataclass(frozen=True)
class Markup:
    """Text with markup in it (SSML), kept as a tree."""

    target: str = ""


def attribute(name: str, kind: Kind[T], *, default: T, code: int | None = None, secret: bool = False) -> T:
    """A field that is an attribute.

    default: when it is absent or bad. code: of a bad value, else the kind's. secret: not shown by repr.
    """
    spec = Attribute(name, kind, kind.code if code is None else code, default)
    return field(default=default, repr=not secret, metadata={_KEY: spec})


def text(kind: Kind[T], *, default: T, code: int | None = None, element: str | None = None) -> T:
    """The field that is the element's text."""
    return field(default=default, metadata={_KEY: Text(kind, kind.code if code is None else code, element)})


def children(
    *classes: type,
    within: str | None = None,
    pairs: bool = False,
    text: type | None = None,
    codes: Mapping[int, int] | None = None,
) -> Any:
    """A tuple field of child elements in document order."""
    return field(default=(), metadata={_KEY: Children(classes, within, False, pairs, text, codes or {})})


def child(cls: type) -> Any:
    """A field that is one child element, or None."""
    return field(default=None, metadata={_KEY: Children((cls,), one=True)})


def group(cls: type[T], *, key: str) -> T | None:
    """A field that is a group of attributes; None unless the one called ``key`` has a value."""
    return cast("T | None", field(default=None, metadata={_KEY: Group(cls, key)}))


def markup() -> Any:
    """The tuple field that is the element's text with its markup."""
    return field(default=(), metadata={_KEY: Markup()})


def tag_of(cls: type) -> str:
    """The element a dataclass stands for."""
    return cast(str, cls.tag)  # type: ignore[attr-defined]  # every verb and noun has it; there is no base class


@dataclass(frozen=True)
class Shape:
    """The table's row of one element, as the builder uses it."""

    attributes: Mapping[str, Attribute]
    children: Mapping[str, tuple[Children, type]]
    wrapped: Mapping[str, Children]
    nested_fields: Mapping[str, Children]
    groups: tuple[Group, ...]
    text: Text | None
    text_child: Children | None
    markup: Markup | None


def _specs(cls: type) -> Iterator[tuple[str, object]]:
    for item in cast("tuple[Field[object], ...]", fields(cls)):
        spec = item.metadata.get(_KEY)
        if spec is not None:
            yield item.name, spec


@cache
def shape_of(cls: type) -> Shape:
    attributes: dict[str, Attribute] = {}
    nested: dict[str, tuple[Children, type]] = {}
    wrapped: dict[str, Children] = {}
    nested_fields: dict[str, Children] = {}
    groups: list[Group] = []
    own_text: Text | None = None
    text_child: Children | None = None
    marked: Markup | None = None
    for name, spec in _specs(cls):
        match spec:
            case Attribute():
                attributes[spec.name] = _named(spec, name)
            case Group():
                groups.append(replace(spec, target=name))
                for inner, part in _specs(spec.cls):
                    if isinstance(part, Attribute):
                        attributes[part.name] = _named(part, inner, group=name)
            case Text():
                own_text = replace(spec, target=name)
            case Children():
                kept = replace(spec, target=name)
                nested_fields[name] = kept
                if spec.within is not None:
                    wrapped[spec.within] = kept
                else:
                    nested.update({tag_of(each): (kept, each) for each in spec.classes})
                if spec.text is not None:
                    text_child = kept
            case Markup():
                marked = replace(spec, target=name)
    return Shape(attributes, nested, wrapped, nested_fields, tuple(groups), own_text, text_child, marked)


def _named(spec: Attribute, name: str, *, group: str | None = None) -> Attribute:
    return replace(spec, target=name, group=group)
