"""Documents made to hurt: refused or read at the cost of a good one, in 50 MB, no file and no network touched."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.twiml import TwimlError, parse
from gateway.twiml.problems import MAX_PROBLEMS
from gateway.twiml.reply import document_from_reply

LIMIT = 64 * 1024
TIMES = 3
"""What a document may cost more than a good one of the largest size."""


def filled(unit: bytes, *, head: bytes = b"<Response>", tail: bytes = b"</Response>") -> bytes:
    return head + unit * ((LIMIT - len(head) - len(tail)) // len(unit)) + tail


def entities(*declarations: str, use: str = "&a;") -> bytes:
    return f"<!DOCTYPE Response [{''.join(declarations)}]><Response><Say>{use}</Say></Response>".encode()


def hostile(secret: Path, port: int) -> dict[str, bytes]:
    """secret: a file that must not be read. port: of a server that must not be asked."""
    return {
        "bomb": entities(
            *(f'<!ENTITY {chr(97 + n)} "{f"&{chr(98 + n)};" * 10}">' for n in range(9)), '<!ENTITY j "ha">'
        ),
        "quadratic": entities(f'<!ENTITY a "{"x" * 20000}">', use="&a;" * 8000),
        "cycle": entities('<!ENTITY a "&b;"><!ENTITY b "&a;">'),
        "external file": entities(f'<!ENTITY a SYSTEM "file://{secret}">'),
        "external http": entities(f'<!ENTITY a SYSTEM "http://127.0.0.1:{port}/">'),
        "parameter entity": entities(f'<!ENTITY % a SYSTEM "http://127.0.0.1:{port}/"> %a;', use=""),
        "DTD by URL": f'<!DOCTYPE Response SYSTEM "http://127.0.0.1:{port}/x.dtd"><Response/>'.encode(),
        "lower-case doctype": b"<!doctype html><html/>",
        "doctype behind comment": b'<!-- --><!DOCTYPE Response [<!ENTITY a "b">]><Response>&a;</Response>',
        "XInclude": (
            '<Response xmlns:xi="http://www.w3.org/2001/XInclude"><Say>a'
            f'<xi:include parse="text" href="file://{secret}"/></Say></Response>'
        ).encode(),
        "stylesheet": f'<?xml-stylesheet href="http://127.0.0.1:{port}/"?><Response/>'.encode(),
        "300 levels": b"<Response>" + b"<Say>" * 300 + b"</Say>" * 300 + b"</Response>",
        "100 000 levels": b"<a>" * 100_000,
        "100 000 levels cut off": (b"<a>" * 100_000)[:LIMIT],
        "60 000 attributes": b"<Response " + b" ".join(b'a%d=""' % n for n in range(60_000)) + b"/>",
        "7000 attributes": b"<Response " + b" ".join(b'a%d=""' % n for n in range(7000)) + b"/>",
        "99 attributes, 80 times": filled(b"<Dial " + b" ".join(b'a%d=""' % n for n in range(99)) + b"/>"),
        "11 MB of text": b"<Response><Say>" + b"a" * 11_000_000 + b"</Say></Response>",
        "1 000 000 verbs": b"<Response>" + b"<Hangup/>" * 1_000_000 + b"</Response>",
        "3999 verbs": b"<Response>" + b"<Hangup/>" * 3999 + b"</Response>",
        "4000 verbs": b"<Response>" + b"<Hangup/>" * 4000 + b"</Response>",
        "nouns": filled(b"<Client>a</Client>", head=b"<Response><Dial>", tail=b"</Dial></Response>"),
        "SIP nouns": filled(b"<Sip>a@b?x-a=1</Sip>", head=b"<Response><Dial>", tail=b"</Dial></Response>"),
        "headers": filled(
            b'<Header name="X-a" value="b"/>',
            head=b"<Response><Dial><Sip>a@b<Headers>",
            tail=b"</Headers></Sip></Dial></Response>",
        ),
        "mistakes": filled(b'<Dial timeout="" record="" trim="" method="" action="http://_:x"/>'),
        "markup": filled(b"<emphasis>a</emphasis>", head=b"<Response><Say>", tail=b"</Say></Response>"),
        "UTF-7": b'<?xml version="1.0" encoding="UTF-7"?>+ADw-Response/+AD4-',
        "UTF-16 doctype": '<!DOCTYPE Response [<!ENTITY a "b">]><Response/>'.encode("utf-16"),
        "UTF-32": "<Response/>".encode("utf-32"),
        "EBCDIC": '<?xml version="1.0" encoding="cp037"?><Response/>'.encode("cp037"),
        "codec of Python": b'<?xml version="1.0" encoding="unicode_escape"?><Response/>',
        "NUL": filled(b"\0"),
        "NUL name": b"<Response><Hang\0up/></Response>",
        "instructions": filled(b"<?a?>"),
        "comments": filled(b"<!---->"),
        "comment left open": filled(b"<!--", tail=b""),
        "quotes left open": filled(b'<a b="', tail=b""),
        "less-than signs": b"<" * LIMIT,
        "names of one colon": filled(b"<:/>"),
        "references": filled(b"&#65;"),
        "namespaces": filled(b'<a xmlns="u"/>'),
        "long number": b'<Response><Pause length="' + b"9" * 60_000 + b'"/></Response>',
        "long digits": b'<Response><Play digits="' + b"1" * 60_000 + b'"/></Response>',
        "long phone number": b"<Response><Dial>" + b"(1 " * 20_000 + b"</Dial></Response>",
        "long SIP URI": b"<Response><Dial><Sip>" + b";a" * 30_000 + b"</Sip></Dial></Response>",
        "long host": b'<Response><Redirect>http://' + b"a." * 30_000 + b"</Redirect></Response>",
        "long event list": b'<Response><Dial><Client statusCallback="/" statusCallbackEvent="'
        + b"completed " * 6000
        + b'">a</Client></Dial></Response>',
        "long query": b"<Response><Dial><Client>a?" + b"x=1&amp;" * 8000 + b"</Client></Dial></Response>",
    }  # fmt: skip


REFUSED = {
    *("bomb", "quadratic", "cycle", "external file", "external http", "parameter entity", "DTD by URL"),
    *("lower-case doctype", "doctype behind comment", "300 levels", "100 000 levels", "100 000 levels cut off"),
    *("60 000 attributes", "7000 attributes", "11 MB of text", "1 000 000 verbs", "4000 verbs", "UTF-7"),
    *("UTF-16 doctype", "UTF-32", "EBCDIC", "codec of Python", "NUL", "NUL name", "comment left open"),
    *("quotes left open", "less-than signs", "names of one colon", "namespaces"),
}


GOOD = filled(b"<Say>Good morning</Say>")


def cost_s(document: bytes) -> tuple[float, bool]:
    """Of the processor, and whether it was refused."""
    started, refused = time.thread_time(), False
    try:
        read = parse(document)
        assert "secret" not in repr(read.verbs)
        assert len(read.warnings) <= MAX_PROBLEMS + 1
    except TwimlError:
        refused = True
    return time.thread_time() - started, refused


@pytest.mark.parametrize("name", hostile(Path("/x"), 1))
def test_hostile_document_costs_next_to_nothing(name: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        document = hostile(secret, server.getsockname()[1])[name]
        good_s, taken_s = [], []
        for _ in range(5):  # in turns: whatever else the machine does makes both dearer
            good_s.append(cost_s(GOOD)[0])
            spent_s, refused = cost_s(document)
            taken_s.append(spent_s)
            if min(taken_s) < TIMES * min(good_s):
                break
        assert min(taken_s) < TIMES * min(good_s)
        assert refused is (name in REFUSED)
        with pytest.raises(BlockingIOError):
            server.accept()


MEASURE = """
import json, resource, sys
from pathlib import Path
from gateway.twiml import TwimlError, parse
from tests.gateway.twiml.test_hostile import hostile
documents = list(hostile(Path("/nonexistent"), 9).values())
parse(b"<Response/>")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for document in documents:
    try:
        parse(document)
    except TwimlError:
        pass
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
"""


def test_all_hostile_documents_together_need_less_memory_than_one_may() -> None:
    run = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True, timeout=50)
    grown_kib = json.loads(run.stdout)
    assert grown_kib < 50 * 1024


XML_PIECES = st.sampled_from(
    [
        *("<Response>", "</Response>", "<Dial>", "</Dial>", "<Dial ", "timeout='9'", " record=", '"', "'", ">", "/>"),
        *("<Client>", "</Client>", "<Sip>", "</Sip>", "<Number>", "</Number>", "alice", "+1555", "sip:a@b", "?x-a=1"),
        *("<!--", "-->", "<![CDATA[", "]]>", "<?", "?>", "<!DOCTYPE a>", "&amp;", "&#0;", "&a;", "\0", "\n", "\r\n"),
        *("<?xml version='1.0'?>", "xmlns='u'", "<a:b ", "ü", "\ufffe", "<Say>", "</Say>", "<break/>", "<Gather>"),
    ]
)
CONTENT_TYPES = st.sampled_from(
    [
        None,
        "",
        "text/xml",
        "text/plain; charset=utf-16",
        "text/html; charset=",
        "audio/wav",
        "a;b;c",
        "application/json",
    ]
)


def reads_or_refuses(document: bytes, content_type: str | None) -> None:
    try:
        document_from_reply(content_type, document, url="http://127.0.0.1/")
    except TwimlError as error:
        assert 11000 < error.code < 20000
        assert str(error).isprintable()


@given(st.lists(XML_PIECES, max_size=40), CONTENT_TYPES)
def test_any_pieces_of_a_document_are_read_or_refused(pieces: list[str], content_type: str | None) -> None:
    reads_or_refuses("".join(pieces).encode(), content_type)


@given(st.binary(max_size=400), CONTENT_TYPES)
def test_any_bytes_are_read_or_refused(document: bytes, content_type: str | None) -> None:
    reads_or_refuses(document, content_type)


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_and_attribute_value_is_taken_or_noted(text: str, value: str) -> None:
    def escaped(raw: str) -> str:
        return raw.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")

    nouns = "".join(f"<{noun}>{escaped(text)}</{noun}>" for noun in ("Client", "Number", "Sip", "Conference", "Queue"))
    attributes = " ".join(f'{name}="{escaped(value)}"' for name in ("callerId", "action", "timeout", "record"))
    reads_or_refuses(f"<Response><Dial {attributes}>{nouns}</Dial></Response>".encode("utf-8", "replace"), "text/xml")
