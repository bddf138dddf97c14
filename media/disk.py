"""Files that grow while a call lasts, as the kernel offers them; every function here may wait for a disk.

Decides how a file is made, appended to, made durable and renamed, and nothing about what is in it. Blocking: called by
the recorder's threads and through asyncio.to_thread only. `Disk` is what media/recorder.py needs of it, so that a
test can put a slow or a broken disk there.
Source: open(2), fsync(2), rename(2), sync_file_range(2).
"""

import asyncio
import contextlib
import ctypes
import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol


class Disk(Protocol):
    """All raise OSError; `file` is what create gave."""

    def create(self, path: Path, start: bytes) -> int:
        """A new file that begins with `start`. Raises FileExistsError; leaves nothing behind when it fails."""

    def append(self, file: int, buffers: Sequence[memoryview], offset: int) -> None:
        """Writes the buffers one after the other, all of them; after an error, some of it may be there."""

    def patch(self, file: int, start: bytes) -> None:
        """Overwrites the file's first bytes."""

    def size(self, file: int) -> int: ...

    def resize(self, file: int, size: int) -> None:
        """Cuts the file, or lengthens it by a hole, which reads as zeros."""

    def begin_sync(self, file: int) -> None:
        """Has the kernel begin to write the file out, without waiting; an advice."""

    def sync(self, file: int) -> None:
        """Returns when everything written survives a power cut, the file's length included."""

    def close(self, file: int) -> None: ...


class LocalDisk:
    """The kernel's files."""

    def create(self, path: Path, start: bytes) -> int:
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
        except ValueError as error:
            raise OSError(errno.EINVAL, str(error)) from error
        try:
            os.pwrite(file, start, 0)
        except OSError:
            os.close(file)
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        return file

    def append(self, file: int, buffers: Sequence[memoryview], offset: int) -> None:
        size = sum(buffer.nbytes for buffer in buffers)
        done = os.pwritev(file, buffers, offset)
        if done < size:
            rest = memoryview(b"".join(buffers))
            while done < size:
                done += os.pwrite(file, rest[done:], offset + done)

    def patch(self, file: int, start: bytes) -> None:
        os.pwrite(file, start, 0)

    def size(self, file: int) -> int:
        return os.fstat(file).st_size

    def resize(self, file: int, size: int) -> None:
        os.ftruncate(file, size)

    def begin_sync(self, file: int) -> None:
        if _sync_file_range is not None:
            _sync_file_range(file, 0, 0, _SYNC_FILE_RANGE_WRITE)

    def sync(self, file: int) -> None:
        os.fdatasync(file)

    def close(self, file: int) -> None:
        os.close(file)


def _find_sync_file_range() -> Callable[[int, int, int, int], int] | None:
    """Linux has it, others do not; without it only the order in which files get to the disk is worse."""
    function = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if function is not None:
        function.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return function


_SYNC_FILE_RANGE_WRITE = 2
_sync_file_range = _find_sync_file_range()


def explain(error: OSError) -> str:
    """For records and logs: what the kernel says, with the name of its number."""
    return f"{error.strerror or error} ({errno.errorcode.get(error.errno or 0, 'no errno')})"


async def finish(part: Path, final: Path) -> None:
    """Gives a closed recording its last name, durably: from here on a power cut finds it there and nowhere else.

    Done once already (part gone, final there) is done. Raises OSError.
    """
    await asyncio.to_thread(_rename, part, final)


def _rename(part: Path, final: Path) -> None:
    try:
        file = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        if final.exists():
            return
        raise
    try:
        os.fsync(file)
    finally:
        os.close(file)
    part.replace(final)
    for directory in {part.parent, final.parent}:
        sync_directory(directory)


def sync_directory(directory: Path) -> None:
    """Makes the names in a directory durable.

    Some network file systems cannot; the recording is no worse for it than everything else there.
    """
    with contextlib.suppress(OSError):
        file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(file)
        finally:
            os.close(file)
