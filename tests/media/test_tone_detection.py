"""Keys and fax tones heard in sound: what has to be taken for one, and what must not be."""

from collections.abc import Iterable

import numpy as np
import pytest
from numpy.typing import NDArray

from media.kernel import tones
from media.kernel.digits import COLUMN_OF, COLUMNS_HZ, KEYS, ROW_OF, ROWS_HZ
from media.kernel.layout import FRAME, TONE_WINDOW, TONE_WORDS

RATE_HZ = 8000
Sound = NDArray[np.float64]
CODES = range(len(KEYS))


def amplitude(level_dbm0: float) -> float:
    """Peak of a sine wave; 3.14 dBm0 is full scale."""
    return float(32767 * 10 ** ((level_dbm0 - 3.14) / 20))


def sine(frequency_hz: float, ms: float, level_dbm0: float = -10) -> Sound:
    time_s = np.arange(round(ms * RATE_HZ / 1000)) / RATE_HZ
    return amplitude(level_dbm0) * np.sin(2 * np.pi * frequency_hz * time_s + 0.3)


def silence(ms: float) -> Sound:
    return np.zeros(round(ms * RATE_HZ / 1000))


def key(
    code: int,
    ms: float = 100,
    *,
    level_dbm0: float = -10,
    twist_db: float = 0,
    row: float = 1,
    column: float = 1,
) -> Sound:
    """twist_db: the higher tone over the lower. row, column: what the frequencies are multiplied by."""
    low = sine(ROWS_HZ[ROW_OF[code]] * row, ms, level_dbm0)
    return low + sine(COLUMNS_HZ[COLUMN_OF[code]] * column, ms, level_dbm0 + twist_db)


def heard(*parts: Sound) -> list[tuple[int, float]]:
    """What the detector finds, and how long keys were in ms; told when it is known."""
    sound = np.concatenate((*parts, silence(200)))
    samples = np.clip(np.rint(sound), -32767, 32767).astype(np.int16)
    words, window = np.zeros(TONE_WORDS, np.int64), np.zeros(TONE_WINDOW, np.int16)
    tones.begin(words, window)
    found = []
    for start in range(0, len(samples) - FRAME + 1, FRAME):
        code = tones.take(words, window, samples[start : start + FRAME], FRAME)
        if code >= 0:
            found.append((code, int(words[tones.LENGTH]) / 8))
    return found


def keys(*parts: Sound) -> str:
    return "".join(KEYS[code] for code, _ in heard(*parts) if code < len(KEYS))


def each(parts: Iterable[Sound], pause_ms: float = 60) -> list[Sound]:
    return [piece for part in parts for piece in (part, silence(pause_ms))]


def test_tones_all_sixteen_keys_are_heard_with_their_length() -> None:
    found = heard(*each(key(code, 60 + 10 * code) for code in CODES))
    assert [code for code, _ in found] == list(CODES)
    assert all(abs(ms - 60 - 10 * code) <= 13 for code, ms in found)


@pytest.mark.parametrize("offset", range(0, 160, 20))
def test_tones_key_of_40_ms_with_40_ms_pause_is_heard_wherever_it_begins(offset: int) -> None:
    pressed = each((key(code, 40) for code in CODES), 40)
    assert keys(np.zeros(offset), *pressed) == KEYS
    assert keys(np.zeros(offset), *each([key(5, 40)] * 6, 40)) == "555555"


@pytest.mark.parametrize("offset", range(0, 160, 20))
def test_tones_of_23_ms_are_no_key(offset: int) -> None:
    assert keys(np.zeros(offset), *each(key(code, 23) for code in CODES)) == ""


@pytest.mark.parametrize("level_dbm0", [0, -6, -15, -25, -30])
def test_tones_keys_are_heard_at_the_levels_of_telephone_lines(level_dbm0: float) -> None:
    assert keys(*each(key(code, level_dbm0=level_dbm0) for code in CODES)) == KEYS


def test_tones_too_weak_are_no_keys() -> None:
    assert keys(*each(key(code, level_dbm0=-45) for code in CODES)) == ""


@pytest.mark.parametrize("twist_db", [-8, -4, 4])
@pytest.mark.parametrize("shift", [0.985, 1.0, 1.015])
def test_tones_twisted_and_shifted_as_allowed_are_keys(twist_db: float, shift: float) -> None:
    for row, column in ((shift, shift), (shift, 2 - shift)):
        pressed = (key(code, 50, twist_db=twist_db, row=row, column=column) for code in CODES)
        assert keys(*each(pressed)) == KEYS


@pytest.mark.parametrize("twist_db", [-13, 9])
def test_tones_twisted_too_far_are_no_keys(twist_db: float) -> None:
    assert keys(*each(key(code, twist_db=twist_db) for code in CODES)) == ""


@pytest.mark.parametrize("shift", [0.955, 1.05])
def test_tones_of_other_frequencies_are_no_keys(shift: float) -> None:
    assert keys(*each(key(code, row=shift, column=shift) for code in CODES)) == ""


