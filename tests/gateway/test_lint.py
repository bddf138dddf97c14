"""``ringfork lint``: findings of files and folders with place, code, level and hint; what has no effect; exit codes."""

import json
import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway import cli, lint_hints
from gateway.lint import lint_document, lint_files
from gateway.twiml import Level
from gateway.twiml.model import VERBS
from gateway.twiml.schema import Attribute, shape_of
from gateway.twiml.support import Status, language

TWIML = Path(lint_hints.__file__).parent / "twiml"


def test_lint_of_clean_document_finds_nothing() -> None:
    assert lint_document(b"<Response><Dial><Client>alice</Client></Dial></Response>") == ()


def test_lint_lists_findings_by_place_each_with_a_hint() -> None:
    found = lint_document(
        b"<Response>\n<Dial timeout='x'>\n<Number>1</Number><Number>a</Number></Dial><Foo/></Response>"
    )
    assert [(finding.line, finding.column, finding.code) for finding in found] == [
        (2, 1, 13212),
        (3, 19, 13223),
        (3, 44, 12200),
    ]
    assert [finding.hint for finding in found] == [lint_hints.HINTS[code] for code in (13212, 13223, 12200)]


@pytest.mark.parametrize(
    ("document", "code", "line", "column", "words"),
    [
        ("<Response>\n<Dial></Response>", 12100, 2, 18, "mismatch"),
        ("", 11770, 1, 1, "empty"),
        ("<Response>\n <Redirect>/a?b=1&c=2</Redirect></Response>", 12100, 2, 18, "&amp; expected, found a bare &"),
        ("<Response><Say voice=“man”>a</Say></Response>", 12100, 1, 22, "curly quote"),
        ("<response/>", 12102, 1, 1, "<Response> as root"),
    ],
)
def test_lint_of_document_that_cannot_run_gives_its_reason(
    document: str, code: int, line: int, column: int, words: str
) -> None:
    (finding,) = lint_document(document.encode())
    assert (finding.code, finding.level, finding.line, finding.column) == (code, Level.ERROR, line, column)
    assert words in finding.message


def test_lint_tells_what_is_read_but_not_executed_at_its_place() -> None:
    parsed = [element for element in language() if element.status is Status.PARSED and "/" not in element.path]
    idle = next(
        (element.path, name)
        for element in language()
        if element.status is Status.EXECUTED and "/" not in element.path
        for name, status in element.attributes.items()
        if status is Status.PARSED
    )
    verb, attribute = idle
    found = lint_document(
        f"<Response>\n<{parsed[0].path}/>\n  <{verb} {attribute}='a'>+15550100</{verb}></Response>".encode()
    )
    idle_findings = [(finding.line, finding.column, finding.message) for finding in found if not finding.is_executed]
    assert (2, 1, f"<{parsed[0].path}> is skipped") in idle_findings
    assert (3, 3, f"<{verb} {attribute}> has no effect") in idle_findings
    assert all(finding.level is not Level.ERROR for finding in found if not finding.is_executed)


def test_lint_has_a_hint_for_every_code_a_document_can_have() -> None:
    codes: set[int] = set()

    def walk(cls: type) -> None:
        shape = shape_of(cls)
        codes.update(each.code for each in shape.attributes.values() if isinstance(each, Attribute))
        codes.update(code for spec in shape.nested_fields.values() for code in spec.codes.values())
        codes.add(getattr(cls, "nested_code", 12200))
        if shape.text is not None:
            codes.add(shape.text.code)
        for spec in shape.nested_fields.values():
            for inner in spec.classes:
                walk(inner)

    for verb in VERBS:
        walk(verb)
    for name in ("rules", "kinds", "build", "parse", "source"):
        codes.update(
            int(code) for code in re.findall(r"[( ](1[1-6]\d{3}|31\d{3})[,)]", (TWIML / f"{name}.py").read_text())
        )
    assert codes - set(lint_hints.HINTS) == set()
    assert all(hint.endswith(".") for hint in lint_hints.HINTS.values())


def test_lint_of_folders_takes_their_documents_in_order_of_name(tmp_path: Path) -> None:
    for name in ("b.xml", "sub/a.TwiML", "a.xml", "notes.txt", "sub/deep/c.twiml"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("<Response/>")
    (tmp_path / "empty").mkdir()
    (tmp_path / "round").symlink_to(tmp_path)
    found = [Path(linted.file).relative_to(tmp_path) for linted in lint_files([tmp_path])]
    assert [str(path) for path in found] == ["a.xml", "b.xml", "sub/a.TwiML", "sub/deep/c.twiml"]
    (none,) = lint_files([tmp_path / "empty"])
    assert none.unreadable == "no .twiml or .xml file in this folder"
    assert not none.runs


def test_lint_never_waits_for_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.xml"
    os.mkfifo(pipe)
    assert [linted.unreadable for linted in lint_files([tmp_path])] == ["no regular file"]


def test_lint_of_files_is_json_and_tells_the_unreadable(tmp_path: Path) -> None:
    good, odd, bad = tmp_path / "good.xml", tmp_path / "odd.xml", tmp_path / "bad.xml"
    good.write_text("<Response><Hangup/></Response>")
    odd.write_text("<Response><Pause length='x'/></Response>")
    bad.write_bytes(b"<Response>" + b" " * 70_000)
    found = lint_files([good, odd, bad, tmp_path / "none.xml"])
    assert [linted.runs for linted in found] == [True, True, False, False]
    assert found[2].findings[0].code == 11750
    told = json.loads(json.dumps([linted.as_json() for linted in found]))
    assert told[1] == {
        "file": str(odd),
        "runs": True,
        "findings": [
            {
                "code": 13910,
                "level": "warning",
                "message": "Pause length: 1 to 86400 s expected, found 'x'",
                "line": 1,
                "column": 11,
                "hint": lint_hints.HINTS[13910],
                "is_executed": True,
            }
        ],
        "unreadable": None,
    }
    assert told[3]["unreadable"]


@pytest.mark.parametrize(
    ("documents", "named", "exit_code"),
    [
        ({"a.xml": "<Response/>", "b.xml": "<Response><Pause length='x'/></Response>"}, ".", 0),
        ({"a.xml": "<Response/>", "b.xml": "<Response>"}, ".", 1),
        ({"a.xml": "<Response/>"}, "b.xml", 2),
        ({}, ".", 1),
        ({}, None, 2),
    ],
)
def test_lint_exit_codes(tmp_path: Path, documents: dict[str, str], named: str | None, exit_code: int) -> None:
    for name, text in documents.items():
        (tmp_path / name).write_text(text)
    result = CliRunner().invoke(cli.app, ["lint", *([str(tmp_path / named)] if named else [])])
    assert result.exit_code == exit_code


def test_lint_prints_place_code_and_hint_and_leaves_the_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.xml"
    file.write_text("<Response>\n<Pause length='x'/></Response>")
    result = CliRunner().invoke(cli.app, ["lint", str(file)])
    first, second = result.stdout.splitlines()
    assert first == f"{file}:2:1: warning 13910 Pause length: 1 to 86400 s expected, found 'x'"
    assert second == f"    {lint_hints.HINTS[13910]}"
    assert file.read_text() == "<Response>\n<Pause length='x'/></Response>"
    told = json.loads(CliRunner().invoke(cli.app, ["lint", "--json", str(file)]).stdout)
    assert told[0]["findings"][0]["code"] == 13910
