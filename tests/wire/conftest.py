"""What tests on the wire have: a real daemon, real phones, a TwiML application to program."""

import importlib.util
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.wire.harness_application import Application
from tests.wire.harness_chromium import Certificate, chromium_process, make_certificate
from tests.wire.harness_gateway import Phones, RunningGateway


@pytest.fixture
def needs_pjsua2() -> None:
    if importlib.util.find_spec("pjsua2") is None:
        pytest.skip("pjsua2-python is not installed: no client endpoints (pip install ringfork[endpoint])")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def debugger(certificate: Certificate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One Chromium for many tests, each with a fresh profile in it: ``visiting``."""
    with chromium_process(certificate, tmp_path_factory.mktemp("chromium")) as debugger:
        yield debugger


@pytest.fixture(scope="session")
def session_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """One daemon with an application for all tests; each of them must leave it idle."""
    gateway = RunningGateway.launch(tmp_path_factory.mktemp("gateway"))
    try:
        yield gateway
    finally:
        assert gateway.daemon.stop() == 0, f"the daemon did not stop cleanly{gateway.daemon.last_words()}"


@pytest.fixture
async def gateway(session_gateway: RunningGateway) -> AsyncIterator[RunningGateway]:
    assert session_gateway.daemon.is_running, f"the daemon died{session_gateway.daemon.last_words()}"
    yield session_gateway
    await session_gateway.assert_idle()


@pytest.fixture
async def application(gateway: RunningGateway) -> AsyncIterator[Application]:
    """Where the daemon asks what to do: program ``/voice`` and whatever its documents name."""
    async with Application(gateway.secrets.auth_token, gateway.voice_port) as application:
        yield application
        await gateway.assert_idle()
        application.verify()


@pytest.fixture
async def phones(gateway: RunningGateway, tmp_path: Path, needs_pjsua2: None) -> AsyncIterator[Phones]:
    """Makes registered phones; they hang up and unregister at the end."""
    async with AsyncExitStack() as stack:
        yield Phones(gateway, tmp_path, stack)


@pytest.fixture(scope="session")
def session_plain_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    gateway = RunningGateway.launch(tmp_path_factory.mktemp("plain"), has_application=False)
    try:
        yield gateway
    finally:
        gateway.daemon.stop()


@pytest.fixture
async def plain_gateway(session_plain_gateway: RunningGateway) -> AsyncIterator[RunningGateway]:
    """A daemon without any voice URL: phones call each other."""
    yield session_plain_gateway
    await session_plain_gateway.assert_idle()


@pytest.fixture
async def plain_phones(plain_gateway: RunningGateway, tmp_path: Path, needs_pjsua2: None) -> AsyncIterator[Phones]:
    async with AsyncExitStack() as stack:
        yield Phones(plain_gateway, tmp_path, stack)
