"""Every tone of every country, heard: first when it sounds, then what sounds."""

import re

import numpy as np
import pytest
from numpy.typing import NDArray

from media.hearing import ToneLevel, activity, level_dbfs, loudest_tones, tone_level
from media.tones import RING_TONE_CODES, CallProgress, Tone, ToneNotationError, parse_tone, tone

RATE_HZ = 8000
DBM0_OF_FULL_SCALE = 3.14
ALL = [(country, which) for country in RING_TONE_CODES for which in CallProgress]

# One of each kind, from the national papers, so that the data file is not only held against itself.
KNOWN = {
    ("us", CallProgress.RING): ([440, 480], [2000, 4000]),
    ("us", CallProgress.BUSY): ([480, 620], [500, 500]),
    ("uk", CallProgress.RING): ([400, 450], [400, 200, 400, 2000]),
    ("uk", CallProgress.CONGESTION): ([400], [400, 350, 225, 525]),
    ("de", CallProgress.RING): ([425], [1000, 4000]),
    ("fr", CallProgress.RING): ([440], [1500, 3500]),
    ("jp", CallProgress.RING): ([400], [1000, 2000]),
    ("th", CallProgress.RING): ([400], [1000, 4000]),
    ("us", CallProgress.DIAL): ([350, 440], []),
}


def sounding(bursts: Tone) -> list[list[int]]:
    return [list(burst.frequencies_hz) for burst in bursts.bursts if burst.frequencies_hz]


def heard(burst: NDArray[np.int16], n: int) -> list[ToneLevel]:
    return loudest_tones(burst, RATE_HZ, n=n)


def test_codes_are_the_forty_of_twilio_in_its_order() -> None:
    assert len(RING_TONE_CODES) == 40
    assert RING_TONE_CODES[:6] == ("at", "au", "bg", "br", "be", "ch")
    assert RING_TONE_CODES[-6:] == ("uk", "us", "us-old", "tw", "ve", "za")


@pytest.mark.parametrize(("country", "which"), KNOWN, ids=str)
def test_known_tone_has_the_figures_of_its_country(country: str, which: CallProgress) -> None:
    frequencies, cadence = KNOWN[country, which]
    found = tone(country, which)
    assert sounding(found)[0] == frequencies
    assert [burst.duration_ms for burst in found.bursts if burst.duration_ms] == cadence


@pytest.mark.parametrize(("country", "which"), ALL, ids=str)
def test_tone_is_heard_with_its_cadence_and_frequencies(country: str, which: CallProgress) -> None:
    expected = tone(country, which)
    period = expected.samples(RATE_HZ)
    bursts = expected.bursts
    if bursts[0].duration_ms is None:
        edges_s = [(0.0, len(period) / RATE_HZ)]
    else:
        ends = np.cumsum([burst.duration_ms or 0 for burst in bursts]) / 1000
        assert len(period) == round(ends[-1] * RATE_HZ)
        edges_s = [
            (float(end) - (burst.duration_ms or 0) / 1000, float(end))
            for burst, end in zip(bursts, ends, strict=True)
            if burst.frequencies_hz
        ]
    peak_dbfs = float(20 * np.log10(np.abs(period).max() / 32768))
    spans = activity(period, RATE_HZ, threshold_dbfs=peak_dbfs - 32)
    assert len(spans) == len(edges_s)
    for span, (start_s, end_s) in zip(spans, edges_s, strict=True):
        assert abs(span.start_s - start_s) <= 0.02 and abs(span.end_s - end_s) <= 0.02

    for burst, (start_s, end_s) in zip((b for b in bursts if b.frequencies_hz), edges_s, strict=True):
        sound = period[round(start_s * RATE_HZ) : round(end_s * RATE_HZ)]
        if not burst.modulation_hz:
            found = heard(sound, len(burst.frequencies_hz))
            assert sorted(t.frequency_hz for t in found) == pytest.approx(sorted(burst.frequencies_hz), abs=5)
            continue
        carrier, *sidebands = heard(sound, 3)
        assert carrier.frequency_hz == pytest.approx(burst.frequencies_hz[0], abs=5)
        expected_hz = [carrier.frequency_hz - burst.modulation_hz, carrier.frequency_hz + burst.modulation_hz]
        assert sorted(side.frequency_hz for side in sidebands) == pytest.approx(expected_hz, abs=5)
        for side in sidebands:
            assert carrier.level_dbfs - side.level_dbfs == pytest.approx(6.9 if burst.depth == 0.9 else 6.0, abs=0.5)


@pytest.mark.parametrize(
    ("country", "which", "dbm0"),
    [
        ("de", CallProgress.RING, -19),
        ("us", CallProgress.BUSY, -19),
        ("jp", CallProgress.RING, -19),
        ("de", CallProgress.DIAL, -13),
        ("us", CallProgress.DIAL, -16),
    ],
    ids=str,
)
def test_tone_level_is_that_of_the_recommendation(country: str, which: CallProgress, dbm0: float) -> None:
    expected = tone(country, which)
    burst = expected.bursts[0]
    sound = expected.samples(RATE_HZ)[: (burst.duration_ms or 1000) * RATE_HZ // 1000]
    for frequency_hz in burst.frequencies_hz:
        level = tone_level(sound, RATE_HZ, frequency_hz)
        assert level == pytest.approx(dbm0 - DBM0_OF_FULL_SCALE, abs=0.2)


def test_australian_congestion_has_every_second_burst_ten_decibels_lower() -> None:
    period = tone("au", CallProgress.CONGESTION).samples(RATE_HZ)
    loud, soft = period[:3000], period[6000:9000]
    assert level_dbfs(loud) - level_dbfs(soft) == pytest.approx(10, abs=0.2)


@pytest.mark.parametrize("rate_hz", [8000, 11025, 16000, 48000])
def test_loop_has_no_click_at_its_seam_at_any_rate(rate_hz: int) -> None:
    for country, which in ALL:
        period = tone(country, which).samples(rate_hz).astype(np.int32)
        steps = np.abs(np.diff(period))
        assert abs(period[0] - period[-1]) <= steps.max(), (country, which)


@pytest.mark.parametrize("rate_hz", [11025, 44100])
def test_edges_stand_on_the_nearest_sample_where_a_millisecond_is_no_whole_number(rate_hz: int) -> None:
    period = tone("be", CallProgress.CONGESTION).samples(rate_hz)
    assert len(period) == round(0.334 * rate_hz)
    assert np.all(period[round(0.167 * rate_hz) :] == 0)


def test_burst_begins_and_ends_softly() -> None:
    burst = tone("de", CallProgress.RING).samples(RATE_HZ)[:8000].astype(np.int32)
    assert np.abs(burst[:4]).max() < 300 and np.abs(burst[-4:]).max() < 300


def test_tone_of_an_unknown_country_raises_key_error() -> None:
    with pytest.raises(KeyError):
        tone("gb", CallProgress.RING)


@pytest.mark.parametrize(
    "notation",
    ["", "x", "425/", "/500", "425/0", "0/500", "425,0/500", "440+/200", "440*25+30/200", "-425/100", "425/1e3"],
)
def test_notation_that_says_nothing_playable_is_refused(notation: str) -> None:
    with pytest.raises(ToneNotationError, match=re.escape(notation) if notation else "found"):
        parse_tone("test", notation)


def test_notation_of_one_long_tone_gives_that_tone() -> None:
    assert sounding(parse_tone("test", "697+1209")) == [[697, 1209]]
