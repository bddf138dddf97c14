"""A phone calls an application that speaks: what it hears is what was said."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from media.hearing import activity, level_dbfs
from media.player import decode
from tests.wire.harness_application import Application
from tests.wire.harness_ears import Heard
from tests.wire.harness_gateway import Phones, RunningGateway, heard_by

pytestmark = pytest.mark.wire


def likeness(heard: Heard, said: NDArray[np.int16]) -> float:
    """1 where the sound is in what was heard, at whatever time and level: correlation at its best place."""
    sound, wanted = heard.samples.astype(np.float64), said.astype(np.float64)
    size = 1 << (len(sound) + len(wanted)).bit_length()
    product = np.fft.irfft(np.fft.rfft(sound, size) * np.conj(np.fft.rfft(wanted, size)))
    energy = np.cumsum(np.concatenate(([0.0], sound**2)))
    places = len(sound) - len(wanted) + 1
    there = np.sqrt(np.maximum(energy[len(wanted) :] - energy[: -len(wanted)], 1.0) * np.sum(wanted**2))
    return float(np.max(product[:places] / there))


def pieces(said: NDArray[np.int16], rate_hz: int, *, piece_s: float = 0.25) -> list[NDArray[np.int16]]:
    """The sound cut up: a phone's jitter buffer stretches and squeezes between them."""
    size = round(piece_s * rate_hz)
    cut = [said[start : start + size] for start in range(0, len(said) - size + 1, size)]
    return [piece for piece in cut if level_dbfs(piece) > -30]


def said(directory: Path, rate_hz: int) -> list[NDArray[np.int16]]:
    """What the installation keeps of its speech, without the silence behind it, which the hang-up may cut."""
    clips = [decode(path, rate_hz=rate_hz).samples for path in directory.glob("*.wav")]
    return [clip[: round(activity(clip, rate_hz)[-1].end_s * rate_hz)] for clip in clips]


async def test_say_is_heard_by_the_phone_word_for_word(
    gateway: RunningGateway, application: Application, phones: Phones
) -> None:
    directory = Path(gateway.daemon.configuration["speech"]["cache_directory"])
    application.on(
        "/voice",
        '<Response><Pause length="1"/><Say>Your code is <say-as interpret-as="digits">427</say-as></Say></Response>',
    )
    alice = await phones("alice")
    await alice.dial("anybody")
    await alice.wait("answered")
    ended = await alice.wait("ended")
    assert (ended["by"], ended["cause"]) == ("remote", "normal")
    heard = await heard_by(alice)
    sounds = await asyncio.to_thread(said, directory, heard.rate_hz)
    found = [[likeness(heard, piece) for piece in pieces(sound, heard.rate_hz)] for sound in sounds]
    assert max(float(np.median(each)) for each in found) > 0.8, found
    backwards = [likeness(heard, piece[::-1].copy()) for sound in sounds for piece in pieces(sound, heard.rate_hz)]
    assert max(backwards) < 0.6


async def test_error_announcement_is_tone_and_words(application: Application, phones: Phones) -> None:
    application.on("/voice", "<Oops/>")
    alice = await phones("alice")
    await alice.dial("anybody")
    await alice.wait("answered")
    await alice.wait("ended", timeout_s=20)
    heard = await heard_by(alice)
    assert heard.first_s(950) is not None
    spans = heard.spans(bridge_s=0.3)
    assert sum(span.duration_s for span in spans) > 3
