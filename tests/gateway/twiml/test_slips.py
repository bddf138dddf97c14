"""The common slips of who writes TwiML by hand: named, and placed on the character that is wrong."""

import time

import pytest

from gateway.twiml import TwimlError, parse


@pytest.mark.parametrize(
    ("inner", "column", "words"),
    [
        pytest.param("<Redirect>/a?b=1&c=2</Redirect>", 27, "&amp; expected, found a bare & in '&c=2", id="in a URL"),
        pytest.param("<Dial action='/a?b=1&c=2'/>", 31, "&amp; expected, found a bare &", id="in an attribute"),
        pytest.param("<Say>Tom & Jerry</Say>", 20, "&amp; expected, found a bare & in '& Jerry", id="in text"),
        pytest.param("<Say>a &amp b</Say>", 18, "&amp; expected", id="without its semicolon"),
        pytest.param("<Say>&amp;&lt;&#65;&#x41; & b</Say>", 37, "&amp; expected", id="behind proper ones"),
        pytest.param("<!-- a & b --><Say>a & b</Say>", 32, "&amp; expected", id="not the one in a comment"),
        pytest.param("<Say><![CDATA[a & b]]>a & b</Say>", 35, "&amp; expected", id="not the one in CDATA"),
        pytest.param("<Say>a&nbsp;b</Say>", 17, "found HTML's &nbsp;", id="HTML's entity"),
        pytest.param("<Say voice=“alice”>a</Say>", 22, "found the curly quote “", id="curly quotes"),
        pytest.param("<Say voice=‘alice’>a</Say>", 22, "found the curly quote ‘", id="single curly quotes"),
        pytest.param("<Say voice='alice”>a</Say>", 28, "' behind an attribute's value expected", id="curly at the end"),
        pytest.param(
            "<Say loop='1' voice=”alice\">a</Say>", 31, "found the curly quote ”", id="curly at the beginning"
        ),
        pytest.param("<Say>a < b</Say>", 18, "&lt; expected, found a bare < in '< b", id="less than"),
    ],
)
def test_slip_is_named_at_its_place(inner: str, column: int, words: str) -> None:
    with pytest.raises(TwimlError) as caught:
        parse(f"<Response>\n<!-- \n -->\n<Pause/>{' ' * 2}{inner}</Response>".encode())
    assert (caught.value.code, caught.value.line) == (12100, 4)
    assert words in caught.value.message
    assert caught.value.column == column


@pytest.mark.parametrize(
    "inner",
    ["<Say>it’s “fine”</Say>", "<Say voice='a'>“a”</Say>", "<Dial action='/?q=“a”&amp;b=1'>+15550100</Dial>"],
)
def test_slip_is_none_where_curly_quotes_are_text(inner: str) -> None:
    assert parse(f"<Response>{inner}</Response>".encode()).warnings == ()


@pytest.mark.parametrize("inner", ["<Say>a", "<Say a='1' a='2'/>", "<Say></Dial>", "<Say>&#0;</Say>", "<Say a=b/>"])
def test_slip_is_not_claimed_for_other_faults(inner: str) -> None:
    with pytest.raises(TwimlError) as caught:
        parse(f"<Response>{inner}</Response>".encode())
    assert "well-formed XML expected" in caught.value.message


@pytest.mark.parametrize("piece", ["<!--", "<![CDATA[", "&amp;", "='”", "='a", "<?", "&", "<!-- -->&amp;"])
def test_slip_is_looked_for_in_linear_time(piece: str) -> None:
    document = (b"<Response><a " + piece.encode() * 60000)[:65000]
    began_s = time.process_time()
    with pytest.raises(TwimlError):
        parse(document)
    assert time.process_time() - began_s < 1.0
