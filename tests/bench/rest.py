"""The REST API under load on the real daemon: calls created, resources read while calls run, a crowd of clients.

Parent side. The REST clients are one process, the phones and the callers with their sound another. First calls are
created, one leg each, answered by phones without sound; then recorded calls of two parties are up and the crowd reads,
then twice as many are up and reads are timed at a steady rate.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tests.bench import procfs, recordings
from tests.bench.calls import GRACE_S, HANG_UP_RATE, Plan, Run, counted, quantiles, ticks_of
from tests.bench.clients import KINDS
from tests.bench.daemon import ACCOUNT, KEY_SECRET, KEY_SID
from tests.bench.media import settled_figures
from tests.bench.process import BenchError, Child
from tests.bench.report import LOAD_LATE_MS, Goal, RecordingFigures, Report, build
from tests.bench.rtp import ADDRESS
from tests.bench.window import Window

AIM_CREATED_PER_S = 50.0
AIM_READ_MS = 50.0
DOCUMENT = '<Response><Pause length="1"/></Response>'
READ_RATE = 40.0
CROWD_PAUSE_S = 1.0
CALL_RATE = 50.0
UNHURT = ("packet held, p50", "packet held, p99", "packets lost by the gateway", "tick lateness, p99")


@dataclass(frozen=True, kw_only=True)
class RestPlan:
    """created: calls created by REST, ``rate`` a second. calls: recorded calls at the reads, half of them under the
    crowd of ``clients``. seconds: of each of the two windows."""

    created: int = 500
    rate: float = 60.0
    calls: int = 200
    clients: int = 200
    seconds: float = 10.0
    idle_s: float = 2.0
    settle_s: float = 2.0


async def measure_rest(plan: RestPlan, directory: Path) -> Report:
    run = Run(Plan(calls=plan.calls, rate=CALL_RATE, record="dual", seconds=plan.seconds), directory)
    clients: Child | None = None
    try:
        await run.start()
        clients = await Child.start("REST clients", ["tests.bench.clients"], log=directory / "clients.log")
        base = f"http://{ADDRESS}:{run.daemon.http_port}/2010-04-01/Accounts/{ACCOUNT}"
        await clients.ask("open", base=base, user=KEY_SID, password=KEY_SECRET)
        created = await _create(plan, run, clients)
        return await _read(plan, run, clients, created)
    except OSError as error:
        raise BenchError(f"{type(error).__name__}: {error}") from error
    finally:
        if clients is not None:
            await clients.end()
        await run.end()


async def _create(plan: RestPlan, run: Run, clients: Child) -> dict[str, Any]:
    window = Window(run.daemon.pid, run.load.pid)
    await window.idle(plan.idle_s)
    await window.begin()
    told = await clients.ask(
        "create",
        first=plan.calls,
        calls=plan.created,
        rate=plan.rate,
        phones=run.phones,
        document=DOCUMENT,
        within_s=plan.created / plan.rate + GRACE_S,
    )
    await run.until(lambda now: not now["phones_live"], within_s=GRACE_S)
    window.end()
    await run.left_over()
    answers = {index: answered for index, _, _, answered in await run.load.ask("answers") if answered}
    figures = created_figures(told, answers, offered=plan.created, rate=plan.rate)
    figures["cpu_ms_per_call"] = round(window.seconds_of_cpu * 1000 / max(1, figures["answered"]), 2)
    return figures


def created_figures(
    told: Mapping[str, Any], answers: Mapping[int, int], *, offered: int, rate: float
) -> dict[str, Any]:
    """told: as ``Clients.create``. answers: when phones answered, ns of the wall clock, by number of the call.

    A call counts when a phone answered it; its rate from the first request to the last answer.
    """
    rows = told["rows"]
    both = [(asked, answers[number]) for number, asked, _ in rows if number in answers]
    span_s = (max(answered for _, answered in both) - min(asked for asked, _ in both)) / 1e9 if both else 0.0
    return {
        "offered": offered,
        "created": len(rows),
        "answered": len(both),
        "failures": told["failures"],
        "rate_offered": rate,
        "rate_reached": round(len(both) / span_s, 1) if span_s else 0.0,
        "request_to_201_ms": asdict(quantiles([taken_ms for _, _, taken_ms in rows])),
        "request_to_answer_ms": asdict(quantiles([(answered - asked) / 1e6 for asked, answered in both])),
    }


def read_figures(read: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """read: as ``Clients.read`` or ``Clients.crowd``."""
    times: Mapping[str, Sequence[float]] = read["times_ms"]
    every = [each for kind in KINDS for each in times[kind]]
    return {
        "requests": len(every),
        "requests_per_s": round(len(every) / seconds, 1),
        "failures": read["failures"],
        **{f"{kind}_ms": asdict(quantiles(list(times[kind]))) for kind in KINDS},
        "all_ms": asdict(quantiles(every)),
        "client_late_ms": asdict(quantiles(list(read.get("late_ms", ())))),
    }


async def _read(plan: RestPlan, run: Run, clients: Child, created: dict[str, Any]) -> Report:
    half = max(1, plan.calls // 2)
    window = Window(run.daemon.pid, run.load.pid)
    await window.idle(plan.idle_s)
    await _place(run, half, plan.settle_s)
    sids = await clients.ask("sids")
    before = await run.daemon.metrics()
    await run.load.ask("epoch", value=1)
    crowd, _ = await asyncio.gather(
        clients.ask(
            "crowd",
            sids=sids,
            clients=plan.clients,
            pause_s=CROWD_PAUSE_S,
            seconds=plan.seconds,
            within_s=plan.seconds + GRACE_S,
        ),
        window.measure(plan.seconds),
    )
    await run.load.ask("epoch", value=2)
    after = await run.daemon.metrics()
    rtp = await settled_figures(run.load)
    drops = procfs.udp_drops(run.daemon.pid), procfs.udp_drops(run.load.pid)

    await _place(run, plan.calls, plan.settle_s)
    sids = await clients.ask("sids")
    read = await clients.ask("read", sids=sids, rate=READ_RATE, seconds=plan.seconds, within_s=plan.seconds + GRACE_S)

    await run.load.ask("hang_up", rate=HANG_UP_RATE)
    ending_s = plan.calls / HANG_UP_RATE + GRACE_S
    ended = await run.until(lambda now: now["over"] >= plan.calls and not now["phones_live"], within_s=ending_s)
    left = await run.left_over()
    window.note_over()
    await run.load.ask("close")
    await run.daemon.end()
    report = build(
        bench="rest",
        load=asdict(plan),
        window=window,
        calls=half,
        rtp=rtp,
        drops=drops,
        ticks=ticks_of(before, after),
        statistics={
            "created": created,
            "crowd": read_figures(crowd, plan.seconds),
            "reads": read_figures(read, plan.seconds),
            "calls_answered": ended["answered"],
            "calls_failed": sum(ended["failures"].values()) + ended["dropped"],
            **counted(before, after),
            **left,
        },
        recordings=await asyncio.to_thread(recordings.summarise, run.daemon.recordings),
    )
    return replace(report, goals=goals_of(report, plan))


async def _place(run: Run, calls: int, settle_s: float) -> None:
    """So many calls are up, those before included."""
    await run.load.ask("place", calls=calls, rate=CALL_RATE)
    await run.until(lambda now: now["answered"] + now["over"] >= calls, within_s=calls / CALL_RATE + GRACE_S)
    await asyncio.sleep(settle_s)


def goals_of(report: Report, plan: RestPlan) -> tuple[Goal, ...]:
    """What calls under the crowd must not notice is judged as ``build`` does it, and reads as it does delays: not by
    clients that did not get their core in time."""
    created, reads, crowd = (report.statistics[name] for name in ("created", "reads", "crowd"))
    unanswered = created["offered"] - created["answered"]
    refused = sum(sum(part["failures"].values()) for part in (reads, crowd))
    slowest = reads["all_ms"]["p99"]
    is_judged = slowest is not None and (reads["client_late_ms"]["p99"] or 0.0) <= LOAD_LATE_MS
    return (
        Goal(
            name="calls created and answered",
            aim=f"≥ {AIM_CREATED_PER_S:g} calls/s",
            measured=created["rate_reached"],
            reached=created["rate_reached"] >= AIM_CREATED_PER_S,
        ),
        Goal(name="created, not answered", aim="≤ 0", measured=unanswered, reached=unanswered <= 0),
        Goal(
            name=f"reads during {plan.calls} calls, p99",
            aim=f"≤ {AIM_READ_MS:g} ms",
            measured=slowest,
            reached=slowest <= AIM_READ_MS if is_judged else None,
        ),
        Goal(name="reads that failed", aim="≤ 0", measured=refused, reached=refused == 0),
        *(goal for goal in report.goals if goal.name in UNHURT),
        _none(
            "calls that failed", report.statistics["calls_failed"] + plan.calls - report.statistics["calls_answered"]
        ),
        _none("recordings not whole", not_whole(report.recordings, plan)),
    )


def not_whole(found: RecordingFigures | None, plan: RestPlan) -> int:
    """Files that are missing, unreadable or shorter than the window their call was up in; at least one if the
    shortest is."""
    if found is None:
        return plan.calls
    is_short = found.shortest_s is None or found.shortest_s < plan.seconds
    return max(plan.calls - found.files, 0) + found.unreadable + is_short


def _none(name: str, measured: int) -> Goal:
    return Goal(name=name, aim="≤ 0", measured=measured, reached=measured == 0)
