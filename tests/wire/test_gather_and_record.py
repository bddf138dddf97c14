"""<Gather> and <Record> on a real daemon: keys as phones send them, prompts and recordings judged by ear."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web

from media.recognition.sphinx import IS_INSTALLED
from media.speech.espeak import EspeakSynthesizer
from signaling.endpoints.commands import DigitMethod
from signaling.endpoints.process import Phone
from tests.media.recognition.test_sphinx import spoken
from tests.media.sounds import silence, sine, write_wav
from tests.wire.harness_application import Application
from tests.wire.harness_gateway import Phones, RunningGateway, heard_by

pytestmark = pytest.mark.wire

PROMPT_HZ, CALLER_HZ, BEEP_HZ = 700, 440, 1000
GAP = silence(seconds=0.1)


@pytest.fixture
async def prompt(application: Application, tmp_path: Path) -> Application:
    """An application with a prompt of eight seconds."""
    path = await asyncio.to_thread(write_wav, tmp_path / "prompt.wav", sine(PROMPT_HZ, seconds=8))
    sound = await asyncio.to_thread(path.read_bytes)
    application.on("/prompt.wav", lambda _: web.Response(body=sound, content_type="audio/wav"))
    application.on("/got", "<Response><Pause length='1'/></Response>")
    return application


async def caller(phones: Phones, way: str) -> Phone:
    phone = await phones.browser("alice") if way == "sdk message" else await phones("alice")
    await phone.dial("menu")
    await phone.wait("answered")
    return phone


@pytest.mark.parametrize("way", ["RFC 4733", "SIP INFO", "sdk message"])
async def test_gather_takes_keys_however_a_phone_sends_them(prompt: Application, phones: Phones, way: str) -> None:
    prompt.on("/voice", "<Response><Gather action='/got' finishOnKey='*'><Play>/prompt.wav</Play></Gather></Response>")
    phone = await caller(phones, way)
    await prompt.wait("/prompt.wav")
    await asyncio.sleep(0.8)
    method = DigitMethod.INFO if way == "SIP INFO" else DigitMethod.RFC4733
    phone.digits("19#*", method=method)
    assert (await prompt.wait("/got"))["Digits"] == "19#"
    await phone.wait("ended")
    heard = await heard_by(phone)
    assert heard.has(PROMPT_HZ)
    assert heard.part(-0.8).lacks(PROMPT_HZ), "the first key stops the prompt"


async def test_gather_takes_keys_that_are_only_tones(prompt: Application, phones: Phones, tmp_path: Path) -> None:
    prompt.on("/voice", "<Response><Gather action='/got' numDigits='4'/></Response>")
    pairs = ((697, 1209), (852, 1477), (941, 1336), (770, 1336))
    parts = [part for low, high in pairs for part in (sine(low, seconds=0.1) + sine(high, seconds=0.1), GAP)]
    keys = await asyncio.to_thread(write_wav, tmp_path / "keys.wav", np.concatenate([*parts, silence(seconds=20)]))
    phone = await caller(phones, "RFC 4733")
    await asyncio.sleep(0.5)
    phone.play(str(keys), once=True)
    assert (await prompt.wait("/got"))["Digits"] == "1905"
    await phone.wait("ended")


@pytest.mark.skipif(not IS_INSTALLED, reason="pocketsphinx has no wheel for this Python and machine")
async def test_gather_understands_what_is_said_and_stops_its_prompt(
    prompt: Application, phones: Phones, tmp_path: Path
) -> None:
    prompt.on(
        "/voice",
        "<Response><Gather action='/got' input='dtmf speech' speechTimeout='1' hints='cancel my order, support'"
        " partialResultCallback='/partial'><Play>/prompt.wav</Play></Gather></Response>",
    )
    prompt.on("/partial", web.Response(status=204))
    voice = EspeakSynthesizer()
    try:
        words = await asyncio.to_thread(write_wav, tmp_path / "words.wav", await spoken(voice, "cancel my order"))
    finally:
        await voice.close()
    phone = await caller(phones, "RFC 4733")
    await prompt.wait("/prompt.wav")
    await asyncio.sleep(1.0)
    phone.play(str(words), once=True)
    told = await prompt.wait("/got")
    assert told["SpeechResult"] == "cancel my order"
    assert 0 <= float(told["Confidence"]) <= 1
    assert prompt.requests("/partial")
    await phone.wait("ended")
    heard = await heard_by(phone)
    assert heard.has(PROMPT_HZ) and heard.part(-1.0).lacks(PROMPT_HZ)


async def test_record_is_beeped_trimmed_and_told(
    application: Application, phones: Phones, gateway: RunningGateway, tmp_path: Path
) -> None:
    application.on(
        "/voice",
        "<Response><Record action='/got' timeout='2' recordingStatusCallback='/recorded'/></Response>",
    )
    application.on("/got", "<Response/>")
    application.on("/recorded", lambda _: web.Response(status=204))
    phone = await phones("alice")
    await phone.dial("voicemail")
    await phone.wait("answered")
    await asyncio.sleep(1.5)
    phone.play(f"tone:{CALLER_HZ}")
    await asyncio.sleep(1.5)
    phone.play("")
    told = await application.wait("/got")
    assert told["RecordingSid"].startswith("RE")
    assert told["RecordingUrl"].endswith(told["RecordingSid"])
    assert "Digits" not in told.params
    done = await application.wait("/recorded")
    assert (done["RecordingStatus"], done["RecordingSource"], done["RecordingChannels"]) == (
        "completed",
        "RecordVerb",
        "1",
    )
    await phone.wait("ended")
    heard = await heard_by(phone)
    assert heard.first_s(BEEP_HZ) is not None
    (recorded,) = await gateway.recording(f"{told['RecordingUrl']}.wav", tmp_path / "recorded.wav")
    assert recorded.duration_s == pytest.approx(1.55, abs=0.15)
    assert recorded.part(0.1, -0.1).has(CALLER_HZ)
    assert recorded.lacks(BEEP_HZ)


async def test_record_of_a_caller_who_hangs_up_is_told_all_the_same(
    application: Application, phones: Phones, gateway: RunningGateway
) -> None:
    application.on("/voice", "<Response><Record action='/got' playBeep='false'/></Response>")
    application.on("/got", "<Response/>")
    phone = await phones("alice", play=f"tone:{CALLER_HZ}")
    await phone.dial("voicemail")
    await phone.wait("answered")
    await asyncio.sleep(1.2)
    phone.hangup()
    told = await application.wait("/got")
    assert (told["Digits"], told["CallStatus"]) == ("hangup", "completed")


async def test_echo_is_heard_by_who_speaks(application: Application, phones: Phones) -> None:
    application.on("/voice", "<Response><Echo/></Response>")
    phone = await phones("alice", play=f"tone:{CALLER_HZ}", hangup_after_s=1.5)
    await phone.dial("echo")
    await phone.wait("ended")
    assert (await heard_by(phone)).part(-0.6).has(CALLER_HZ)
