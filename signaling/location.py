"""Where a target can be reached: identity to devices, number to trunk, SIP URI to its host.

Pure: it only asks the registries it was given. Owns the kinds of target; knows no protocol.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from media.codec import CODECS, G711
from signaling.leg import Leg, OutboundCall
from signaling.scope import Scope, bare


@dataclass(frozen=True)
class Repertoire:
    """Names of codecs. certain: what whoever is there speaks for sure. possible: what he may speak as well."""

    certain: frozenset[str]
    possible: frozenset[str]


_EVERY = frozenset(codec.name for codec in CODECS)
_PHONE = frozenset(codec.name for codec in G711)
BROWSER_CODECS = Repertoire(_EVERY, _EVERY)
PHONE_CODECS = Repertoire(_PHONE, _EVERY)
TRUNK_CODECS = Repertoire(_PHONE, _PHONE)


@dataclass(frozen=True)
class ClientTarget:
    """All devices of one identity; compared byte for byte."""

    identity: str


@dataclass(frozen=True)
class NumberTarget:
    """A phone number, for a trunk."""

    number: str


@dataclass(frozen=True, kw_only=True)
class SipTarget:
    """A SIP URI outside; credentials are for that URI's own host only.

    is_configured: the operator named it, not an application; it may be anywhere.
    """

    uri: str
    username: str = ""
    password: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    is_configured: bool = False


Target = ClientTarget | NumberTarget | SipTarget


class DeviceSource(Protocol):
    """A registry of reachable devices (SIP bindings, Voice SDK sockets)."""

    def devices(self, identity: str) -> "Sequence[Device]":
        """Devices reachable now, longest registered first; empty for an unknown identity. identity: scoped."""
        ...


class Device(Protocol):
    """One device of an identity."""

    @property
    def device_id(self) -> str: ...

    @property
    def repertoire(self) -> Repertoire: ...

    def dial(self, request: OutboundCall) -> Leg:
        """Start ringing this device. Never waits and never raises for the network: failure is the leg's ``Ended``."""
        ...


class NumberRoute(Protocol):
    def dial_number(self, number: str, request: OutboundCall) -> Leg | None:
        """A leg through the first trunk that takes the number, or None when there is no trunk."""
        ...


class SipRoute(Protocol):
    def dial_uri(self, target: SipTarget, request: OutboundCall) -> Leg: ...


class Location:
    """Turns a target into dialling legs. scope: how the sources name an account's identities."""

    def __init__(
        self, *, sources: Sequence[DeviceSource], numbers: NumberRoute, uris: SipRoute, scope: Scope = bare
    ) -> None:
        self._scope = scope
        self._sources = tuple(sources)
        self._numbers = numbers
        self._uris = uris

    def is_reachable(self, identity: str, *, account_sid: str = "") -> bool:
        return bool(self._devices(account_sid, identity))

    def repertoires(self, target: Target, *, account_sid: str) -> list[Repertoire]:
        """What each party of the target speaks, before any of them is asked."""
        match target:
            case ClientTarget(identity):
                return [device.repertoire for device in self._devices(account_sid, identity)]
            case NumberTarget():
                return [TRUNK_CODECS]
            case SipTarget():
                return [PHONE_CODECS]

    def place(self, target: Target, request: OutboundCall) -> list[Leg]:
        """One leg per device of an identity, one for a number or URI, each dialling; empty when nobody is there.

        An identity is one of the request's account.
        """
        match target:
            case ClientTarget(identity):
                return [device.dial(request) for device in self._devices(request.account_sid, identity)]
            case NumberTarget(number):
                leg = self._numbers.dial_number(number, request)
                return [] if leg is None else [leg]
            case SipTarget():
                return [self._uris.dial_uri(target, request)]

    def _devices(self, account_sid: str, identity: str) -> list[Device]:
        scoped = self._scope(account_sid, identity)
        return [device for source in self._sources for device in source.devices(scoped)]
