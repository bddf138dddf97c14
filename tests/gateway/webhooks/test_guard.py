"""No URL makes the gateway talk to the machines behind it, however it is spelled (S-31)."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.webhooks.client import Request
from gateway.webhooks.errors import FetchCode, FetchError
from gateway.webhooks.guard import Guard, is_public
from gateway.webhooks.resolver import AddressRefused, GuardedResolver, NameUnresolved
from tests.gateway.webhooks.application import running_application, webhook_client

INSIDE = ["127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.5.4", "192.168.1.1", "169.254.169.254", "100.64.0.1"]

NAMES = {
    "localhost": ["127.0.0.1", "::1"],
    "localhost.localdomain": ["127.0.0.1"],
    "ip6-localhost": ["::1"],
    "intranet": ["10.0.0.7"],
    "redis": ["172.17.0.2"],
    "metadata.google.internal": ["169.254.169.254"],
    "rebound.example.com": ["127.0.0.1"],
    "mixed.example.com": ["10.0.0.1", "fd00::1"],
    "mapped.example.com": ["::ffff:127.0.0.1"],
    "nat64.example.com": ["64:ff9b::7f00:1"],
    "zone.example.com": ["fe80::1%1"],
    "nothing.example.com": ["not an address"],
}


def look_up(host: str) -> list[str]:
    """As the system does it: numeric forms first, then names; without asking anybody."""
    try:
        return [socket.inet_ntoa(socket.inet_aton(host))]
    except OSError:
        pass
    found = NAMES.get(host.rstrip(".").lower())
    if found is None:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")
    return found


def spellings(address: str) -> Iterator[str]:
    """Ways to write an IPv4 address as a URL's host."""
    number = int(IPv4Address(address))
    a, b, c, d = address.split(".")
    yield from (address, f"{address}.", f"{address}..", f"%{ord(a[0]):x}{address[1:]}")
    yield from (str(number), hex(number), hex(number).upper().replace("X", "x"), oct(number).replace("o", ""))
    yield from (f"{a}.{b}.{int(c) * 256 + int(d)}", f"{a}.{(int(b) << 16) + (int(c) << 8) + int(d)}")
    yield ".".join(hex(int(part)) for part in (a, b, c, d))
    yield ".".join(f"0{int(part):o}" for part in (a, b, c, d))
    yield ".".join(f"{int(part):03d}" for part in (a, b, c, d))
    yield from (f"{hex(int(a))}.{b}.{c}.{d}", f"0{int(a):o}.{b}.{c}.{d}", f"0x{int(a):08x}.{b}.{c}.{d}")
    for dot in ("\u3002", "\uff0e", "\uff61"):
        yield address.replace(".", dot)
    yield "".join(chr(0xFF10 + int(sign)) if sign.isdigit() else sign for sign in address)
    yield "".join(chr(0x2080 + int(sign)) if sign.isdigit() else sign for sign in address)
    yield from (f"[::ffff:{address}]", f"[::FFFF:{number >> 16:x}:{number & 0xFFFF:x}]", f"[::{address}]")
    yield from (f"[0:0:0:0:0:ffff:{address}]", f"[64:ff9b::{address}]", f"[64:ff9b:1::{address}]")
    yield from (
        f"[2002:{number >> 16:x}:{number & 0xFFFF:x}::]",
        f"[2001:0:4136:e378:8000:63bf:{number >> 16 ^ 0xFFFF:x}:0]",
    )
    yield from (f"user@{address}", f"user:pass@{address}", f"example.com@{address}", f"example.com:80@{address}")


