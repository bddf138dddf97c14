"""Accounts and keys over REST, as the unmodified twilio-python uses them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import pytest_asyncio

from gateway.live_calls import LiveCalls
from gateway.sids import new_sid
from signaling.leg import HangupCause
from tests.gateway.accounts.served import KEY, MAIN, SECRET, TOKEN, Served, ask, refusal, served


def contents(directory: Path) -> bytes:
    return b"".join(each.read_bytes() for each in directory.iterdir() if each.is_file())


@pytest_asyncio.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path, lambda _: []) as running:
        yield running


async def test_account_is_made_read_listed_and_renamed(api: Served) -> None:
    account = await ask(api.main.api.accounts.create, friendly_name="shop")
    assert (account.friendly_name, account.status, account.owner_account_sid) == ("shop", "active", MAIN)
    assert len(account.auth_token) == 32 and account.date_created == account.date_updated
    assert account.uri == f"/2010-04-01/Accounts/{account.sid}.json"
    assert account.subresource_uris["calls"] == f"/2010-04-01/Accounts/{account.sid}/Calls.json"
    found = await ask(api.main.api.accounts(account.sid).fetch)
    assert (found.auth_token, found.date_created) == (account.auth_token, account.date_created)
    renamed = await ask(api.main.api.accounts(account.sid).update, friendly_name="store")
    assert renamed.friendly_name == "store"
    listed = await ask(api.main.api.accounts.list)
    assert [each.sid for each in listed] == [account.sid, MAIN]
    assert [each.sid for each in await ask(api.main.api.accounts.list, friendly_name="store")] == [account.sid]
    assert await ask(api.main.api.accounts.list, status="suspended") == []


async def test_account_without_a_name_has_one(api: Served) -> None:
    assert (await ask(api.main.api.accounts.create)).friendly_name.startswith("SubAccount Created at 20")


async def test_account_list_is_read_page_by_page(api: Served) -> None:
    made = [(await ask(api.main.api.accounts.create, friendly_name=str(number))).sid for number in range(5)]
    listed = await ask(api.main.api.accounts.list, page_size=2)
    assert [each.sid for each in listed] == [*made[::-1], MAIN]


async def test_sub_account_sees_itself_alone(api: Served) -> None:
    one, client = await api.sub("one")
    two, _ = await api.sub("two")
    assert [each.sid for each in await ask(client.api.accounts.list)] == [one.sid]
    assert (await ask(client.api.accounts(one.sid).fetch)).sid == one.sid
    for foreign in (two.sid, MAIN, "AC" + "9" * 32):
        assert await refusal(client.api.accounts(foreign).fetch) == (404, 20404)
        assert await refusal(client.api.accounts(foreign).update, friendly_name="mine") == (404, 20404)
        assert await refusal(client.api.accounts(foreign).keys.list) == (404, 20404)
    assert await refusal(client.api.accounts.create) == (403, 20006)
    assert await refusal(client.api.accounts(one.sid).update, status="suspended") == (403, 20006)
    assert (await ask(client.api.accounts(one.sid).update, friendly_name="uno")).friendly_name == "uno"


async def test_main_account_acts_for_its_sub_account(api: Served) -> None:
    one, client = await api.sub("one")
    key = await ask(api.main.api.accounts(one.sid).new_keys.create, friendly_name="by main")
    assert [each.sid for each in await ask(client.keys.list)] == [key.sid]
    assert [each.sid for each in await ask(api.main.keys.list)] == [KEY]


async def test_suspended_account_is_locked_out_and_comes_back(api: Served) -> None:
    one, client = await api.sub("one")
    owned = api.main.api.accounts(one.sid)
    assert (await ask(owned.update, status="suspended")).status == "suspended"
    assert await refusal(client.keys.list) == (403, 20005)
    assert await refusal(owned.new_keys.create) == (403, 20005)
    assert await ask(owned.keys.list) == []
    await ask(owned.update, status="active")
    assert await ask(client.keys.list) == []


async def test_closed_account_stays_closed(api: Served) -> None:
    one, client = await api.sub("one")
    owned = api.main.api.accounts(one.sid)
    assert (await ask(owned.update, status="closed")).status == "closed"
    assert await refusal(client.keys.list) == (403, 20005)
    assert await refusal(owned.update, status="active") == (400, 20001)
    assert await refusal(owned.update, status="elsewhere") == (400, 20001)


async def test_main_account_is_the_configuration_files(api: Served) -> None:
    assert (await ask(api.main.api.accounts(MAIN).fetch)).friendly_name == "main account"
    assert await refusal(api.main.api.accounts(MAIN).update, friendly_name="x") == (403, 20006)
    assert await refusal(api.main.api.accounts(MAIN).update, status="closed") == (403, 20006)


async def test_account_limits_are_set_shown_and_lifted(api: Served) -> None:
    one, _ = await api.sub("one")
    path = f"Accounts/{one.sid}.json"
    status, found = await api.raw(path, method="POST", MaxCalls="2", CallsPerSecond="0.5", AllowedPrefixes="+46 +1555")
    assert status == 200
    wanted = {"max_calls": 2, "calls_per_second": 0.5, "allowed_prefixes": ["+46", "+1555"]}
    assert found["limits"] == wanted
    limits = api.directory.limits(one.sid)
    assert (limits.calls, limits.per_second, limits.prefixes) == (2, 0.5, ("+46", "+1555"))
    _, found = await api.raw(path, method="POST", FriendlyName="limited")
    assert found["limits"] == wanted
    # What limits an account is not its own to lift.
    await api.raw(path, user=one.sid, password=one.auth_token, method="POST", MaxCalls="", AllowedPrefixes="")
    assert api.directory.limits(one.sid).calls == 2
    _, found = await api.raw(path, method="POST", MaxCalls="", CallsPerSecond="", AllowedPrefixes="")
    assert found["limits"] == {"max_calls": None, "calls_per_second": None, "allowed_prefixes": []}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MaxCalls", "-1"),
        ("MaxCalls", "many"),
        ("CallsPerSecond", "0"),
        ("CallsPerSecond", "nan"),
        ("CallsPerSecond", "1e9"),
        ("AllowedPrefixes", "+46 Sweden"),
        ("AllowedPrefixes", "+" + "1" * 16),
        ("FriendlyName", "x" * 65),
    ],
)
async def test_account_limit_that_is_none_is_refused(api: Served, name: str, value: str) -> None:
    status, found = await api.raw("Accounts.json", method="POST", **{name: value})
    assert (status, found["code"]) == (400, 20001)
    assert found["message"].startswith(f"{name}: expected")


async def test_key_shows_its_secret_once_and_logs_in(api: Served) -> None:
    key = await ask(api.main.new_keys.create, friendly_name="ci")
    assert key.sid.startswith("SK") and key.friendly_name == "ci" and len(key.secret) >= 32
    client = api.client(key.sid, key.secret, MAIN)
    status, found = await api.raw(f"Accounts/{MAIN}/Keys/{key.sid}.json")
    assert status == 200 and found.keys() == {"sid", "friendly_name", "date_created", "date_updated"}
    # It works in the account, and hands out no access to it.
    assert await refusal(client.keys.list) == (403, 20006)
    assert await refusal(client.new_keys.create) == (403, 20006)
    assert await refusal(client.api.accounts(MAIN).fetch) == (403, 20006)
    assert await refusal(client.api.accounts("AC" + "9" * 32).keys.list) == (404, 20404)
    renamed = await ask(api.main.keys(key.sid).update, friendly_name="cd")
    assert renamed.friendly_name == "cd"
    assert await ask(api.main.keys(key.sid).delete)
    assert await refusal(api.main.keys(key.sid).fetch) == (404, 20404)
    assert await refusal(client.keys.list) == (401, 20003)


async def test_signing_keys_are_the_keys(api: Served) -> None:
    key = await ask(api.main.new_signing_keys.create, friendly_name="sign")
    listed = await ask(api.main.signing_keys.list)
    assert [(each.sid, each.friendly_name) for each in listed] == [(key.sid, "sign"), (KEY, "configuration file")]
    assert [each.sid for each in await ask(api.main.keys.list)] == [key.sid, KEY]
    signing = api.directory.signing_key(key.sid)
    assert signing is not None and (signing.account_sid, signing.secret) == (MAIN, key.secret)


async def test_key_of_the_configuration_file_is_shown_and_not_changed(api: Served) -> None:
    assert (await ask(api.main.keys(KEY).fetch)).sid == KEY
    assert await refusal(api.main.keys(KEY).update, friendly_name="x") == (403, 20006)
    assert await refusal(api.main.keys(KEY).delete) == (403, 20006)
    assert api.directory.login(KEY, SECRET) == (MAIN, True)


@pytest.mark.parametrize(
    ("user", "password"),
    [(MAIN, SECRET), (KEY, TOKEN), (MAIN, ""), ("", TOKEN), ("AC" + "9" * 32, TOKEN), ("SK" + "9" * 32, "")],
)
async def test_wrong_password_is_told_like_an_unknown_user(api: Served, user: str, password: str) -> None:
    status, found = await api.raw(f"Accounts/{MAIN}/Keys.json", user=user, password=password)
    assert (status, found["code"], found["message"]) == (401, 20003, "Authenticate")


async def test_accounts_and_keys_are_there_after_a_restart(tmp_path: Path) -> None:
    async with served(tmp_path, lambda _: []) as running:
        one, client = await running.sub("one")
        key = await ask(client.new_keys.create, friendly_name="kept")
        gone = await ask(client.new_keys.create)
        await ask(client.keys(gone.sid).delete)
        await running.raw(f"Accounts/{one.sid}.json", method="POST", AllowedPrefixes="+46")
    files = await asyncio.to_thread(contents, tmp_path)
    assert one.sid.encode() in files
    assert not any(secret.encode() in files for secret in (one.auth_token, key.secret))
    async with served(tmp_path, lambda _: []) as running:
        again = running.client(one.sid, one.auth_token)
        assert [(each.sid, each.friendly_name) for each in await ask(again.keys.list)] == [(key.sid, "kept")]
        assert running.directory.login(key.sid, key.secret) == (one.sid, True)
        assert running.directory.limits(one.sid).prefixes == ("+46",)


async def test_second_auth_token_is_valid_beside_the_first_and_takes_its_place(api: Served) -> None:
    account, client = await api.sub("one")
    second = await ask(client.accounts.v1.secondary_auth_token().create)
    assert (second.account_sid, second.url) == (account.sid, "http://voice.example.com/v1/AuthTokens/Secondary")
    assert second.date_created.tzinfo is not None and second.secondary_auth_token != account.auth_token
    with_second = api.client(account.sid, second.secondary_auth_token)
    assert await ask(client.keys.list) == await ask(with_second.keys.list) == []
    assert api.directory.signing_token(account.sid) == account.auth_token
    promoted = await ask(with_second.accounts.v1.auth_token_promotion().update)
    assert promoted.auth_token == second.secondary_auth_token == api.directory.signing_token(account.sid)
    assert await refusal(client.keys.list) == (401, 20003)
    assert await refusal(with_second.accounts.v1.auth_token_promotion().update) == (404, 20404)


async def test_second_auth_token_is_taken_back(api: Served) -> None:
    account, client = await api.sub("one")
    second = await ask(client.accounts.v1.secondary_auth_token().create)
    assert await ask(client.accounts.v1.secondary_auth_token().delete)
    assert await refusal(api.client(account.sid, second.secondary_auth_token).keys.list) == (401, 20003)


async def test_auth_tokens_are_no_matter_of_keys_or_of_the_configuration_file(api: Served) -> None:
    _, client = await api.sub("one")
    key = await ask(client.new_keys.create)
    for refused in (api.client(key.sid, key.secret, client.account_sid), api.main):
        assert await refusal(refused.accounts.v1.secondary_auth_token().create) == (403, 20006)


class Running:
    """A call that runs, as LiveCalls knows it."""

    def __init__(self, account_sid: str) -> None:
        self.facts = SimpleNamespace(sid=new_sid("CA"), account_sid=account_sid)
        self.is_over = False

    def hangup(self, _cause: HangupCause) -> None:
        self.is_over = True


async def test_closing_an_account_ends_its_calls_and_nobody_elses(tmp_path: Path) -> None:
    calls = LiveCalls()
    async with served(tmp_path, lambda _: [], calls=calls) as running:
        account, _ = await running.sub("one")
        own, other = Running(account.sid), Running(MAIN)
        for call in (own, other):
            calls.add(cast(Any, call))
        await ask(running.main.api.accounts(account.sid).update, status="suspended")
        assert not own.is_over
        await ask(running.main.api.accounts(account.sid).update, status="closed")
    assert own.is_over and not other.is_over
