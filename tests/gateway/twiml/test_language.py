"""Every name of the language is in the table: our own list of names, and all that twilio-python can write."""

import inspect
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from twilio.twiml import TwiML, voice_response

from gateway.twiml import parse
from gateway.twiml.kinds import BadValue, Kind
from gateway.twiml.model import VERBS
from gateway.twiml.problems import SCHEMA_WARNING
from gateway.twiml.schema import shape_of, tag_of
from gateway.twiml.support import EXECUTED, Status, language

NAMES: dict[str, dict[str, list[str]]] = json.loads((Path(__file__).parent / "elements.json").read_text())
TABLE = {element.path: set(element.attributes) for element in language()}


def places(tag: str) -> list[str]:
    """Paths of the table under which an element of that name stands."""
    return [""] if tag == "Response" else [path + "/" for path in TABLE if path.rpartition("/")[2] == tag]


@pytest.mark.parametrize(
    ("parent", "child", "attributes"),
    [(parent, child, names) for parent, nested in NAMES.items() for child, names in nested.items()],
)
def test_table_knows_element_and_its_attributes(parent: str, child: str, attributes: list[str]) -> None:
    known = [TABLE[path] for place in places(parent) if (path := place + child) in TABLE]
    if parent in NAMES["Say"] and child in NAMES["Say"]:  # markup nests in itself; the table lists it under its verb
        known = [TABLE[f"Say/{child}"]]
    assert known, f"<{child}> is not expected in <{parent}>"
    assert set(attributes) <= set.union(*known)


def test_table_has_no_executed_name_that_is_not_a_name() -> None:
    for path, attributes in EXECUTED.items():
        assert path in TABLE
        assert attributes <= TABLE[path]


def test_support_of_element_counts_its_attributes_one_by_one() -> None:
    dial = next(element for element in language() if element.path == "Dial")
    assert dial.status is Status.EXECUTED
    assert dial.attributes["timeout"] is Status.EXECUTED
    assert dial.attributes["callReason"] is Status.ACCEPTED
    pay = next(element for element in language() if element.path == "Pay")
    assert pay.status is Status.PARSED


# What twilio-python can write, found by asking it.

CANDIDATES = (
    *("true", "5", "2400", "8000", "GET", "#", "1w", "https://example.com/a", "wss://example.com/a", "both", "uk"),
    *("both_tracks", "Enable", "trim-silence", "completed", "start", "dtmf", "busy", "en-US", "large", "us1", "mono"),
    *("CA" + "0" * 32, "word"),
)
TEXT_OF = {
    **{
        "Number": "+15550100",
        "WhatsApp": "+15550100",
        "Client": "alice",
        "Identity": "alice",
        "Sip": "sip:a@example.com",
    },
    **{"Play": "/a.wav", "Redirect": "/next", "Uri": "sip:b@example.com", "Task": "{}", "Dial": "+15550100"},
}


def sample(kind: Kind[object]) -> str:
    """A value of that kind."""
    for value in CANDIDATES:
        try:
            kind.convert(value)
        except BadValue:
            continue
        return value
    raise AssertionError(f"no sample of {kind.name}")


def kinds_by_name() -> dict[str, Kind[object]]:
    found: dict[str, Kind[object]] = {}
    waiting: list[type] = list(VERBS)
    seen: set[type] = set()
    while waiting:
        cls = waiting.pop()
        if cls in seen:
            continue
        seen.add(cls)
        shape = shape_of(cls)
        found.update({f"{tag_of(cls)}.{name}": spec.kind for name, spec in shape.attributes.items()})
        waiting += [inner for _, inner in shape.children.values()]
        waiting += [inner for nested in shape.wrapped.values() for inner in nested.classes]
    return found


KINDS = kinds_by_name()


def makers(element: TwiML) -> Iterator[str]:
    """The methods by which an element adds a child."""
    for name, _ in inspect.getmembers(element, inspect.ismethod):
        if name in type(element).__dict__ and not name.startswith("_"):
            yield name


def add_child(parent: TwiML, maker: str) -> TwiML:
    """Write a child with every attribute and the text its maker has a parameter for."""
    method = getattr(parent, maker)
    parameters = inspect.signature(method).parameters.values()
    element: TwiML = method(**{each.name: "word" for each in parameters if each.kind is not each.VAR_KEYWORD})
    for name in element.attrs:
        kind = KINDS.get(f"{element.name}.{name}")
        if kind is not None:
            element.attrs[name] = sample(kind)
    if element.value:
        element.value = TEXT_OF.get(element.name, "word")
    return element


def add_descendants(element: TwiML, *, seen: set[tuple[type, str]]) -> None:
    """Each way of nesting once, so that markup that may nest in itself comes to an end."""
    for maker in makers(element):
        if (type(element), maker) not in seen:
            seen.add((type(element), maker))
            add_descendants(add_child(element, maker), seen=seen)


@pytest.mark.parametrize("verb", list(makers(voice_response.VoiceResponse())))
def test_everything_twilio_python_writes_is_read_without_schema_warning(verb: str) -> None:
    response = voice_response.VoiceResponse()
    add_descendants(add_child(response, verb), seen=set())
    document = parse(str(response).encode())
    assert [problem for problem in document.warnings if problem.code == SCHEMA_WARNING] == []
    assert len(document.verbs) == 1
