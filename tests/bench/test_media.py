"""The engine bench end to end: what is measured is right, what is printed can be read."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import procfs
from tests.bench.__main__ import main
from tests.bench.media import measure_media
from tests.bench.pairs import Pair
from tests.bench.report import Report, show

CALLS = 4
COMPILE_S = 240
KEYS = {
    "bench", "load", "machine", "gateway", "ticks", "rtp", "generator", "set_up", "recordings", "statistics", "goals",
}  # fmt: skip

pytestmark = pytest.mark.wire


async def measure(host: str, record: str, run: Path, *, listen: bool = False, pair: Pair = Pair.PHONES) -> Report:
    return await measure_media(
        host=host, calls=CALLS, seconds=0.6, record=record, run=run, settle_s=0.1, listen=listen, pair=pair
    )


@pytest.mark.parametrize("pair", [Pair.BROWSER_PHONE, Pair.BROWSERS], ids=lambda pair: pair.called)
@pytest.mark.timeout(COMPILE_S)
async def test_media_sealed_legs_hear_each_other_packet_by_packet(pair: Pair, tmp_path: Path) -> None:
    report = await measure("tests.bench.engine_host", "none", tmp_path, pair=pair)
    assert report.rtp is not None
    assert (report.rtp.lost, report.rtp.unpaired, report.rtp.crossed) == (0, 0, 0)
    assert report.rtp.received > 2 * CALLS * 15
    assert report.statistics["dropped_forged"] == 0


@pytest.mark.timeout(COMPILE_S)
async def test_media_opus_towards_a_phone_is_made_anew_in_both_directions(tmp_path: Path) -> None:
    report = await measure("tests.bench.engine_host", "dual", tmp_path, pair=Pair.OPUS_PHONE)
    assert report.rtp is not None
    assert report.rtp.received == 0 and report.rtp.made > 2 * CALLS * 15
    assert report.recordings is not None and report.recordings.files == CALLS
    assert {goal.name for goal in report.goals} >= {"CPU per call", "sound made in time"}


@pytest.mark.parametrize(
    ("host", "record", "channels"),
    [
        pytest.param("tests.bench.bare", "none", None, id="bare"),
        pytest.param("tests.bench.engine_host", "none", None, id="engine"),
        pytest.param("tests.bench.engine_host", "mono", 1, id="engine-mono"),
        pytest.param("tests.bench.engine_host", "dual", 2, id="engine-dual"),
    ],
)
@pytest.mark.timeout(COMPILE_S)
async def test_media_loses_nothing_and_report_is_sane(
    host: str, record: str, channels: int | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = await measure(host, record, tmp_path)
    show(report, as_json=True)
    printed = json.loads(capsys.readouterr().out)
    assert printed.keys() == KEYS
    rtp = printed["rtp"]
    assert (rtp["lost"], rtp["unpaired"], rtp["crossed"], rtp["made"]) == (0, 0, 0, 0)
    assert rtp["sent"] == rtp["received"] > 2 * CALLS * 15
    assert 0 < rtp["delay_p50_ms"] <= rtp["delay_p99_ms"]
    assert printed["machine"]["cpus"] == len(os.sched_getaffinity(0))
    assert 0 < printed["machine"]["udp_pair_us"] < 1000
    assert printed["gateway"]["rss_mb"] > 10
    assert printed["gateway"]["cpu_percent"] > 0
    recordings = printed["recordings"]
    assert (recordings and (recordings["files"], recordings["channels"], recordings["unreadable"])) == (
        channels and (CALLS, channels, 0)
    )
    assert {goal["name"] for goal in printed["goals"]} >= {"CPU per call", "packet held, p99"}


@pytest.mark.timeout(COMPILE_S)
async def test_media_listening_to_every_leg_is_measured_and_drops_nothing(tmp_path: Path) -> None:
    report = await measure("tests.bench.engine_host", "none", tmp_path, listen=True)
    assert report.load["listen"] is True
    assert report.statistics["dropped_frames"] == 0


async def test_media_report_is_readable_as_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show(await measure("tests.bench.bare", "none", tmp_path), as_json=False)
    printed = capsys.readouterr().out
    for expected in ("engine: ", "delay_p50_ms", "packets lost by the gateway", "thread "):
        assert expected in printed


@pytest.mark.parametrize("arguments", [[], ["calls", "--calls", "0"], ["calls", "--seconds", "1e9"], ["setup", "-x"]])
def test_command_wrong_use_exits_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2


def test_command_told_to_end_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.bench", "engine", "--bare", "--calls", "2", "--seconds", "600"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as bench:
        while len(children := children_of(bench.pid)) < 2:
            assert bench.poll() is None
        bench.terminate()
        printed, _ = bench.communicate()
    assert (bench.returncode, printed) == (130, b"")
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    assert list(tmp_path.iterdir()) == []


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_procfs_sees_own_cpu_time_threads_and_memory() -> None:
    before = procfs.read(os.getpid())
    while (spent := procfs.spent(before, procfs.read(os.getpid()))).cpu_ns < 20_000_000:
        pass
    assert spent.cpu_ns < 1_000_000_000
    assert any(thread.name.endswith("(main)") for thread in spent.threads)
    assert before.rss_octets > 1_000_000
    assert procfs.machine().cpus >= 1
    assert procfs.machine_busy_ns() > 0
    assert sys.platform == "linux"
