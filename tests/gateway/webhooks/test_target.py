import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.webhooks.errors import FetchCode, FetchError
from gateway.webhooks.target import parse_target


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("http://example.com", "http://example.com/"),
        ("http://example.com?x=1", "http://example.com/?x=1"),
        ("http://example.com/?", "http://example.com/"),
        ("HTTP://EXAMPLE.com:80/A", "http://example.com/A"),
        ("https://example.com:443/a", "https://example.com/a"),
        ("https://example.com:8443/a", "https://example.com:8443/a"),
        ("http://user:pass@example.com/a#rc=1", "http://example.com/a"),
        ("http://example.com/a b/é?q=ü x", "http://example.com/a%20b/%C3%A9?q=%C3%BC%20x"),
        ("http://example.com/%7euser/%2F?a=%20+&b", "http://example.com/%7euser/%2F?a=%20+&b"),
        ("http://example.com/a?b=c?d=/e", "http://example.com/a?b=c?d=/e"),
        ('http://example.com/"<>{}`\\', "http://example.com/%22%3C%3E%7B%7D%60%5C"),
        ("http://Bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://my_app:8000/voice", "http://my_app:8000/voice"),
        ("http://[2001:DB8:0::1]:8080/a", "http://[2001:db8::1]:8080/a"),
        ("  http://example.com/a\n", "http://example.com/a"),
    ],
)
def test_target_url_is_the_one_that_is_sent_and_signed(url: str, sent: str) -> None:
    target = parse_target(url)
    assert target.url == sent
    assert str(target.request_url()) == sent


def test_target_credentials_are_decoded_and_not_shown() -> None:
    target = parse_target("http://us%40er:p%3Aa%20ss@example.com/a")
    assert (target.username, target.password) == ("us@er", "p:a ss")
    assert "ss" not in repr(target)
    assert target.base_url == "http://us%40er:p%3Aa%20ss@example.com/a"
    assert parse_target(target.base_url) == target


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("next", "http://user:pass@example.com/dir/next"),
        ("/next?x=1", "http://user:pass@example.com/next?x=1"),
        ("../a#fragment", "http://user:pass@example.com/a"),
        ("//example.com/a", "http://user:pass@example.com/a"),
        ("http://example.com:80/a", "http://user:pass@example.com/a"),
        ("https://example.com/a", "https://example.com/a"),
        ("http://example.com:8080/a", "http://example.com:8080/a"),
        ("http://other.example/a", "http://other.example/a"),
        ("http://new:one@example.com/a", "http://new:one@example.com/a"),
    ],
)
def test_target_redirect_keeps_credentials_within_its_origin(location: str, url: str) -> None:
    assert parse_target("http://user:pass@example.com/dir/voice").redirected(location).base_url == url


@given(st.text(st.characters(), max_size=60))
def test_target_any_text_is_a_target_or_a_fetch_error(text: str) -> None:
    for url in (text, f"http://{text}", f"http://example.com/{text}", f"https://{text}@example.com/"):
        try:
            target = parse_target(url)
        except FetchError as error:
            assert error.code in (FetchCode.INVALID_URL, FetchCode.BAD_HOST_NAME)
        else:
            assert target.url.isascii()
            assert not set(target.url) & set(' \r\n\t"<>#')
            assert parse_target(target.url).url == target.url
            assert parse_target(target.base_url) == target


@given(st.text(max_size=60))
def test_target_redirect_to_any_text_is_a_target_or_a_fetch_error(text: str) -> None:
    try:
        parse_target("http://example.com/a").redirected(text)
    except (FetchError, ValueError):
        pass


def test_target_of_eight_thousand_characters_is_refused() -> None:
    with pytest.raises(FetchError):
        parse_target("http://example.com/" + "a" * 8000)


def test_target_text_that_is_no_unicode_is_replaced() -> None:
    target = parse_target("http://us\udc80er:\ud800@example.com/\udc80?\udc80")
    assert (target.username, target.password) == ("us\ufffder", "\ufffd")
    assert target.resource == "/%EF%BF%BD?%EF%BF%BD"
