"""Password guessing over HTTP: who is stopped, who is not, and what both are told. Source: reliability check S-09."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest_asyncio
from aiohttp import web

from gateway.proxies import TrustedProxies
from gateway.rest.auth import Credentials
from gateway.rest.dispatch import Ask, Reply, Resource, RestApi
from signaling.sip.limits import GuessGuard, GuessLimits
from tests.gateway.accounts.peers import directory
from tests.gateway.rest.test_recordings import KEY, SECRET, TOKEN, basic
from tests.gateway.store.records import ACCOUNT

ATTACKER, OWNER = "203.0.113.66", "198.51.100.7"


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Door:
    """A server behind a proxy that is believed, and the same one without; asked from any address."""

    session: aiohttp.ClientSession
    clock: Clock
    behind_proxy: str = ""
    bare: str = ""
    blocks: list[tuple[str, float]] = field(default_factory=list)

    async def ask(
        self, source: str, user: str | None, password: str = "", *, base: str | None = None
    ) -> tuple[int, dict[str, object], str]:
        """Status, body and Retry-After."""
        headers = {"X-Forwarded-For": source}
        if user is not None:
            headers["Authorization"] = basic(user, password)
        url = f"{base or self.behind_proxy}/2010-04-01/Accounts/{ACCOUNT}/Doors.json"
        async with self.session.get(url, headers=headers) as answer:
            return answer.status, await answer.json(), answer.headers.get("Retry-After", "")

    async def status(self, source: str, user: str | None, password: str = "", *, base: str | None = None) -> int:
        return (await self.ask(source, user, password, base=base))[0]


async def _opened(_ask: Ask) -> Reply:
    return Reply(resource={"status": "open"}, name="Door")


@pytest_asyncio.fixture
async def door() -> AsyncIterator[Door]:
    clock = Clock()
    runners = []
    async with aiohttp.ClientSession() as session:
        door = Door(session, clock)
        guard = GuessGuard(
            GuessLimits(entries=100),
            clock=clock,
            on_block=lambda source, seconds: door.blocks.append((source, seconds)),
        )
        credentials = Credentials(directory(ACCOUNT, TOKEN, api_keys={KEY: SECRET}), guard=guard)
        urls = []
        for networks in (["127.0.0.1/32"], []):
            app = web.Application(middlewares=[TrustedProxies(networks).middleware()])
            app.add_routes(RestApi([Resource("Doors", {"GET": _opened})], credentials=credentials).routes())
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            runners.append(runner)
            urls.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
        door.behind_proxy, door.bare = urls
        yield door
        for runner in runners:
            await runner.cleanup()


async def test_ten_wrong_passwords_in_a_minute_block_their_address_for_a_quarter_of_an_hour(door: Door) -> None:
    assert [await door.status(ATTACKER, ACCOUNT, f"guess {number}") for number in range(10)] == [401] * 10
    status, error, retry_after = await door.ask(ATTACKER, ACCOUNT, TOKEN)
    assert (status, error["code"], error["status"], retry_after) == (429, 20429, 429, "900")
    assert await door.status(ATTACKER, KEY, SECRET) == 429, "the right secret of a key is refused from there too"
    assert await door.status(OWNER, ACCOUNT, TOKEN) == 200
    door.clock.now += 899
    assert (await door.ask(ATTACKER, ACCOUNT, TOKEN))[2] == "1"
    door.clock.now += 2
    assert await door.status(ATTACKER, ACCOUNT, TOKEN) == 200
    assert door.blocks == [(ATTACKER, 900.0)]


async def test_request_without_credentials_is_no_guess(door: Door) -> None:
    for _ in range(30):
        status, error, _ = await door.ask(OWNER, None)
        assert (status, error["code"]) == (401, 20003)
    assert await door.status(OWNER, ACCOUNT, TOKEN) == 200


async def test_unknown_user_is_answered_as_a_wrong_password_is_and_counts_the_same(door: Door) -> None:
    known = [await door.ask("192.0.2.1", ACCOUNT, "guess") for _ in range(11)]
    unknown = [await door.ask("192.0.2.2", "AC" + "9" * 32, "guess") for _ in range(11)]
    assert known == unknown
    assert [status for status, _, _ in known] == [401] * 10 + [429]


async def test_address_that_a_stranger_claims_does_not_count(door: Door) -> None:
    for number in range(10):
        assert await door.status(f"192.0.2.{number}", ACCOUNT, "guess", base=door.bare) == 401
    assert await door.status("192.0.2.77", ACCOUNT, TOKEN, base=door.bare) == 429
    assert door.blocks == [("127.0.0.1", 900.0)]


async def test_account_guessed_from_everywhere_stays_open_to_who_logged_in_before(door: Door) -> None:
    assert await door.status(OWNER, ACCOUNT, TOKEN) == 200
    answers = [await door.status(f"10.0.0.{number}", ACCOUNT, "guess") for number in range(200)]
    assert answers.count(401) <= 55, "the rest was not even checked"
    assert set(answers[60:]) == {429}
    assert await door.status(OWNER, ACCOUNT, TOKEN) == 200
    assert await door.status("10.0.1.1", ACCOUNT, TOKEN) == 429


async def test_slowed_account_tells_a_short_wait(door: Door) -> None:
    for number in range(60):
        last = await door.ask(f"10.0.0.{number}", ACCOUNT, "guess")
    assert (last[0], last[2]) == (429, "1")
