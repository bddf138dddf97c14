"""``ringfork lint``: problems of files with place, code and level."""

import json
from pathlib import Path

from gateway.lint import lint_document, lint_files
from gateway.twiml import Level


def test_lint_of_clean_document_finds_nothing() -> None:
    assert lint_document(b"<Response><Dial><Client>alice</Client></Dial></Response>") == ()


def test_lint_lists_problems_by_place() -> None:
    found = lint_document(
        b"<Response>\n<Dial timeout='x'>\n<Number>1</Number><Number>a</Number></Dial><Foo/></Response>"
    )
    assert [(problem.line, problem.column, problem.code) for problem in found] == [
        (2, 1, 13212),
        (3, 19, 13223),
        (3, 44, 12200),
    ]


def test_lint_of_document_that_cannot_run_gives_its_reason() -> None:
    (problem,) = lint_document(b"<Response>\n<Dial></Response>")
    assert (problem.code, problem.level, problem.line) == (12100, Level.ERROR, 2)
    (problem,) = lint_document(b"")
    assert (problem.code, problem.line, problem.column) == (11770, 1, 1)


def test_lint_of_files_is_json_and_tells_the_unreadable(tmp_path: Path) -> None:
    good, odd, bad = tmp_path / "good.xml", tmp_path / "odd.xml", tmp_path / "bad.xml"
    good.write_text("<Response><Hangup/></Response>")
    odd.write_text("<Response><Pause length='x'/></Response>")
    bad.write_bytes(b"<Response>" + b" " * 70_000)
    found = lint_files([good, odd, bad, tmp_path / "none.xml", tmp_path])
    assert [linted.runs for linted in found] == [True, True, False, False, False]
    assert found[2].problems[0].code == 11750
    told = json.loads(json.dumps([linted.as_json() for linted in found]))
    assert told[1] == {
        "file": str(odd),
        "runs": True,
        "problems": [
            {
                "code": 13910,
                "level": "warning",
                "message": "Pause length: 1 to 86400 s expected, found 'x'",
                "line": 1,
                "column": 11,
            }
        ],
        "unreadable": None,
    }
    assert told[3]["unreadable"]
    assert told[4]["unreadable"]
