"""What a page changes in descriptions and reads out of them."""

import pytest

from signaling.endpoints.notes import LibraryError
from signaling.endpoints.session_text import first_codec, host_of, preferring, without_candidates
from tests.signaling.voice_sdk.peers import browser_sdp

OFFER = browser_sdp()


@pytest.mark.parametrize(
    ("codecs", "media", "first"),
    [
        (("PCMU", "opus"), "m=audio 9 UDP/TLS/RTP/SAVPF 0 111", ("PCMU", 8000)),
        (("OPUS", "pcmu"), "m=audio 9 UDP/TLS/RTP/SAVPF 111 0", ("opus", 48000)),
        (("G722",), "m=audio 9 UDP/TLS/RTP/SAVPF 9", ("G722", 8000)),
    ],
)
def test_preferring_leaves_the_codecs_asked_for_in_their_order(
    codecs: tuple[str, ...], media: str, first: tuple[str, int]
) -> None:
    preferred = preferring(OFFER, codecs)
    assert media in preferred.split("\r\n")
    assert "telephone-event" not in preferred and "red/" not in preferred
    assert preferred.count("a=rtpmap") == len(codecs)
    assert first_codec(preferred) == first


def test_preferring_without_a_common_codec_is_refused() -> None:
    with pytest.raises(LibraryError, match="none of speex"):
        preferring(OFFER, ("speex",))


def test_static_types_need_no_map() -> None:
    assert first_codec("v=0\r\nm=audio 9 RTP/AVP 8 0\r\n") == ("PCMA", 8000)
    assert first_codec("v=0\r\n") == ("", 0)


def test_candidates_are_left_out_and_read() -> None:
    candidate = "a=candidate:1 1 udp 2130706431 192.0.2.7 4711 typ host\r\n"
    full = f"{OFFER}{candidate}a=end-of-candidates\r\n"
    assert host_of(full) == "192.0.2.7:4711"
    assert (without_candidates(full), host_of(OFFER)) == (OFFER, "")
