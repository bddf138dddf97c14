"""Packages from npm, fetched once for all test processes; a test says that it was skipped where they cannot be had."""

import fcntl
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

TIMEOUT_S = 50


def fetch_once(target: Path, *, cache: Path, packages: Sequence[str], then: Sequence[Sequence[str]] = ()) -> Path:
    """``target``, which comes into being by installing ``packages`` into ``cache`` and running what follows."""
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists():
            return target
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip(f"npm is not installed: {', '.join(packages)} cannot be fetched")
        install = [npm, "install", "--prefix", str(cache), "--no-audit", "--no-fund", *packages]
        try:
            for command in (install, *then):
                subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT_S)
        except (subprocess.SubprocessError, OSError) as error:
            pytest.skip(f"{', '.join(packages)} could not be fetched: {error}")
    return target
