"""The media engine alone: what it costs and how long it holds a packet, without SIP.

Parent side. Starts a host of the engine (or of the bare relay) and the load, bridges leg 2k with leg 2k + 1, lets them
talk and reads what both used. Requests to a host: start, open(legs) → addresses, statistics, close → recordings.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.bench import procfs
from tests.bench.process import Child
from tests.bench.report import Report, build
from tests.bench.window import Window

SETTLE_S = 2.0
_DRAIN_S = 0.4
_START_S = 180.0  # the first start compiles


async def measure_media(
    *, host: str, calls: int, seconds: float, record: str, run: Path, settle_s: float = SETTLE_S
) -> Report:
    """host: module of the process that carries the sound. run: directory for logs and
    recordings. settle_s: idle time before the measured windows."""
    children: list[Child] = []
    try:
        gateway = await Child.start("media host", [host, record, str(run)], log=run / "host.log")
        children.append(gateway)
        load = await Child.start("load", ["tests.bench.load", str(2 * calls)], log=run / "load.log")
        children.append(load)
        await asyncio.gather(gateway.ask("start", within_s=_START_S), load.ask("start", within_s=_START_S))
        window = Window(gateway.pid, load.pid)
        await asyncio.sleep(settle_s)
        await window.idle(settle_s)
        legs = await load.ask("open", legs=2 * calls)
        addresses = await gateway.ask("open", legs=legs)
        await load.ask("connect", addresses=addresses)
        await asyncio.sleep(settle_s)
        before = await gateway.ask("statistics")
        await load.ask("epoch", value=1)
        await window.measure(seconds)
        await load.ask("epoch", value=2)
        after = await gateway.ask("statistics")
        await asyncio.sleep(_DRAIN_S)
        rtp: dict[str, Any] = await load.ask("figures")
        drops = {child.name: procfs.udp_drops(child.pid) for child in children}
        recordings = await gateway.ask("close", within_s=60.0)
        await load.ask("close")
        return build(
            bench="engine",
            load={"host": host, "calls": calls, "seconds": seconds, "record": record},
            window=window,
            calls=calls,
            rtp=rtp,
            drops=(drops["media host"], drops["load"]),
            statistics=_difference(before, after),
            recordings=recordings,
        )
    finally:
        for child in reversed(children):
            await child.end()


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What was counted in the window."""
    return {name: value - before.get(name, 0) for name, value in after.items()}
