"""The client against a real web server: what is sent, how it is signed, which redirects and retries happen."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from multidict import MultiDict
from twilio.request_validator import RequestValidator

from gateway.webhooks.client import CallCookies, Exchanged, Request, WebhookClient
from gateway.webhooks.errors import FetchCode, FetchError
from gateway.webhooks.guard import Guard
from tests.gateway.webhooks.application import (
    LOOPBACK,
    TOKEN,
    Application,
    Seen,
    closed_port,
    running_application,
    webhook_client,
)

PARAMS = (("CallSid", "CA1"), ("From", "+15550100"), ("CallerName", "Zoë & Søn=1"), ("Empty", ""))


@pytest_asyncio.fixture
async def application() -> AsyncIterator[Application]:
    async with running_application() as application:
        yield application


@pytest_asyncio.fixture
async def client() -> AsyncIterator[WebhookClient]:
    async with webhook_client() as client:
        yield client


def is_signed(seen: Seen) -> bool:
    return bool(RequestValidator(TOKEN).validate(seen.url, seen.form, seen.headers["X-Twilio-Signature"]))


async def failure(client: WebhookClient, request: Request) -> FetchError:
    with pytest.raises(FetchError) as caught:
        await client.fetch(request)
    return caught.value


async def test_fetch_post_sends_a_signed_form(client: WebhookClient, application: Application) -> None:
    application.answer("/voice", "<Response><Hangup/></Response>", Content_Type="text/XML; charset=iso-8859-1")
    fetched = await client.fetch(Request(url=application.url("/voice?a=1&b=%20x"), params=PARAMS))
    (seen,) = application.seen
    assert (seen.method, seen.url) == ("POST", application.url("/voice?a=1&b=%20x"))
    assert list(seen.form.items()) == list(PARAMS)
    assert seen.headers["Content-Type"].startswith("application/x-www-form-urlencoded")
    assert seen.headers["User-Agent"] == "TwilioProxy/1.1"
    assert seen.headers["I-Twilio-Idempotency-Token"]
    assert is_signed(seen)
    assert fetched.body == b"<Response><Hangup/></Response>"
    assert (fetched.content_type, fetched.charset, fetched.status) == ("text/xml", "iso-8859-1", 200)


async def test_fetch_get_appends_parameters_to_the_query(client: WebhookClient, application: Application) -> None:
    await client.fetch(Request(url=application.url("/voice?a=1#rc=3"), method="GET", params=PARAMS))
    await client.fetch(Request(url=application.url("/voice"), method="GET", params=PARAMS[:1]))
    first, second = application.seen
    assert list(first.query.items()) == [("a", "1"), *PARAMS]
    assert second.url == application.url("/voice?CallSid=CA1")
    assert is_signed(first)
    assert is_signed(second)


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


async def test_fetch_signs_with_the_accounts_own_token(application: Application) -> None:
    application.answer("/voice", "<Response/>", Content_Type="text/xml")
    application.answer("/a.wav", "RIFF", Content_Type="audio/wav", Cache_Control="max-age=60")
    async with webhook_client(token_of="token of {}".format) as client:
        for account in ("AC1", "AC2"):
            await client.fetch(Request(url=application.url("/voice"), params=PARAMS, account_sid=account))
            await client.fetch_audio(application.url("/a.wav"), account_sid=account)
            await client.fetch_audio(application.url("/a.wav"), account_sid=account)
    # What was fetched for one account is not played to another out of the cache.
    assert [seen.url.rpartition("/")[2] for seen in application.seen] == ["voice", "a.wav"] * 2
    for seen, account in zip(application.seen, ("AC1", "AC1", "AC2", "AC2"), strict=True):
        validator = RequestValidator(f"token of {account}")
        assert validator.validate(seen.url, seen.form, seen.headers["X-Twilio-Signature"])


# twilio-python's validator drops a ";" that ends a path before it computes, and so refuses what was signed as sent.
PATHS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="#;"), max_size=10)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=PATHS,
    user=st.sampled_from(["", "user:pass@", "us%65r@", "u:p%40ss%3A@"]),
    method=st.sampled_from(["GET", "POST"]),
    params=st.lists(st.tuples(NAMES, TEXTS), max_size=6),
)
def test_fetch_any_url_and_form_arrive_as_they_were_signed(
    path: str, user: str, method: str, params: list[tuple[str, str]]
) -> None:
    async def exchange() -> None:
        async with running_application() as application, webhook_client() as client:
            request = Request(url=application.url("/" + path, user=user), method=method, params=tuple(params))
            await client.fetch(request)
            (seen,) = application.seen
            assert is_signed(seen)
            got = (
                seen.form if method == "POST" else MultiDict(list(seen.query.items())[-len(params) :] if params else [])
            )
            assert list(got.items()) == params

    asyncio.run(exchange())


async def test_fetch_error_status_names_code_and_kind(client: WebhookClient, application: Application) -> None:
    application.answer("/gone", status=404)
    application.answer("/broken", status=503)
    gone = await failure(client, Request(url=application.url("/gone")))
    assert (gone.code, gone.http_status) == (FetchCode.ERROR_STATUS, 404)
    assert (await failure(client, Request(url=application.url("/broken")))).http_status == 503
    assert len(application.seen) == 2


async def test_fetch_empty_answer_is_an_error_unless_it_may_be(client: WebhookClient, application: Application) -> None:
    application.answer("/empty", "", status=204)
    assert (await failure(client, Request(url=application.url("/empty")))).code is FetchCode.BODY_EMPTY
    fetched = await client.fetch(Request(url=application.url("/empty"), may_be_empty=True))
    assert (fetched.body, fetched.status) == (b"", 204)


async def test_fetch_of_sound_leaves_the_body_to_the_player(client: WebhookClient, application: Application) -> None:
    application.answer("/voice", "RIFF" + "x" * 200_000, Content_Type="audio/wav")
    fetched = await client.fetch(Request(url=application.url("/voice")))
    assert (fetched.content_type, fetched.body) == ("audio/wav", b"")


@pytest.mark.parametrize(
    ("fragment", "status", "expected"),
    [
        ("", 503, 1),
        ("rc=2&rp=5xx", 503, 3),
        ("rc=2&rp=5xx", 404, 1),
        ("rc=1&rp=4xx,5xx", 404, 2),
        ("rc=5&rp=all", 500, 6),
        ("rc=0&rp=all", 500, 1),
        ("rc=2&rp=ct", 500, 1),
    ],
)
async def test_fetch_retries_as_the_url_says_with_the_same_token(
    client: WebhookClient, application: Application, fragment: str, status: int, expected: int
) -> None:
    application.answer("/voice", status=status)
    error = await failure(client, Request(url=application.url(f"/voice#{fragment}"), params=PARAMS))
    assert error.http_status == status
    assert len(application.seen) == expected
    assert len({seen.headers["I-Twilio-Idempotency-Token"] for seen in application.seen}) == 1
    assert all(is_signed(seen) for seen in application.seen)


async def test_fetch_retry_that_succeeds_gives_the_document(client: WebhookClient, application: Application) -> None:
    def second_time(_: Seen) -> web.Response:
        return web.Response(status=200 if len(application.seen) == 2 else 500, text="<Response/>")

    application.answers["/voice"] = second_time
    assert (await client.fetch(Request(url=application.url("/voice#rp=5xx")))).body == b"<Response/>"


async def test_fetch_bad_method_and_bad_policy_ask_nobody(client: WebhookClient, application: Application) -> None:
    put = await failure(client, Request(url=application.url("/voice"), method="PUT"))
    policy = await failure(client, Request(url=application.url("/voice#rp=sometimes")))
    assert (put.code, policy.code) == (FetchCode.INVALID_METHOD, FetchCode.BAD_RETRY_POLICY)
    assert application.seen == []


async def test_fetch_connection_refused_is_tried_twice(client: WebhookClient) -> None:
    error = await failure(client, Request(url=f"http://127.0.0.1:{closed_port()}/"))
    assert error.code is FetchCode.CONNECTION_REFUSED


async def test_fetch_credentials_are_basic_and_not_in_the_request(
    client: WebhookClient, application: Application
) -> None:
    fetched = await client.fetch(Request(url=application.url("/voice", user="us%65r:p%40ss@")))
    (seen,) = application.seen
    assert seen.headers["Authorization"] == "Basic " + base64.b64encode(b"user:p@ss").decode()
    assert seen.url == application.url("/voice")
    assert is_signed(seen)
    assert fetched.url == application.url("/voice")
    assert fetched.base_url == application.url("/voice", user="user:p%40ss@")
    assert "p%40ss" not in repr(fetched)


async def test_fetch_digest_challenge_is_answered_once(client: WebhookClient, application: Application) -> None:
    def md5(text: str) -> str:
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    def guarded(seen: Seen) -> web.Response:
        given = seen.headers.get("Authorization", "")
        if not given.startswith("Digest "):
            challenge = 'Digest realm="app", nonce="n1", qop="auth", algorithm=MD5'
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        found = dict(part.split("=", 1) for part in given[7:].replace('"', "").split(", "))
        secret, resource = md5("user:app:secret"), md5(f"POST:{found['uri']}")
        expected = md5(f"{secret}:n1:{found['nc']}:{found['cnonce']}:auth:{resource}")
        assert found["uri"] == "/voice?x=1"
        return web.Response(status=200 if found["response"] == expected else 401, text="<Response/>")

    application.answers["/voice"] = guarded
    await client.fetch(Request(url=application.url("/voice?x=1", user="user:secret@"), params=PARAMS))
    assert len(application.seen) == 2
    assert all(is_signed(seen) and list(seen.form.items()) == list(PARAMS) for seen in application.seen)
    wrong = await failure(client, Request(url=application.url("/voice?x=1", user="user:wrong@")))
    assert (wrong.http_status, len(application.seen)) == (401, 4)
    assert "wrong" not in str(wrong)


async def test_fetch_refused_credentials_without_digest_are_not_tried_again(
    client: WebhookClient, application: Application
) -> None:
    application.answer("/voice", status=401, WWW_Authenticate='Basic realm="app"')
    error = await failure(client, Request(url=application.url("/voice", user="user:secret@")))
    assert (error.http_status, len(application.seen)) == (401, 1)
    assert "secret" not in str(error) + error.url


@pytest.mark.parametrize(
    ("status", "method", "expected"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
        (302, "GET", "GET"),
        (307, "GET", "GET"),
    ],
)
async def test_fetch_redirect_is_followed_as_a_browser_does_and_signed_anew(
    client: WebhookClient, application: Application, status: int, method: str, expected: str
) -> None:
    application.redirect("/voice", "next?y=%7e", status=status)
    fetched = await client.fetch(Request(url=application.url("/voice"), method=method, params=PARAMS))
    first, second = application.seen
    assert (second.method, second.url) == (expected, application.url("/next?y=%7e"))
    assert list(second.form.items()) == (list(PARAMS) if expected == "POST" else [])
    assert is_signed(second)
    assert first.headers["I-Twilio-Idempotency-Token"] == second.headers["I-Twilio-Idempotency-Token"]
    assert fetched.url == application.url("/next?y=%7e")


async def test_fetch_ten_redirects_are_followed_and_eleven_are_not(
    client: WebhookClient, application: Application
) -> None:
    for number in range(11):
        application.redirect(f"/{number}", f"/{number + 1}")
    assert (await client.fetch(Request(url=application.url("/1")))).url == application.url("/11")
    application.seen.clear()
    error = await failure(client, Request(url=application.url("/0")))
    assert (error.code, len(application.seen)) == (FetchCode.TOO_MANY_REDIRECTS, 11)


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "gopher://x/", "http://", "http://[::1", "//a b/", "http:///x"]
)
async def test_fetch_redirect_to_no_web_address_is_11216(
    client: WebhookClient, application: Application, location: str
) -> None:
    application.redirect("/voice", location)
    assert (await failure(client, Request(url=application.url("/voice")))).code is FetchCode.INVALID_REDIRECT


async def test_fetch_redirect_without_location_is_11216(client: WebhookClient, application: Application) -> None:
    application.answer("/voice", status=302)
    assert (await failure(client, Request(url=application.url("/voice")))).code is FetchCode.INVALID_REDIRECT


async def test_fetch_redirect_takes_credentials_along_within_the_origin_only(
    client: WebhookClient, application: Application
) -> None:
    async with running_application() as other:
        application.redirect("/voice", "/same")
        application.redirect("/same", other.url("/elsewhere"))
        await client.fetch(Request(url=application.url("/voice", user="user:pass@")))
        assert [("Authorization" in seen.headers) for seen in application.seen] == [True, True]
        assert "Authorization" not in other.seen[0].headers


async def test_fetch_cookies_are_kept_per_call_and_per_host(client: WebhookClient, application: Application) -> None:
    application.answer("/voice", Set_Cookie="session=abc; Path=/; HttpOnly")
    cookies = CallCookies()
    await client.fetch(Request(url=application.url("/voice"), cookies=cookies))
    await client.fetch(Request(url=application.url("/next"), cookies=cookies))
    await client.fetch(Request(url=application.url("/next"), cookies=CallCookies()))
    await client.fetch(Request(url=application.url("/next")))
    assert [seen.headers.get("Cookie") for seen in application.seen] == [None, "session=abc", None, None]


async def test_fetch_cookie_set_by_a_redirect_is_sent_to_its_target(
    client: WebhookClient, application: Application
) -> None:
    application.answer("/voice", status=302, Set_Cookie="seen=1; Path=/", Location="/next")
    await client.fetch(Request(url=application.url("/voice"), cookies=CallCookies()))
    assert application.seen[1].headers["Cookie"] == "seen=1"


async def test_fetch_url_never_shows_credentials_in_an_error(client: WebhookClient) -> None:
    error = await failure(client, Request(url=f"http://user:hunter2@127.0.0.1:{closed_port()}/x#rc=0"))
    assert "hunter2" not in str(error) + error.url
    assert "hunter2" not in repr(Request(url="http://user:hunter2@example.com/"))


async def test_fetch_that_is_over_is_told_with_its_answer_or_its_error(application: Application) -> None:
    told: list[Exchanged] = []
    client = WebhookClient(token_of=lambda _: TOKEN, guard=Guard(LOOPBACK), on_exchange=told.append)
    application.answer("/voice", "<Response/>")
    application.answer("/gone", status=404)
    fine, bad = (Request(url=application.url(path), call_sid="CA1") for path in ("/voice", "/gone"))
    answer = await client.fetch(fine)
    error = await failure(client, bad)
    refused = await failure(client, Request(url="ftp://app.example.com/"))
    await client.close()
    assert [(each.request.url, each.answer, each.error) for each in told] == [
        (fine.url, answer, None),
        (bad.url, None, error),
        ("ftp://app.example.com/", None, refused),
    ]
    assert all(0 <= each.took_s < 60 for each in told)
