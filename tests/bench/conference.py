"""A conference through the media engine: what it costs, and whether everybody hears all the others.

Parent side; the engine's host and the parties are processes of their own (engine_host.py, parties.py).
"""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.bench.engine_host import CONFERENCE
from tests.bench.media import START_S, counted_between, tick_figures
from tests.bench.pairs import Pair, new_keys
from tests.bench.process import Child
from tests.bench.report import Goal, Report, build
from tests.bench.window import Window

SETTLE_S = 2.0
AIM_PERCENT = 10.0
"""Of a core, for 100 parties."""


async def measure_conference(*, parties: int, seconds: float, run: Path, settle_s: float = SETTLE_S) -> Report:
    """run: directory for logs. Raises BenchError."""
    children: list[Child] = []
    try:
        host = ["tests.bench.engine_host", CONFERENCE, str(run)]
        gateway = await Child.start("media host", host, log=run / "host.log")
        children.append(gateway)
        load = await Child.start("parties", ["tests.bench.parties", str(parties)], log=run / "parties.log")
        children.append(load)
        await asyncio.gather(gateway.ask("start", within_s=START_S), load.ask("start", within_s=START_S))
        window = Window(gateway.pid, load.pid)
        await asyncio.sleep(settle_s)
        await window.idle(settle_s)
        legs = await load.ask("open")
        keys = new_keys(Pair.PHONES, parties)
        addresses = await gateway.ask("open", legs=legs, pair=Pair.PHONES.called, keys=keys)
        await load.ask("connect", addresses=addresses)
        await asyncio.sleep(settle_s)
        before = await gateway.ask("statistics")
        await load.ask("measure", is_on=True)
        await window.measure(seconds)
        await load.ask("measure", is_on=False)
        after = await gateway.ask("statistics")
        heard = await load.ask("figures")
        await gateway.ask("close")
    finally:
        for child in reversed(children):
            await child.end()
    report = build(
        bench="conference",
        load={"parties": parties, "seconds": seconds},
        window=window,
        calls=parties,
        rtp=None,
        drops=(0, 0),
        ticks=tick_figures(before, after),
        statistics={**counted_between(before, after), **heard},
    )
    return replace(report, goals=_goals(report, heard, parties))


def _goals(report: Report, heard: dict[str, Any], parties: int) -> tuple[Goal, ...]:
    used = round(report.gateway.cpu_percent - report.gateway.idle_cpu_percent, 2)
    aim = AIM_PERCENT * parties / 100
    unheard, own = heard["pairs_unheard"], heard["hear_themselves"]
    # A tone whose packets were sent late is concealed, and heard weaker than it is.
    heard_all = None if unheard and heard["sent_late"] else unheard == 0
    return (
        Goal(name="CPU of the conference", aim=f"≤ {aim:g} % of a core", measured=used, reached=used <= aim),
        Goal(name="pairs of which one does not hear the other", aim="≤ 0", measured=unheard, reached=heard_all),
        Goal(name="parties who hear themselves", aim="≤ 0", measured=own, reached=own == 0),
    )
