"""What is configured over REST, on disk: it comes back, its secrets cannot be read, and another key opens none."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.accounts.directory import Directory
from gateway.accounts.entries import Account, Application, Credential, CredentialList, Entry, Key, PhoneNumber
from gateway.accounts.ledger import Ledger
from gateway.accounts.vault import SecretUnreadable, Vault
from gateway.store import Store
from gateway.store.records import ConfiguredRecord
from tests.gateway.accounts.peers import directory
from tests.gateway.store.records import url_of

MAIN, SUB = "AC" + "a" * 32, "AC" + "b" * 32
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FIRST, SECOND = Vault("first secret"), Vault("second secret")
BOTH = Vault("second secret", previous="first secret")

ENTRIES: list[Entry] = [
    Account(
        sid=SUB,
        owner_sid=MAIN,
        friendly_name="sub",
        auth_token="t" * 32,
        secondary_token="u" * 32,
        status="suspended",
        max_calls=3,
        calls_per_second=0.5,
        allowed_prefixes=("+46", "+1555"),
        sip_application_sid="AP" + "1" * 32,
        date_created=AT,
        date_updated=AT,
    ),
    Key(sid="SK" + "1" * 32, account_sid=SUB, friendly_name="ä", secret="k" * 32, date_created=AT, date_updated=AT),
    Application(
        sid="AP" + "1" * 32,
        account_sid=SUB,
        friendly_name="app",
        voice_url="http://app.example.com/",
        date_created=AT,
        date_updated=AT,
    ),
    PhoneNumber(
        sid="PN" + "1" * 32,
        account_sid=SUB,
        phone_number="+15550101",
        friendly_name="",
        application_sid="AP" + "1" * 32,
        date_created=AT,
        date_updated=AT,
    ),
    CredentialList(sid="CL" + "1" * 32, account_sid=SUB, friendly_name="phones", date_created=AT, date_updated=AT),
    Credential(
        sid="CR" + "1" * 32,
        account_sid=SUB,
        list_sid="CL" + "1" * 32,
        username="alice",
        password="p" * 32,
        date_created=AT,
        date_updated=AT,
    ),
]
SECRETS = ("t" * 32, "u" * 32, "k" * 32, "p" * 32)


async def loaded(store: Store, vault: Vault) -> Directory:
    ledger = Ledger(directory(MAIN, "main token"), store=store, vault=vault)
    await ledger.load()
    return ledger.directory


async def test_every_kind_of_entry_comes_back_as_it_was(tmp_path: Path) -> None:
    store = await Store.open(url_of(tmp_path))
    ledger = Ledger(directory(MAIN, "main token"), store=store, vault=FIRST)
    for entry in ENTRIES:
        await ledger.put(entry)
    again = await loaded(store, FIRST)
    for entry in ENTRIES:
        assert again.get(type(entry), entry.account_sid, entry.sid) == entry
    await ledger.remove(*ENTRIES[1:])
    assert [each.sid for each in await store.configured()] == [SUB]
    await store.close()


async def test_secrets_are_sealed_on_disk(tmp_path: Path) -> None:
    store = await Store.open(url_of(tmp_path))
    ledger = Ledger(directory(MAIN, "main token"), store=store, vault=FIRST)
    for entry in ENTRIES:
        await ledger.put(entry)
    written = " ".join(str(cell) for each in await store.configured() for cell in each.details.values())
    assert "phones" in written and not any(secret in written for secret in SECRETS)
    with pytest.raises(SecretUnreadable, match="previous_secret"):
        await loaded(store, SECOND)
    await store.close()


async def test_secrets_are_sealed_anew_when_the_secret_changes(tmp_path: Path) -> None:
    store = await Store.open(url_of(tmp_path))
    ledger = Ledger(directory(MAIN, "main token"), store=store, vault=FIRST)
    for entry in ENTRIES:
        await ledger.put(entry)
    await loaded(store, BOTH)
    again = await loaded(store, SECOND)
    for entry in ENTRIES:
        assert again.get(type(entry), entry.account_sid, entry.sid) == entry
    await store.close()


async def test_what_nobody_understands_is_left_out_and_the_file_wins(tmp_path: Path) -> None:
    store = await Store.open(url_of(tmp_path))
    strange = ConfiguredRecord(
        sid="XX" + "1" * 32, account_sid=SUB, kind="fax", date_created=AT, date_updated=AT, details={}
    )
    halved = ConfiguredRecord(
        sid="SK" + "2" * 32, account_sid=SUB, kind="key", date_created=AT, date_updated=AT, details={}
    )
    await store.write(strange, halved)
    ledger = Ledger(directory(MAIN, "main token", api_keys={"SK" + "1" * 32: "of the file"}), store=store, vault=FIRST)
    await Ledger(directory(MAIN, "main token"), store=store, vault=FIRST).put(ENTRIES[1])
    assert await ledger.load() == 0
    assert ledger.directory.login("SK" + "1" * 32, "of the file") == (MAIN, True)
    await store.close()
