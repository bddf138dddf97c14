"""From a SIP URI to the addresses to try, in order.

Asks DNS without ever blocking the loop, in bounded time, and keeps what it learned for as long as DNS allows; a name
that does not exist or a server that does not answer is remembered for a short while too. NAPTR is left out: a URI
without a transport asks the SRV records of every protocol we speak, UDP first, which is what RFC 3263 4.1 falls back
to. The system's hosts file is honoured. Only IPv4 addresses are looked up.
Source: RFC 3263 4; RFC 2782 (priority and weight); RFC 3261 18.1.1 (size); reliability check R-19.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import dns.asyncbackend
import dns.asyncresolver
import dns.exception
import dns.name
import dns.resolver
import structlog
from dns.rdtypes.IN.SRV import SRV
from sipmessage import URI

from signaling.sip.flow import PROTOCOLS, Protocol, default_port, is_address
from signaling.sip.values import SipParseError, parse_uri
from signaling.weight import by_weight

log = structlog.get_logger()

MAX_DESTINATIONS = 16
# A request must stay 200 octets below the path's MTU, or below 1300 if that is unknown. Source: RFC 3261 18.1.1.
MAX_UDP_REQUEST = 1300

_SERVICES: dict[Protocol, str] = {"udp": "_sip._udp", "tcp": "_sip._tcp", "tls": "_sips._tcp"}


@dataclass(frozen=True)
class Destination:
    """One address to try. server_name: the name whose certificate a tls peer must show (the URI's own host)."""

    protocol: Protocol
    host: str
    port: int
    server_name: str = ""


@dataclass(frozen=True, kw_only=True)
class ResolverSettings:
    """servers: addresses of DNS servers; empty takes the system's. query_s: for one question, all_s: for a whole URI.

    least_ttl_s, most_ttl_s: bounds of what DNS says. absent_s: how long a missing name is remembered, failed_s: how
    long a server that does not answer.
    """

    servers: tuple[str, ...] = ()
    port: int = 53
    query_s: float = 4.0
    all_s: float = 8.0
    least_ttl_s: float = 5.0
    most_ttl_s: float = 3600.0
    absent_s: float = 30.0
    failed_s: float = 5.0
    cache_entries: int = 4096
    questions_at_once: int = 256
    hosts_file: Path = Path("/etc/hosts")
    hosts_file_s: float = 60.0


@dataclass(frozen=True)
class _Target:
    """One SRV record."""

    priority: int
    weight: int
    host: str
    port: int


@dataclass(frozen=True)
class _Answer:
    """What was learned of one name: addresses or SRV records, until when."""

    until: float
    addresses: tuple[str, ...] = ()
    targets: tuple[_Target, ...] = ()


class Resolver:
    """Looks SIP URIs up. Never raises for the network: what cannot be found gives no destinations."""

    def __init__(
        self,
        settings: ResolverSettings | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
        protocols: Sequence[Protocol] = PROTOCOLS,
    ) -> None:
        self._settings = settings or ResolverSettings()
        self._clock = clock
        self._chance = chance or random.Random()
        self._protocols = tuple(protocols)
        self._backend = dns.asyncbackend.get_backend("asyncio")
        self._dns: dns.asyncresolver.Resolver | None = None
        self._cache: dict[tuple[str, str], _Answer] = {}
        self._asking: dict[tuple[str, str], asyncio.Task[_Answer]] = {}
        self._hosts: dict[str, tuple[str, ...]] = {}
        self._hosts_until = float("-inf")

    async def resolve(self, uri: str | URI) -> list[Destination]:
        """Addresses to try, best first; empty when there are none or DNS does not answer in time."""
        try:
            parsed = parse_uri(uri) if isinstance(uri, str) else uri
        except SipParseError:
            return []
        try:
            async with asyncio.timeout(self._settings.all_s):
                return (await self._resolve(parsed))[:MAX_DESTINATIONS]
        except TimeoutError:
            log.info("sip name not resolved in time", host=parsed.host[:255])
            return []

    async def close(self) -> None:
        """Ends the questions under way."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _resolve(self, uri: URI) -> list[Destination]:
        host = uri.host.removeprefix("[").removesuffix("]").rstrip(".").lower()
        protocols = self._protocols_of(uri)
        if not host or not protocols:
            return []
        if is_address(host):
            return [Destination(protocols[0], host, uri.port or default_port(protocols[0]), host)]
        if uri.port is not None:
            addresses = await self._addresses(host)
            return [Destination(protocols[0], address, uri.port, host) for address in addresses]
        found: list[Destination] = []
        for answer, protocol in zip(
            await asyncio.gather(*(self._ask(f"{_SERVICES[protocol]}.{host}", "SRV") for protocol in protocols)),
            protocols,
            strict=True,
        ):
            found += await self._reach(answer.targets, protocol, server_name=host)
        if found:
            return found
        return [
            Destination(protocols[0], address, default_port(protocols[0]), host)
            for address in await self._addresses(host)
        ]

    def _protocols_of(self, uri: URI) -> tuple[Protocol, ...]:
        """Those the URI allows, in the order to try them. Source: RFC 3263 4.1; RFC 3261 19.1.2, 26.2.2."""
        if uri.scheme not in ("sip", "sips"):
            return ()
        stated = (uri.parameters.get("transport") or "").lower()
        if uri.scheme == "sips":
            return ("tls",) if stated in ("", "tcp", "tls") and "tls" in self._protocols else ()
        if stated:
            return tuple(protocol for protocol in self._protocols if protocol == stated)
        return tuple(protocol for protocol in self._protocols if protocol != "tls")

    async def _reach(self, targets: tuple[_Target, ...], protocol: Protocol, *, server_name: str) -> list[Destination]:
        ordered = by_weight(targets, self._chance)[:MAX_DESTINATIONS]
        answers = await asyncio.gather(*(self._addresses(target.host) for target in ordered))
        return [
            Destination(protocol, address, target.port, server_name)
            for target, addresses in zip(ordered, answers, strict=True)
            for address in addresses
        ]

    async def _addresses(self, host: str) -> tuple[str, ...]:
        if is_address(host):
            return (host,)
        listed = (await self._hosts_file()).get(host)
        return listed or (await self._ask(host, "A")).addresses

    async def _ask(self, name: str, kind: str) -> _Answer:
        """From the cache, or from DNS; callers that want the same at the same time share one question."""
        key = (name, kind)
        known = self._cache.get(key)
        if known is not None and self._clock() < known.until:
            return known
        asking = self._asking.get(key)
        if asking is None:
            if len(self._asking) >= self._settings.questions_at_once:
                return _Answer(0.0)
            asking = self._asking[key] = asyncio.get_running_loop().create_task(self._question(name, kind))
            asking.add_done_callback(lambda _: self._asking.pop(key, None))
        # A caller that gives up must not take the answer from the others.
        return await asyncio.shield(asking)

    async def _question(self, name: str, kind: str) -> _Answer:
        if self._dns is None:
            self._dns = await asyncio.to_thread(self._configure)
        now = self._clock()
        try:
            answer = await self._dns.resolve(
                dns.name.from_text(name, None if "." not in name else dns.name.root),
                kind,
                search="." not in name,
                raise_on_no_answer=False,
                lifetime=self._settings.query_s,
                backend=self._backend,
            )
        except (dns.resolver.NXDOMAIN, dns.resolver.YXDOMAIN, dns.name.LabelTooLong, dns.name.NameTooLong):
            learned = _Answer(now + self._settings.absent_s)
        except (dns.exception.DNSException, OSError, UnicodeError) as error:
            log.info("dns question failed", name=name[:255], kind=kind, reason=type(error).__name__)
            learned = _Answer(now + self._settings.failed_s)
        else:
            learned = self._learn(answer, now)
        if len(self._cache) >= self._settings.cache_entries:
            del self._cache[next(iter(self._cache))]
        self._cache.pop((name, kind), None)
        self._cache[name, kind] = learned
        return learned

    def _learn(self, answer: dns.resolver.Answer, now: float) -> _Answer:
        if answer.rrset is None:
            return _Answer(now + self._settings.absent_s)
        records = list(answer.rrset)
        ttl_s = min(max(float(answer.rrset.ttl), self._settings.least_ttl_s), self._settings.most_ttl_s)
        targets = tuple(
            _Target(record.priority, record.weight, record.target.to_text(omit_final_dot=True).lower(), record.port)
            for record in records
            # A target of "." says that the service is not offered. Source: RFC 2782.
            if isinstance(record, SRV) and record.target != dns.name.root and record.port
        )
        addresses = tuple(
            record.address for record in records if hasattr(record, "address") and _may_be_called(record.address)
        )
        return _Answer(now + ttl_s, addresses, targets)

    def _configure(self) -> dns.asyncresolver.Resolver:
        """Reads the system's configuration, which blocks: runs in a thread."""
        if self._settings.servers:
            configured = dns.asyncresolver.Resolver(configure=False)
            configured.nameservers = list(self._settings.servers)
            configured.port = self._settings.port
            return configured
        try:
            return dns.asyncresolver.Resolver()
        except dns.resolver.NoResolverConfiguration:
            return dns.asyncresolver.Resolver(configure=False)

    async def _hosts_file(self) -> dict[str, tuple[str, ...]]:
        now = self._clock()
        if now >= self._hosts_until:
            self._hosts_until = now + self._settings.hosts_file_s
            self._hosts = await asyncio.to_thread(_read_hosts, self._settings.hosts_file)
        return self._hosts


def fit_size(destinations: Sequence[Destination], octets: int) -> list[Destination]:
    """The order in which to try them for a request of this size.

    A request too large for one packet goes over tcp first where the destination offers it in DNS; where it does not,
    udp stays: a fragmented request arrives more often than one to a port that is closed. Source: RFC 3261 18.1.1.
    """
    if octets <= MAX_UDP_REQUEST:
        return list(destinations)
    return sorted(destinations, key=lambda destination: destination.protocol == "udp")


def _may_be_called(address: str) -> bool:
    found = ip_address(address)
    return not (found.is_multicast or found.is_unspecified or found.is_reserved)


def _read_hosts(path: Path) -> dict[str, tuple[str, ...]]:
    try:
        text = path.read_text("utf-8", "replace")
    except OSError:
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if is_address(address) and ":" not in address:
            for name in names:
                found[name.lower()] = (*found.get(name.lower(), ()), address)
    return found
