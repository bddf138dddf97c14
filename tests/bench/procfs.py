"""What the kernel knows about a process: CPU time by thread, memory, datagrams dropped for a full buffer.

CPU time is the scheduler's own (schedstat, nanoseconds) where the kernel keeps it, else the clock ticks of stat.
Threads are told apart by their kernel name (comm); a process that names its threads gets a split that can be read.
Source: proc(5); Documentation/scheduler/sched-stats.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_PAGE_OCTETS = os.sysconf("SC_PAGE_SIZE")
_DROPS = 12  # column of /proc/net/udp


@dataclass(frozen=True)
class ThreadTime:
    """CPU time and time spent runnable but waiting for a core, both ns since the thread began."""

    name: str
    cpu_ns: int
    waited_ns: int
    tid: int = 0


@dataclass(frozen=True)
class Reading:
    """A process at one moment. threads: by thread id. cpu_ns: whole process, threads that ended included."""

    cpu_ns: int
    rss_octets: int
    threads: dict[int, ThreadTime]
    context_switches: int


def read(pid: int) -> Reading:
    """Raises FileNotFoundError or ProcessLookupError when the process is gone."""
    root = Path(f"/proc/{pid}")
    threads: dict[int, ThreadTime] = {}
    switches = 0
    for task in (root / "task").iterdir():
        try:
            name = (task / "comm").read_text().strip()
            threads[int(task.name)] = _thread(task, name, is_main=int(task.name) == pid)
            switches += _context_switches(task)
        except (FileNotFoundError, ProcessLookupError):
            continue
    ticks = _stat_ticks(root / "stat") * _TICK_NS
    resident = int((root / "statm").read_text().split()[1]) * _PAGE_OCTETS
    return Reading(ticks, resident, threads, switches)


def _thread(task: Path, name: str, *, is_main: bool) -> ThreadTime:
    label = f"{name} (main)" if is_main else name
    try:
        cpu, waited, _ = (int(word) for word in (task / "schedstat").read_text().split())
    except (FileNotFoundError, ValueError):
        return ThreadTime(label, _stat_ticks(task / "stat") * _TICK_NS, 0)
    return ThreadTime(label, cpu, waited)


def _stat_ticks(path: Path) -> int:
    fields = path.read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _context_switches(task: Path) -> int:
    return sum(int(count) for count in re.findall(r"ctxt_switches:\s+(\d+)", (task / "status").read_text()))


@dataclass(frozen=True)
class Spent:
    """What a process used between two readings. threads: name, CPU and waiting time in ns, most first."""

    cpu_ns: int
    waited_ns: int
    context_switches: int
    threads: tuple[ThreadTime, ...]

    def cpu_percent(self, seconds: float) -> float:
        return self.cpu_ns / seconds / 1e7


def spent(before: Reading, after: Reading) -> Spent:
    """Sum over threads; the time of threads that ended in between comes from the process's own clock ticks."""
    rows = []
    for tid, now in after.threads.items():
        was = before.threads.get(tid, ThreadTime(now.name, 0, 0))
        rows.append(ThreadTime(now.name, now.cpu_ns - was.cpu_ns, now.waited_ns - was.waited_ns, tid))
    rows.sort(key=lambda row: -row.cpu_ns)
    in_threads = sum(row.cpu_ns for row in rows)
    gone = before.threads.keys() - after.threads.keys()
    cpu = max(in_threads, after.cpu_ns - before.cpu_ns) if gone else in_threads
    switches = max(0, after.context_switches - before.context_switches)
    return Spent(cpu, sum(row.waited_ns for row in rows), switches, tuple(rows))


def udp_drops(pid: int) -> int:
    """Datagrams the kernel threw away because a socket of ``pid`` was full, since each socket was opened."""
    inodes = set(_socket_inodes(pid))
    total = 0
    for table in ("udp", "udp6"):
        try:
            rows = Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
        except FileNotFoundError:
            continue
        for row in rows:
            fields = row.split()
            if fields[9] in inodes:
                total += int(fields[_DROPS])
    return total


def _socket_inodes(pid: int) -> Iterable[str]:
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found = re.match(r"socket:\[(\d+)\]", os.readlink(entry))
        except FileNotFoundError:
            continue
        if found is not None:
            yield found[1]


@dataclass(frozen=True)
class Machine:
    """The machine the figures come from. load: 1, 5 and 15 minute averages."""

    cpus: int
    model: str
    kernel: str
    load: tuple[float, float, float]


def machine() -> Machine:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    cpus = len(os.sched_getaffinity(0))
    return Machine(cpus, found[1] if found else os.uname().machine, os.uname().release, os.getloadavg())


def machine_busy_ns() -> int:
    """CPU time all processes together have used since boot: tells how much of the machine was somebody else's."""
    fields = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    user, nice, system, _, _, irq, softirq, steal = fields[:8]
    return (user + nice + system + irq + softirq + steal) * _TICK_NS
