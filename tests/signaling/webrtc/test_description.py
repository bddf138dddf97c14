"""What stands in our descriptions, and what is made of theirs. Source: RFC 8829; voice-sdk.md 6.2."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.codec import CODECS, G722, OPUS, PCMA, PCMU, Codec
from media.engine import OpusFormat
from signaling import sdp
from signaling.sdp import MediaDirection, SdpError
from signaling.webrtc import description
from signaling.webrtc.description import DtlsRole, LocalPeer, LocalSound

# As Chromium writes it, through the Voice SDK: no candidates.
CHROMIUM = (
    "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
    "a=extmap-allow-mixed\r\na=msid-semantic: WMS stream\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 0 111 63 9 8 13 110 126\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n"
    "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=ice-options:trickle\r\n"
    "a=fingerprint:sha-256 " + ":".join(["AB"] * 32) + "\r\na=setup:actpass\r\na=mid:0\r\n"
    "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=sendrecv\r\na=msid:stream track\r\na=rtcp-mux\r\n"
    "a=rtcp-rsize\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n"
    "a=fmtp:111 maxaveragebitrate=16000;minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\n"
    "a=fmtp:63 111/111\r\na=rtpmap:9 G722/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:13 CN/8000\r\n"
    "a=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 telephone-event/8000\r\na=ssrc:1 cname:x\r\n"
)
LOCAL = LocalPeer(
    address=("192.0.2.7", 20000), username="wxyz", password="z" * 22, fingerprints=(("sha-256", "CD:EF"),)
)
SOUND = LocalSound(ssrc=77, session_id=5)


def answered(codecs: Sequence[Codec], *, offer: str = CHROMIUM, sound: LocalSound = SOUND) -> sdp.SessionDescription:
    theirs = description.read(offer)
    agreed = description.agree(theirs, codecs)
    role = description.role_in_answer(theirs)
    written = description.answer(theirs, agreed, LOCAL, sound, role=role, version=1)
    assert sdp.parse(sdp.serialise(written)) == written
    return written


def test_description_answer_names_one_codec_and_its_digits() -> None:
    line = answered([PCMU, OPUS]).media[0]
    assert line.formats == ("0", "126")
    assert line.values("rtpmap") == ("0 PCMU/8000", "126 telephone-event/8000")
    line = answered([OPUS, PCMU]).media[0]
    assert line.values("rtpmap") == ("111 OPUS/48000/2", "110 telephone-event/48000") or line.values("rtpmap") == (
        "111 opus/48000/2",
        "110 telephone-event/48000",
    )


def test_description_answer_has_one_candidate_and_takes_the_dtls_client_part() -> None:
    written = answered(CODECS)
    line = written.media[0]
    assert line.values("candidate") == ("1 1 udp 2130706431 192.0.2.7 20000 typ host",)
    assert line.has("end-of-candidates") and line.has("rtcp-mux")
    assert (line.value("setup"), line.value("mid"), line.value("ice-ufrag")) == ("active", "0", "wxyz")
    assert (line.port, written.value("group")) == (20000, "BUNDLE 0")


def test_description_peers_limit_for_opus_is_kept_and_ours_is_said() -> None:
    agreed = description.agree(description.read(CHROMIUM), [OPUS])
    assert agreed.opus == OpusFormat(max_average_bitrate=16000, use_fec=True, use_dtx=False)
    line = answered([OPUS], sound=LocalSound(ssrc=1, session_id=1, opus_bitrate=24000)).media[0]
    assert "maxaveragebitrate=24000" in line.values("fmtp")[0] and "stereo=0" in line.values("fmtp")[0]


def test_description_offer_lists_all_codecs_best_first() -> None:
    line = description.offer(LOCAL, SOUND, [OPUS, PCMU, PCMA, G722], version=1).media[0]
    assert line.formats == ("111", "0", "8", "9", "110", "101")
    assert (line.value("setup"), line.protocol) == ("actpass", "UDP/TLS/RTP/SAVPF")


def test_description_answer_to_our_offer_counts_in_the_peers_order() -> None:
    sent = description.offer(LOCAL, SOUND, [PCMU, OPUS], version=1)
    theirs = CHROMIUM.replace("SAVPF 0 111 63 9 8 13 110 126", "SAVPF 111 0 110 101").replace("actpass", "active")
    theirs = theirs.replace("a=rtpmap:126 ", "a=rtpmap:101 ")
    read = description.read(theirs)
    agreed = description.agree(read, [PCMU, OPUS], sent=sent.media[0])
    assert (agreed.codec, agreed.payload_type, agreed.receive_payload_type) == (OPUS, 111, 111)
    assert (agreed.digits_payload_type, agreed.receive_digits_payload_type) == (110, 110)
    assert description.role_after_offer(read) is DtlsRole.SERVER


def test_description_running_codec_is_kept_in_a_restart() -> None:
    assert description.agree(description.read(CHROMIUM), [PCMU, OPUS], preferred=OPUS).codec == OPUS
    assert description.agree(description.read(CHROMIUM), [PCMU], preferred=OPUS).codec == PCMU


@pytest.mark.parametrize(
    ("offered", "ours"),
    [("sendrecv", "sendrecv"), ("sendonly", "recvonly"), ("recvonly", "sendonly"), ("inactive", "inactive")],
)
def test_description_direction_follows_the_offer(offered: str, ours: str) -> None:
    read = description.read(CHROMIUM.replace("a=sendrecv", f"a={offered}"))
    assert description.agree(read, CODECS).direction is MediaDirection(ours)


def test_description_other_streams_are_refused_in_their_places() -> None:
    video = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:v\r\na=rtpmap:96 VP8/90000\r\n"
    head, line, rest = CHROMIUM.partition("m=audio")
    written = answered(CODECS, offer=head + video + line + rest)
    assert [media.port for media in written.media] == [0, 20000]
    assert written.media[0].value("mid") == "v"


def test_description_ten_thousand_candidates_are_refused_and_names_never_looked_up() -> None:
    with pytest.raises(SdpError):
        description.read(CHROMIUM + "a=candidate:1 1 udp 1 x.local 9 typ host\r\n" * 10_000)
    description.read(CHROMIUM + "a=candidate:1 1 udp 1 x.local 9 typ host\r\na=candidate:1 1 udp 1 127.0.0.1 9\r\n")


@given(seed=st.integers(0, 2**32))
def test_description_mutated_is_read_or_refused_and_nothing_else(seed: int) -> None:
    chance = random.Random(seed)
    text = list(CHROMIUM)
    for _ in range(chance.randint(1, 30)):
        place = chance.randrange(len(text))
        match chance.randrange(3):
            case 0:
                text[place] = chr(chance.randrange(1, 300))
            case 1:
                del text[place : place + chance.randrange(40)]
            case _:
                text[place:place] = text[: chance.randrange(100)]
    try:
        answered(CODECS, offer="".join(text))
    except SdpError:
        pass
