"""The embedded voice speaks over a telephone's band, the embedded recogniser listens: words go round."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import numpy as np
import pytest
import pytest_asyncio
import soxr
from numpy.typing import NDArray

from media.recognition.band import widened
from media.recognition.recognizer import Final, Finding, LanguageUnknown, Partial, RecognitionError, SpeechBegan
from media.recognition.sphinx import IS_INSTALLED, SphinxRecognizer
from media.speech.espeak import EspeakSynthesizer
from media.speech.utterance import Manner, Spoken
from media.speech.voices import VoiceChoice

pytestmark = pytest.mark.skipif(not IS_INSTALLED, reason="pocketsphinx has no wheel for this Python and machine")

MENU = ("yes", "no", "support", "cancel my order", "one", "two", "three", "four", "5")


@pytest_asyncio.fixture
async def recognizer() -> AsyncIterator[SphinxRecognizer]:
    recognizer = SphinxRecognizer(at_once=1)
    yield recognizer
    await recognizer.close()


@pytest_asyncio.fixture
async def voice() -> AsyncIterator[EspeakSynthesizer]:
    voice = EspeakSynthesizer()
    yield voice
    await voice.close()


async def spoken(voice: EspeakSynthesizer, text: str, *, by: str = "woman") -> NDArray[np.int16]:
    """What a telephone makes of the text: 8 kHz, a little noise, silence round it."""
    clip = await voice.synthesize((Spoken(text, Manner(rate=0.85)),), VoiceChoice().choose(by, "en-US"))
    sound = soxr.resample(clip.samples.astype(np.float32), clip.rate_hz, 8000)
    around = np.concatenate([np.zeros(4000), sound, np.zeros(16_000)])
    return np.clip(around + np.random.default_rng(1).normal(0, 15, len(around)), -32768, 32767).astype(np.int16)


async def frames(sound: NDArray[np.int16], *, pace_s: float = 0.001) -> AsyncIterator[NDArray[np.int16]]:
    """Faster than they would come, but one by one."""
    for start in range(0, len(sound) - 159, 160):
        yield sound[start : start + 160]
        await asyncio.sleep(pace_s)


async def found(
    recognizer: SphinxRecognizer, sound: NDArray[np.int16], *, hints: tuple[str, ...] = MENU
) -> list[Finding]:
    return [finding async for finding in recognizer.recognize(frames(sound), language="en-US", hints=hints)]


async def test_sphinx_recognises_what_it_was_told_to_expect(
    recognizer: SphinxRecognizer, voice: EspeakSynthesizer
) -> None:
    wrong = []
    for by in ("man", "woman"):
        for text in ("yes", "no", "cancel my order", "one", "two", "three", "four"):
            findings = await found(recognizer, await spoken(voice, text, by=by))
            assert findings[0] == SpeechBegan() and findings.count(SpeechBegan()) == 1
            assert isinstance(findings[-1], Final)
            if findings[-1].text != text:
                wrong.append((by, text, findings[-1]))
    # A made-up voice, a telephone's band and an old model: two of fourteen may be misheard.
    assert len(wrong) <= 2, wrong


async def test_sphinx_hints_help_but_do_not_bind(recognizer: SphinxRecognizer, voice: EspeakSynthesizer) -> None:
    findings = await found(recognizer, await spoken(voice, "the weather is nice today"))
    assert isinstance(findings[-1], Final)
    assert findings[-1].text not in MENU and len(findings[-1].text.split()) > 2


async def test_sphinx_tells_words_while_they_are_spoken(recognizer: SphinxRecognizer, voice: EspeakSynthesizer) -> None:
    await found(recognizer, await spoken(voice, "yes"))  # the worker has started, as behind a prompt
    sound = await spoken(voice, "one two three four")
    recognition = recognizer.recognize(
        frames(sound, pace_s=0.01), language="en-US", hints=("one two three four", "yes")
    )
    findings = [finding async for finding in recognition]
    partials = [finding.text for finding in findings if isinstance(finding, Partial)]
    assert partials and all(isinstance(finding, SpeechBegan | Partial) for finding in findings[:-1])
    assert isinstance(findings[-1], Final) and findings[-1].text == "one two three four"


async def test_sphinx_names_the_hints_it_cannot_use(recognizer: SphinxRecognizer, voice: EspeakSynthesizer) -> None:
    hints = ("yes", "zyxxq", "$OOV_CLASS_DIGIT_SEQUENCE", "naïve", "] ; grammar x; public <y> = no", "")
    findings = await found(recognizer, await spoken(voice, "yes"), hints=hints)
    assert isinstance(findings[-1], Final)
    assert findings[-1].text == "yes"
    assert set(findings[-1].hints_unknown) >= {"zyxxq", "$OOV_CLASS_DIGIT_SEQUENCE", "naïve", ""}


async def test_sphinx_silence_has_no_findings(recognizer: SphinxRecognizer) -> None:
    noise = np.random.default_rng(2).normal(0, 15, 16_000).astype(np.int16)
    assert await found(recognizer, noise) == []


async def test_sphinx_left_early_listens_to_the_next_one(
    recognizer: SphinxRecognizer, voice: EspeakSynthesizer
) -> None:
    sound = await spoken(voice, "yes")
    async with aclosing(recognizer.recognize(frames(sound), language="en-GB", hints=MENU)) as recognition:
        assert await anext(recognition) == SpeechBegan()
        with pytest.raises(RecognitionError):
            await anext(recognizer.recognize(frames(sound), language="en-US"))
    findings = await found(recognizer, sound)
    assert isinstance(findings[-1], Final) and findings[-1].text == "yes"


async def test_sphinx_speech_that_never_ends_is_cut(recognizer: SphinxRecognizer) -> None:
    tone = (8000 * np.sin(2 * np.pi * 300 * np.arange(40_000) / 8000)).astype(np.int16)
    recognition = recognizer.recognize(frames(tone), language="en-US", hints=("yes",), max_speech_s=2)
    findings = [finding async for finding in recognition]
    assert findings[0] == SpeechBegan() and isinstance(findings[-1], Final)


async def test_sphinx_other_languages_are_refused(recognizer: SphinxRecognizer) -> None:
    with pytest.raises(LanguageUnknown):
        await anext(recognizer.recognize(frames(np.zeros(160, np.int16)), language="de-DE"))


def test_band_is_mirrored_softly_and_the_lower_one_kept() -> None:
    sound = (8000 * np.sin(2 * np.pi * 3000 * np.arange(8000) / 8000)).astype(np.int16)
    spectrum = np.abs(np.fft.rfft(widened(sound)[1600:14_400])) / 6400
    bin_hz = 16_000 / 12_800
    low, mirrored = spectrum[round(3000 / bin_hz)], spectrum[round(5000 / bin_hz)]
    assert low == pytest.approx(8000, rel=0.05)
    assert 0.1 < mirrored / low < 0.2
    assert spectrum[round(6500 / bin_hz)] < 20
