"""Recordings on a good disk, on a slow one, on a full one; who reads them back is Python's own wave module."""

import asyncio
import errno
import os
import subprocess
import threading
import time
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from media.disk import Disk
from media.recorder import RecordingWriter, Written, finish
from tests.media.disks import BrokenDisk, GatedDisk, SmallDisk, WitnessedDisk

RATE_HZ = 8000


@asynccontextmanager
async def running(disk: Disk | None = None, *, backlog_s: float = 10.0) -> AsyncIterator[RecordingWriter]:
    writer = RecordingWriter(write_period_s=0.02, backlog_s=backlog_s, disk=disk)
    writer.start()
    try:
        yield writer
    finally:
        await writer.stop()


def ramp(seconds: float, *, channels: int = 2, start: int = 0) -> NDArray[np.int16]:
    """Samples that tell where they belong."""
    frames = round(seconds * RATE_HZ)
    column = (np.arange(start, start + frames) % 30_000 + 1).astype(np.int16)
    return np.stack([column + np.int16(channel) for channel in range(channels)], axis=1)


async def read_back(path: Path) -> NDArray[np.int16]:
    def read() -> NDArray[np.int16]:
        with wave.open(str(path)) as file:
            assert (file.getframerate(), file.getsampwidth()) == (RATE_HZ, 2)
            return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())

    return await asyncio.to_thread(read)


async def happens(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, 10)


@pytest.mark.parametrize("channels", [1, 2])
async def test_recording_holds_what_was_put_in_blocks_of_any_length(tmp_path: Path, channels: int) -> None:
    sound = ramp(2, channels=channels)
    async with running() as writer:
        handle = writer.open(tmp_path / "a.wav", rate_hz=RATE_HZ, channels=channels)
        for block in np.split(sound, [1, 5, 400, 401, 8000, 8000]):
            handle.put(block)
        written = await handle.close()
    assert written == Written(path=tmp_path / "a.wav", rate_hz=RATE_HZ, channels=channels, frames=16_000)
    assert written.duration_s == 2
    assert np.array_equal(await read_back(tmp_path / "a.wav"), sound)


async def test_recording_without_a_block_is_an_empty_file(tmp_path: Path) -> None:
    async with running() as writer:
        written = await writer.open(tmp_path / "a.wav", rate_hz=RATE_HZ, channels=2).close()
    assert (written.frames, written.error) == (0, None)
    assert len(await read_back(tmp_path / "a.wav")) == 0


async def test_file_is_right_for_other_readers_after_every_write(tmp_path: Path) -> None:
    disk = WitnessedDisk()
    async with running(disk) as writer:
        handle = writer.open(tmp_path / "a.wav", rate_hz=RATE_HZ, channels=2)
        for number in range(5):
            disk.has_written.clear()
            handle.put(ramp(0.1, start=800 * number))
            await happens(disk.has_written)
        await handle.close()
    assert disk.readable_frames[-1] == 4000
    assert set(disk.readable_frames) <= {0, 800, 1600, 2400, 3200, 4000}


async def test_recordings_of_one_beat_are_all_begun_before_the_first_is_waited_for(tmp_path: Path) -> None:
    disk = WitnessedDisk()
    async with running(disk) as writer:
        handles = [writer.open(tmp_path / f"{name}.wav", rate_hz=RATE_HZ, channels=1) for name in "abc"]
        for handle in handles:
            handle.put(ramp(0.1, channels=1))
        await happens(disk.has_synced)
        await asyncio.gather(*(handle.close() for handle in handles))
    first_sync = next(number for number, (what, _) in enumerate(disk.asked) if what == "sync")
    begun = {name for what, name in disk.asked[:first_sync] if what == "begin"}
    written = {name for what, name in disk.asked[:first_sync] if what == "write"}
    assert disk.asked[first_sync][1] in begun <= written


async def test_last_write_is_synced_before_close_answers(tmp_path: Path) -> None:
    disk = WitnessedDisk()
    async with running(disk) as writer:
        handle = writer.open(tmp_path / "a.wav", rate_hz=RATE_HZ, channels=2)
        handle.put(ramp(0.5))
        await handle.close()
        assert [what for what, _ in disk.asked if what in ("write", "sync")][-1] == "sync"


async def test_close_twice_and_after_stop_gives_the_same_answer(tmp_path: Path) -> None:
    async with running() as writer:
        handle = writer.open(tmp_path / "a.wav", rate_hz=RATE_HZ, channels=2)
        handle.put(ramp(0.5))
        first, second = await asyncio.gather(handle.close(), handle.close())
    assert first is second is await handle.close()
    handle.put(ramp(0.5))
    assert (await handle.close()).frames == 4000


async def test_close_that_is_cancelled_still_closes_the_file(tmp_path: Path) -> None:
    disk = GatedDisk()
    async with running(disk) as writer:
        handle = writer.open(tmp_path / "slow.wav", rate_hz=RATE_HZ, channels=2)
        handle.put(ramp(0.5))
        closing = asyncio.create_task(handle.close())
        await happens(disk.is_waiting)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        disk.gate.set()
        assert (await handle.close()).frames == 4000