OTHERS = [
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::1%25lo]",
    "[::1%lo]",
    "[fe80::1]",
    "[fe80::1%25eth0]",
    "[fd00::1]",
    "[fc00::1]",
    "[fec0::1]",
    "[ff02::1]",
    "[2001:db8::1]",
    "[64:ff9b:1::7f00:1]",
    "[100::1]",
    "[5f00::1]",
    "255.255.255.255",
    "224.0.0.1",
    "240.0.0.1",
    "192.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "LOCALHOST",
    "localhost.",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    *NAMES,
]
WHOLE = [
    "file:///etc/passwd",
    "FILE://127.0.0.1/etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "ftp://127.0.0.1/",
    "dict://127.0.0.1:11211/stats",
    "unix:///var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/info",
    "ws://127.0.0.1/",
    "data:text/xml,<Response/>",
    "javascript:alert(1)",
    "jar:http://127.0.0.1!/",
    "ldap://127.0.0.1/",
    "//127.0.0.1/",
    "/etc/passwd",
    "127.0.0.1",
    "http:127.0.0.1",
    "http:/127.0.0.1",
    "http:///127.0.0.1",
    "http://",
    "http://?127.0.0.1",
    "http://#@127.0.0.1/",
    "http://:{port}/",
    "http://@127.0.0.1:{port}/",
    "http://example.com\\@127.0.0.1:{port}/",
    "http://127.0.0.1\\.example.com:{port}/",
    "http://example.com@@127.0.0.1:{port}/",
    "http://a@b@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}@[::1]:{port}/",
    "http://127.0.0.1:{port}:80/",
    "http://127.0.0.1 :{port}/",
    "http://127.0.0.1\t:{port}/",
    "http://127.0.0.1\r\nHost: x:{port}/",
    "http://127.0.0.1%00.example.com:{port}/",
    "http://127.0.0.1%2F@example.com:{port}/",
    "http://[127.0.0.1]:{port}/",
    "http://[::1:{port}/",
    "http://::1:{port}/",
    "http://127.0.0.1:+{port}/",
    "http://127.0.0.1:0x50/",
    "http://127.0.0.1:99999/",
    "http://0:{port}/",
    "http://1.1.1.1 &@127.0.0.1:{port}# @3.3.3.3/",
    "hTTp://127.0.0.1:{port}/",
    " http://127.0.0.1:{port}/",
    "\nhttp://127.0.0.1:{port}/\n",
]
URLS = [f"http://{host}:{{port}}/latest/meta-data" for address in INSIDE for host in spellings(address)]
URLS += [f"http://{host}:{{port}}/" for host in OTHERS] + WHOLE
URLS += [f"https://{host}/" for host in ("127.0.0.1", "[::1]", "localhost", "10.0.0.1", "metadata.google.internal")]


@dataclass
class Canary:
    """A server nobody may reach."""

    port: int = 0
    visits: int = 0


