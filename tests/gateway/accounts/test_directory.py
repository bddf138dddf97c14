"""Who may do what, and whose a call is: tables over a directory of two accounts."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.accounts.allowance import AllInUse, Allowance
from gateway.accounts.directory import Directory
from gateway.accounts.entries import Account, Application, Credential, Key, Limits, PhoneNumber
from gateway.live_calls import LiveCalls
from gateway.routing import BUILT_IN_APPLICATION_SID, Router, Script
from signaling.location import ClientTarget, NumberTarget
from signaling.scope import account_host, account_in, account_label, identity_in, scoped
from tests.gateway.accounts.peers import SINCE, directory

MAIN, SUB, OTHER = "AC" + "a" * 32, "AC" + "b" * 32, "AC" + "c" * 32
KEY, SUB_KEY = "SK" + "1" * 32, "SK" + "2" * 32
APP, SUB_APP = "AP" + "1" * 32, "AP" + "2" * 32


def account(sid: str, **more: Any) -> Account:
    return Account(
        sid=sid,
        owner_sid=MAIN,
        friendly_name=sid[:3],
        auth_token=f"token of {sid}",
        date_created=SINCE + timedelta(days=1),
        date_updated=SINCE,
        **more,
    )


@pytest.fixture
def book() -> Directory:
    made = directory(
        MAIN,
        "main token",
        api_keys={KEY: "main secret"},
        applications=[{"sid": APP, "voice_url": "http://main.example.com/"}],
        numbers=[{"phone_number": "+15550100", "application_sid": APP}],
        clients=[{"identity": "alice", "password": "main password"}],
        sip={"voice_url": "http://main.example.com/phones"},
    )
    of = {"account_sid": SUB, "date_created": SINCE, "date_updated": SINCE}
    for entry in (
        account(SUB),
        account(OTHER, status="suspended"),
        Key(sid=SUB_KEY, friendly_name="", secret="sub secret", **of),  # type: ignore[arg-type]
        Application(sid=SUB_APP, friendly_name="", voice_url="http://sub.example.com/", **of),  # type: ignore[arg-type]
        PhoneNumber(sid="PN" + "2" * 32, phone_number="+15550200", friendly_name="", application_sid=SUB_APP, **of),  # type: ignore[arg-type]
        Credential(sid="CR" + "2" * 32, list_sid="CL" + "2" * 32, username="alice", password="sub password", **of),  # type: ignore[arg-type]
    ):
        made.put(entry)
    return made


@pytest.mark.parametrize(
    ("user", "password", "found"),
    [
        (MAIN, "main token", (MAIN, False)),
        (KEY, "main secret", (MAIN, True)),
        (SUB, f"token of {SUB}", (SUB, False)),
        (SUB_KEY, "sub secret", (SUB, True)),
        (SUB, "main token", None),
        (SUB, "", None),
        (SUB_APP, "", None),
        ("alice", "main password", None),
        ("\N{SNOWMAN}", "\N{SNOWMAN}", None),
    ],
)
def test_login(book: Directory, user: str, password: str, found: tuple[str, bool] | None) -> None:
    assert book.login(user, password) == found


def test_login_by_either_token_of_two(book: Directory) -> None:
    book.put(replace(account(SUB), secondary_token="the next one"))
    assert book.login(SUB, f"token of {SUB}") == book.login(SUB, "the next one") == (SUB, False)


@pytest.mark.parametrize(
    ("actor", "of", "may"),
    [
        (MAIN, MAIN, True),
        (MAIN, SUB, True),
        (SUB, SUB, True),
        (SUB, MAIN, False),
        (SUB, OTHER, False),
        (MAIN, "AC" + "9" * 32, False),
    ],
)
def test_who_may_act_for_whom(book: Directory, actor: str, of: str, may: bool) -> None:
    assert book.may_act_for(actor, of) is may


@pytest.mark.parametrize(
    ("host", "found"),
    [
        (SUB.lower() + ".sip.example.com", SUB),
        (SUB + ".sip.example.com", SUB),
        (SUB.lower(), SUB),
        (MAIN.lower() + ".sip.example.com", ""),
        ("sip.example.com", ""),
        ("x" + SUB.lower() + ".sip.example.com", ""),
        (SUB.lower() + "0.sip.example.com", ""),
        ("AC" + "9" * 32, ""),
        ("127.0.0.1", ""),
        ("", ""),
    ],
)
def test_account_of_a_phones_host(book: Directory, host: str, found: str) -> None:
    assert book.account_of_host(host) == found


def test_one_name_in_two_accounts_is_two_identities(book: Directory) -> None:
    assert book.scope(MAIN, "alice") == "alice" and book.scope(SUB, "alice") == f"{SUB}|alice"
    assert book.password("alice") == "main password"
    assert book.password(book.scope(SUB, "alice")) == "sub password"
    assert book.password(book.scope(OTHER, "alice")) is None
    assert book.account_of("alice") == MAIN and book.account_of(f"{SUB}|alice") == SUB


def test_scope_comes_apart_as_it_was_put_together() -> None:
    assert (account_in(scoped(SUB, "a|b")), identity_in(scoped("", "bob"))) == (f"{SUB}|a", "bob")
    assert (account_in(scoped(SUB, "bob")), identity_in(scoped(SUB, "bob"))) == (SUB, "bob")
    assert account_label("") == ""


@pytest.mark.parametrize(
    ("account_sid", "domain", "host"),
    [
        ("", "sip.example.com", "sip.example.com"),
        ("", "127.0.0.1", "127.0.0.1"),
        (SUB, "sip.example.com", f"{SUB.lower()}.sip.example.com"),
        (SUB, "127.0.0.1", f"{SUB.lower()}.invalid"),
        (SUB, "[::1]", f"{SUB.lower()}.invalid"),
    ],
)
def test_host_of_an_account_means_the_account(book: Directory, account_sid: str, domain: str, host: str) -> None:
    assert account_host(account_sid, domain) == host
    assert book.account_of_host(host) == account_sid


def test_account_that_is_not_active_has_no_passwords_and_signs_no_tokens(book: Directory) -> None:
    assert book.signing_key(SUB_KEY) is not None
    book.put(replace(account(SUB), status="suspended"))
    assert book.signing_key(SUB_KEY) is None and book.password(book.scope(SUB, "alice")) is None
    assert book.signing_key(KEY) is not None and book.signing_key(SUB_APP) is None


def test_requests_are_signed_with_the_accounts_own_token(book: Directory) -> None:
    assert book.signing_token(SUB) == f"token of {SUB}"
    assert book.signing_token("") == book.signing_token("AC" + "9" * 32) == "main token"


@pytest.mark.parametrize(
    ("prefixes", "number", "may"),
    [
        ((), "+46701740605", True),
        (("+46",), "+46701740605", True),
        (("46",), "+46701740605", True),
        (("+46",), "46701740605", True),
        (("+46",), "+47701740605", False),
        (("+1", "+46"), "+15550100", True),
        (("+46",), "+4", False),
    ],
)
def test_prefixes_of_numbers(prefixes: tuple[str, ...], number: str, may: bool) -> None:
    assert Limits(prefixes=prefixes).permits(number) is may


def router(book: Directory) -> Router:
    from gateway.config import Configuration

    account = {"sid": MAIN, "auth_token": "main token"}
    return Router(
        Configuration.model_validate({"account": account, "sip": {"voice_url": "http://main.example.com/phones"}}), book
    )


def voice_url(script: Script | None) -> str | None:
    return None if script is None else script.voice_url


def test_router_keeps_accounts_apart(book: Directory) -> None:
    way = router(book)
    cases = [
        (way.for_phone("+15550200", account_sid=MAIN), "http://main.example.com/phones"),
        (way.for_phone("+15550200", account_sid=SUB), "http://sub.example.com/"),
        (way.for_phone("+15550100", account_sid=SUB), ""),
        (way.for_phone("bob", account_sid=SUB), ""),
        (way.for_device(SUB_APP, "", account_sid=SUB), "http://sub.example.com/"),
        (way.for_device(SUB_APP, "", account_sid=MAIN), None),
        (way.for_device(APP, "", account_sid=SUB), None),
        (way.for_device(BUILT_IN_APPLICATION_SID, "bob", account_sid=SUB), ""),
        (way.for_trunk("15550200"), "http://sub.example.com/"),
        (way.for_trunk("+15550100"), "http://main.example.com/"),
        (way.for_trunk("+15550300"), None),
    ]
    assert [voice_url(script) for script, _ in cases] == [wanted for _, wanted in cases]
    assert way.account_of_number("15550200") == SUB and way.account_of_number("+15550300") is None
    assert way.application(APP, account_sid=SUB) is None and way.application(APP) is not None
    assert way.first_number(account_sid=SUB) == "+15550200" and way.first_number() == "+15550100"
    assert not way.may_show("+15550100", account_sid=SUB) and way.may_show("+15550200", account_sid=SUB)
    assert way.target("alice", account_sid=SUB) == ClientTarget("alice")
    assert way.target("5550100", account_sid=SUB) == NumberTarget("5550100")


def test_phones_of_an_account_are_answered_by_the_application_it_named(book: Directory) -> None:
    book.put(account(SUB, sip_application_sid=SUB_APP))
    way = router(book)
    assert voice_url(way.for_phone("bob", account_sid=SUB)) == "http://sub.example.com/"
    assert voice_url(way.for_phone("+15550100", account_sid=SUB)) == "http://sub.example.com/"
    assert voice_url(way.for_phone("bob", account_sid=MAIN)) == "http://main.example.com/phones"
    # Another's application is none.
    book.put(account(SUB, sip_application_sid=APP))
    assert voice_url(way.for_phone("bob", account_sid=SUB)) == ""


def test_number_whose_application_is_gone_has_its_own_urls(book: Directory) -> None:
    number = book.number("+15550200")
    application = book.application(SUB, SUB_APP)
    assert number is not None and application is not None
    book.put(replace(number, voice_url="http://sub.example.com/own"))
    book.discard(application)
    assert voice_url(router(book).for_trunk("+15550200")) == "http://sub.example.com/own"


def test_number_that_changed_is_found_by_its_new_digits_alone(book: Directory) -> None:
    number = book.number("+15550200")
    assert number is not None
    book.put(replace(number, phone_number="+15550201"))
    assert book.number("+15550200") is None and book.number("15550201") is not None
    assert book.oldest(PhoneNumber, SUB) == book.number("15550201")


class OneCall:
    def __init__(self, sid: str, account_sid: str) -> None:
        self.facts = type("Facts", (), {"sid": sid, "account_sid": account_sid})()


def test_allowance_counts_each_accounts_calls(book: Directory) -> None:
    calls: Any = LiveCalls()
    allowance = Allowance(book, calls, most=3, per_second=10, longest_wait_s=10)
    book.put(replace(account(SUB), max_calls=1))
    first = OneCall("CA1", SUB)
    assert allowance.reserve(SUB, now_s=100) == 0
    calls.add(first)
    assert not allowance.has_room(SUB) and allowance.has_room(MAIN)
    with pytest.raises(AllInUse):
        allowance.reserve(SUB, now_s=0)
    calls.add(OneCall("CA2", MAIN))
    calls.add(OneCall("CA3", MAIN))
    assert not allowance.has_room(MAIN) and allowance.reserve(MAIN, now_s=0) is None
    calls.remove(first)
    assert allowance.has_room(SUB) and calls.count_of(SUB) == 0


def test_allowance_paces_each_account_by_its_own_limit(book: Directory) -> None:
    calls: Any = LiveCalls()
    allowance = Allowance(book, calls, most=1000, per_second=2, longest_wait_s=10)
    book.put(replace(account(SUB), calls_per_second=0.5))
    # Each may place at once what a second allows, one more to begin with.
    assert [allowance.reserve(MAIN, now_s=100) for _ in range(4)] == [0, 0, 0, 0.5]
    assert [allowance.reserve(SUB, now_s=100) for _ in range(3)] == [0, 1.0, 3.0]
    book.put(account(SUB))
    assert allowance.reserve(SUB, now_s=100) == 0
