"""Two endpoints call each other without a server: the phones the other tests rely on are what they say they are."""

import asyncio
import importlib.util
import json
import os
import signal
import socket
import sys
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from signaling.endpoints.commands import DigitMethod
from signaling.endpoints.options import Incoming, SipEndpointOptions
from signaling.endpoints.process import Phone, PhoneError
from signaling.endpoints.servers import Transport

pytestmark = [
    pytest.mark.wire,
    pytest.mark.skipif(importlib.util.find_spec("pjsua2") is None, reason="pjsua2-python is not installed"),
]


@pytest.fixture
async def alice(tmp_path: Path) -> AsyncIterator[Phone]:
    options = SipEndpointOptions(identity="alice", play="tone:440", record=str(tmp_path / "alice.wav"))
    async with Phone(options) as phone:
        yield phone


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def bob(**options: object) -> Phone:
    return Phone(SipEndpointOptions(**({"identity": "bob"} | options)))  # type: ignore[arg-type]


def uri_of(phone: Phone) -> str:
    return f"sip:bob@{phone.seen('started')[0]['address']};transport={phone.seen('started')[0]['transport']}"


async def test_endpoint_call_is_rung_answered_and_hung_up_by_the_callee(alice: Phone, tmp_path: Path) -> None:
    heard = tmp_path / "bob.wav"
    async with bob(incoming=Incoming.ANSWER, answer_after_s=0.2, play="tone:700", record=str(heard)) as callee:
        await alice.dial(uri_of(callee), headers={"X-Color": "red"})
        incoming = await callee.wait("incoming")
        assert incoming["headers"] == {"X-Color": "red"}
        assert "alice" in incoming["from"]
        assert (await alice.wait("ringing"))["code"] == 180
        assert (await alice.wait("answered"))["codec"] == "PCMU"
        answered = await callee.wait("answered")
        assert answered.t - incoming.t >= 0.2
        await asyncio.sleep(0.5)
        received = await alice.statistics()
        assert received["received"] > 15 and received["lost"] == 0
        callee.hangup()
        ended = await alice.wait("ended")
        assert (ended["cause"], ended["by"], ended["answered"]) == ("normal", "remote", True)
        assert (await callee.wait("ended"))["by"] == "local"
        recorded = await callee.wait("recorded")
        assert recorded["duration_s"] > 0.4
        with wave.open(str(heard), "rb") as file:
            assert (file.getnchannels(), file.getframerate()) == (1, 8000)
        assert (await alice.wait("recorded"))["file"] == str(tmp_path / "alice.wav")
    assert callee.exit_code == 0


async def test_endpoint_caller_who_hangs_up_while_it_rings_cancels(alice: Phone) -> None:
    async with bob() as callee:
        await alice.dial(uri_of(callee))
        await alice.wait("ringing")
        alice.hangup()
        ended = await callee.wait("ended")
        assert (ended["cause"], ended["code"], ended["by"], ended["answered"]) == (
            "canceled",
            487,
            "remote",
            False,
        )
        assert (await alice.wait("ended"))["by"] == "local"


@pytest.mark.parametrize(("code", "cause"), [(486, "busy"), (603, "declined"), (480, "no-answer")])
async def test_endpoint_refuses_with_the_code_it_was_given(alice: Phone, code: int, cause: str) -> None:
    async with bob(incoming=Incoming.REJECT, reject_code=code) as callee:
        for _ in range(2):
            await alice.dial(uri_of(callee))
            ended = await alice.wait("ended")
            assert (ended["cause"], ended["code"], ended["by"]) == (cause, code, "remote")
            assert (await callee.wait("ended"))["by"] == "local"


async def test_endpoint_told_nothing_waits_until_it_is_steered(alice: Phone) -> None:
    async with bob(incoming=Incoming.WAIT) as callee:
        await alice.dial(uri_of(callee))
        await callee.wait("incoming")
        callee.progress()
        assert (await alice.wait("early_media"))["code"] == 183
        callee.ring()
        assert (await alice.wait("ringing"))["code"] == 180
        callee.reject(600)
        assert (await alice.wait("ended"))["cause"] == "busy"


async def test_endpoint_digits_arrive_in_order_by_event_and_by_info(alice: Phone) -> None:
    async with bob(incoming=Incoming.ANSWER) as callee:
        await alice.dial(uri_of(callee))
        await alice.wait("answered")
        await callee.wait("answered")
        alice.digits("1w#")
        first, second = await callee.wait("digit"), await callee.wait("digit")
        assert (first["digit"], second["digit"], first["method"]) == ("1", "#", "rfc4733")
        assert first["duration_ms"] >= 100
        assert second.t - first.t >= 0.5
        alice.digits("5", method=DigitMethod.INFO)
        digit = await callee.wait("digit")
        assert (digit["digit"], digit["method"]) == ("5", "info")