@asynccontextmanager
async def canary(address: str = "127.0.0.1") -> AsyncIterator[Canary]:
    found = Canary()

    async def visited(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.visits += 1
        writer.close()

    server = await asyncio.start_server(visited, address, 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()


async def test_guard_lets_no_spelling_of_an_inside_address_through() -> None:
    assert len(set(URLS)) >= 200
    async with canary() as bird, webhook_client(allow=(), look_up=look_up) as client:
        for url in URLS:
            with pytest.raises(FetchError) as caught:
                await client.fetch(Request(url=url.replace("{port}", str(bird.port)) + "#rc=0"))
            assert caught.value.code in (FetchCode.RETRIEVAL_FAILURE, FetchCode.INVALID_URL, FetchCode.BAD_HOST_NAME), (
                url
            )
        assert bird.visits == 0


async def test_guard_lets_no_spelling_through_for_sound_files_either() -> None:
    async with canary() as bird, webhook_client(allow=(), look_up=look_up) as client:
        for url in URLS:
            with pytest.raises(FetchError):
                await client.fetch_audio(url.replace("{port}", str(bird.port)))
        assert bird.visits == 0


@pytest.mark.parametrize("host", ["127.0.0.2", "127.0.0.02", "2130706434", "[::ffff:127.0.0.2]", "inside.example.com"])
async def test_guard_judges_every_redirect(host: str) -> None:
    NAMES_HERE = {"inside.example.com": ["127.0.0.2"]}
    async with (
        canary("127.0.0.2") as bird,
        running_application() as application,
        webhook_client(allow=("127.0.0.1/32",), look_up=lambda name: NAMES_HERE.get(name) or look_up(name)) as client,
    ):
        application.redirect("/voice", f"http://{host}:{bird.port}/", status=307)
        with pytest.raises(FetchError) as caught:
            await client.fetch(Request(url=application.url("/voice")))
        assert caught.value.code in (FetchCode.RETRIEVAL_FAILURE, FetchCode.INVALID_URL)
        assert (bird.visits, len(application.seen)) == (0, 1)


async def test_guard_name_that_changes_between_look_ups_does_not_pass() -> None:
    answers = iter([["127.0.0.1"], ["127.0.0.2"]])
    resolver = GuardedResolver(Guard(["127.0.0.1/32"]), look_up=lambda _: next(answers))
    assert [found["host"] for found in await resolver.resolve("app.example.com", 80)] == ["127.0.0.1"]
    with pytest.raises(AddressRefused):
        await resolver.resolve("app.example.com", 80)


async def test_guard_name_with_good_and_bad_addresses_leads_to_the_good_ones_only() -> None:
    resolver = GuardedResolver(Guard(), look_up=lambda _: ["10.0.0.1", "192.0.43.10", "::1", "2606:4700::1111"])
    found = [each["host"] for each in await resolver.resolve("app.example.com", 80)]
    assert found == ["192.0.43.10", "2606:4700::1111"]


async def test_guard_has_the_last_word_where_the_socket_is_made() -> None:
    resolver = GuardedResolver(Guard(["127.0.0.1/32"]))
    for address in ("127.0.0.2", "10.0.0.1", "127.1", "localhost", "0.0.0.0"):
        with pytest.raises(AddressRefused):
            resolver.make_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 80)))
    with pytest.raises(AddressRefused):
        resolver.make_socket((socket.AF_INET6, socket.SOCK_STREAM, 0, "", ("::ffff:10.0.0.1", 80, 0, 0)))
    resolver.make_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 80))).close()


async def test_guard_dead_name_server_holds_few_threads_and_one_per_name() -> None:
    asked: list[str] = []
    done = asyncio.Event()
    loop = asyncio.get_running_loop()

    def dead(host: str) -> list[str]:
        asked.append(host)
        asyncio.run_coroutine_threadsafe(done.wait(), loop).result(10)
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    resolver = GuardedResolver(Guard(), look_up=dead, timeout_s=0.05, limit=3)
    names = ["a.example.com", "b.example.com", "a.example.com", "c.example.com", "d.example.com", "a.example.com"]
    results = await asyncio.gather(*(resolver.resolve(name, 80) for name in names), return_exceptions=True)
    assert all(isinstance(result, NameUnresolved) for result in results)
    assert sorted(asked) == ["a.example.com", "b.example.com", "c.example.com"]
    done.set()
    await resolver.close()


@pytest.mark.parametrize(
    ("address", "port", "may"),
    [
        ("192.0.43.10", 80, True),
        ("192.0.43.10", 8443, True),
        ("192.0.43.10", 22, False),
        ("192.0.43.10", 25, False),
        ("192.0.43.10", 6379, False),
        ("192.0.43.10", 8080, False),
        ("192.0.43.11", 8080, True),
        ("2606:4700:4700::1111", 443, True),
        ("127.0.0.1", 6379, True),
        ("::ffff:127.0.0.1", 80, True),
        ("127.0.1.1", 80, False),
        ("fd12::5", 80, True),
        ("fd13::5", 80, False),
        ("not an address", 80, False),
    ],
)
def test_guard_public_internet_and_allowed_networks_may_be_called(address: str, port: int, may: bool) -> None:
    guard = Guard(["127.0.0.1/32", "fd12::/16"], own=[("192.0.43.10", 8080)])
    assert (guard.refusal(address, port) is None) is may


@given(st.ip_addresses(network="0.0.0.0/0") | st.ip_addresses(network="::/0"))
def test_is_public_never_says_more_than_the_standard_library(address: IPv4Address) -> None:
    found = ip_address(str(address))
    if found.is_private or found.is_loopback or found.is_link_local or found.is_multicast or found.is_reserved:
        assert not is_public(found)
