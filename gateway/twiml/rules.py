"""What one attribute cannot know: which of several texts counts, who may stand beside whom, what cannot run at all.

Pure. One function per element that needs it, run on the draft of its values before the dataclass is made; False drops
the element.
Source: Twilio <Dial> nouns, <Client> identity, <Sip> headers; CallAPI <Client>.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.twiml.addresses import (
    MAX_HEADERS,
    BadAddress,
    Pairs,
    Query,
    check_identity,
    clean_number,
    clean_sip_uri,
    is_open_header,
    is_printable,
    split_query,
)
from gateway.twiml.model_dial import MAX_DIALLED, Dial, Noun
from gateway.twiml.model_flow import Play
from gateway.twiml.model_nouns import Application, Client, Header, Number, Parameter, Sim, Sip, SipUri, WhatsApp
from gateway.twiml.model_other import Refer, ReferSip
from gateway.twiml.model_rooms import MAX_QUEUE_NAME, MAX_ROOM_NAME, Conference, Enqueue, Queue
from gateway.twiml.model_stream import Config
from gateway.twiml.model_voice import Gather, Record, Say
from gateway.twiml.problems import INVALID_URL, SCHEMA_WARNING, Level, ProblemLog, quoted
from gateway.twiml.schema import tag_of
from gateway.twiml.ssml import plain_text
from gateway.twiml.tree import Node
from gateway.twiml.values import Auto

TRANSCRIBED_S = 120


@dataclass(kw_only=True)
class Draft:
    """Values of one element on the way to its dataclass. given: attributes that had a usable value."""

    node: Node
    log: ProblemLog
    values: dict[str, Any]
    given: set[str]

    def note(self, code: int, message: str, *, level: Level | None = None) -> None:
        self.log.add(code, f"{self.node.tag}: {message}", self.node.position, level=level)


def _dial(draft: Draft) -> bool:
    """At most ten parties; rooms and queues are not counted. Source: Twilio <Number>; Errors 13000, 13250."""
    nouns: tuple[Noun, ...] = draft.values.get("nouns", ())
    kept: list[Noun] = []
    surplus: list[Noun] = []
    dialled = 0
    for noun in nouns:
        is_room = isinstance(noun, Conference | Queue)
        dialled += not is_room
        (kept if is_room or dialled <= MAX_DIALLED else surplus).append(noun)
    if surplus:
        message = f"Dial: at most {MAX_DIALLED} nouns expected, found {dialled}; the rest is left out"
        draft.log.add(13250, message, surplus[0].position)
        draft.values["nouns"] = tuple(kept)
    room = next((noun for noun in nouns if isinstance(noun, Conference)), None)
    if room is not None and any(isinstance(noun, Number) for noun in nouns):
        draft.log.add(13000, "Dial: a Conference without Number beside it expected", room.position)
    return True


def _note_query(draft: Draft, query: Query) -> None:
    if query.is_too_long:
        draft.note(13253, f"headers of at most {MAX_HEADERS} characters expected; left out")
    for name in query.refused:
        draft.note(13252, f"a header name and a printable value expected, found {quoted(name)}; left out")


def _whats_app(draft: Draft) -> bool:
    written = draft.values.get("number", "").removeprefix("whatsapp:")
    try:
        draft.values["number"] = clean_number(written)
    except BadAddress as bad:
        draft.note(13223, f"{bad} expected, found {quoted(written)}; left out")
        return False
    return True


def _number(draft: Draft) -> bool:
    written = draft.values.get("number", "")
    address, query = split_query(written)
    _note_query(draft, query)
    try:
        draft.values["number"] = clean_number(address)
    except BadAddress as bad:
        draft.note(13223, f"{bad} expected, found {quoted(address)}; left out")
        return False
    draft.values["headers"] = query.headers
    return True


def _client(draft: Draft) -> bool:
    """Identity: <Identity> before text before name. Source: CallAPI <Client> name; precedence is ours."""
    written = draft.values.get("identity") or draft.values.get("name", "")
    identity, query = split_query(written)
    identity = identity.strip()
    _note_query(draft, query)
    try:
        if not check_identity(identity):
            draft.note(
                31105,
                f"only letters, digits and _ work on every SDK, found {quoted(identity)}",
                level=Level.WARNING,
            )
    except BadAddress as bad:
        draft.note(31105, f"{bad} expected, found {quoted(identity)}; left out")
        return False
    draft.values["identity"] = identity
    draft.values["headers"] = query.headers
    draft.values["parameters"] = query.pairs + draft.values.get("parameters", ())
    return True


def _sip_uri(draft: Draft) -> bool:
    """Also the rule of a <Refer>'s <Sip>."""
    address, query = split_query(draft.values.get("uri", ""))
    _note_query(draft, query)
    draft.values["headers"] = _open_headers(draft, query.pairs)
    try:
        draft.values["uri"] = clean_sip_uri(address.strip())
    except BadAddress as bad:
        draft.note(13243, f"{bad} expected, found {quoted(address.strip())}; left out")
        return False
    if bool(draft.values.get("username")) != bool(draft.values.get("password")):
        draft.note(13249, "username and password together expected, found one of them")
    return True


