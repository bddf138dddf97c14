"""Whole calls through the real daemon: ``calls`` measures calls that are up, ``setup`` calls being set up.

Parent side. The daemon, the webhook application and the load are three processes; this one only asks and reads /proc.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import procfs, recordings
from tests.bench.daemon import DOMAIN, Daemon, new_phones
from tests.bench.figures import bucket_percentile, buckets_of, percentile_of, value_of
from tests.bench.media import settled_figures
from tests.bench.process import BenchError, Child
from tests.bench.report import Quantiles, Report, SetUpFigures, TickFigures, build
from tests.bench.window import Window

MAX_PHONES = 100
TICK_LATENESS = "ringfork_engine_tick_lateness_seconds"
COUNTED = ("packets_received", "packets_sent", "packets_foreign", "packets_malformed", "packets_unsent")
LEFT_OVER = ("ringfork_calls", "ringfork_engine_ports", "ringfork_engine_recordings", "ringfork_callbacks_owed")
Samples = Sequence[tuple[str, Mapping[str, str], float]]
_SET_UP_S = 10.0
_CLOSING_TRIES = 50
GRACE_S = 60.0
HANG_UP_RATE = 100.0
_RECORD = {"none": "do-not-record", "mono": "record-from-answer", "dual": "record-from-answer-dual"}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is asked for. seconds: of the measured window, None for a set-up bench; hold_s: of its calls.

    rate: calls placed a second. callbacks: status callbacks for each event of each leg, recording callbacks.
    idle_s: how long the baseline is measured; settle_s: from the last answer to the window.
    """

    calls: int
    rate: float
    record: str = "none"
    seconds: float | None = None
    hold_s: float = 0.5
    answer_after_s: float = 0.05
    callbacks: bool = False
    sound: bool = True
    idle_s: float = 3.0
    settle_s: float = 2.0

    @property
    def most_at_once(self) -> int:
        """Calls that may be up or being set up or ended at one moment."""
        if self.seconds is not None:
            return self.calls
        return min(self.calls, int(self.rate * (self.hold_s + _SET_UP_S)) + 10)


class Run:
    """The processes of one run, all ended by ``end``."""

    def __init__(self, plan: Plan, directory: Path) -> None:
        self.plan = plan
        self._directory = directory
        self._phones = new_phones(min(plan.calls, MAX_PHONES))
        self.daemon = Daemon(directory)
        self._application: Child | None = None
        self._load: Child | None = None

    @property
    def application(self) -> Child:
        return _running(self._application)

    @property
    def load(self) -> Child:
        return _running(self._load)

    async def start(self) -> None:
        """Everything up, phones registered."""
        plan, directory = self.plan, self._directory
        dial = f'answerOnBridge="true" timeout="60" record="{_RECORD[plan.record]}"'
        noun = ""
        if plan.callbacks:
            dial += ' recordingStatusCallback="/recording"'
            noun = 'statusCallback="/status" statusCallbackEvent="initiated ringing answered completed"'
        self._application = await Child.start(
            "application",
            ["tests.bench.application", str(len(self._phones)), dial, noun],
            log=directory / "application.log",
        )
        self._load = await Child.start("load", ["tests.bench.load", str(2 * plan.calls)], log=directory / "load.log")
        port = await self.application.ask("start")
        await self.load.ask("start", within_s=180)
        await self.daemon.start(
            phones=self._phones,
            voice_url=f"http://127.0.0.1:{port}/voice",
            capacity=2 * plan.most_at_once + 64,
            maximum=plan.calls + 100,
        )
        await self.load.ask(
            "sip",
            gateway=("127.0.0.1", self.daemon.sip_port),
            domain=DOMAIN,
            sound=plan.sound,
            hold_s=None if plan.seconds is not None else plan.hold_s,
            answer_after_s=plan.answer_after_s,
        )
        phones = [(phone.identity, phone.password) for phone in self._phones]
        registered = await self.load.ask("register", phones=phones, within_s=150)
        if registered["registered"] < len(phones):
            raise BenchError(f"registered {registered['registered']} of {len(phones)} phones: {registered['failures']}")

    @property
    def phones(self) -> int:
        """Registered identities: p0, p1, …"""
        return len(self._phones)

    async def until(self, done: Callable[[Mapping[str, Any]], bool], *, within_s: float) -> dict[str, Any]:
        """Ask for progress until ``done`` or time is up; answers the last progress."""
        deadline = time.monotonic() + within_s
        while True:
            progress: dict[str, Any] = await self.load.ask("progress")
            if done(progress) or time.monotonic() > deadline or not _running(self.daemon.child).is_running:
                return progress
            await asyncio.sleep(0.1)

    def keep_times(self, times: Mapping[str, Any]) -> None:
        """All times of all calls, for whoever looks closer: in the directory of ``--keep``."""
        (self._directory / "times.json").write_text(json.dumps(times), encoding="utf-8")

    async def left_over(self) -> dict[str, float | None]:
        """Gauges of the daemon once the calls are over; what is closing gets a moment, what stays is a leak."""
        for _ in range(_CLOSING_TRIES):
            samples = await self.daemon.metrics()
            left = {name: value_of(samples, name) for name in LEFT_OVER}
            if not any(left.values()):
                break
            await asyncio.sleep(0.1)
        return {f"{name.removeprefix('ringfork_')}_left": value for name, value in left.items()}

    async def end(self) -> None:
        for end in (self._load, self._application):
            if end is not None:
                await end.end()
        await self.daemon.end()