async def test_stop_closes_what_is_open_and_nothing_opens_after_it(tmp_path: Path) -> None:
    async with running() as writer:
        handles = [writer.open(tmp_path / f"{n}.wav", rate_hz=RATE_HZ, channels=2) for n in range(20)]
        for handle in handles:
            handle.put(ramp(0.3))
        await writer.stop()
        for handle in handles:
            assert (await handle.close()).frames == 2400
        with pytest.raises(RuntimeError):
            writer.open(tmp_path / "late.wav", rate_hz=RATE_HZ, channels=2)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("recording-")]


async def test_many_recordings_at_once_are_all_complete(tmp_path: Path) -> None:
    async with running() as writer:
        handles = [writer.open(tmp_path / f"{n}.wav", rate_hz=RATE_HZ, channels=2) for n in range(200)]
        for number in range(10):
            for handle in handles:
                handle.put(ramp(0.1, start=800 * number))
            await asyncio.sleep(0)
        assert writer.statistics().open == 200
        written = await asyncio.gather(*(handle.close() for handle in handles))
        assert writer.statistics().open == 0
    assert {(one.frames, one.dropped_frames, one.error) for one in written} == {(8000, 0, None)}
    assert np.array_equal(await read_back(tmp_path / "117.wav"), ramp(1))


async def test_slow_disk_never_delays_put_and_costs_silence_of_the_same_length(tmp_path: Path) -> None:
    disk = GatedDisk()
    async with running(disk, backlog_s=1.0) as writer:
        handle = writer.open(tmp_path / "slow.wav", rate_hz=RATE_HZ, channels=2)
        handle.put(ramp(0.1))
        await happens(disk.is_waiting)
        begun = time.monotonic()
        for number in range(1, 30):
            handle.put(ramp(0.1, start=800 * number))
        assert time.monotonic() - begun < 0.5
        disk.gate.set()
        written = await handle.close()
        assert writer.statistics().dropped_frames == written.dropped_frames
    assert written.frames == 24_000
    assert written.dropped_frames == 16_000
    sound = await read_back(tmp_path / "slow.wav")
    assert np.array_equal(sound[:8000], ramp(1))
    assert not sound[8000:].any()


async def test_sound_after_a_gap_stands_where_it_belongs(tmp_path: Path) -> None:
    disk = GatedDisk()
    async with running(disk, backlog_s=0.2) as writer:
        handle = writer.open(tmp_path / "slow.wav", rate_hz=RATE_HZ, channels=2)
        handle.put(ramp(0.2))
        await happens(disk.is_waiting)
        handle.put(ramp(0.5, start=1600))
        disk.gate.set()
        await happens(disk.has_written)
        handle.put(ramp(0.2, start=5600))
        written = await handle.close()
    assert (written.frames, written.dropped_frames) == (7200, 4000)
    sound = await read_back(tmp_path / "slow.wav")
    assert not sound[1600:5600].any()
    assert np.array_equal(sound[5600:], ramp(0.2, start=5600))


async def test_stuck_file_does_not_hold_up_the_others(tmp_path: Path) -> None:
    disk = GatedDisk()
    async with running(disk) as writer:
        stuck = [writer.open(tmp_path / f"slow{n}.wav", rate_hz=RATE_HZ, channels=2) for n in range(3)]
        for handle in stuck:
            handle.put(ramp(0.1))
        await happens(disk.is_waiting)
        other = writer.open(tmp_path / "other.wav", rate_hz=RATE_HZ, channels=2)
        other.put(ramp(1))
        async with asyncio.timeout(5):
            assert (await other.close()).frames == 8000
        disk.gate.set()


async def test_full_disk_ends_the_recording_with_the_part_that_is_there(tmp_path: Path) -> None:
    disk = SmallDisk(room=10_001)
    async with running(disk) as writer:
        handle = writer.open(tmp_path / "a.wav", rate_hz=RATE_HZ, channels=2)
        handle.put(ramp(1))
        await happens(disk.is_full)
        handle.put(ramp(1, start=8000))
        written = await handle.close()
        assert "ENOSPC" in (written.error or "")
        assert handle.error == written.error
        assert (written.frames, written.dropped_frames) == (2500, 13_500)
        assert np.array_equal(await read_back(tmp_path / "a.wav"), ramp(1)[:2500])

        disk.room = 10**6
        again = writer.open(tmp_path / "b.wav", rate_hz=RATE_HZ, channels=2)
        again.put(ramp(1))
        assert (await again.close()).error is None
        assert writer.statistics().failed == 1
    assert np.array_equal(await read_back(tmp_path / "b.wav"), ramp(1))


def mounted(path: Path) -> bool:
    """A file system of 1 MB at path, where the machine lets us."""
    if os.geteuid() != 0:
        return False
    return not subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", path], capture_output=True).returncode


