"""Replies by Content-Type, encodings, and URLs against the document they stand in."""

import pytest

from gateway.twiml import TwimlError, parse, resolve_url
from gateway.twiml.content import AUDIO_TYPES, ReplyKind, reply_kind
from gateway.twiml.model import Hangup, Play, Say
from gateway.twiml.reply import document_from_reply

URL = "http://app.example.com/voice"
TWIML = b"<Response><Hangup/></Response>"


def tags(content_type: str | None, body: bytes) -> list[str]:
    return [verb.tag for verb in document_from_reply(content_type, body, url=URL).verbs]


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("text/xml", ReplyKind.TWIML),
        ("Application/XML; charset=utf-8", ReplyKind.TWIML),
        ("text/html ;charset=utf-8", ReplyKind.TWIML),
        ("text/plain", ReplyKind.TEXT),
        ("audio/mpeg", ReplyKind.AUDIO),
        ("audio/ogg", ReplyKind.UNUSABLE),
        ("application/json", ReplyKind.UNUSABLE),
        ("", ReplyKind.MAYBE_TWIML),
        (None, ReplyKind.MAYBE_TWIML),
    ],
)
def test_reply_kind_by_content_type(content_type: str | None, kind: ReplyKind) -> None:
    assert reply_kind(content_type) is kind


@pytest.mark.parametrize("content_type", ["text/xml", "application/xml", "text/html", "text/plain", None])
def test_reply_that_parses_is_twiml(content_type: str | None) -> None:
    assert tags(content_type, TWIML) == ["Hangup"]


@pytest.mark.parametrize("content_type", sorted(AUDIO_TYPES))
def test_reply_of_audio_is_played_and_then_hung_up(content_type: str) -> None:
    play, hangup = document_from_reply(content_type, b"", url=URL).verbs
    assert isinstance(play, Play)
    assert (play.url, play.loop) == (URL, 1)
    assert isinstance(hangup, Hangup)


@pytest.mark.parametrize("body", ["Hello caller\n", "1 < 2", "<Response><Dial></Response>"])
def test_reply_of_text_that_is_no_twiml_is_spoken_and_then_hung_up(body: str) -> None:
    say, hangup = document_from_reply("text/plain; charset=utf-8", body.encode(), url=URL).verbs
    assert isinstance(say, Say)
    assert say.text == body.strip()
    assert isinstance(hangup, Hangup)


@pytest.mark.parametrize(
    ("content_type", "body", "code"),
    [
        ("application/json", b"{}", 12300),
        ("application/json", TWIML, 12300),
        ("audio/ogg", b"OggS", 12300),
        (None, b"{}", 12300),
        (None, b"", 11770),
        ("text/plain", b" ", 11770),
        ("text/xml", b"", 11770),
        ("text/xml", b"Hello", 12100),
        ("text/html", b"<html><p></html>", 12100),
        ("text/html", b"<html></html>", 12102),
        ("text/plain", b"a" * 65537, 11750),
    ],
)
def test_reply_that_cannot_run_has_its_code(content_type: str | None, body: bytes, code: int) -> None:
    with pytest.raises(TwimlError) as caught:
        document_from_reply(content_type, body, url=URL)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("content_type", "declared", "encoded"),
    [
        (None, None, "utf-8"),
        (None, "UTF-8", "utf-8-sig"),
        (None, "ISO-8859-1", "latin-1"),
        (None, "windows-1252", "cp1252"),
        ("text/xml; charset=ISO-8859-1", None, "latin-1"),
        ("text/xml; charset=iso_8859-15", "UTF-8", "iso-8859-15"),
        ('text/xml; charset="utf-8"', "ISO-8859-1", "utf-8"),
        ("text/xml; charset=ISO-8859-1", "UTF-8", "utf-8-sig"),
        (None, "utf-16", "utf-8"),
        ("text/xml; charset=utf-16", "utf-16", "utf-16"),
        (None, "utf-16", "utf-16-le"),
    ],
)
def test_encoding_by_mark_then_charset_then_declaration(
    content_type: str | None, declared: str | None, encoded: str
) -> None:
    head = "" if declared is None else f'<?xml version="1.0" encoding="{declared}"?>'
    document = parse(f"{head}<Response><Say>Grüße</Say></Response>".encode(encoded), content_type=content_type)
    (say,) = document.verbs
    assert isinstance(say, Say)
    assert say.text == "Grüße"


@pytest.mark.parametrize("charset", ["utf-7", "utf-32", "idna", "rot13", "no-such"])
def test_encoding_outside_the_list_is_refused(charset: str) -> None:
    with pytest.raises(TwimlError) as caught:
        parse(TWIML, content_type=f"text/xml; charset={charset}")
    assert caught.value.code == 12100


BASE = "https://app.example.com/calls/voice?id=7#rc=2"


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("", BASE),
        ("  ", BASE),
        ("next", "https://app.example.com/calls/next"),
        ("/next", "https://app.example.com/next"),
        ("../next", "https://app.example.com/next"),
        ("?id=8", "https://app.example.com/calls/voice?id=8"),
        ("#rc=0", "https://app.example.com/calls/voice?id=7#rc=0"),
        ("//other.example.com/a", "https://other.example.com/a"),
        ("www.example.com", "https://app.example.com/calls/www.example.com"),
        ("http://127.0.0.1:5000/a b", "http://127.0.0.1:5000/a%20b"),
        (" https://user:pw@example.com/a#rc=3&rp=5xx ", "https://user:pw@example.com/a#rc=3&rp=5xx"),
        ("http://[::1]:80/", "http://[::1]:80/"),
        ("HTTP://Example.com/", "HTTP://Example.com/"),
        ("http://my_host/", "http://my_host/"),
    ],
)
def test_resolve_url_against_its_document(value: str, url: str) -> None:
    assert resolve_url(BASE, value) == url


@pytest.mark.parametrize(
    "value",
    [
        *(
            "ftp://example.com/a",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "mailto:a@example.com",
            "wss://example.com/",
        ),
        *(
            "http://",
            "http:///a",
            "http:a",
            "http://:80/",
            "http://a:b/",
            "http://a:0/",
            "http://a:70000/",
            "http://[::1/",
        ),
        *(
            "http://a\\b/",
            "http://exa mple.com/",
            "/a\nb",
            "/a\x00b",
            "http://a<b>/",
            f"http://{'a' * 254}/",
            "//",
            "///a",
        ),
    ],
)
def test_resolve_url_refuses_what_cannot_be_requested(value: str) -> None:
    with pytest.raises(TwimlError) as caught:
        resolve_url(BASE, value)
    assert caught.value.code == 11100


@pytest.mark.parametrize("value", ["http://my_host/a", "//my_host/a"])
def test_resolve_url_refuses_underscore_in_the_host_of_a_callback(value: str) -> None:
    with pytest.raises(TwimlError) as caught:
        resolve_url(BASE, value, callback=True)
    assert caught.value.code == 11100
    assert resolve_url("http://app_1.example.com/", "/my_path", callback=False).endswith("/my_path")


@pytest.mark.parametrize("value", ["/next", "", "next"])
def test_resolve_url_without_base_needs_an_absolute_one(value: str) -> None:
    with pytest.raises(TwimlError) as caught:
        resolve_url(None, value)
    assert caught.value.code == 15004
    assert resolve_url(None, "https://example.com/a") == "https://example.com/a"
