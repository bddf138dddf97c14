"""The parts of README that are drawn from tables: the state diagrams and what is supported.

``python -m tests.readme`` writes them anew; tests/test_readme.py fails when they are not what the tables say.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gateway.call import TRANSITIONS, CallStatus
from gateway.fork import MOVES
from gateway.interpreter import FOREIGN
from gateway.rooms.conference_model import MOVES as CONFERENCE_MOVES
from gateway.rooms.queue_model import MOVES as QUEUE_MOVES
from gateway.twiml.schema import tag_of
from gateway.twiml.support import Status, language

README = Path(__file__).parent.parent / "README.md"


def call_diagram() -> str:
    """The status of a call, as Mermaid text drawn from its table."""
    lines = ["```mermaid", "stateDiagram-v2"]
    for (status, event), target in TRANSITIONS.items():
        end = _name(target.value) if isinstance(target, CallStatus) else "refused"
        lines.append(f"  {_name(status.value)} --> {end}: {event.__name__}")
    lines += ['  state "busy | no_answer | failed | canceled" as refused', "```"]
    return "\n".join(lines)


def dial_moves() -> str:
    """What the fork does with each event, as a table drawn from its moves."""
    return _moves(MOVES)


def conference_moves() -> str:
    """What a conference does with each event."""
    return _moves(CONFERENCE_MOVES)


def queue_moves() -> str:
    """What a queue does with each event, by where the call is that it is about."""
    return _moves(QUEUE_MOVES)


def _moves(moves: Mapping[tuple[Any, type[Any]], Callable[..., Any]]) -> str:
    states = list(dict.fromkeys(state for state, _ in moves))
    lines = ["| event | " + " | ".join(state.value for state in states) + " |", "|---|" + "---|" * len(states)]
    for event in dict.fromkeys(event for _, event in moves):
        cells = [_sentence(moves[(state, event)].__name__) if (state, event) in moves else "–" for state in states]
        lines.append(f"| {event.__name__} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def support() -> str:
    """Verbs and nouns that run, each with what of it runs and what is only read."""
    lines = [
        "| element | executed | read and checked, without effect yet | accepted, without effect here |",
        "|---|---|---|---|",
    ]
    parsed = []
    for element in language():
        if element.status is Status.PARSED:
            parsed.append(element.path)
            continue
        of = {status: [name for name, found in element.attributes.items() if found is status] for status in Status}
        cells = (of[status] for status in (Status.EXECUTED, Status.PARSED, Status.ACCEPTED))
        lines.append(f"| `{element.path}` | {' | '.join(map(_list, cells))} |")
    top = list(dict.fromkeys(path.partition("/")[0] if "/" not in path else path for path in parsed))
    verbs = [path for path in top if "/" not in path]
    nouns = [path for path in top if path.startswith("Dial/") and path.count("/") == 1]
    not_voice = {tag_of(verb) for verb in FOREIGN}
    foreign = [verb for verb in verbs if verb in not_voice]
    skipped = [path for path in verbs + nouns if path not in not_voice]
    lines.append("")
    if skipped:
        lines.append(f"Read and checked with Twilio's codes, and skipped with warning 13750: {_list(skipped)}.")
    lines.append(f"Not of a voice call, skipped with warning 12200: {_list(foreign)}.")
    return "\n".join(lines)


def sections() -> dict[str, str]:
    return {
        "call status": call_diagram(),
        "dial moves": dial_moves(),
        "conference moves": conference_moves(),
        "queue moves": queue_moves(),
        "twiml": support(),
    }


def with_sections(text: str) -> str:
    """README with every drawn part replaced; raises ValueError for one that is not there."""
    for name, content in sections().items():
        pattern = re.compile(rf"(<!-- drawn: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, count = pattern.subn(lambda found, content=content: found[1] + content + "\n" + found[2], text)  # type: ignore[misc]
        if count != 1:
            raise ValueError(f"README has {count} parts drawn as {name!r}, expected 1")
    return text


def _name(status: str) -> str:
    return status.replace("-", "_")


def _sentence(function: str) -> str:
    return function.strip("_").replace("_", " ")


def _list(names: list[str]) -> str:
    return " ".join(f"`{name}`" for name in names) or "–"


if __name__ == "__main__":
    README.write_text(with_sections(README.read_text(encoding="utf-8")), encoding="utf-8")
