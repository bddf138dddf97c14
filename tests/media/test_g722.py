"""Our G.722 against another implementation of the recommendation, octet for octet and sample for sample."""

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from media.kernel import g722
from media.kernel.layout import G722_WORDS
from tests.media.coded_phone import wide_sine


def sounds() -> dict[str, NDArray[np.int16]]:
    random = np.random.default_rng(7)
    loud = random.integers(-32768, 32767, 8000).astype(np.int16)
    speech = np.asarray(wide_sine(180, 8000) + wide_sine(2300, 8000) // 3 + wide_sine(6100, 8000) // 9, np.int16)
    return {"noise": loud, "voice": speech, "silence": np.zeros(8000, np.int16), "tone": wide_sine(7000, 8000)}


def state() -> NDArray[np.int64]:
    words = np.zeros(G722_WORDS, np.int64)
    g722.begin(words)
    return words


def encoded(samples: NDArray[np.int16]) -> bytes:
    octets = np.zeros(len(samples) // 2, np.uint8)
    g722.encode(state(), samples, len(octets), octets, 0)
    return octets.tobytes()


def decoded(octets: bytes) -> NDArray[np.int16]:
    out = np.zeros(2 * len(octets), np.int16)
    g722.decode(state(), np.frombuffer(octets, np.uint8), 0, len(octets), out)
    return out


def others_decoded(octets: bytes) -> NDArray[np.int16]:
    decoder = av.CodecContext.create("g722", "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.sample_rate, decoder.layout = 16000, "mono"
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in decoder.decode(av.Packet(octets))])


@pytest.mark.parametrize("name", sounds())
def test_g722_decodes_as_another_implementation_does(name: str) -> None:
    octets = encoded(sounds()[name])
    ours, theirs = decoded(octets), others_decoded(octets)
    assert np.array_equal(ours, np.maximum(theirs, -32767))


@pytest.mark.parametrize("name", ["voice", "tone"])
def test_g722_gives_back_what_went_in(name: str) -> None:
    samples = sounds()[name].astype(np.float64)
    heard = decoded(encoded(sounds()[name])).astype(np.float64)
    delay = 22
    error = heard[delay + 1000 :] - samples[1000 : len(samples) - delay]
    assert np.sqrt((error**2).mean()) < 0.1 * np.sqrt((samples**2).mean())


def test_g722_decoder_stands_any_octets() -> None:
    octets = np.random.default_rng(3).integers(0, 256, 20000).astype(np.uint8).tobytes()
    assert np.array_equal(decoded(octets), np.maximum(others_decoded(octets), -32767))
