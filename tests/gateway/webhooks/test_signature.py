"""The signature against the published vector and against the validator applications use."""

from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict
from twilio.request_validator import RequestValidator

from gateway.webhooks.signature import sign, signed_url

TOKEN = "12345"
VALIDATOR = RequestValidator(TOKEN)
FORM = [
    ("CallSid", "CA1234567890ABCDE"),
    ("Caller", "+14158675310"),
    ("Digits", "1234"),
    ("From", "+14158675310"),
    ("To", "+18005551212"),
]


def test_sign_published_vector_gives_published_signature() -> None:
    assert sign(TOKEN, "https://example.com/myapp.php?foo=1&bar=2", FORM) == "L/OH5YylLD5NRKLltdqwSvS0BnU="


def test_sign_order_of_parameters_does_not_matter() -> None:
    url = "https://example.com/voice"
    assert sign(TOKEN, url, FORM) == sign(TOKEN, url, reversed(FORM))


def test_sign_name_order_is_by_byte_not_by_alphabet() -> None:
    url = "https://example.com/voice"
    assert VALIDATOR.validate(
        url,
        {"b": "1", "B": "2", "_": "3", "é": "4"},
        sign(TOKEN, url, [("é", "4"), ("_", "3"), ("b", "1"), ("B", "2")]),
    )


@pytest.mark.parametrize(
    ("url", "signed"),
    [
        ("https://user:pass@example.com/a", "https://example.com/a"),
        ("https://user:p%40ss@example.com:8443/a?b=c#rc=2", "https://example.com/a?b=c"),
        ("https://example.com:443/", "https://example.com/"),
        ("http://example.com:8080/a#x", "http://example.com:8080/a"),
        ("http://user@127.0.0.1:8080/a", "http://127.0.0.1:8080/a"),
        ("https://[2001:db8::1]:8443/a", "https://[2001:db8::1]/a"),
        ("https://[2001:db8::1]/a", "https://[2001:db8::1]/a"),
        ("http://example.com/a%20b?q=%C3%A9+x&&empty=", "http://example.com/a%20b?q=%C3%A9+x&&empty="),
    ],
)
def test_signed_url_leaves_out_what_the_application_does_not_see(url: str, signed: str) -> None:
    assert signed_url(url) == signed


def test_sign_wrong_secret_is_not_valid() -> None:
    url = "https://example.com/voice"
    assert not VALIDATOR.validate(url, dict(FORM), sign("54321", url, FORM))


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
FIELDS = st.lists(st.tuples(NAMES, TEXT), max_size=8)
URLS = st.builds(
    lambda scheme, host, port, path, query: (
        f"{scheme}://{host}{port}/{quote(path)}" + (f"?{urlencode(query)}" if query else "")
    ),
    st.sampled_from(["http", "https"]),
    st.sampled_from(["example.com", "127.0.0.1", "app.example.com", "a-b.example"]),
    st.sampled_from(["", ":80", ":443", ":8080", ":8443"]),
    TEXT,
    FIELDS,
)


@given(url=URLS, form=FIELDS)
def test_sign_post_is_accepted_by_the_official_validator(url: str, form: list[tuple[str, str]]) -> None:
    assert VALIDATOR.validate(url, MultiDict(form), sign(TOKEN, url, form))


@given(url=URLS)
def test_sign_get_is_accepted_by_the_official_validator(url: str) -> None:
    assert VALIDATOR.validate(url, {}, sign(TOKEN, url))


@given(url=URLS, form=FIELDS, token=NAMES)
def test_sign_depends_on_the_secret(url: str, form: list[tuple[str, str]], token: str) -> None:
    assert VALIDATOR.validate(url, MultiDict(form), sign(token, url, form)) == (token == TOKEN)


def test_sign_text_that_is_no_unicode_does_not_fail() -> None:
    assert sign(TOKEN, "https://example.com/", [("Name", "\udc80")])
