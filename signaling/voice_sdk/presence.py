"""Whose sockets are open, which of them are registered, and what each identity has still to be told.

Owns the books only: it is told what happens and asked what there is. Bounded in every direction.
Source: voice-sdk.md 8 of the specification; reliability checks S-03, S-23.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Hashable, Sequence
from typing import TypeVar

from signaling.scope import Scope
from signaling.voice_sdk.connection import Connection
from signaling.voice_sdk.settings import VoiceSdkSettings

Owner = tuple[str, str]
Key = TypeVar("Key", bound=Hashable)
# How long and how many calls that ended behind a device's back are kept for telling it.
REMEMBER_S = 60.0
REMEMBER_MOST = 16
REMEMBER_IDENTITIES = 1000


class Presence:
    """scope: how whoever asks for an identity names it."""

    def __init__(self, settings: VoiceSdkSettings, *, scope: Scope) -> None:
        self._scope = scope
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._open: dict[Connection, None] = {}
        self._pending: Counter[str] = Counter()
        self._joined: dict[Owner, list[Connection]] = {}
        self._registered: dict[str, list[Connection]] = {}
        self._untold: dict[Owner, deque[tuple[float, str]]] = {}

    @property
    def live(self) -> dict[str, int]:
        registered = sum(len(connections) for connections in self._registered.values())
        return {"connections": len(self._open), "registered": registered}

    def all(self) -> list[Connection]:
        return list(self._open)

    def registered(self, identity: str) -> Sequence[Connection]:
        return self._registered.get(identity, ())

    def has_room(self, address: str) -> bool:
        """Sockets without a login are counted by address; with one, an address may be a proxy for many."""
        settings = self._settings
        return len(self._open) < settings.connections and self._pending[address] < settings.pending_per_address

    def opened(self, connection: Connection) -> None:
        self._open[connection] = None
        self._pending[connection.address] += 1

    def joined(self, connection: Connection) -> list[str]:
        """It has logged in. The oldest idle socket of an identity that has too many is shut. Returns the calls that
        are over without its device knowing."""
        self._unpend(connection)
        owner = _owner(connection)
        siblings = self._joined.setdefault(owner, [])
        siblings.append(connection)
        if len(siblings) > self._settings.connections_per_identity:
            idle = next((sibling for sibling in siblings if not sibling.legs), siblings[0])
            idle.log.warning("voice_sdk.too_many_sockets", identity=owner[1])
            idle.shut()
        now = self._loop.time()
        return [sid for at, sid in self._untold.pop(owner, ()) if now - at < REMEMBER_S]

    def appeared(self, connection: Connection) -> None:
        self._registered.setdefault(self._scope(*_owner(connection)), []).append(connection)

    def disappeared(self, connection: Connection) -> None:
        _remove(self._registered, self._scope(*_owner(connection)), connection)

    def left(self, connection: Connection) -> None:
        """It is gone, from whatever it was."""
        if connection not in self._open:
            return
        del self._open[connection]
        if connection.has_logged_in:
            _remove(self._joined, _owner(connection), connection)
            _remove(self._registered, self._scope(*_owner(connection)), connection)
        else:
            self._unpend(connection)

    def remember(self, owner: Owner, sid: str) -> list[Connection]:
        """A call is over and its device offline. Returns the sockets to tell at once: it may be back already, with
        a socket that never presented the call."""
        if owner not in self._untold and len(self._untold) >= REMEMBER_IDENTITIES:
            del self._untold[next(iter(self._untold))]
        self._untold.setdefault(owner, deque(maxlen=REMEMBER_MOST)).append((self._loop.time(), sid))
        return [connection for connection in self._joined.get(owner, ()) if sid not in connection.legs]

    def _unpend(self, connection: Connection) -> None:
        self._pending[connection.address] -= 1
        if self._pending[connection.address] <= 0:
            del self._pending[connection.address]


def _owner(connection: Connection) -> Owner:
    return connection.grant.account_sid, connection.grant.identity


def _remove(book: dict[Key, list[Connection]], key: Key, gone: Connection) -> None:
    connections = book.get(key, [])
    if gone in connections:
        connections.remove(gone)
    if not connections:
        book.pop(key, None)
