"""What a bench found: fixed keys for a program, tables for a person. Prints; never judges a run as failed.

Pure but for ``show``, which prints. The goals are the project's aims on a 2-core machine; a run elsewhere, or on a
machine that others use at the same time, is told apart by ``machine``.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.window import MachineShare, ThreadShare, Usage, Window

LOAD_LATE_MS = 5.0
_NOTHING = Usage(cpu_percent=0, waited_percent=0, context_switches_per_s=0, rss_mb=0, threads=())


@dataclass(frozen=True, kw_only=True)
class GatewayFigures:
    """cpu_percent_per_call: of one core, idle share subtracted. memory_kb_per_call: growth of RSS by live calls.

    rss_mb: at the end of the window; rss_after_mb: when all calls are over.
    """

    cpu_percent: float
    idle_cpu_percent: float
    cpu_percent_per_call: float | None
    cpu_ms_per_set_up: float | None
    waited_percent: float
    context_switches_per_s: float
    rss_idle_mb: float
    rss_mb: float
    rss_after_mb: float | None
    memory_kb_per_call: float | None
    threads: tuple[ThreadShare, ...]


@dataclass(frozen=True, kw_only=True)
class TickFigures:
    """How late the engine's ticks were. source: where the figures come from; None when nobody tells."""

    lateness_p50_ms: float | None = None
    lateness_p99_ms: float | None = None
    source: str | None = None


@dataclass(frozen=True, kw_only=True)
class RtpReport:
    """Packets of the measured window, both ways of all calls.

    lost_at_load: dropped by the kernel because the load did not read in time. lost_by_gateway: all others.
    gateway_socket_drops: those of them that the gateway did not read in time (since its start).
    delay: from our send to our receive, time stamps of the kernel; so it is what the gateway holds a packet.
    unpaired: legs that heard no other leg. crossed: changes of the leg heard.
    """

    sent: int
    received: int
    lost: int
    lost_at_load: int
    lost_by_gateway: int
    gateway_socket_drops: int
    unpaired: int
    crossed: int
    reordered: int
    unstamped: int
    made: int
    delay_p50_ms: float | None
    delay_p99_ms: float | None
    delay_max_ms: float | None
    spacing_p99_ms: float | None


@dataclass(frozen=True, kw_only=True)
class GeneratorFigures:
    """The load itself. lateness: of its packets against their schedule. not_sent: ``send`` failed.

    A load that did not get its core in time (LOAD_LATE_MS at p99) sends in bursts, and on loopback what it sends waits
    in its own core's queue: delays of such a run are not the gateway's, and no goal is judged by them.
    """

    cpu_percent: float
    waited_percent: float
    lateness_p50_ms: float | None
    lateness_p99_ms: float | None
    stalls: int
    not_sent: int
    threads: tuple[ThreadShare, ...]


@dataclass(frozen=True, kw_only=True)
class Quantiles:
    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True, kw_only=True)
class SetUpFigures:
    """Calls set up. net: without the time the webhook application and the phones took for themselves.

    failures: by final status or by what did not come. retransmissions: of the load, each a message the gateway or the
    load was late with. webhooks, callbacks: requests the application got.
    """

    offered: int
    answered: int
    failures: Mapping[str, int]
    dropped: int
    rate_offered: float
    rate_reached: float
    retransmissions: int
    webhooks: int
    callbacks: int
    webhook_own_ms: Quantiles
    invite_to_180_ms: Quantiles
    invite_to_180_net_ms: Quantiles
    invite_to_200_ms: Quantiles
    invite_to_200_net_ms: Quantiles
    invite_to_webhook_ms: Quantiles


@dataclass(frozen=True, kw_only=True)
class RecordingFigures:
    files: int
    channels: int | None
    shortest_s: float | None
    longest_s: float | None
    unreadable: int


@dataclass(frozen=True, kw_only=True)
class Goal:
    name: str
    aim: str
    measured: float | None
    reached: bool | None


@dataclass(frozen=True, kw_only=True)
class Report:
    bench: str
    load: Mapping[str, Any]
    machine: MachineShare | None
    gateway: GatewayFigures
    ticks: TickFigures
    rtp: RtpReport | None
    generator: GeneratorFigures
    set_up: SetUpFigures | None
    recordings: RecordingFigures | None
    statistics: Mapping[str, Any]
    goals: tuple[Goal, ...]


def build(
    *,
    bench: str,
    load: Mapping[str, Any],
    window: Window,
    calls: int,
    rtp: Mapping[str, Any] | None,
    drops: tuple[int, int],
    ticks: TickFigures | None = None,
    statistics: Mapping[str, Any] | None = None,
    set_up: SetUpFigures | None = None,
    recordings: RecordingFigures | None = None,
    aim_percent: float = 0.06,
    made_of: int | None = None,
) -> Report:
    """rtp: fields of RtpFigures, None without sound. drops: datagrams full sockets lost, of gateway and load.

    aim_percent: of a core, a call. made_of: packets the gateway had to make itself in the window, where it passes none
    on: then there is no stamp to tell delay and loss by.
    """
    ticks = ticks or TickFigures()
    gateway = _gateway(window, calls, per_call=bench != "setup", set_up=set_up)
    sound = None if rtp is None else _rtp(rtp, drops)
    used = window.load or _NOTHING
    figures = rtp or {}
    generator = GeneratorFigures(
        cpu_percent=used.cpu_percent,
        waited_percent=used.waited_percent,
        lateness_p50_ms=figures.get("lateness_p50_ms"),
        lateness_p99_ms=figures.get("lateness_p99_ms"),
        stalls=figures.get("stalls", 0),
        not_sent=figures.get("not_sent", 0),
        threads=used.threads,
    )
    return Report(
        bench=bench,
        load=load,
        machine=window.machine,
        gateway=gateway,
        ticks=ticks,
        rtp=sound,
        generator=generator,
        set_up=set_up,
        recordings=recordings,
        statistics=statistics or {},
        goals=tuple(
            _goals(
                gateway,
                ticks,
                sound,
                set_up,
                is_load_late=(generator.lateness_p99_ms or 0.0) > LOAD_LATE_MS,
                aim_percent=aim_percent,
                made_of=made_of,
            )
        ),
    )