def test_tones_are_heard_in_noise() -> None:
    random = np.random.default_rng(1)
    pressed = np.concatenate(each((key(code) for code in CODES), 80))
    noise = random.standard_normal(len(pressed)) * amplitude(-10) / np.sqrt(2) * 10 ** (-12 / 20)
    assert keys(pressed + noise) == KEYS


def test_tones_interrupted_for_10_ms_are_one_key_and_a_new_one_at_once_is_two() -> None:
    (code, ms), *others = heard(key(7, 60), silence(10), key(7, 60))
    assert (code, others) == (7, [])
    assert abs(ms - 130) <= 13
    assert keys(key(1, 80), key(6, 80)) == "16"


def test_tones_single_ones_are_no_keys() -> None:
    assert keys(*each(sine(hz, 200) for hz in (*ROWS_HZ, *COLUMNS_HZ))) == ""
    pairs = [sine(a, 200) + sine(b, 200) for a, b in ((697, 770), (1209, 1336), (350, 440), (480, 620), (440, 480))]
    assert keys(*each(pairs)) == ""


def test_tones_noise_is_no_key() -> None:
    random = np.random.default_rng(2)
    assert heard(random.standard_normal(60 * RATE_HZ) * 6000) == []


def voice(seconds: float, seed: int) -> Sound:
    """Speech-like: a gliding pitch with the harmonics of a larynx, moving formants, syllables with breaths between."""
    random = np.random.default_rng(seed)
    length = round(seconds * RATE_HZ)

    def glide(low: float, high: float, step_s: float) -> Sound:
        points = random.uniform(low, high, int(seconds / step_s) + 2)
        return np.interp(np.arange(length), np.arange(len(points)) * step_s * RATE_HZ, points)

    pitch = glide(80, 320, 0.3)
    formants = [glide(300, 900, 0.15), glide(900, 2300, 0.15), glide(2200, 3200, 0.2)]
    phase = 2 * np.pi * np.cumsum(pitch) / RATE_HZ
    sound = np.zeros(length)
    for harmonic in range(1, 40):
        hz = harmonic * pitch
        gain = np.where(hz < 3600, 1 / harmonic, 0)
        for formant in formants:
            gain = gain * formant**2 / np.hypot(formant**2 - hz**2, 80 * hz)
        sound += gain * np.sin(harmonic * phase)
    loudness = np.clip(glide(-0.5, 1.5, 0.12), 0, 1)
    sound = sound / np.abs(sound).max() * loudness + 0.003 * random.standard_normal(length)
    return np.asarray(sound * 20000)


def melody(seconds: float, seed: int) -> Sound:
    """Chords of two or three plucked notes with overtones."""
    random = np.random.default_rng(seed)
    chords = []
    for _ in range(int(seconds / 0.25)):
        time_s = np.arange(RATE_HZ // 4) / RATE_HZ
        chord = np.zeros(len(time_s))
        for note in random.choice(np.arange(48, 90), random.integers(2, 4), replace=False):
            hz = 440 * 2 ** ((note - 69) / 12)
            for overtone in range(1, 6):
                if overtone * hz < 3800:
                    chord += 0.5**overtone * np.sin(2 * np.pi * overtone * hz * time_s) * np.exp(-3 * time_s)
        chords.append(chord)
    sound = np.concatenate(chords)
    return np.asarray(sound / np.abs(sound).max() * 20000)


@pytest.mark.parametrize("seed", range(3))
def test_tones_speech_and_music_are_no_keys(seed: int) -> None:
    assert heard(voice(30, seed)) == []
    assert keys(melody(30, seed)) == ""


def test_tones_key_is_heard_over_a_quieter_voice() -> None:
    spoken = voice(4, 9)
    pressed = np.concatenate(each((key(code, 100, level_dbm0=-6) for code in CODES), 80))
    assert keys(pressed + 0.12 * spoken[: len(pressed)]) == KEYS


@pytest.mark.parametrize("hz", [1062, 1100, 1138])
def test_tones_calling_fax_is_told_with_each_burst(hz: float) -> None:
    found = heard(*[silence(900), sine(hz, 500, -20)] * 3)
    assert [code for code, _ in found] == [tones.CALLING_FAX] * 3


def test_tones_beeps_are_no_calling_fax() -> None:
    beeps = [sine(1000, 500), sine(1100, 200), sine(1100, 1500), sine(1200, 500), sine(1400, 500)]
    assert heard(*each(beeps, 300)) == []


def test_tones_answering_fax_is_told_once_with_its_phase_reversals() -> None:
    plain = sine(2100, 3000, -15)
    reversing = np.concatenate([sine(2100, 450, -15) * (-1) ** part for part in range(6)])
    for tone in (plain, sine(2085, 3000, -15), reversing):
        assert [code for code, _ in heard(silence(100), tone)] == [tones.ANSWERING_FAX]
    assert heard(sine(2100, 700)) == []