def _running(child: Child | None) -> Child:
    if child is None:
        raise BenchError("a process of the bench is not running")
    return child


async def measure_calls(plan: Plan, directory: Path) -> Report:
    """All calls up, then the window, then all hung up."""
    return await _with_run(plan, directory, _calls)


async def measure_setup(plan: Plan, directory: Path) -> Report:
    """The window is from the first INVITE to the end of the last call."""
    return await _with_run(plan, directory, _setup)


async def _with_run(plan: Plan, directory: Path, measure: Callable[[Run], Awaitable[Report]]) -> Report:
    run = Run(plan, directory)
    try:
        await run.start()
        return await measure(run)
    except OSError as error:
        raise BenchError(f"{type(error).__name__}: {error}") from error
    finally:
        await run.end()


async def _calls(run: Run) -> Report:
    plan = run.plan
    window = Window(run.daemon.pid, run.load.pid)
    await window.idle(plan.idle_s)
    await run.load.ask("place", calls=plan.calls, rate=plan.rate)
    placing_s = plan.calls / plan.rate + GRACE_S
    progress = await run.until(lambda now: now["answered"] + now["over"] >= plan.calls, within_s=placing_s)
    await asyncio.sleep(plan.settle_s)
    before = await run.daemon.metrics()
    await run.load.ask("epoch", value=1)
    await window.measure(plan.seconds or 0.0)
    await run.load.ask("epoch", value=2)
    after = await run.daemon.metrics()
    rtp = await settled_figures(run.load)
    drops = procfs.udp_drops(run.daemon.pid), procfs.udp_drops(run.load.pid)
    await run.load.ask("hang_up", rate=HANG_UP_RATE)
    ending_s = plan.calls / HANG_UP_RATE + GRACE_S
    progress = await run.until(lambda now: now["over"] >= plan.calls and not now["phones_live"], within_s=ending_s)
    left = await run.left_over()
    window.note_over()
    set_up = await _set_up_figures(run, progress)
    await run.load.ask("close")
    await run.daemon.end()
    return build(
        bench="calls",
        load=_described(plan),
        window=window,
        calls=max(1, set_up.answered),
        rtp=rtp,
        drops=drops,
        ticks=ticks_of(before, after),
        statistics={**counted(before, after), **left},
        set_up=set_up,
        recordings=await asyncio.to_thread(recordings.summarise, run.daemon.recordings),
    )


async def _setup(run: Run) -> Report:
    plan = run.plan
    window = Window(run.daemon.pid, run.load.pid)
    await window.idle(plan.idle_s)
    before = await run.daemon.metrics()
    await window.begin()
    await run.load.ask("place", calls=plan.calls, rate=plan.rate)
    within_s = plan.calls / plan.rate + plan.hold_s + GRACE_S
    progress = await run.until(lambda now: now["over"] >= plan.calls and not now["phones_live"], within_s=within_s)
    window.end()
    after = await run.daemon.metrics()
    left = await run.left_over()
    window.note_over()
    set_up = await _set_up_figures(run, progress)
    drops = procfs.udp_drops(run.daemon.pid), procfs.udp_drops(run.load.pid)
    await run.load.ask("close")
    await run.daemon.end()
    return build(
        bench="setup",
        load=_described(plan),
        window=window,
        calls=plan.calls,
        rtp=None,
        drops=drops,
        ticks=ticks_of(before, after),
        statistics={**counted(before, after), **left},
        set_up=set_up,
        recordings=await asyncio.to_thread(recordings.summarise, run.daemon.recordings),
    )