def _gateway(window: Window, calls: int, *, per_call: bool, set_up: SetUpFigures | None) -> GatewayFigures:
    used = window.gateway or _NOTHING
    of_calls = used.cpu_percent - window.idle_cpu_percent
    grown_kb = (used.rss_mb - window.idle_rss_mb) * 1000
    done = set_up.answered if set_up is not None and not per_call else 0
    return GatewayFigures(
        cpu_percent=used.cpu_percent,
        idle_cpu_percent=round(window.idle_cpu_percent, 2),
        cpu_percent_per_call=round(of_calls / calls, 4) if per_call else None,
        cpu_ms_per_set_up=round(window.seconds_of_cpu * 1000 / done, 2) if done else None,
        waited_percent=used.waited_percent,
        context_switches_per_s=used.context_switches_per_s,
        rss_idle_mb=round(window.idle_rss_mb, 1),
        rss_mb=used.rss_mb,
        rss_after_mb=window.rss_after_mb,
        memory_kb_per_call=round(grown_kb / calls, 1) if per_call else None,
        threads=used.threads,
    )


def _rtp(figures: Mapping[str, Any], drops: tuple[int, int]) -> RtpReport:
    lost = int(figures["lost"])
    at_load = min(lost, drops[1])
    own = {name: figures[name] for name in RtpReport.__dataclass_fields__ if name in figures}
    return RtpReport(
        **own,
        lost_at_load=at_load,
        lost_by_gateway=lost - at_load,
        gateway_socket_drops=drops[0],
    )


def _goals(
    gateway: GatewayFigures,
    ticks: TickFigures,
    rtp: RtpReport | None,
    set_up: SetUpFigures | None,
    *,
    is_load_late: bool,
    aim_percent: float,
    made_of: int | None,
) -> Sequence[Goal]:
    def at_most(name: str, limit: float, unit: str, measured: float | None, *, is_judged: bool = True) -> Goal:
        reached = None if measured is None or not is_judged else measured <= limit
        return Goal(name=name, aim=f"≤ {limit:g} {unit}".strip(), measured=measured, reached=reached)

    goals = []
    if rtp is not None:
        goals.append(at_most("CPU per call", aim_percent, "% of a core", gateway.cpu_percent_per_call))
        if made_of is not None:
            share = round(100 * rtp.made / made_of, 2)
            is_reached = None if is_load_late else share >= 99
            goals.append(Goal(name="sound made in time", aim="≥ 99 %", measured=share, reached=is_reached))
        else:
            goals += [
                at_most("packet held, p50", 2, "ms", rtp.delay_p50_ms, is_judged=not is_load_late),
                at_most("packet held, p99", 5, "ms", rtp.delay_p99_ms, is_judged=not is_load_late),
                at_most("packets lost by the gateway", 0, "", rtp.lost_by_gateway),
            ]
        goals += [
            at_most("tick lateness, p99", 5, "ms", ticks.lateness_p99_ms),
            at_most("memory per leg", 100, "kB", _half(gateway.memory_kb_per_call)),
        ]
    elif set_up is not None:
        rate = set_up.rate_reached
        goals += [
            Goal(name="set-up rate", aim="≥ 100 calls/s", measured=rate, reached=rate >= 100),
            at_most("CPU per set-up", 6, "ms", gateway.cpu_ms_per_set_up),
        ]
    if set_up is not None:
        goals.append(at_most("INVITE to 180 net, p50", 20, "ms", set_up.invite_to_180_net_ms.p50))
        goals.append(at_most("calls that failed", 0, "", sum(set_up.failures.values()) + set_up.dropped))
    return goals


def _half(value: float | None) -> float | None:
    return None if value is None else value / 2


def show(report: Report, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(asdict(report), ensure_ascii=False))
        return
    console = Console()
    named = ", ".join(f"{name} {value}" for name, value in report.load.items())
    console.print(f"[bold]{report.bench}[/bold]: {named}")
    figures = asdict(report)
    for section in ("machine", "gateway", "ticks", "rtp", "generator", "set_up", "recordings", "statistics"):
        if figures[section]:
            console.print(_section(section, figures[section]))
    goals = Table("goal", "aim", "measured", "reached", title="goals", title_justify="left")
    for goal in report.goals:
        reached = {True: "[green]yes", False: "[red]no", None: "–"}[goal.reached]
        goals.add_row(goal.name, goal.aim, _text(goal.measured), reached)
    console.print(goals)


def _section(name: str, values: Mapping[str, Any]) -> Table:
    table = Table("figure", "value", title=name.replace("_", " "), title_justify="left")
    for key, value in values.items():
        if key == "threads":
            for thread in value:
                share = f"{thread['cpu_percent']} % CPU, waited {thread['waited_percent']} %"
                table.add_row(f"  thread {thread['name']} {thread['tid']}", share)
        else:
            table.add_row(key, _text(value))
    return table


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(entry)}" for key, entry in value.items()) or "–"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "–" if value is None else str(value)
