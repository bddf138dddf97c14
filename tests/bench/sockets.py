"""Idle browsers on the real daemon: what a thousand registered sockets at ``/signal`` cost.

Parent side. The window is as long as the SDK's refresh of a registration, so that each socket refreshes once in it.
"""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

from signaling.tokens import SigningKey, make_token
from tests.bench.daemon import ACCOUNT, KEY_SECRET, KEY_SID, Daemon
from tests.bench.process import BenchError, Child
from tests.bench.report import Goal, Report, build
from tests.bench.rtp import ADDRESS
from tests.bench.window import Window

SETTLE_S = 3.0
_CONNECT_S = 120.0
AIM_PERCENT, AIM_KB = 5.0, 60.0


async def measure_sockets(*, sockets: int, seconds: float, run: Path, settle_s: float = SETTLE_S) -> Report:
    daemon = Daemon(run)
    load: Child | None = None
    try:
        load = await Child.start("browsers", ["tests.bench.browsers"], log=run / "load.log")
        await daemon.start(phones=[], voice_url="http://127.0.0.1:9/", capacity=64, maximum=100)
        window = Window(daemon.pid, load.pid)
        await asyncio.sleep(settle_s)
        await window.idle(settle_s)
        now = time.time()
        key = SigningKey(account_sid=ACCOUNT, secret=KEY_SECRET)
        tokens = [
            make_token(key_sid=KEY_SID, key=key, identity=f"browser-{number}", now=now) for number in range(sockets)
        ]
        await load.ask("connect", url=f"http://{ADDRESS}:{daemon.http_port}/signal", tokens=tokens)
        deadline = time.monotonic() + _CONNECT_S
        while (state := await load.ask("state"))["registered"] < sockets:
            if state["lost_count"] or time.monotonic() > deadline:
                raise BenchError(f"registered {state['registered']} of {sockets} sockets: {state['lost']}")
            await asyncio.sleep(0.2)
        await asyncio.sleep(settle_s)
        before = await load.ask("state")
        await window.measure(seconds)
        after = await load.ask("state")
        report = build(
            bench="sockets",
            load={"sockets": sockets, "seconds": seconds},
            window=window,
            calls=sockets,
            rtp=None,
            drops=(0, 0),
            statistics={
                "heartbeats_echoed": after["beats"] - before["beats"],
                "registrations_refreshed": after["refreshed"] - before["refreshed"],
                "sockets_lost": after["lost_count"],
            },
        )
        return with_goals(report)
    except OSError as error:
        raise BenchError(f"{type(error).__name__}: {error}") from error
    finally:
        if load is not None:
            await load.end()
        await daemon.end()


def with_goals(report: Report) -> Report:
    of_sockets = round(report.gateway.cpu_percent - report.gateway.idle_cpu_percent, 2)
    each_kb = report.gateway.memory_kb_per_call
    lost = report.statistics["sockets_lost"]
    return replace(
        report,
        goals=(
            Goal(
                name="CPU",
                aim=f"≤ {AIM_PERCENT:g} % of a core",
                measured=of_sockets,
                reached=of_sockets <= AIM_PERCENT,
            ),
            Goal(
                name="memory a socket",
                aim=f"≤ {AIM_KB:g} kB",
                measured=each_kb,
                reached=None if each_kb is None else each_kb <= AIM_KB,
            ),
            Goal(name="sockets lost", aim="≤ 0", measured=lost, reached=lost == 0),
        ),
    )
