"""The performance from beginning to end: play, examine, tell.

Decides what goes to which output and the exit code. The daemon's own files are in a temporary directory and go with
it; what the call leaves stands in the output directory.
"""

import asyncio
import importlib.util
import json
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

from gateway.demo.application import document_for
from gateway.demo.daemon import DaemonError
from gateway.demo.report import Report, examine
from gateway.demo.scene import BROWSERS, CALLED, CALLER, SceneError, play
from gateway.demo.timeline import Timeline
from gateway.endpoint_command import MISSING_PJSUA2
from signaling.endpoints.process import PhoneError


def run(output: Path, *, as_json: bool) -> int:
    """Play the call, show it, check it; what it leaves stands in ``output``. Returns the exit code.

    as_json: one JSON document on standard output in place of the timeline; the timeline goes to standard error.
    """
    out, console = Console(), Console(stderr=as_json)
    if importlib.util.find_spec("pjsua2") is None:
        return _fail(out, MISSING_PJSUA2, as_json=as_json)
    try:
        directory = output.absolute()
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "daemon.log").unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(prefix="ringfork-demo-", ignore_cleanup_errors=True) as work:
            report = asyncio.run(_perform(directory, Path(work), console))
    except (SceneError, DaemonError, PhoneError, OSError) as error:
        return _fail(out, str(error), as_json=as_json)
    if as_json:
        out.print_json(json.dumps(report.as_json()))
    else:
        report.show(console)
    return 0 if report.is_true else 1


async def _perform(directory: Path, work: Path, console: Console) -> Report:
    started_s = time.monotonic()
    timeline = Timeline(console, time.monotonic)
    _introduce(console)
    played = await play(timeline, directory=directory, work=work)
    elapsed_s = time.monotonic() - started_s
    return await asyncio.to_thread(examine, played, timeline=tuple(timeline.moments), elapsed_s=elapsed_s)


def _introduce(console: Console) -> None:
    names = ", ".join(f"{name} in a browser" if name in BROWSERS else name for name in CALLED)
    console.print(
        f"[bold]{CALLER}[/] calls from a SIP phone; [bold]{names}[/] ring; one answers, the others are cancelled."
    )
    console.print("What happens to the call is decided by a TwiML application, over HTTP. Its answer is:\n")
    console.print(Text(document_for(CALLED).partition("\n")[2], style="dim"), soft_wrap=True)


def _fail(out: Console, message: str, *, as_json: bool) -> int:
    if as_json:
        out.print_json(json.dumps({"ok": False, "error": message}))
    else:
        Console(stderr=True).print(Text(message, style="red"), soft_wrap=True)
    return 1
