"""Looking SIP URIs up, against a small DNS server of our own on loopback. Source: RFC 3263, RFC 2782."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
import pytest_asyncio

from signaling.sip.resolver import Destination, Resolver, ResolverSettings, fit_size

HOST = "127.0.0.1"


class DnsServer(asyncio.DatagramProtocol):
    """Answers from a table of (name, kind) to record texts; silent while ``is_dead``."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], list[str]] = {}
        self.asked: list[tuple[str, str]] = []
        self.is_dead = False
        self.ttl = 300
        self.was_asked = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        self.was_asked.set()
        if self.is_dead:
            return
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        records = self.records.get((name, kind))
        if records:
            answer.answer.append(dns.rrset.from_text(question.name, self.ttl, "IN", kind, *records))
        elif not any(known == name for known, _ in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(answer.to_wire(want_shuffle=False), addr)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class World:
    server: DnsServer
    port: int
    hosts: Path
    clock: Clock = field(default_factory=Clock)
    query_s: float = 4.0

    def __post_init__(self) -> None:
        self.resolver = Resolver(
            ResolverSettings(
                servers=(HOST,), port=self.port, query_s=self.query_s, all_s=2 * self.query_s, hosts_file=self.hosts
            ),
            clock=self.clock,
            chance=random.Random(1),
        )

    async def resolve(self, uri: str) -> list[tuple[str, str, int]]:
        return [(found.protocol, found.host, found.port) for found in await self.resolver.resolve(uri)]


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(DnsServer, local_addr=(HOST, 0))
    server.records = {
        ("carrier.example", "A"): ["192.0.2.1"],
        ("_sip._udp.carrier.example", "SRV"): ["20 0 5060 b.carrier.example.", "10 0 5070 a.carrier.example."],
        ("_sip._tcp.carrier.example", "SRV"): ["10 0 5072 a.carrier.example."],
        ("_sips._tcp.carrier.example", "SRV"): ["10 0 5071 a.carrier.example."],
        ("a.carrier.example", "A"): ["192.0.2.2", "192.0.2.3"],
        ("b.carrier.example", "A"): ["192.0.2.4"],
        ("plain.example", "A"): ["192.0.2.5"],
        ("closed.example", "A"): ["192.0.2.6"],
        ("_sip._udp.closed.example", "SRV"): ["0 0 0 ."],
        ("odd.example", "A"): ["224.0.0.1", "0.0.0.0", "240.0.0.1", "192.0.2.7"],
    }
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost pbx  # ours\n::1 localhost\n\nnonsense\n192.0.2.66 pbx\n")
    world = World(server, transport.get_extra_info("sockname")[1], hosts)
    yield world
    await world.resolver.close()
    transport.close()


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sip:192.0.2.9", [("udp", "192.0.2.9", 5060)]),
        ("sip:bob@192.0.2.9:5090;transport=tcp", [("tcp", "192.0.2.9", 5090)]),
        ("sips:192.0.2.9", [("tls", "192.0.2.9", 5061)]),
        ("sip:192.0.2.9;transport=TLS", [("tls", "192.0.2.9", 5061)]),
        ("sip:[2001:db8::1]:5070", [("udp", "2001:db8::1", 5070)]),
        ("sip:192.0.2.9;transport=sctp", []),
        ("tel:+15550100", []),
        ("nonsense", []),
    ],
)
async def test_resolve_address_asks_nobody(world: World, uri: str, expected: list[tuple[str, str, int]]) -> None:
    assert await world.resolve(uri) == expected
    assert not world.server.asked


async def test_resolve_name_with_port_asks_for_its_address_only(world: World) -> None:
    assert await world.resolve("sip:x@Carrier.Example:5099") == [("udp", "192.0.2.1", 5099)]
    assert world.server.asked == [("carrier.example", "A")]


async def test_resolve_name_follows_srv_by_priority_udp_first(world: World) -> None:
    assert await world.resolve("sip:x@carrier.example") == [
        ("udp", "192.0.2.2", 5070),
        ("udp", "192.0.2.3", 5070),
        ("udp", "192.0.2.4", 5060),
        ("tcp", "192.0.2.2", 5072),
        ("tcp", "192.0.2.3", 5072),
    ]


async def test_resolve_stated_transport_asks_for_that_one_only(world: World) -> None:
    assert await world.resolve("sip:carrier.example;transport=tcp") == [
        ("tcp", "192.0.2.2", 5072),
        ("tcp", "192.0.2.3", 5072),
    ]
    found = await world.resolver.resolve("sips:carrier.example")
    assert found[0] == Destination("tls", "192.0.2.2", 5071, server_name="carrier.example")


async def test_resolve_name_without_srv_takes_its_address_and_the_usual_port(world: World) -> None:
    assert await world.resolve("sip:plain.example") == [("udp", "192.0.2.5", 5060)]
    assert await world.resolve("sip:plain.example;transport=tls") == [("tls", "192.0.2.5", 5061)]


async def test_resolve_srv_target_of_a_dot_is_no_target(world: World) -> None:
    assert await world.resolve("sip:closed.example") == [("udp", "192.0.2.6", 5060)]


