"""The load process against a switch: calls are placed, answered, talk and end, and the figures say so."""

import asyncio
import math
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.bench.calls import set_up_figures
from tests.bench.process import BenchError, Child
from tests.bench.switch import Switch

CALLS = 4
REALM = "bench.example.com"

pytestmark = pytest.mark.wire


@pytest.fixture
async def switch() -> AsyncIterator[Switch]:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: Switch(passwords={"p0": "secret"}, realm=REALM), local_addr=("127.0.0.1", 0)
    )
    yield protocol
    transport.close()


@pytest.fixture
async def load(tmp_path: Path) -> AsyncIterator[Child]:
    child = await Child.start("load", ["tests.bench.load", str(2 * CALLS)], log=tmp_path / "load.log")
    yield child
    assert await child.end() == 0, child.last_words()


async def begin(load: Child, switch: Switch, *, sound: bool, hold_s: float | None) -> None:
    await load.ask("start")
    await load.ask("sip", gateway=switch.address, domain=REALM, sound=sound, hold_s=hold_s, answer_after_s=0.02)


async def progress_until(load: Child, key: str, value: int) -> Mapping[str, Any]:
    """Bounded by the test's own time limit."""
    while True:
        progress: dict[str, Any] = await load.ask("progress")
        if progress[key] >= value:
            return progress
        await asyncio.sleep(0.02)


async def test_load_four_calls_with_sound_lose_nothing_and_end(load: Child, switch: Switch) -> None:
    await begin(load, switch, sound=True, hold_s=None)
    registered = await load.ask("register", phones=[("p0", "secret")])
    assert registered == {"registered": 1, "failures": {}}
    await load.ask("place", calls=CALLS, rate=50)
    await progress_until(load, "answered", CALLS)
    await asyncio.sleep(0.1)
    await load.ask("epoch", value=1)
    await asyncio.sleep(0.5)
    await load.ask("epoch", value=2)
    await asyncio.sleep(0.1)
    rtp = await load.ask("figures")
    assert rtp["sent"] == rtp["received"] > 2 * CALLS * 15
    assert (rtp["legs"], rtp["lost"], rtp["unpaired"], rtp["crossed"], rtp["not_sent"]) == (2 * CALLS, 0, 0, 0, 0)
    assert 0 < rtp["delay_p50_ms"] <= rtp["delay_p99_ms"] <= rtp["delay_max_ms"]
    await load.ask("hang_up", rate=100)
    progress = await progress_until(load, "over", CALLS)
    assert (progress["failures"], progress["dropped"]) == ({}, 0)
    await load.ask("close")
    assert switch.received[b"BYE"] == CALLS


async def test_load_calls_without_sound_end_by_themselves_and_tell_their_times(load: Child, switch: Switch) -> None:
    await begin(load, switch, sound=False, hold_s=0.05)
    await load.ask("register", phones=[("p0", "secret")])
    await load.ask("place", calls=CALLS, rate=100)
    progress = await progress_until(load, "over", CALLS)
    rows = await load.ask("times")
    await load.ask("close")
    assert [row["index"] for row in rows] == list(range(CALLS))
    for row in rows:
        assert row["invited"] < row["trying"] <= row["phone_rang"] <= row["ringing"] < row["answered"]
        assert row["phone_invited"] <= row["phone_rang"] < row["phone_answered"] < row["answered"]
    asked = {row["index"]: (row["trying"], row["trying"] + 1_000_000) for row in rows}
    figures = set_up_figures(rows, asked, progress=progress, requests={"/voice": CALLS, "/status": 3}, rate_offered=100)
    assert (figures.offered, figures.answered, figures.failures) == (CALLS, CALLS, {})
    assert (figures.webhooks, figures.callbacks, figures.webhook_own_ms.p50) == (CALLS, 3, 1.0)
    gross, net = figures.invite_to_200_ms.p50, figures.invite_to_200_net_ms.p50
    assert gross is not None and net is not None and gross - net >= 20
    assert figures.rate_reached > 0


async def test_load_refused_calls_are_counted_by_status(load: Child, switch: Switch) -> None:
    switch.refuse = b"503 Service Unavailable"
    await begin(load, switch, sound=True, hold_s=None)
    await load.ask("place", calls=CALLS, rate=100)
    progress = await progress_until(load, "over", CALLS)
    await load.ask("close")
    assert progress["failures"] == {"503": CALLS}
    assert switch.received[b"ACK"] == CALLS


async def test_load_wrong_password_is_a_failure_of_the_registration(load: Child, switch: Switch) -> None:
    await begin(load, switch, sound=False, hold_s=None)
    registered = await load.ask("register", phones=[("p0", "wrong")])
    await load.ask("close")
    assert registered == {"registered": 0, "failures": {"register 401": 1}}


async def test_load_unknown_request_is_an_error_of_the_bench(load: Child) -> None:
    with pytest.raises(BenchError, match="KeyError"):
        await load.ask("dance")


def test_set_up_figures_of_no_calls_are_empty_not_wrong() -> None:
    progress = {"answered": 0, "failures": {"503": 2}, "dropped": 0, "retransmissions": 0}
    figures = set_up_figures([], {}, progress=progress, requests={}, rate_offered=math.inf)
    assert (figures.offered, figures.rate_reached, figures.invite_to_180_ms.p50) == (0, 0.0, None)
