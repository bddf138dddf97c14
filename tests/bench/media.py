"""The media engine alone: what it costs and how long it holds a packet, without SIP.

Parent side. Starts a host of the engine (or of the bare relay) and the load, bridges leg 2k with leg 2k + 1, lets them
talk and reads what both used. Requests to a host: start, open(legs) → addresses, statistics, close → recordings.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench import procfs, recordings
from tests.bench.figures import percentile
from tests.bench.pairs import Pair, new_keys
from tests.bench.process import Child
from tests.bench.report import Report, TickFigures, build
from tests.bench.window import Window

SETTLE_S = 2.0
LATENESS_BIN_MS = 0.1
_DRAIN_S = 0.4
_DRAIN_TRIES = 10
START_S = 600.0  # the first start compiles


async def measure_media(
    *,
    host: str,
    calls: int,
    seconds: float,
    record: str,
    run: Path,
    listen: bool = False,
    pair: Pair = Pair.PHONES,
    settle_s: float = SETTLE_S,
) -> Report:
    """host: module of the process that carries the sound. run: directory for logs and
    recordings. settle_s: idle time before the measured windows. listen: the host's loop follows every leg."""
    children: list[Child] = []
    try:
        gateway = await Child.start("media host", [host, record, str(run)], log=run / "host.log")
        children.append(gateway)
        load = await Child.start("load", ["tests.bench.load", str(2 * calls)], log=run / "load.log")
        children.append(load)
        await asyncio.gather(gateway.ask("start", within_s=START_S), load.ask("start", within_s=START_S))
        window = Window(gateway.pid, load.pid)
        await asyncio.sleep(settle_s)
        await window.idle(settle_s)
        keys = new_keys(pair, 2 * calls)
        legs = await load.ask("open", legs=2 * calls, pair=pair.called, keys=keys)
        addresses = await gateway.ask("open", legs=legs, pair=pair.called, keys=keys, listen=listen)
        await load.ask("connect", addresses=addresses)
        await asyncio.sleep(settle_s)
        before = await gateway.ask("statistics")
        await load.ask("epoch", value=1)
        await window.measure(seconds)
        await load.ask("epoch", value=2)
        after = await gateway.ask("statistics")
        rtp = await settled_figures(load)
        drops = {child.name: procfs.udp_drops(child.pid) for child in children}
        closed = await gateway.ask("close", within_s=60.0)
        await load.ask("close")
        return build(
            bench="engine",
            load={
                "host": host,
                "calls": calls,
                "seconds": seconds,
                "record": record,
                "listen": listen,
                "pair": pair.called,
            },
            window=window,
            calls=calls,
            rtp=rtp,
            drops=(drops["media host"], drops["load"]),
            ticks=tick_figures(before, after),
            statistics={**counted_between(before, after), **(closed or {})},
            recordings=await asyncio.to_thread(recordings.summarise, run),
            aim_percent=pair.aim_percent,
            made_of=None if pair.is_relayed else rtp["sent"],
        )
    finally:
        for child in reversed(children):
            await child.end()


async def settled_figures(load: Child) -> dict[str, Any]:
    """Figures of the window when its last packets are in: nothing is lost, or nothing more has come for a while."""
    figures: dict[str, Any] = {}
    received = -1
    for _ in range(_DRAIN_TRIES):
        await asyncio.sleep(_DRAIN_S)
        figures = await load.ask("figures")
        if not figures["lost"] or figures["received"] == received:
            break
        received = figures["received"]
    return figures


def counted_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, int]:
    """What was counted in the window."""
    return {name: value - before[name] for name, value in after.items() if isinstance(value, int)}


def tick_figures(before: Mapping[str, Any], after: Mapping[str, Any]) -> TickFigures:
    if "tick_lateness" not in after:
        return TickFigures()
    bins = np.array(after["tick_lateness"], np.int64) - np.array(before["tick_lateness"], np.int64)
    p50, p99 = (percentile(bins, share, bin_width=LATENESS_BIN_MS) for share in (0.5, 0.99))
    return TickFigures(lateness_p50_ms=p50, lateness_p99_ms=p99, source="engine statistics")
