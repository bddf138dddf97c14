"""The bindings of all identities: who is reachable now, over which flow, until when.

Pure but for the log: time comes in as ``clock``. Owns Binding and its tables (by identity, expiry, connection, source),
which always agree. What a REGISTER may do to them is registrar.py's business.
Source: RFC 3261 10.3, 19.1.4; RFC 5626 4.1 (+sip.instance).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import structlog

from signaling.scope import identity_in
from signaling.sip.flow import Flow
from signaling.sip.message import parse_address

log = structlog.get_logger()


class BindingChange(Enum):
    REGISTERED = "registered"
    UNREGISTERED = "unregistered"
    EXPIRED = "expired"
    REPLACED = "replaced"
    PUSHED_OUT = "pushed-out"
    CONNECTION_LOST = "connection-lost"


@dataclass(frozen=True, kw_only=True)
class Binding:
    """One device of an identity.

    identity: scoped. contact: its URI as written; address: the same for comparison. instance: its ``+sip.instance`` as
    written, or empty. path: proxies on the way to it. since, refreshed_at, expires_at: by the registrar's clock.
    """

    identity: str
    contact: str
    address: str
    flow: Flow
    call_id: str
    sequence: int
    since: float
    refreshed_at: float
    expires_at: float
    instance: str = ""
    user_agent: str = ""
    path: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What makes two registrations the same device's."""
        return self.instance or self.address

    @property
    def place(self) -> tuple[str, str]:
        return self.identity, self.key

    @property
    def device(self) -> str:
        host = self.flow.source
        return (
            f"sip:{identity_in(self.identity)}@[{host}]" if ":" in host else f"sip:{identity_in(self.identity)}@{host}"
        )


class BindingTable:
    """The bindings, at most ``per_identity`` for each: the one refreshed longest ago goes.

    on_change(binding, change): called when the tables are right.
    """

    def __init__(
        self,
        *,
        per_identity: int,
        clock: Callable[[], float],
        on_change: Callable[[Binding, BindingChange], None],
    ) -> None:
        self._per_identity = per_identity
        self._clock = clock
        self._on_change = on_change
        self._bindings: dict[str, dict[str, Binding]] = {}
        self._due: dict[int, set[tuple[str, str]]] = {}
        self._swept_until = int(clock())
        self._by_connection: dict[int, set[tuple[str, str]]] = {}
        self._sources: dict[str, int] = {}

    def held(self, identity: str) -> tuple[Binding, ...]:
        """Bindings that hold now, longest registered first."""
        now = self._clock()
        held = self._bindings.get(identity, {}).values()
        return tuple(sorted((item for item in held if item.expires_at > now), key=lambda item: item.since))

    def find(self, identity: str, key: str) -> Binding | None:
        return self._bindings.get(identity, {}).get(key)

    @property
    def identities(self) -> tuple[str, ...]:
        """Those with at least one binding."""
        return tuple(self._bindings)

    def has_source(self, source: str) -> bool:
        return source in self._sources

    def put(self, binding: Binding) -> None:
        """Adds a binding, or renews the one of the same device."""
        former = self.find(*binding.place)
        if former is not None:
            self._unlink(former)
            self._link(binding)
            if former.flow != binding.flow:
                self._tell(former, BindingChange.REPLACED)
                self._tell(binding, BindingChange.REGISTERED)
            return
        known = self._bindings.get(binding.identity, {})
        if len(known) >= self._per_identity:
            self.drop(min(known.values(), key=lambda item: item.refreshed_at), BindingChange.PUSHED_OUT)
        self._link(binding)
        self._tell(binding, BindingChange.REGISTERED)

    def drop(self, binding: Binding, change: BindingChange) -> None:
        self._unlink(binding)
        self._tell(binding, change)

    def drop_connection(self, flow: Flow) -> None:
        """Drops what is reached over a connection that is gone."""
        for identity, key in tuple(self._by_connection.get(flow.connection, ())) if flow.connection else ():
            self.drop(self._bindings[identity][key], BindingChange.CONNECTION_LOST)

    def drop_expired(self) -> None:
        now = int(self._clock())
        while self._swept_until < now:
            for identity, key in self._due.pop(self._swept_until, ()):
                self.drop(self._bindings[identity][key], BindingChange.EXPIRED)
            self._swept_until += 1

    def _link(self, binding: Binding) -> None:
        self._bindings.setdefault(binding.identity, {})[binding.key] = binding
        # The sweep after this second drops it.
        self._due.setdefault(int(binding.expires_at), set()).add(binding.place)
        source = binding.flow.source
        self._sources[source] = self._sources.get(source, 0) + 1
        if binding.flow.connection:
            self._by_connection.setdefault(binding.flow.connection, set()).add(binding.place)

    def _unlink(self, binding: Binding) -> None:
        known = self._bindings[binding.identity]
        del known[binding.key]
        if not known:
            del self._bindings[binding.identity]
        _discard(self._due, int(binding.expires_at), binding.place)
        _discard(self._by_connection, binding.flow.connection, binding.place)
        source = binding.flow.source
        self._sources[source] -= 1
        if not self._sources[source]:
            del self._sources[source]

    def _tell(self, binding: Binding, change: BindingChange) -> None:
        log.info("sip.binding", identity=binding.identity, device=binding.device, change=change.value)
        self._on_change(binding, change)


def _discard(table: dict[int, set[tuple[str, str]]], key: int, place: tuple[str, str]) -> None:
    places = table.get(key)
    if places is not None:
        places.discard(place)
        if not places:
            del table[key]


def comparable(uri: str) -> str:
    """A Contact URI for comparison: case of scheme and host and all parameters but the transport do not count.

    Source: RFC 3261 19.1.4, coarser: a phone that changes only other parameters is still the same phone.
    """
    parsed = parse_address(f"<{uri}>").uri
    transport = (parsed.parameters.get("transport") or "").lower()
    return f"{parsed.scheme}:{parsed.user or ''}@{parsed.host.lower()}:{parsed.port or ''};transport={transport}"
