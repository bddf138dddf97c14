"""Rules that every test lives under: nothing blocks the loop, no task and no warning is left over."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Generator, Iterator

import hypothesis
import pytest
import pytest_asyncio
from blockbuster import BlockBuster

from media.engine import Engine, EngineSettings
from tests.stalls import Stalls

REALTIME_FOLDERS = ("tests/bench", "tests/wire", "tests/signaling/endpoints", "tests/signaling/webrtc")
REALTIME_FIXTURES = {"engine", "phones", "gateway"}
"""Phones in Python stumble, and are heard to stumble, where other tests take the processor from them."""
PATIENT = "tests/wire/test_sipp_callers.py"
"""Waits for SIP's longest timer and listens to nothing: other tests may have the processor meanwhile."""


_stalls = Stalls()

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("ringfork", deadline=None)
hypothesis.settings.load_profile("ringfork")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        is_realtime = item.nodeid.startswith(REALTIME_FOLDERS) or not REALTIME_FIXTURES.isdisjoint(fixtures)
        if is_realtime and not item.nodeid.startswith(PATIENT):
            item.add_marker(pytest.mark.realtime)
        # Judged again only where the machine stood still, and told with its first failure at the end of the run.
        item.add_marker(pytest.mark.flaky(reruns=2, condition=_stalls.seen))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    _stalls.begin()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call() -> None:
    _stalls.begin()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and _stalls.seen():
        report.sections.append(("The machine stood still", f"for {_stalls.longest_s * 1000:.0f} ms"))
    return report


def pytest_sessionstart() -> None:
    """Compile the media engine before the first test: that takes up to a minute, once, and is nobody's time limit."""

    async def start_and_stop() -> None:
        engine = Engine(EngineSettings(address="127.0.0.1", port_range=(30000, 30009), capacity=2))
        await engine.start()
        await engine.stop()

    asyncio.run(start_and_stop())
    _stalls.start()


def pytest_sessionfinish() -> None:
    _stalls.stop()


@pytest.fixture(autouse=True, scope="session")
def blockbuster() -> Iterator[None]:
    """Fails a test in which the event loop blocks in code of ours."""
    guard = BlockBuster(scanned_modules=["gateway", "media", "signaling"])
    guard.activate()
    yield
    guard.deactivate()


@pytest.fixture(autouse=True)
def nothing_left_over(request: pytest.FixtureRequest) -> None:
    if inspect.iscoroutinefunction(request.function):
        request.getfixturevalue("no_stray_tasks")


@pytest_asyncio.fixture
async def no_stray_tasks() -> AsyncIterator[None]:
    """Fails a test that leaves a task running on its loop."""
    before = asyncio.all_tasks()
    yield
    left = [task for task in asyncio.all_tasks() - before if task is not asyncio.current_task()]
    for _ in range(5):
        if not left:
            break
        await asyncio.sleep(0)
        left = [task for task in left if not task.done()]
    assert not left, f"tasks left over: {left}"
