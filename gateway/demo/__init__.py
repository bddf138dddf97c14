"""``ringfork demo``: a whole recorded call on loopback, with real processes, checked by ear."""

from pathlib import Path


def run_demo(output: Path, *, as_json: bool) -> int:
    """Returns the exit code; 0 only if every check holds."""
    # The leash of every daemon runs from this package and should not load all of it.
    from gateway.demo.performance import run

    return run(output, as_json=as_json)
