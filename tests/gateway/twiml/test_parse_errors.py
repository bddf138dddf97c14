"""Documents that cannot run: the code, and where."""

import pytest

from gateway.twiml import TwimlError, parse

DIAL = "<Response><Dial>+15550100</Dial></Response>"


@pytest.mark.parametrize(
    ("document", "code", "place"),
    [
        pytest.param(b"", 11770, None, id="empty"),
        pytest.param(b" \r\n\t", 11770, None, id="blank"),
        pytest.param(b"<Response/>" + b" " * (64 * 1024), 11750, None, id="too large"),
        pytest.param(b"<Response>\n  <Dial></Response>", 12100, (2, 20), id="tag mismatch"),
        pytest.param(b"<Response>\n\n<Dial a=b/></Response>", 12100, (3, 9), id="attribute without quotes"),
        pytest.param(b"\n<?xml version='1.0'?><Response/>", 12100, (2, 6), id="declaration not first"),
        pytest.param(b"<Response>&nbsp;</Response>", 12100, (1, 11), id="unknown entity"),
        pytest.param(b"<Response><!ELEMENT a></Response>", 12100, (1, 11), id="declaration inside"),
        pytest.param(b"<!DOCTYPE Response><Response/>", 12100, (1, 1), id="doctype"),
        pytest.param("<Response enable=”true”/>".encode(), 12100, (1, 18), id="typographic quotes"),
        pytest.param(b"<Response>\n\xff</Response>", 12100, (2, 1), id="not the encoding"),
        pytest.param(b"<Response>\0</Response>", 12100, (1, 11), id="NUL"),
        pytest.param(b"<?xml version='1.1'?><Response/>", 12101, (1, 1), id="XML version"),
        pytest.param(b"<!-- a -->\n <response/>", 12102, (2, 2), id="root in lower case"),
        pytest.param(b"<html><body/></html>", 12102, (1, 1), id="web page"),
    ],
)
def test_parse_of_unusable_document_raises_code_and_place(
    document: bytes, code: int, place: tuple[int, int] | None
) -> None:
    with pytest.raises(TwimlError) as caught:
        parse(document)
    assert caught.value.code == code, str(caught.value)
    assert (caught.value.line, caught.value.column) == (place or (None, None))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_parse_reads_unicode_encodings_without_being_told(encoding: str) -> None:
    assert len(parse(DIAL.encode(encoding)).verbs) == 1
