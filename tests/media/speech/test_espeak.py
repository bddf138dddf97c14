"""The embedded voice, the real one: how it sounds, what it makes of markup, and that nothing hurts it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray

from media.hearing import activity, level_dbfs
from media.player import Clip
from media.speech.cache import SpeechFiles
from media.speech.engine import SpeechError
from media.speech.espeak import EspeakSynthesizer, espeak_parts
from media.speech.speech import Speech
from media.speech.utterance import Manner, Reading, Rest, Spoken, Utterance
from media.speech.voices import ESPEAK_LANGUAGES, Engine, Gender, Voice, VoiceChoice
from media.speech.worker import Worker, WorkerBusy, WorkerError

MAN = VoiceChoice().choose("man", "en-US")
WOMAN = VoiceChoice().choose("woman", "en-US")


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[EspeakSynthesizer]:
    engine = EspeakSynthesizer()
    yield engine
    await engine.close()


async def length_s(engine: EspeakSynthesizer, *parts: Spoken | Rest, voice: Voice = MAN) -> float:
    """Of what sounds, from its first to its last moment."""
    clip = await engine.synthesize(parts, voice)
    spans = activity(clip.samples, clip.rate_hz)
    return spans[-1].end_s - spans[0].start_s if spans else 0.0


def pitch_hz(clip: Clip) -> float:
    """The middle of the fundamentals of all loud frames, by autocorrelation."""
    size, found = clip.rate_hz // 12, []
    for start in range(0, len(clip.samples) - size, size // 2):
        frame: NDArray[np.float64] = clip.samples[start : start + size].astype(np.float64)
        if np.sqrt(np.mean(frame**2)) > 1500:
            correlation = np.correlate(frame, frame, "full")[size - 1 :]
            low, high = clip.rate_hz // 400, clip.rate_hz // 60
            found.append(clip.rate_hz / (low + int(np.argmax(correlation[low:high]))))
    return float(np.median(found))


async def test_espeak_speaks_at_a_telephones_level(engine: EspeakSynthesizer) -> None:
    clip = await engine.synthesize((Spoken("This is how loud I am when I speak to you."),), MAN)
    assert 1.5 < clip.duration_s < 5
    assert -26 < level_dbfs(clip.samples) < -12


async def test_espeak_woman_is_higher_than_man(engine: EspeakSynthesizer) -> None:
    text = (Spoken("hello world, how are you today"),)
    man, woman = await engine.synthesize(text, MAN), await engine.synthesize(text, WOMAN)
    assert 70 < pitch_hz(man) < 140 < pitch_hz(woman) < 260


async def test_espeak_rest_lengthens(engine: EspeakSynthesizer) -> None:
    plain = await length_s(engine, Spoken("hello world"))
    apart = await length_s(engine, Spoken("hello"), Rest(2000), Spoken("world"))
    assert 1.8 < apart - plain < 2.5


async def test_espeak_rate_shortens_and_stretches(engine: EspeakSynthesizer) -> None:
    text = "one two three four five six seven"
    plain, fast, slow = [
        await length_s(engine, Spoken(text, Manner(rate=rate) if rate else Manner())) for rate in (1, 2, 0.5)
    ]
    assert 0.4 < fast / plain < 0.65
    assert 1.6 < slow / plain < 2.4


async def test_espeak_pitch_and_volume_are_heard(engine: EspeakSynthesizer) -> None:
    text = "hello world, how are you"
    plain = await engine.synthesize((Spoken(text),), MAN)
    high = await engine.synthesize((Spoken(text, Manner(pitch=1.5)),), MAN)
    soft = await engine.synthesize((Spoken(text, Manner(gain_db=-12)),), MAN)
    silent = await engine.synthesize((Spoken(text, Manner(gain_db=-96)),), MAN)
    assert 1.1 < pitch_hz(high) / pitch_hz(plain) < 1.6
    assert level_dbfs(soft.samples) == pytest.approx(level_dbfs(plain.samples) - 12, abs=1.5)
    assert level_dbfs(silent.samples) < -80


async def test_espeak_characters_are_spelled(engine: EspeakSynthesizer) -> None:
    word = await length_s(engine, Spoken("cab"))
    spelled = await length_s(engine, Spoken("cab", reading=Reading.CHARACTERS))
    assert spelled > 1.5 * word


async def test_espeak_phonemes_sound_like_the_word_they_spell(engine: EspeakSynthesizer) -> None:
    word = await engine.synthesize((Spoken("hello"),), MAN)
    sounds = await engine.synthesize((Spoken('h@"loU', reading=Reading.PHONEMES),), MAN)
    other = await engine.synthesize((Spoken("h @ l o U"),), MAN)
    assert sounds.duration_s == pytest.approx(word.duration_s, rel=0.3)
    assert other.duration_s > 1.5 * sounds.duration_s


async def test_espeak_speaks_every_language_of_the_table(engine: EspeakSynthesizer) -> None:
    for language in sorted(ESPEAK_LANGUAGES):
        voice = Voice(engine=Engine.ESPEAK, name=language, language=language, gender=Gender.FEMALE)
        assert len((await engine.synthesize((Spoken("1 2"),), voice)).samples) > 2000, language


def test_espeak_language_changes_the_voice_and_pauses_stay() -> None:
    parts = (Spoken("a"), Rest(100), Spoken("b", Manner(language="de-DE")), Rest(200), Spoken("c"))
    assert [(name, markup.count("break")) for name, markup in espeak_parts(parts, WOMAN)] == [
        ("en-us+f2", 1),
        ("de+f2", 1),
        ("en-us+f2", 0),
    ]


def test_espeak_text_cannot_become_markup_or_phonemes() -> None:
    ((_, markup),) = espeak_parts((Spoken("</speak><audio src='/etc/passwd'/>&[[p2]] \x01+10P \x00"),), MAN)
    assert markup == "<speak>&lt;/speak&gt;&lt;audio src='/etc/passwd'/&gt;&amp;[ [p2]]  +10P  </speak>"


HOSTILE = [
    "\x00\x01\x02\x1b[2J",
    "a" * 4096,
    "[[" * 500,
    "<speak>" * 500,
    "&#0;&lt;&amp;" * 300,
    "9" * 4000,
    "💥" * 1000,
    "ﷺ" * 1000,
    "\u202e\u200f\ufeff\u0300" * 500,
    "%s%n%x" * 500,
    "-" * 4000,
    "1" + ",000" * 1000,
    "\ue000\ufffd\uffff",
]


@pytest.mark.parametrize("reading", [Reading.WORDS, Reading.CHARACTERS])
async def test_espeak_hostile_text_costs_nothing_but_its_own_sound(engine: EspeakSynthesizer, reading: Reading) -> None:
    for text in HOSTILE:
        try:
            clip = await engine.synthesize((Spoken(text, reading=reading),), MAN)
        except SpeechError:
            continue
        assert clip.duration_s <= 600
    assert 0.2 < await length_s(engine, Spoken("still here")) < 2


@pytest_asyncio.fixture
async def speech(engine: EspeakSynthesizer, tmp_path: Path) -> AsyncIterator[Speech]:
    speech = Speech({Engine.ESPEAK: engine}, SpeechFiles(tmp_path / "speech", capacity=10**7))
    yield speech
    await speech.close()


class CountingEngine:
    """The real engine, with a count of what it was asked."""

    def __init__(self, engine: EspeakSynthesizer) -> None:
        self._engine = engine
        self.asked: list[Utterance] = []

    @property
    def name(self) -> str:
        return self._engine.name

    async def synthesize(self, utterance: Utterance, voice: Voice) -> Clip:
        self.asked.append(utterance)
        return await self._engine.synthesize(utterance, voice)

    async def close(self) -> None:
        await self._engine.close()


async def test_speech_is_made_once_and_found_again(engine: EspeakSynthesizer, tmp_path: Path) -> None:
    counting = CountingEngine(engine)
    text = (Spoken("press one"),)
    speech = Speech({Engine.ESPEAK: counting}, SpeechFiles(tmp_path, capacity=10**7))
    together = await asyncio.gather(*(speech.say(text, MAN) for _ in range(20)))
    again = await speech.say(text, MAN)
    assert len(counting.asked) == 1
    assert all(clip is again for clip in together)
    # Another process, or the same one after a crash, finds the file.
    restarted = Speech({Engine.ESPEAK: counting}, SpeechFiles(tmp_path, capacity=10**7))
    assert np.array_equal((await restarted.say(text, MAN)).samples, again.samples)
    assert len(counting.asked) == 1
    await restarted.say(text, WOMAN)
    await restarted.say((Spoken("press two"),), MAN)
    assert len(counting.asked) == 3


def spoil(directory: Path) -> None:
    (file,) = directory.iterdir()
    file.write_bytes(b"RIFF")


async def test_speech_file_that_does_not_read_is_made_again(engine: EspeakSynthesizer, tmp_path: Path) -> None:
    counting = CountingEngine(engine)
    for _ in range(2):
        speech = Speech({Engine.ESPEAK: counting}, SpeechFiles(tmp_path, capacity=10**7))
        assert (await speech.say((Spoken("hello"),), MAN)).duration_s > 0.3
        await asyncio.to_thread(spoil, tmp_path)
    assert len(counting.asked) == 2


async def test_speech_one_who_hangs_up_does_not_take_the_words_of_others(speech: Speech) -> None:
    text = (Spoken("a rather long sentence that takes its time"),)
    first, second = (asyncio.create_task(speech.say(text, MAN)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).duration_s > 1
    assert first.cancelled()


async def test_speech_goes_on_after_its_worker_was_killed(speech: Speech, engine: EspeakSynthesizer) -> None:
    await speech.say((Spoken("one"),), MAN)
    pid = engine.worker.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert (await speech.say((Spoken("two"),), MAN)).duration_s > 0.2
    assert engine.worker.pid not in (None, pid)


async def test_speech_of_a_missing_engine_is_refused(speech: Speech) -> None:
    voice = Voice(engine=Engine.PIPER, name="x", language="en-US", gender=Gender.MALE)
    with pytest.raises(SpeechError):
        await speech.say((Spoken("one"),), voice)


async def ask(worker: Worker, **request: Any) -> int:
    _, octets = await worker.ask(request)
    return len(octets)


async def test_worker_that_hangs_is_killed_and_replaced() -> None:
    worker = Worker("tests.media.speech.odd_worker", limit_s=1.0)
    with pytest.raises(WorkerError, match="within 1 s"):
        await ask(worker, do="hang")
    assert worker.pid is None
    assert await ask(worker, do="answer", size=70_000) == 70_000
    await worker.close()


async def test_worker_that_dies_over_a_request_is_tried_twice_and_no_more() -> None:
    worker = Worker("tests.media.speech.odd_worker", limit_s=5.0)
    for what in ("die", "half", "junk"):
        with pytest.raises(WorkerError, match="died twice"):
            await ask(worker, do=what)
    with pytest.raises(WorkerError, match="bytes"):
        await ask(worker, do="boast")
    assert await ask(worker, do="answer", size=5) == 5
    await worker.close()
    with pytest.raises(WorkerError, match="closed"):
        await ask(worker, do="answer", size=5)


async def test_worker_refuses_when_too_many_wait() -> None:
    worker = Worker("tests.media.speech.odd_worker", limit_s=5.0, max_waiting=2)
    waiting = [asyncio.create_task(ask(worker, do="answer", size=1)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(WorkerBusy):
        await ask(worker, do="answer", size=1)
    assert await asyncio.gather(*waiting) == [1, 1]
    await worker.close()


async def test_worker_of_a_cancelled_request_answers_the_next_one_aright() -> None:
    worker = Worker("tests.media.speech.odd_worker", limit_s=5.0)
    await ask(worker, do="answer", size=1)
    task = asyncio.create_task(ask(worker, do="answer", size=10_000_000))
    await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await ask(worker, do="answer", size=7) == 7
    await worker.close()
