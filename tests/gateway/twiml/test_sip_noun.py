"""<Sip>: URIs, credentials, headers."""

import pytest

from gateway.twiml.addresses import BadAddress, clean_sip_uri
from gateway.twiml.model import Sip
from tests.gateway.twiml.reading import nouns_of, read_noun


@pytest.mark.parametrize(
    ("written", "uri"),
    [
        ("sip:bob@example.com", "sip:bob@example.com"),
        ("bob@example.com", "sip:bob@example.com"),
        ("SIPS:bob@example.com:5061", "sips:bob@example.com:5061"),
        ("sip:example.com", "sip:example.com"),
        ("sip:bob@[2001:db8::1]:5060;transport=tcp", "sip:bob@[2001:db8::1]:5060;transport=tcp"),
        ("sip:+15550100@192.0.2.1;user=phone;edge=ashburn", "sip:+15550100@192.0.2.1;user=phone;edge=ashburn"),
        ("127.0.0.1:5080", "sip:127.0.0.1:5080"),
    ],
)
def test_sip_uri_is_completed(written: str, uri: str) -> None:
    assert clean_sip_uri(written) == uri


@pytest.mark.parametrize(
    "written",
    [
        "",
        "sip:",
        "bob@",
        "sip:a b@example.com",
        "sip:a@b\r\nVia: c",
        "http://example.com",
        "<sip:a@b>",
        "sip:a@b@c",
        "a" * 256,
    ],
)
def test_sip_uri_that_cannot_be_is_refused(written: str) -> None:
    with pytest.raises(BadAddress):
        clean_sip_uri(written)


def test_sip_attributes_headers_and_credentials() -> None:
    sip, codes = read_noun(
        "<Sip username='bob' password='secret' url='/w' statusCallback='/s' statusCallbackEvent='answered'>"
        "bob@example.com;transport=tls?x-id=7&amp;User-to-User=00%3Bencoding"
        "<Headers><Header name='X-Two' value='2'/></Headers></Sip>",
        Sip,
    )
    assert codes == []
    assert (sip.uri, sip.username, sip.password) == ("sip:bob@example.com;transport=tls", "bob", "secret")
    assert sip.headers == (("x-id", "7"), ("User-to-User", "00;encoding"), ("X-Two", "2"))
    assert [uri.uri for uri in sip.uris] == [sip.uri]
    assert "secret" not in repr(sip)


def test_sip_uri_children_are_tried_by_priority_after_the_text() -> None:
    sip, codes = read_noun(
        "<Sip>sip:a@example.com<Uri priority='20' weight='5'>sip:c@example.com</Uri>"
        "<Uri priority='10' username='u' password='p'>sip:b@example.com</Uri></Sip>",
        Sip,
    )
    assert [uri.uri for uri in sip.uris] == ["sip:a@example.com", "sip:b@example.com", "sip:c@example.com"]
    assert (sip.uri, sip.username, codes) == ("sip:a@example.com", "", [])


def test_sip_with_uri_children_only_begins_with_the_best() -> None:
    sip, _ = read_noun(
        "<Sip><Uri priority='2'>sip:c@example.com</Uri><Uri username='u' password='p'>sip:b@example.com</Uri></Sip>",
        Sip,
    )
    assert (sip.uri, sip.username, sip.password) == ("sip:b@example.com", "u", "p")


def test_sip_headers_are_those_of_the_first_uri_and_of_the_party() -> None:
    sip, codes = read_noun(
        "<Sip><Uri priority='2'>sip:c@example.com?X-Way=2</Uri><Uri priority='1'>sip:b@example.com?X-Way=1</Uri>"
        "<Headers><Header name='X-Party' value='p'/></Headers></Sip>",
        Sip,
    )
    assert (sip.headers, codes) == ((("X-Way", "1"), ("X-Party", "p")), [])
    assert [uri.headers for uri in sip.uris] == [(("X-Way", "1"),), (("X-Way", "2"),)]


def test_sip_with_a_bad_text_is_dialled_by_its_children() -> None:
    sip, codes = read_noun("<Sip>a b<Uri>sip:b@example.com</Uri></Sip>", Sip)
    assert (sip.uri, len(sip.uris), codes) == ("sip:b@example.com", 1, [13243])


@pytest.mark.parametrize(
    ("inner", "code", "is_dialled"),
    [
        ("<Sip method='PUT'>a@example.com</Sip>", 13241, True),
        ("<Sip>sip:a b@example.com</Sip>", 13243, False),
        ("<Sip/>", 13243, False),
        ("<Sip><Uri/></Sip>", 13243, False),
        ("<Sip><Headers/></Sip>", 13243, False),
        ("<Sip>a@example.com<Headers><Header value='1'/></Headers></Sip>", 13252, True),
        ("<Sip username='a'>a@example.com</Sip>", 13249, True),
        ("<Sip password='a'>a@example.com</Sip>", 13249, True),
        ("<Sip>" + "<Uri>a@example.com</Uri>" * 11 + "</Sip>", 13250, True),
        ("<Sip>a@example.com?Via=1</Sip>", 13252, True),
        ("<Sip>a@example.com<Headers><Header name='X-A' value='&#10;'/></Headers></Sip>", 13252, True),
        ("<Sip>a@example.com<Headers><Header name='Route' value='a'/></Headers></Sip>", 13252, True),
        ("<Sip>a@example.com?X-A=" + "1" * 1100 + "</Sip>", 13253, True),
        ("<Sip>a@example.com<Headers><Header name='X-A' value='" + "1" * 1100 + "'/></Headers></Sip>", 13253, True),
        ("<Sip sendDigits='1'>a@example.com</Sip>", 12200, True),
    ],
)
def test_sip_bad_value_is_noted(inner: str, code: int, is_dialled: bool) -> None:
    nouns, codes = nouns_of(inner)
    assert (codes, len(nouns)) == ([code], is_dialled)
    assert all(isinstance(noun, Sip) and noun.headers == () for noun in nouns)