async def test_endpoint_hold_stops_the_sound_and_resume_brings_it_back(alice: Phone) -> None:
    async with bob(incoming=Incoming.ANSWER, play="tone:700") as callee:
        await alice.dial(uri_of(callee))
        await alice.wait("answered")
        await callee.wait("answered")
        alice.hold()
        assert (await alice.wait("held"))["by"] == "local"
        assert (await callee.wait("held"))["by"] == "remote"
        before = (await callee.statistics())["sent"]
        await asyncio.sleep(0.3)
        assert (await callee.statistics())["sent"] <= before + 2
        alice.resume()
        assert (await callee.wait("resumed"))["by"] == "remote"
        await asyncio.sleep(0.3)
        assert (await callee.statistics())["sent"] >= 10


async def test_endpoint_two_calls_at_once_are_told_apart() -> None:
    async with bob(incoming=Incoming.WAIT) as callee, bob(identity="carol") as caller:
        first = await caller.dial(uri_of(callee))
        await callee.wait("incoming", call=1)
        second = await caller.dial(uri_of(callee))
        await callee.wait("incoming", call=2)
        callee.reject(486, call=1)
        callee.answer(2)
        assert (await caller.wait("ended", call=first))["code"] == 486
        await caller.wait("answered", call=second)


async def test_endpoint_speaks_over_a_stream_transport() -> None:
    async with (
        bob(incoming=Incoming.ANSWER, transport=Transport.TCP) as callee,
        bob(identity="alice", transport=Transport.TCP) as caller,
    ):
        await caller.dial(uri_of(callee))
        await caller.wait("answered")
        caller.hangup()
        await callee.wait("ended")


async def test_endpoint_codec_asked_for_is_the_one_used() -> None:
    async with bob(incoming=Incoming.ANSWER) as callee, bob(identity="alice", codecs=("PCMA",)) as caller:
        await caller.dial(uri_of(callee))
        assert (await caller.wait("answered"))["codec"] == "PCMA"


async def test_endpoint_command_that_cannot_be_obeyed_is_an_error_event(alice: Phone) -> None:
    alice.answer()
    assert "no call" in (await alice.wait("error"))["message"]
    with pytest.raises(PhoneError, match="without a server"):
        await alice.dial("bob")
    with pytest.raises(PhoneError, match="could not dial"):
        await alice.dial("sip:")


async def test_endpoint_unknown_codec_is_told_at_the_start() -> None:
    with pytest.raises(PhoneError, match="no such codec: NONSENSE"):
        async with bob(codecs=("NONSENSE",)):
            raise AssertionError("started")


async def test_endpoint_in_a_call_hangs_up_when_it_is_terminated(alice: Phone) -> None:
    async with bob(incoming=Incoming.ANSWER) as callee:
        await alice.dial(uri_of(callee))
        await alice.wait("answered")
        await callee.wait("answered")
        os.kill(callee.pid, signal.SIGTERM)
        assert (await alice.wait("ended"))["by"] == "remote"
        assert (await callee.wait("stopped"))["exit_code"] == 0


async def run_alone(options: SipEndpointOptions) -> tuple[int, list[str]]:
    """An endpoint that nobody steers, to its own end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "signaling.endpoints",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await process.communicate(options.to_json().encode() + b"\n")
    assert process.returncode is not None
    return process.returncode, [json.loads(line)["event"] for line in told.splitlines()]


async def test_endpoint_left_alone_dials_talks_and_ends_with_zero() -> None:
    async with bob(incoming=Incoming.ANSWER) as callee:
        options = SipEndpointOptions(identity="alice", dial=uri_of(callee), digits="7", hangup_after_s=0.8)
        code, told = await run_alone(options)
        assert code == 0
        assert told == [
            "started",
            "dialing",
            "ringing",
            "answered",
            "digits_sent",
            "ended",
            "stopped",
        ]
        assert (await callee.wait("digit"))["digit"] == "7"


async def test_endpoint_left_alone_and_refused_ends_with_one() -> None:
    async with bob(incoming=Incoming.REJECT) as callee:
        code, told = await run_alone(SipEndpointOptions(identity="alice", dial=uri_of(callee)))
    assert code == 1
    assert told[-2:] == ["ended", "stopped"]


async def test_endpoint_that_finds_no_registrar_ends_with_one(closed_port: int) -> None:
    options = SipEndpointOptions(identity="alice", server=f"tcp:127.0.0.1:{closed_port}")
    code, told = await run_alone(options)
    assert code == 1
    assert told == ["started", "registration_failed", "stopped"]
