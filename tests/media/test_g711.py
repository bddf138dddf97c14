"""G.711 against libsndfile, for every code and every sample."""

import io

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from media.codec import CODECS
from media.kernel import g711

EVERY_SAMPLE = np.arange(-32768, 32768).astype(np.int16)
EVERY_CODE = np.arange(256, dtype=np.uint8)
LAWS = [(g711.PCMU, "ULAW"), (g711.PCMA, "ALAW")]


def decoded_by_libsndfile(codes: NDArray[np.uint8], law: str) -> NDArray[np.int16]:
    sound, _ = soundfile.read(
        io.BytesIO(codes.tobytes()), format="RAW", subtype=law, samplerate=8000, channels=1, dtype="int16"
    )
    return np.asarray(sound, np.int16)


@pytest.mark.parametrize(("codec", "law"), LAWS)
def test_g711_decodes_as_libsndfile(codec: int, law: str) -> None:
    decoded, _, _ = g711.tables()
    assert (decoded[codec] == decoded_by_libsndfile(EVERY_CODE, law)).all()


@pytest.mark.parametrize(("codec", "law"), LAWS)
def test_g711_encodes_within_half_a_step_of_libsndfile(codec: int, law: str) -> None:
    decoded, encoded, _ = g711.tables()
    file = io.BytesIO()
    soundfile.write(file, EVERY_SAMPLE, 8000, format="RAW", subtype=law)
    theirs = np.frombuffer(file.getvalue(), np.uint8)
    ours = encoded[codec][EVERY_SAMPLE.view(np.uint16)]
    # A-law: they differ on decision values only, which lie between two codes.
    assert (ours != theirs).sum() <= (0 if law == "ULAW" else 128)
    errors = [np.abs(decoded[codec][codes].astype(int) - EVERY_SAMPLE) for codes in (ours, theirs)]
    assert errors[0].max() <= errors[1].max()


def test_g711_silence_is_the_smallest_value() -> None:
    decoded, _, _ = g711.tables()
    for codec, code in enumerate(g711.SILENCE):
        assert abs(int(decoded[codec][code])) == np.abs(decoded[codec].astype(int)).min()


def test_g711_no_code_is_the_mark_of_what_is_missing() -> None:
    decoded, _, _ = g711.tables()
    assert decoded.min() > -32768


def test_g711_transcoding_keeps_the_value_and_the_same_law_the_code() -> None:
    decoded, _, transcoded = g711.tables()
    for codec in range(g711.CODECS):
        assert (transcoded[codec, codec] == EVERY_CODE).all()
    for source, target in ((0, 1), (1, 0)):
        before, after = decoded[source].astype(int), decoded[target][transcoded[source, target]].astype(int)
        assert (np.abs(before - after) <= np.maximum(np.abs(before) // 16, 16)).all()


def test_g711_codecs_of_the_engine_are_in_the_kernels_order() -> None:
    assert [codec.name for codec in CODECS] == ["PCMU", "PCMA", "G722", "OPUS"]
    assert (g711.PCMU, g711.PCMA, g711.G722, g711.OPUS) == (0, 1, 2, 3)