def _sip(draft: Draft) -> bool:
    """The text and the <Uri> children are ways to one party; none usable, and there is nobody to dial."""
    ways: list[SipUri] = sorted(draft.values.pop("uris", ()), key=lambda way: way.priority)
    further: Pairs = draft.values.pop("headers", ())
    has_children = any(element.tag == tag_of(SipUri) for element in draft.node.elements)
    if (draft.values.get("uri") or not has_children) and _sip_uri(draft):
        names = ("uri", "username", "password", "headers")
        own = {name: draft.values[name] for name in names if name in draft.values}
        ways.insert(0, SipUri(position=draft.node.position, **own))
    if not ways:
        return False
    if len(ways) > MAX_DIALLED:
        draft.note(13250, f"at most {MAX_DIALLED} URIs expected, found {len(ways)}; the rest is left out")
    first = ways[0]
    draft.values["uris"] = tuple(ways[:MAX_DIALLED])
    draft.values.update(uri=first.uri, username=first.username, password=first.password)
    draft.values["headers"] = _open_headers(draft, (*first.headers, *further))
    return True


def _open_headers(draft: Draft, pairs: Pairs) -> Pairs:
    """Those an application may set, MAX_HEADERS characters in all."""
    headers: list[tuple[str, str]] = []
    length = 0
    for name, value in pairs:
        length += len(name) + len(value) + 2
        if not is_open_header(name) or not is_printable(value):
            draft.note(13252, f"an X- header with a printable value expected, found {quoted(name)}; left out")
        elif length > MAX_HEADERS:
            draft.note(13253, f"headers of at most {MAX_HEADERS} characters expected; {quoted(name)} is left out")
        else:
            headers.append((name, value.strip()))
    return tuple(headers)


def _pair(code: int) -> Callable[[Draft], bool]:
    def rule(draft: Draft) -> bool:
        if not draft.values.get("name"):
            draft.note(code, "a name expected, found none; left out")
        return bool(draft.values.get("name"))

    return rule


def _refer(draft: Draft) -> bool:
    if draft.values.get("sip") is None:
        draft.note(SCHEMA_WARNING, "a <Sip> expected, found none; skipped")
        return False
    return True


def _named(field: str, code: int, *, longest: int, too_long: int | None = None) -> Callable[[Draft], bool]:
    """The rule of an element that is nothing without its name."""

    def rule(draft: Draft) -> bool:
        name = draft.values.get(field, "")
        if not name:
            draft.note(code, "a name expected, found none; left out")
        elif len(name) > longest:
            draft.note(too_long or code, f"a name of at most {longest} characters expected; left out")
        else:
            return True
        return False

    return rule


def _conference(draft: Draft) -> bool:
    if not draft.values.get("room"):
        draft.values["room"] = draft.values.get("name", "")
    return _named("room", 13237, longest=MAX_ROOM_NAME)(draft)


def _enqueue(draft: Draft) -> bool:
    name = draft.values["queue"] = draft.values.get("queue", "").strip()
    if not name and not draft.values.get("workflow_sid"):
        draft.note(14204, "the name of a queue expected, found none; skipped")
        return False
    if len(name) > MAX_QUEUE_NAME:
        draft.note(14205, f"a queue name of at most {MAX_QUEUE_NAME} characters expected; skipped")
        return False
    return True


def _say(draft: Draft) -> bool:
    if not plain_text(draft.values.get("content", ())):
        draft.note(13520, "text to speak expected, found none; skipped")
        return False
    return True


def _gather(draft: Draft) -> bool:
    """Keys cannot be played while keys are waited for. Source: Twilio <Gather> speechTimeout; Errors 13320, 13335."""
    prompts = draft.values.get("prompts", ())
    for prompt in prompts:
        if isinstance(prompt, Play) and prompt.digits is not None:
            draft.log.add(13320, "Gather: no <Play digits> expected; skipped", prompt.position)
    draft.values["prompts"] = tuple(each for each in prompts if not isinstance(each, Play) or each.digits is None)
    if draft.values.get("speech_timeout_s") is Auto.AUTO and "speechModel" in draft.given:
        draft.note(13335, "speechTimeout in seconds expected beside speechModel, found auto; left out")
        del draft.values["speech_timeout_s"]
    return True


def _record(draft: Draft) -> bool:
    """What is transcribed is at most two minutes long. Source: Twilio <Record> maxLength; Error 13615."""
    if draft.values.get("transcribe"):
        if draft.values.get("max_length_s", 0) > TRANSCRIBED_S:
            draft.note(13615, f"maxLength of at most {TRANSCRIBED_S} s expected beside transcribe")
        draft.values["max_length_s"] = min(draft.values.get("max_length_s", TRANSCRIBED_S), TRANSCRIBED_S)
    return True


def _play(draft: Draft) -> bool:
    if not draft.values.get("url") and not draft.values.get("digits"):
        draft.note(INVALID_URL, "a URL or digits expected, found neither; skipped")
        return False
    return True


RULES: Mapping[type, Callable[[Draft], bool]] = {
    Application: _named("application_sid", SCHEMA_WARNING, longest=64),
    Client: _client,
    Config: _pair(SCHEMA_WARNING),
    Conference: _conference,
    Dial: _dial,
    Enqueue: _enqueue,
    Gather: _gather,
    Header: _pair(13252),
    Number: _number,
    Parameter: _pair(SCHEMA_WARNING),
    Play: _play,
    Queue: _named("queue", 14212, longest=MAX_QUEUE_NAME, too_long=14213),
    Record: _record,
    Refer: _refer,
    ReferSip: _sip_uri,
    Say: _say,
    Sim: _named("sim_sid", SCHEMA_WARNING, longest=64),
    Sip: _sip,
    SipUri: _sip_uri,
    WhatsApp: _whats_app,
}