def _described(plan: Plan) -> dict[str, Any]:
    return {name: getattr(plan, name) for name in plan.__dataclass_fields__ if getattr(plan, name) is not None}


def counted(before: Samples, after: Samples) -> dict[str, float]:
    """The engine's own counters over the window."""
    counted = {}
    for name in COUNTED:
        was, now = (value_of(samples, f"ringfork_engine_{name}_total") for samples in (before, after))
        if was is not None and now is not None:
            counted[name] = now - was
    return counted


def ticks_of(before: Samples, after: Samples) -> TickFigures:
    first, last = buckets_of(before, TICK_LATENESS), buckets_of(after, TICK_LATENESS)
    p50, p99 = (bucket_percentile(first, last, share) for share in (0.5, 0.99))
    if p50 is None or p99 is None:
        return TickFigures()
    return TickFigures(
        lateness_p50_ms=round(p50 * 1000, 3), lateness_p99_ms=round(p99 * 1000, 3), source=f"/metrics {TICK_LATENESS}"
    )


async def _set_up_figures(run: Run, progress: Mapping[str, Any]) -> SetUpFigures:
    rows = await run.load.ask("times")
    asked = {index: (received, replied) for index, received, replied in await run.application.ask("times")}
    requests = await run.application.ask("counts")
    await asyncio.to_thread(run.keep_times, {"calls": rows, "webhooks": asked})
    return set_up_figures(rows, asked, progress=progress, requests=requests, rate_offered=run.plan.rate)


def set_up_figures(
    rows: list[dict[str, int]],
    asked: Mapping[int, tuple[int, int]],
    *,
    progress: Mapping[str, Any],
    requests: Mapping[str, int],
    rate_offered: float,
) -> SetUpFigures:
    """rows: as ``Load.times``. asked: by call, when the application got its request and answered, ns of wall clock."""
    own, to_webhook = [], []
    ringing: list[float] = []
    ringing_net: list[float] = []
    answered: list[float] = []
    answered_net: list[float] = []
    for row in rows:
        received, replied = asked.get(row["index"], (0, 0))
        if received:
            own.append((replied - received) / 1e6)
            to_webhook.append((received - row["invited"]) / 1e6)
        if row["ringing"]:
            taken = row["ringing"] - row["invited"]
            ringing.append(taken / 1e6)
            ringing_net.append((taken - (replied - received) - (row["phone_rang"] - row["phone_invited"])) / 1e6)
        if row["answered"]:
            taken = row["answered"] - row["invited"]
            answered.append(taken / 1e6)
            answered_net.append((taken - (replied - received) - (row["phone_answered"] - row["phone_invited"])) / 1e6)
    ends = [row["answered"] for row in rows if row["answered"]]
    first = min((row["invited"] for row in rows), default=0)
    span_s = (max(ends) - first) / 1e9 if ends else 0.0
    callbacks = sum(count for path, count in requests.items() if path != "/voice")
    return SetUpFigures(
        offered=len(rows),
        answered=progress["answered"],
        failures=progress["failures"],
        dropped=progress["dropped"],
        rate_offered=rate_offered,
        rate_reached=round(len(ends) / span_s, 1) if span_s else 0.0,
        retransmissions=progress["retransmissions"],
        webhooks=requests.get("/voice", 0),
        callbacks=callbacks,
        webhook_own_ms=quantiles(own),
        invite_to_180_ms=quantiles(ringing),
        invite_to_180_net_ms=quantiles(ringing_net),
        invite_to_200_ms=quantiles(answered),
        invite_to_200_net_ms=quantiles(answered_net),
        invite_to_webhook_ms=quantiles(to_webhook),
    )


def quantiles(values: list[float]) -> Quantiles:
    p50, p95, p99 = (percentile_of(values, share) for share in (0.5, 0.95, 0.99))
    return Quantiles(p50=_rounded(p50), p95=_rounded(p95), p99=_rounded(p99))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
