"""A phone that registers and calls over TLS, with a certificate made for the test."""

import asyncio
import shutil
import subprocess
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gateway.demo.daemon import free_port
from signaling.endpoints.options import Incoming
from tests.wire.harness_gateway import Phones, RunningGateway, heard_by

pytestmark = pytest.mark.wire


def make_certificate(directory: Path) -> tuple[Path, Path]:
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
        + ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    return certificate, key


async def test_tls_phone_registers_is_called_and_is_heard(tmp_path: Path, needs_pjsua2: None) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: no certificate to test TLS with")
    certificate, key = await asyncio.to_thread(make_certificate, tmp_path)
    port = free_port()
    section = {
        "listen": [f"udp:127.0.0.1:{free_port()}", f"tls:127.0.0.1:{port}"],
        "tls_certificate": str(certificate),
        "tls_key": str(key),
    }
    launch = RunningGateway.launch
    gateway = await asyncio.to_thread(launch, tmp_path / "daemon", has_application=False, more={"sip": section})
    try:
        async with AsyncExitStack() as stack:
            phones = Phones(gateway, tmp_path, stack)
            secure = await phones(
                "bob", server=f"tls:127.0.0.1:{port}", tls_ca=str(certificate), incoming=Incoming.ANSWER,
                play="tone:1000",
            )  # fmt: skip
            alice = await phones("alice", play="tone:600")
            await alice.dial("bob")
            await alice.wait("answered")
            await asyncio.sleep(1.0)
            secure.hangup()
            await alice.wait("ended")
            assert (await heard_by(alice)).part(0.3).has(1000)
            assert (await heard_by(secure)).part(0.3).has(600)
        await gateway.assert_idle()
    finally:
        assert await asyncio.to_thread(gateway.daemon.stop) == 0