async def test_resolve_addresses_nobody_can_be_called_at_are_left_out(world: World) -> None:
    assert await world.resolve("sip:odd.example:5060") == [("udp", "192.0.2.7", 5060)]


@pytest.mark.parametrize("name", ["absent.example", "x" * 64 + ".example", "a." * 120 + "example.verylongtoplevelname"])
async def test_resolve_name_that_does_not_exist_gives_nothing(world: World, name: str) -> None:
    assert await world.resolve(f"sip:{name}:5060") == []


async def test_resolve_hosts_file_wins_over_dns(world: World) -> None:
    assert await world.resolve("sip:localhost:5090") == [("udp", "127.0.0.1", 5090)]
    assert await world.resolve("sip:pbx:5090") == [("udp", "127.0.0.1", 5090), ("udp", "192.0.2.66", 5090)]
    assert not world.server.asked


async def test_resolve_keeps_answers_for_their_lifetime_even_if_dns_dies(world: World) -> None:
    assert await world.resolve("sip:plain.example:5060")
    world.server.is_dead = True
    world.clock.now += 299
    assert await world.resolve("sip:plain.example:5060")
    assert len(world.server.asked) == 1


async def test_resolve_asks_again_after_the_lifetime(world: World) -> None:
    await world.resolve("sip:plain.example:5060")
    world.server.records["plain.example", "A"] = ["192.0.2.50"]
    world.clock.now += 301
    assert await world.resolve("sip:plain.example:5060") == [("udp", "192.0.2.50", 5060)]


async def test_resolve_remembers_what_does_not_exist_for_half_a_minute(world: World) -> None:
    for _ in range(3):
        assert await world.resolve("sip:absent.example:5060") == []
    assert len(world.server.asked) == 1
    world.clock.now += 31
    await world.resolve("sip:absent.example:5060")
    assert len(world.server.asked) == 2


async def test_resolve_dead_dns_gives_up_in_time_and_leaves_the_loop_free(world: World, tmp_path: Path) -> None:
    world.server.is_dead = True
    impatient = World(world.server, world.port, tmp_path / "none", query_s=0.2)
    loop = asyncio.get_running_loop()
    begin = loop.time()
    rounds = 0
    task = loop.create_task(impatient.resolve("sip:dead.example"))
    while not task.done():
        await asyncio.sleep(0.01)
        rounds += 1
    assert await task == []
    assert loop.time() - begin < 2
    assert rounds > 10
    asked = len(world.server.asked)
    assert await impatient.resolve("sip:dead.example") == []
    assert len(world.server.asked) == asked, "a dead server is not asked again at once"
    await impatient.resolver.close()


async def test_resolve_same_name_at_the_same_time_asks_once_and_survives_a_caller_giving_up(world: World) -> None:
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(world.resolve("sip:plain.example:5060")) for _ in range(20)]
    await world.server.was_asked.wait()
    tasks[0].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert all(result == [("udp", "192.0.2.5", 5060)] for result in results[1:])
    assert world.server.asked == [("plain.example", "A")]


async def test_resolve_questions_at_once_are_bounded(world: World) -> None:
    resolver = Resolver(
        ResolverSettings(servers=(HOST,), port=world.port, questions_at_once=5, query_s=0.2, hosts_file=world.hosts)
    )
    world.server.is_dead = True
    found = await asyncio.gather(*(resolver.resolve(f"sip:n{index}.example:5060") for index in range(50)))
    assert found == [[]] * 50
    assert len({name for name, _ in world.server.asked}) == 5
    await resolver.close()


async def test_resolve_cache_is_bounded(world: World) -> None:
    resolver = Resolver(ResolverSettings(servers=(HOST,), port=world.port, cache_entries=10, hosts_file=world.hosts))
    for index in range(30):
        await resolver.resolve(f"sip:n{index}.example:5060")
    assert len(resolver._cache) == 10
    await resolver.close()


async def test_resolve_weights_share_the_load(world: World) -> None:
    world.server.records["_sip._udp.shared.example", "SRV"] = [
        "10 70 5060 a.carrier.example.",
        "10 20 5060 b.carrier.example.",
        "10 10 5060 plain.example.",
        "5 0 5061 carrier.example.",
    ]
    firsts: Counter[str] = Counter()
    for _ in range(1000):
        found = await world.resolve("sip:shared.example;transport=udp")
        assert found[0] == ("udp", "192.0.2.1", 5061)
        assert len(found) == 5
        firsts[found[1][1]] += 1
    assert 620 < firsts["192.0.2.2"] < 780
    assert 140 < firsts["192.0.2.4"] < 270
    assert 50 < firsts["192.0.2.5"] < 160


def test_fit_size_large_request_goes_over_tcp_only_where_dns_offers_it() -> None:
    udp, tcp = Destination("udp", "192.0.2.1", 5060), Destination("tcp", "192.0.2.1", 5060)
    assert fit_size([udp, tcp], 1300) == [udp, tcp]
    assert fit_size([udp, tcp], 1301) == [tcp, udp]
    assert fit_size([udp], 5000) == [udp]
