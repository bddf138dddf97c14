"""``python -m tests.bench engine|conference|calls|setup|rest|hostile|sockets|loss|menu|lists``.

Load from another process.

Tables, or JSON. Everything is bounded in count and time and ends by itself; what was started is ended by its id.
"""

import argparse
import asyncio
import resource
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.bench.calls import Plan, measure_calls, measure_setup
from tests.bench.conference import measure_conference
from tests.bench.hostile import HostilePlan, measure_hostile
from tests.bench.lists import measure_lists
from tests.bench.loss import measure_loss
from tests.bench.media import measure_media
from tests.bench.menu import measure_menu
from tests.bench.pairs import Pair
from tests.bench.parties import MOST_PARTIES
from tests.bench.process import BenchError
from tests.bench.report import Report, show
from tests.bench.rest import RestPlan, measure_rest
from tests.bench.sockets import measure_sockets

_FILES_PER_CALL = 5
_FILES_SPARE = 200
MAX_CALLS = 4000
MAX_SET_UPS = 100_000
MAX_SOCKETS = 5000
MAX_ROUNDS = 1000
MAX_ROWS = 10_000_000
MAX_SECONDS = 3600.0
MAX_RATE = 1000.0
MAX_DATAGRAMS = 50_000


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 measured, 1 could not be measured, 2 wrong use, 130 interrupted."""
    options = _parser().parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="ringfork-bench-") as directory:
            run = Path(options.keep or directory)
            run.mkdir(parents=True, exist_ok=True)
            report = asyncio.run(_measure(options, run))
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    show(report, as_json=options.json)
    return 0


async def _measure(options: argparse.Namespace, run: Path) -> Report:
    """Told to end by SIGTERM, it ends its processes and clears up as for Ctrl-C."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    if options.bench == "engine":
        _allow_files(options.calls)
        host = "tests.bench.bare" if options.bare else "tests.bench.engine_host"
        return await measure_media(
            host=host,
            calls=options.calls,
            seconds=options.seconds,
            record=options.record,
            run=run,
            listen=options.listen,
            pair=Pair.of(options.pair),
        )
    if options.bench == "conference":
        _allow_files(options.parties)
        return await measure_conference(parties=options.parties, seconds=options.seconds, run=run)
    if options.bench == "calls":
        plan = Plan(calls=options.calls, rate=options.rate, record=options.record, seconds=options.seconds)
        _allow_files(plan.most_at_once)
        return await measure_calls(plan, run)
    if options.bench == "rest":
        _allow_files(options.calls + options.clients)
        return await measure_rest(
            RestPlan(
                created=options.created,
                rate=options.rate,
                calls=options.calls,
                clients=options.clients,
                seconds=options.seconds,
            ),
            run,
        )
    if options.bench == "hostile":
        _allow_files(options.running + options.visits)
        return await measure_hostile(
            HostilePlan(running=options.running, visits=options.visits, rate=options.rate, datagrams=options.datagrams),
            run,
        )
    if options.bench == "sockets":
        _allow_files(options.sockets)
        return await measure_sockets(sockets=options.sockets, seconds=options.seconds, run=run)
    if options.bench == "loss":
        return await measure_loss(percent=options.percent, seconds=options.seconds, run=run)
    if options.bench == "lists":
        return await measure_lists(rows=options.rows, storage=options.storage, run=run)
    if options.bench == "menu":
        return await measure_menu(rounds=options.rounds)
    plan = Plan(
        calls=options.calls,
        rate=options.rate,
        record=options.record,
        hold_s=options.hold,
        callbacks=options.callbacks,
        sound=False,
    )
    _allow_files(plan.most_at_once)
    return await measure_setup(plan, run)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    benches = parser.add_subparsers(dest="bench", required=True)
    engine = benches.add_parser("engine", help="the media engine alone, without SIP")
    calls = benches.add_parser("calls", help="whole calls through the daemon: what they cost while they are up")
    setup = benches.add_parser("setup", help="calls set up and ended through the daemon, without sound")
    for bench, most in ((engine, MAX_CALLS), (calls, MAX_CALLS), (setup, MAX_SET_UPS)):
        bench.add_argument("--calls", type=_whole(most), default=100, metavar="N")
        bench.add_argument("--record", choices=("none", "mono", "dual"), default="none")
    conference = benches.add_parser("conference", help="one conference of µ-law parties through the media engine")
    conference.add_argument("--parties", type=_whole(MOST_PARTIES), default=100, metavar="N")
    rest = benches.add_parser("rest", help="the REST API: calls created, reads while calls run, a crowd of clients")
    rest.add_argument("--created", type=_whole(MAX_SET_UPS), default=500, metavar="N", help="calls created by REST")
    rest.add_argument("--rate", type=_rate, default=60.0, metavar="R", help="calls created a second")
    rest.add_argument("--calls", type=_whole(MAX_CALLS), default=200, metavar="N", help="recorded calls that run")
    rest.add_argument("--clients", type=_whole(MAX_SOCKETS), default=200, metavar="N", help="of the crowd")
    hostile = benches.add_parser("hostile", help="browsers' calls that come up and stay under hostile datagrams")
    hostile.add_argument("--running", type=_whole(MAX_CALLS), default=50, metavar="N", help="calls that stay")
    hostile.add_argument("--visits", type=_whole(MAX_CALLS), default=200, metavar="N", help="set up under the attack")
    hostile.add_argument("--rate", type=_rate, default=6.0, metavar="R", help="set-ups a second")
    hostile.add_argument("--datagrams", type=_whole(MAX_DATAGRAMS), default=500, metavar="N", help="a second")
    sockets = benches.add_parser("sockets", help="registered browsers that do nothing: what their sockets cost")
    sockets.add_argument("--sockets", type=_whole(MAX_SOCKETS), default=1000, metavar="N")
    sockets.add_argument("--seconds", type=_seconds, default=30.0, metavar="S", help="each socket refreshes every 30 s")
    loss = benches.add_parser("loss", help="one Opus call over a path that loses packets: sound delivered, delay after")
    loss.add_argument("--percent", type=_percent, default=5.0, metavar="P", help="chance of each packet to be lost")
    loss.add_argument("--seconds", type=_seconds, default=10.0, metavar="S", help="how long they are lost")
    menu = benches.add_parser("menu", help="a <Gather> menu: how soon it answers its last digit, webhook apart")
    menu.add_argument("--rounds", type=_whole(MAX_ROUNDS), default=20, metavar="N")
    lists = benches.add_parser("lists", help="lists of 50 calls over HTTP, among many: every filter, any page")
    lists.add_argument("--rows", type=_whole(MAX_ROWS), default=1_000_000, metavar="N")
    lists.add_argument("--storage", metavar="URL", help="another database than SQLite in the run's directory")
    for bench in (engine, conference, calls, setup, rest, hostile, sockets, loss, menu, lists):
        bench.add_argument("--json", action="store_true", help="one JSON object with fixed keys")
        bench.add_argument("--keep", metavar="DIRECTORY", help="leave logs, database and recordings here")
    for bench in (engine, conference, calls, rest):
        bench.add_argument("--seconds", type=_seconds, default=10.0, metavar="S", help="length of the measured window")
    engine.add_argument("--bare", action="store_true", help="a bare compiled relay instead: the floor of this machine")
    engine.add_argument("--listen", action="store_true", help="the event loop follows every leg")
    engine.add_argument(
        "--pair",
        choices=[pair.called for pair in Pair],
        default=Pair.PHONES.called,
        help="who talks: browsers' legs are sealed (SRTP), with PCMU towards a phone, with Opus among themselves, or "
        "with Opus that is transcoded for a phone",
    )
    calls.add_argument("--rate", type=_rate, default=50.0, metavar="R", help="calls placed a second")
    setup.add_argument("--rate", type=_rate, default=100.0, metavar="R", help="calls placed a second")
    setup.add_argument("--hold", type=_seconds, default=0.5, metavar="S", help="how long an answered call lasts")
    setup.add_argument("--callbacks", action="store_true", help="ask for all status and recording callbacks")
    return parser


def _whole(most: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        value = int(text)
        if not 1 <= value <= most:
            raise argparse.ArgumentTypeError(f"from 1 to {most}")
        return value

    return whole


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.1 <= value <= MAX_SECONDS:
        raise argparse.ArgumentTypeError(f"from 0.1 to {MAX_SECONDS:g}")
    return value


def _percent(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 50:
        raise argparse.ArgumentTypeError("from 0 to 50")
    return value


def _rate(text: str) -> float:
    value = float(text)
    if not 0.1 <= value <= MAX_RATE:
        raise argparse.ArgumentTypeError(f"from 0.1 to {MAX_RATE:g}")
    return value


def _allow_files(calls: int) -> None:
    """The load and the gateway need a few descriptors a call; children inherit the limit."""
    needed = calls * _FILES_PER_CALL + _FILES_SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise BenchError(f"{calls} calls need {needed} open files, the limit is {hard}: raise it (ulimit -n)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


if __name__ == "__main__":
    sys.exit(main())
