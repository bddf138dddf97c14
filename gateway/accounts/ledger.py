"""What REST made of accounts, kept: every change is in the directory at once and then in the database.

Owns reading at start and writing; secrets pass through the vault on their way. An entry that the configuration file
defines too is the file's. Source: README, "Accounts".
"""

import structlog

from gateway.accounts.directory import Directory
from gateway.accounts.entries import Entry, entry_of, record_of
from gateway.accounts.vault import Vault
from gateway.store import Store
from gateway.store.records import ConfiguredRecord, DeletedConfigured
from signaling.errors import UsageError

_log = structlog.get_logger(__name__)


class Ledger:
    """directory: filled by load() and changed by the others."""

    def __init__(self, directory: Directory, *, store: Store, vault: Vault) -> None:
        self._directory = directory
        self._store = store
        self._vault = vault

    @property
    def directory(self) -> Directory:
        return self._directory

    async def load(self) -> int:
        """Read everything; returns how many entries. Raises SecretUnreadable, StorageUnavailable."""
        found = 0
        stale: list[ConfiguredRecord] = []
        for record in await self._store.configured():
            if self._directory.holds(record.sid):
                _log.warning("defined in the configuration file as well, which counts", sid=record.sid)
                continue
            try:
                entry = entry_of(record, self._vault)
                self._directory.put(entry)
                if self._vault.is_stale(record.details.values()):
                    stale.append(record_of(entry, self._vault))
                found += 1
            except (UsageError, TypeError) as error:
                _log.error("unreadable entry left out", sid=record.sid, reason=str(error))
        if stale:
            await self._store.write(*stale)
            _log.warning("secrets sealed anew", entries=len(stale))
        return found

    async def put(self, entry: Entry) -> None:
        """Raises StorageUnavailable when it is not safe yet; it counts, and is written later, all the same."""
        record = record_of(entry, self._vault)
        self._directory.put(entry)
        await self._store.write(record)

    async def remove(self, *entries: Entry) -> None:
        """As put."""
        for entry in entries:
            self._directory.discard(entry)
        await self._store.write(*(DeletedConfigured(entry.sid) for entry in entries))
