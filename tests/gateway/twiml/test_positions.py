"""Line and column of elements: what application writers look for in their own file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.twiml import parse
from gateway.twiml.model import Dial


def places(document: bytes) -> list[tuple[str, int, int]]:
    return [(verb.tag, verb.position.line, verb.position.column) for verb in parse(document).verbs]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param("<Response><Hangup/></Response>", (1, 11), id="one line"),
        pytest.param("<Response>\n\t<Hangup/></Response>", (2, 2), id="tab counts one"),
        pytest.param("<Response>\r\n  <Hangup/></Response>", (2, 3), id="CRLF"),
        pytest.param("<Response>\r\r  <Hangup/></Response>", (3, 3), id="CR alone"),
        pytest.param("<Response>äöü𝄞<Hangup/></Response>", (1, 15), id="characters, not bytes"),
        pytest.param("<Response\n  xmlns:a='u'\n><Hangup\n/></Response>", (3, 2), id="tags over lines"),
        pytest.param("<!--\n<Hangup/> -->\n<Response><!-- <Hangup/> --><Hangup/></Response>", (3, 29), id="comments"),
        pytest.param("<?pi <Hangup/> ?><Response><Hangup/></Response>", (1, 28), id="instruction"),
        pytest.param("<Response><![CDATA[\n<Hangup/>]]><Hangup/></Response>", (2, 13), id="CDATA"),
        pytest.param("<Response a='>' b=\"/>\"><Hangup/></Response>", (1, 24), id="brackets in attributes"),
        pytest.param("\ufeff<Response><Hangup/></Response>", (1, 11), id="byte order mark"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_position_of_verb(document: str, expected: tuple[int, int], encoding: str) -> None:
    if encoding == "utf-16":
        document = document.removeprefix("\ufeff")
    assert places(document.encode(encoding)) == [("Hangup", *expected)]


def test_position_of_noun_in_dial_over_lines() -> None:
    document = parse(
        b'<Response>\n  <Dial\n    timeout="10"\n    >\n    <Client\n     >alice</Client></Dial>\n</Response>'
    )
    (dial,) = document.verbs
    assert isinstance(dial, Dial)
    assert (dial.position.line, dial.position.column) == (2, 3)
    assert (dial.nouns[0].position.line, dial.nouns[0].position.column) == (5, 5)


FILLING = st.sampled_from(
    [
        *("\n", "\r\n", "\r", " ", "\t", "text", "ü𝄞", "&lt;Pause/&gt;", "&#60;", "<!-- <Pause/> -->", "<!--\n'\"-->"),
        *("<?a <Pause/>?>", "<![CDATA[<Pause/>]]>", "<![CDATA[\r\n]]>", "x > y", "'", '"', "<!---->"),
    ]
)
VERB = st.sampled_from(
    [
        *("<Pause/>", "<Pause></Pause>", "<Pause\n/>", "<Pause length='1'/>", '<Pause length = "2" ></Pause >'),
        *("<Pause a='/>'\r\n b='\n<'/>".replace("<'", "&lt;'"), '<Pause b=">\'"/>', "<Pause><!--</Pause>--></Pause>"),
        "<Pause>ü\r\n<Inner/> <Inner>\n</Inner></Pause>",
    ]
)


@given(st.lists(st.one_of(FILLING, VERB.map(lambda tag: (tag,))), max_size=25))
def test_positions_are_those_of_the_start_tags_whatever_stands_between(parts: "list[str | tuple[str]]") -> None:
    text, starts = "<Response>", []
    for part in parts:
        if isinstance(part, tuple):
            starts.append(len(text))
            text += part[0]
        else:
            text += part
    text += "</Response>"
    expected = []
    for start in starts:
        lines = (text[:start] + "<").replace("\r\n", "\n").replace("\r", "\n").split("\n")
        expected.append(("Pause", len(lines), len(lines[-1])))
    assert places(text.encode()) == expected
