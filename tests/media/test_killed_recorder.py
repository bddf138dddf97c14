"""SIGKILL at random moments: what another reader finds then, before anything was repaired, and after."""

import os
import random
import select
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from media import wav

RATE_HZ = 8000
RECORDINGS = 4
PROCESSES = 5

# Puts 20 ms of a counter into each recording every 20 ms, and says on stdout how many frames it has put.
WRITER = """
import os, sys, time
import numpy as np
from pathlib import Path
from media.recorder import RecordingWriter

writer = RecordingWriter()
writer.start()
handles = [writer.open(Path(path), rate_hz=8000, channels=2) for path in sys.argv[1:]]
begun, frames = time.monotonic(), 0
while True:
    counter = (np.arange(frames, frames + 160) % 30000 + 1).astype(np.int16)
    for handle in handles:
        handle.put(np.stack([counter, -counter], axis=1))
    frames += 160
    os.write(1, b"%d\\n" % frames)
    time.sleep(max(0.0, begun + frames / 8000 - time.monotonic()))
"""


@contextmanager
def writer_process(paths: list[Path]) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-c", WRITER, *map(str, paths)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
        try:
            yield process
        finally:
            process.kill()


def frames_put(process: "subprocess.Popen[bytes]", *, until: float) -> int:
    """Reads what the process says until a moment, kills it then, and returns what it had put by then."""
    assert process.stdout is not None
    said = b""
    while (rest_s := until - time.monotonic()) > 0:
        if select.select([process.stdout], [], [], rest_s)[0]:
            said += os.read(process.stdout.fileno(), 65_536)
    process.send_signal(signal.SIGKILL)
    process.wait()
    said += process.stdout.read()
    return int(said.split(b"\n")[-2])


def kill_one(folder: Path, *, after_s: float) -> tuple[list[Path], int]:
    """Recordings of a process killed some time after its first block, and the frames it had put into each."""
    paths = [folder / f"{after_s}-{number}.wav" for number in range(RECORDINGS)]
    with writer_process(paths) as process:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 20)[0]
        return paths, frames_put(process, until=time.monotonic() + after_s)


def test_killed_process_leaves_files_that_play_up_to_a_second_before_it(tmp_path: Path) -> None:
    moments = [random.uniform(0.9, 1.9) for _ in range(PROCESSES)]
    with ThreadPoolExecutor(PROCESSES) as pool:
        killed = list(pool.map(lambda after_s: kill_one(tmp_path, after_s=after_s), moments))
    for paths, put in killed:
        for path in paths:
            with wave.open(str(path)) as file:
                found = file.getnframes()
                assert len(file.readframes(found)) == found * 4
            assert put - RATE_HZ <= found <= put
            repaired = wav.repair(path)
            assert repaired.is_usable and found <= repaired.frames <= put
            assert path.stat().st_size == wav.HEADER_BYTES + repaired.frames * 4
            sound = wav.read(path)[0]
            counter = np.arange(repaired.frames) % 30_000 + 1
            assert np.array_equal(sound[:, 0], counter) and np.array_equal(sound[:, 1], -counter)
