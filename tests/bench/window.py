"""The measured window: what the gateway and the load used of the machine while the calls were up.

Reads /proc only, so that nothing measured does the measuring. CPU is in per cent of one core throughout.
"""

import asyncio
import os
import time
from dataclasses import dataclass

from tests.bench import procfs
from tests.bench.calibration import udp_pair_us


@dataclass(frozen=True, kw_only=True)
class ThreadShare:
    """cpu_percent: of a core. waited_percent: runnable, but another process had the core."""

    name: str
    tid: int
    cpu_percent: float
    waited_percent: float


@dataclass(frozen=True, kw_only=True)
class Usage:
    """One process during the window. threads: those that ran, most CPU first."""

    cpu_percent: float
    waited_percent: float
    context_switches_per_s: float
    rss_mb: float
    threads: tuple[ThreadShare, ...]


@dataclass(frozen=True, kw_only=True)
class MachineShare:
    """others_cpu_percent: used by processes that are neither gateway nor load, the webhook application
    included; a loud machine makes loud figures.

    udp_pair_us: CPU time of one send and one receive on loopback, least of before and after: the machine's own pace.
    """

    cpus: int
    model: str
    kernel: str
    load_average_before: float
    load_average_after: float
    others_cpu_percent: float
    udp_pair_us: float


class Window:
    """``idle`` first, then ``measure`` once; the results are attributes."""

    def __init__(self, gateway_pid: int, load_pid: int) -> None:
        self._pids = (gateway_pid, load_pid)
        self._load_before = os.getloadavg()[0]
        self._pair_us: list[float] = []
        self.seconds = 0.0
        self.idle_cpu_percent = 0.0
        self.idle_rss_mb = 0.0
        self.rss_after_mb: float | None = None
        self.gateway: Usage | None = None
        self.load: Usage | None = None
        self.machine: MachineShare | None = None

    async def idle(self, seconds: float) -> None:
        """The gateway started and nothing to do: the baseline that is subtracted."""
        self._pair_us.append(await asyncio.to_thread(udp_pair_us))
        pid = self._pids[0]
        began, before = time.monotonic(), procfs.read(pid)
        await asyncio.sleep(seconds)
        after, elapsed = procfs.read(pid), time.monotonic() - began
        self.idle_cpu_percent = procfs.spent(before, after).cpu_percent(elapsed)
        self.idle_rss_mb = after.rss_octets / 1e6

    async def measure(self, seconds: float) -> None:
        await self.begin()
        await asyncio.sleep(seconds)
        self.end()

    async def begin(self) -> None:
        self._began = time.monotonic()
        self._busy = procfs.machine_busy_ns()
        self._before = [procfs.read(pid) for pid in self._pids]

    def end(self) -> None:
        after = [procfs.read(pid) for pid in self._pids]
        busy = procfs.machine_busy_ns() - self._busy
        self.seconds = time.monotonic() - self._began
        spent = [procfs.spent(*pair) for pair in zip(self._before, after, strict=True)]
        usages = [_usage(*pair, self.seconds) for pair in zip(spent, after, strict=True)]
        self.gateway, self.load = usages
        machine = procfs.machine()
        others = busy - sum(part.cpu_ns for part in spent)
        self.machine = MachineShare(
            cpus=machine.cpus,
            model=machine.model,
            kernel=machine.kernel,
            load_average_before=self._load_before,
            load_average_after=machine.load[0],
            others_cpu_percent=round(max(0.0, others / self.seconds / 1e7), 1),
            udp_pair_us=min(*self._pair_us, udp_pair_us()),
        )

    def note_over(self) -> None:
        """All calls are over: what memory is left in use."""
        self.rss_after_mb = round(procfs.read(self._pids[0]).rss_octets / 1e6, 1)

    @property
    def seconds_of_cpu(self) -> float:
        """What the gateway used in the window beyond its idle share."""
        if self.gateway is None:
            return 0.0
        return max(0.0, (self.gateway.cpu_percent - self.idle_cpu_percent) / 100 * self.seconds)


def _usage(spent: procfs.Spent, after: procfs.Reading, seconds: float) -> Usage:
    shares = [
        ThreadShare(
            name=thread.name,
            tid=thread.tid,
            cpu_percent=round(thread.cpu_ns / seconds / 1e7, 2),
            waited_percent=round(thread.waited_ns / seconds / 1e7, 2),
        )
        for thread in spent.threads
    ]
    return Usage(
        cpu_percent=round(spent.cpu_percent(seconds), 2),
        waited_percent=round(spent.waited_ns / seconds / 1e7, 2),
        context_switches_per_s=round(spent.context_switches / seconds, 1),
        rss_mb=round(after.rss_octets / 1e6, 1),
        threads=tuple(share for share in shares if share.cpu_percent or share.waited_percent),
    )