async def test_real_full_disk_is_survived_and_once_freed_used_again(tmp_path: Path) -> None:
    if not await asyncio.to_thread(mounted, tmp_path):
        pytest.skip("needs the right to mount a file system")
    try:
        async with running(backlog_s=60) as writer:
            handles = [writer.open(tmp_path / f"{n}.wav", rate_hz=RATE_HZ, channels=2) for n in range(4)]
            for number in range(30):
                for handle in handles:
                    handle.put(ramp(0.5, start=4000 * number))
            written = await asyncio.gather(*(handle.close() for handle in handles))
            assert all("ENOSPC" in (one.error or "") for one in written if one.frames < 120_000)
            assert sum(one.frames for one in written) == pytest.approx(2**20 / 4, rel=0.05)
            for one in written:
                if one.frames:
                    assert np.array_equal(await read_back(one.path), ramp(15)[: one.frames])
            for one in written:
                await asyncio.to_thread(one.path.unlink, missing_ok=True)
            again = writer.open(tmp_path / "again.wav", rate_hz=RATE_HZ, channels=2)
            again.put(ramp(1))
            assert (await again.close()).error is None
    finally:
        await asyncio.to_thread(lambda: subprocess.run(["umount", tmp_path], check=True))


async def test_failed_sync_ends_the_recording_for_the_kernel_tells_of_it_only_once(tmp_path: Path) -> None:
    disk = BrokenDisk(fail="sync")
    async with running(disk) as writer:
        handle = writer.open(tmp_path / "a.wav", rate_hz=RATE_HZ, channels=2)
        handle.put(ramp(0.5))
        await happens(disk.has_failed)
        written = await handle.close()
    assert "EIO" in (written.error or "")
    assert len(await read_back(tmp_path / "a.wav")) == written.frames == 4000


async def test_header_that_cannot_be_written_ends_that_recording_only(tmp_path: Path) -> None:
    disk = BrokenDisk(fail="patch", error=errno.EROFS)
    async with running(disk) as writer:
        handle = writer.open(tmp_path / "a.wav", rate_hz=RATE_HZ, channels=2)
        handle.put(ramp(0.5))
        assert "EROFS" in ((await handle.close()).error or "")
        disk.fail = ""
        other = writer.open(tmp_path / "b.wav", rate_hz=RATE_HZ, channels=2)
        other.put(ramp(0.5))
        assert (await other.close()).error is None


def missing_directory(folder: Path) -> Path:
    return folder / "none" / "a.wav"


def taken_name(folder: Path) -> Path:
    (folder / "a.wav").write_bytes(b"kept")
    return folder / "a.wav"


def dangling_link(folder: Path) -> Path:
    (folder / "a.wav").symlink_to(folder / "elsewhere.wav")
    return folder / "a.wav"


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (missing_directory, "ENOENT"),
        (taken_name, "EEXIST"),
        (dangling_link, "EEXIST"),
        (lambda folder: folder / "a\0.wav", "EINVAL"),
        (lambda folder: folder / ("a" * 300), "ENAMETOOLONG"),
    ],
)
async def test_file_that_cannot_be_made_is_told_by_close(
    tmp_path: Path, place: Callable[[Path], Path], expected: str
) -> None:
    path = await asyncio.to_thread(place, tmp_path)
    async with running() as writer:
        handle = writer.open(path, rate_hz=RATE_HZ, channels=2)
        handle.put(ramp(0.5))
        written = await handle.close()
    assert expected in (written.error or "")
    assert (written.frames, written.dropped_frames) == (0, 4000)
    assert not await asyncio.to_thread((tmp_path / "elsewhere.wav").exists)


async def test_file_never_made_leaves_no_empty_one(tmp_path: Path) -> None:
    async with running(BrokenDisk(fail="create", error=errno.EMFILE)) as writer:
        written = await writer.open(tmp_path / "a.wav", rate_hz=RATE_HZ, channels=2).close()
    assert "EMFILE" in (written.error or "")
    assert await asyncio.to_thread(lambda: list(tmp_path.iterdir())) == []


async def test_block_of_another_shape_is_a_bug_of_its_caller(tmp_path: Path) -> None:
    async with running() as writer:
        handle = writer.open(tmp_path / "a.wav", rate_hz=RATE_HZ, channels=2)
        for block in (ramp(0.1, channels=1), ramp(0.1).astype(np.float32)):
            with pytest.raises(ValueError, match="expected"):
                handle.put(block)  # type: ignore[arg-type]  # what is tested
        await handle.close()


async def test_finish_gives_the_recording_its_last_name_and_may_be_repeated(tmp_path: Path) -> None:
    part, final = tmp_path / "a.part", tmp_path / "a.wav"
    await asyncio.to_thread(part.write_bytes, b"sound")
    await finish(part, final)
    await finish(part, final)
    assert await asyncio.to_thread(lambda: (part.exists(), final.read_bytes())) == (False, b"sound")
    with pytest.raises(FileNotFoundError):
        await finish(part, tmp_path / "never.wav")
