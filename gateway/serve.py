"""The daemon's process: start, say where to go, wait for a signal, drain, stop.

The first SIGTERM or SIGINT drains: no new calls, running ones may end for ``server.drain_s``. The second ends at once;
recordings are closed either way.
"""

import asyncio
import gc
import signal

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from gateway import logs
from gateway.app import Gateway, StartError
from gateway.config import Configuration
from media.thread import compile_ahead

log = structlog.get_logger(__name__)
err = Console(stderr=True)


async def run(configuration: Configuration, *, log_level: str, is_development: bool) -> int:
    """Serve until told to stop. Returns the exit code."""
    logs.set_up(log_level)
    loop = asyncio.get_running_loop()
    told_once, told_twice = asyncio.Event(), asyncio.Event()

    def told() -> None:
        (told_twice if told_once.is_set() else told_once).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told)
    compiling = CompileProgress()
    gateway = Gateway(configuration, progress=compiling.show, is_development=is_development)
    try:
        with compiling:
            await gateway.start()
    except StartError as error:
        err.print(str(error), markup=False, highlight=False)
        await gateway.stop()
        return 1
    _settle_memory()
    log.info("ready", http=gateway.http_url, sip=gateway.sip_urls)
    if is_development:
        _announce(configuration, gateway)
    await told_once.wait()
    gateway.drain()
    log.info("draining", calls=gateway.live_calls, drain_s=configuration.server.drain_s)
    await _first_of(gateway.wait_idle(), told_twice.wait(), timeout_s=configuration.server.drain_s)
    await gateway.stop()
    log.info("stopped")
    return 0


def compile_engine() -> None:
    """Compile what the media engine runs, with a progress bar, and leave it in the cache."""
    compiling = CompileProgress()
    with compiling:
        compile_ahead(compiling.show)


def _settle_memory() -> None:
    """What was made until now lives as long as the process; a full collection that walks it stops the loop.

    Seen before: 150 to 260 ms each, and 2 ms of CPU for every call that is set up.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


async def _first_of(*waits: object, timeout_s: float) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]  # type: ignore[call-overload]
    try:
        await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _announce(configuration: Configuration, gateway: "Gateway") -> None:
    err.print("\n[bold]Ringfork is ready.[/] Development mode: 127.0.0.1 only, settings in ringfork.toml.\n")
    err.print(f"  HTTP      {gateway.http_url}", highlight=False)
    for url in gateway.sip_urls:
        err.print(f"  SIP       {url}", highlight=False)
    for client in configuration.clients:
        err.print(
            f"  Phone     user [bold]{client.identity}[/]  password {client.password.get_secret_value()}  "
            f"domain {configuration.sip.domain}",
            highlight=False,
        )
    err.print("\nRegister two phones and let one call the other. Ctrl-C stops the daemon.\n")


class CompileProgress:
    """A bar while the media engine is compiled, which happens on the first start only."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> "CompileProgress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, step: str, done: int, total: int) -> None:
        if self._bar is None:
            err.print("Compiling the media engine. This happens once; later starts take seconds.")
            self._bar = Progress(
                TextColumn("  {task.description:24}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=err,
                transient=True,
            )
            self._task = self._bar.add_task(step, total=total)
            self._bar.start()
        assert self._task is not None
        self._bar.update(self._task, description=step, completed=done, total=total)
