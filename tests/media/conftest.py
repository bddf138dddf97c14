"""An engine per test, on loopback, and phones that are plain UDP sockets."""

import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from media.engine import Engine, EngineSettings
from media.kernel import layout
from media.thread import compile_kernel
from tests.media.phone import Phone, PhoneBooth

PORT_RANGE = (20000, 29999)


@pytest.fixture(scope="session")
def kernel() -> None:
    """The engine's code, compiled once per change of it."""
    state = layout.new_state(ports=1, mixes=1, recordings=1, blocks=1, start_ns=time.monotonic_ns())
    compile_kernel(state, lambda step, done, total: None)


@pytest_asyncio.fixture
async def engine(kernel: None) -> AsyncIterator[Engine]:
    engine = Engine(EngineSettings(address="127.0.0.1", port_range=PORT_RANGE, capacity=50))
    await engine.start()
    yield engine
    await engine.stop()


@pytest_asyncio.fixture
async def phones(engine: Engine) -> AsyncIterator[PhoneBooth]:
    booth = PhoneBooth(engine)
    yield booth
    booth.close()


@pytest_asyncio.fixture
async def phone(phones: PhoneBooth) -> Phone:
    return await phones.phone()
