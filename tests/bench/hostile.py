"""Browsers' calls come up and stay under hostile datagrams at their ports, on the real daemon.

Parent side; it is the webhook application too. First the calls that stay, then set-ups that nobody disturbs, for
comparison, then as many as asked for under the attack. Who stays is another process than who comes and goes.
Source: reliability check S-12.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from aiohttp import web

from signaling.tokens import SigningKey, make_token
from tests.bench.calls import GRACE_S, LEFT_OVER, quantiles
from tests.bench.daemon import ACCOUNT, APPLICATION, KEY_SECRET, KEY_SID, Daemon
from tests.bench.figures import value_of
from tests.bench.process import BenchError, Child
from tests.bench.report import Goal, Report, build
from tests.bench.rtp import ADDRESS
from tests.bench.window import Window

AIM_LATER_MS = 200.0
DOCUMENT = '<Response><Play digits="w"/><Pause length="600"/></Response>'
"""A <Pause> alone would not be answered."""
HOLD_S = 0.5
IDENTITIES = 20


@dataclass(frozen=True, kw_only=True)
class HostilePlan:
    """running: calls that stay. quiet, visits: set-ups without and under the attack, ``rate`` a second.

    datagrams: a second, in turn at ports of calls that come up and of those that stay.
    """

    running: int = 50
    quiet: int = 40
    visits: int = 200
    rate: float = 6.0
    datagrams: int = 500
    idle_s: float = 1.0


async def measure_hostile(plan: HostilePlan, run: Path) -> Report:
    daemon = Daemon(run)
    children: list[Child] = []
    try:
        async with _application() as voice_url:
            for name in ("residents", "visitors"):
                children.append(await Child.start(name, ["tests.bench.visitors"], log=run / f"{name}.log"))
            await daemon.start(
                phones=[], voice_url=voice_url, capacity=2 * (plan.running + plan.visits) + 64, maximum=1000
            )
            return await _measure(plan, daemon, *children)
    except OSError as error:
        raise BenchError(f"{type(error).__name__}: {error}") from error
    finally:
        for child in children:
            await child.end()
        await daemon.end()


@asynccontextmanager
async def _application() -> AsyncIterator[str]:
    async def voice(_: web.Request) -> web.Response:
        return web.Response(text=DOCUMENT, content_type="text/xml")

    app = web.Application()
    app.router.add_post("/voice", voice)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, ADDRESS, 0).start()
        yield f"http://{ADDRESS}:{runner.addresses[0][1]}/voice"
    finally:
        await runner.cleanup()


async def _measure(plan: HostilePlan, daemon: Daemon, residents: Child, visitors: Child) -> Report:
    key = SigningKey(account_sid=ACCOUNT, secret=KEY_SECRET)
    url = f"http://{ADDRESS}:{daemon.http_port}/signal"
    for child in (residents, visitors):
        # An identity has a score of sockets at most.
        tokens = [
            make_token(
                key_sid=KEY_SID,
                key=key,
                identity=f"{child.name}-{number}",
                now=time.time(),
                application_sid=APPLICATION,
            )
            for number in range(max(plan.running, IDENTITIES))
        ]
        await child.ask("open", url=url, tokens=tokens)
    window = Window(daemon.pid, visitors.pid)
    await window.idle(plan.idle_s)
    # Undisturbed they all come up, or there is nothing to compare with.
    await _come_up(residents, "stay", plan.running, plan.rate)
    quiet = await _come_up(visitors, "visit", plan.quiet, plan.rate, hold_s=HOLD_S)
    ports = (await residents.ask("state"))["ports"]
    before = await visitors.ask("attack", rate=plan.datagrams, ports=ports)
    begun_s = time.monotonic()
    await window.begin()
    visits = await _ask(visitors, "visit", plan.visits, plan.rate, hold_s=HOLD_S)
    window.end()
    sent = await visitors.ask("attack", rate=0, ports=[]) - before
    lasted_s = time.monotonic() - begun_s
    state = await residents.ask("state")
    live = value_of(await daemon.metrics(), "ringfork_calls")
    await residents.ask("leave")
    left = await _left_over(daemon)
    window.note_over()
    report = build(
        bench="hostile",
        load=asdict(plan),
        window=window,
        calls=plan.running,
        rtp=None,
        drops=(0, 0),
        statistics={
            "datagrams_per_s": round(sent / lasted_s, 1),
            "came_up": len(visits["came_up_s"]),
            "failures": visits["failures"],
            "running_up": state["up"],
            "running_ended": state["ended"],
            "calls_in_the_gateway": live,
            "set_up_quiet_ms": _set_up_ms(quiet),
            "set_up_attacked_ms": _set_up_ms(visits),
            **left,
        },
    )
    return replace(report, goals=goals_of(report, plan))


async def _ask(child: Child, do: str, calls: int, rate: float, **more: Any) -> Any:
    return await child.ask(do, calls=calls, rate=rate, within_s=calls / rate + GRACE_S, **more)


async def _come_up(child: Child, do: str, calls: int, rate: float, **more: Any) -> Any:
    told = await _ask(child, do, calls, rate, **more)
    if len(told["came_up_s"]) < calls:
        raise BenchError(f"{len(told['came_up_s'])} of {calls} calls came up undisturbed: {told['failures']}")
    return told


async def _left_over(daemon: Daemon) -> dict[str, float | None]:
    left: dict[str, float | None] = {}
    for _ in range(50):
        samples = await daemon.metrics()
        left = {f"{name.removeprefix('ringfork_')}_left": value_of(samples, name) for name in LEFT_OVER}
        if not any(left.values()):
            break
        await asyncio.sleep(0.1)
    return left


def _set_up_ms(told: Mapping[str, Any]) -> dict[str, float | None]:
    return asdict(quantiles([1000 * taken_s for taken_s in told["came_up_s"]]))


def goals_of(report: Report, plan: HostilePlan) -> tuple[Goal, ...]:
    figures = report.statistics
    missing = plan.visits - figures["came_up"]
    ended = plan.running - figures["running_up"]
    attacked, quiet = figures["set_up_attacked_ms"]["p50"], figures["set_up_quiet_ms"]["p50"]
    later = None if attacked is None or quiet is None else round(attacked - quiet, 1)
    sent = figures["datagrams_per_s"]
    return (
        Goal(name="set-ups that did not come up", aim="≤ 0", measured=missing, reached=missing <= 0),
        Goal(name="running calls that ended", aim="≤ 0", measured=ended, reached=ended <= 0),
        Goal(
            name="set-up under attack later by, p50",
            aim=f"≤ {AIM_LATER_MS:g} ms",
            measured=later,
            reached=None if later is None else later <= AIM_LATER_MS,
        ),
        Goal(
            name="hostile datagrams",
            aim=f"≥ {0.95 * plan.datagrams:g} /s",
            measured=sent,
            reached=sent >= 0.95 * plan.datagrams,
        ),
    )
