"""Rules that every test lives under: nothing blocks the loop, no task and no warning is left over."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from blockbuster import BlockBuster

from media.engine import Engine, EngineSettings

REALTIME_FOLDERS = ("tests/bench", "tests/media", "tests/wire", "tests/signaling/endpoints", "tests/signaling/webrtc")
REALTIME_FIXTURES = {"engine", "phones", "gateway"}
"""Phones in Python stumble, and are heard to stumble, where other tests take the processor from them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if item.nodeid.startswith(REALTIME_FOLDERS) or not REALTIME_FIXTURES.isdisjoint(fixtures):
            item.add_marker(pytest.mark.realtime)


def pytest_sessionstart() -> None:
    """Compile the media engine before the first test: that takes up to a minute, once, and is nobody's time limit."""

    async def start_and_stop() -> None:
        engine = Engine(EngineSettings(address="127.0.0.1", port_range=(30000, 30009), capacity=2))
        await engine.start()
        await engine.stop()

    asyncio.run(start_and_stop())


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
