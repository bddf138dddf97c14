"""The video sections of descriptions: what is taken of a browser's, what is written for the one and for the other.

Source: RFC 9143 (bundle); RFC 8829 5; voice-sdk.md 6 for the sound beside it.
"""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.codec import CODECS, OPUS, PCMU
from signaling import sdp
from signaling.sdp import SdpError
from signaling.video import Video
from signaling.webrtc import description, pictures
from tests.signaling.webrtc.test_description import CHROMIUM, LOCAL, SOUND

_TRANSPORT = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
SECTION = (
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103 101 35 104 116\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n"
    "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=setup:actpass\r\na=mid:1\r\n"
    f"a=extmap:2 urn:3gpp:video-orientation\r\na=extmap:3 {_TRANSPORT}\r\n"
    "a=extmap:9 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=extmap:15 urn:ietf:params:rtp-hdrext:toffset\r\n"
    "a=extmap:4/recvonly urn:ietf:params:rtp-hdrext:toffset\r\n"
    "a=sendrecv\r\na=msid:stream picture\r\na=rtcp-mux\r\na=rtcp-rsize\r\n"
    "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 goog-remb\r\na=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 nack pli\r\n"
    "a=rtcp-fb:* ccm fir\r\na=rtcp-fb:96 nack rpsi\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"
    "a=rtpmap:102 H264/90000\r\na=fmtp:102 packetization-mode=1;profile-level-id=42001f\r\n"
    "a=rtpmap:103 rtx/90000\r\na=fmtp:103 apt=102\r\na=rtpmap:101 rtx/90000\r\na=fmtp:101 apt=99\r\n"
    "a=rtpmap:35 AV1/90000\r\na=rtpmap:104 red/90000\r\na=rtpmap:116 ulpfec/90000\r\n"
    "a=ssrc-group:FID 11 12\r\na=ssrc:11 cname:x\r\na=ssrc:12 cname:x\r\na=ssrc:11 msid:stream picture\r\n"
)
SOUND_AND_PICTURES = CHROMIUM.replace("BUNDLE 0", "BUNDLE 0 1") + SECTION


def read(text: str = SOUND_AND_PICTURES) -> pictures.Section:
    section = pictures.read(description.read(text))
    assert section is not None
    return section


def answered(other: Video, *, offer: str = SOUND_AND_PICTURES) -> tuple[sdp.SessionDescription, Video | None]:
    """The whole answer to a browser that is to see ``other``, and what its own pictures are then."""
    theirs = description.read(offer)
    section = pictures.read(theirs)
    assert section is not None
    made = pictures.answered(section, other, LOCAL, setup="active")
    written = description.answer(
        theirs,
        description.agree(theirs, CODECS),
        LOCAL,
        SOUND,
        role=description.role_in_answer(theirs),
        version=1,
        beside=None if made is None else (section.place, made[0]),
    )
    assert sdp.parse(sdp.serialise(written)) == written
    return written, None if made is None else made[1]


def numbers(video: Video) -> list[int]:
    return list(video.payload_types)


def test_pictures_of_a_browser_are_those_that_need_no_help_on_their_way() -> None:
    section = read()
    assert (section.place, numbers(section.video)) == (1, [96, 97, 102, 103, 35])
    assert section.video.formats[0].feedback == ("ccm fir", "goog-remb", "transport-cc", "nack pli")
    assert section.video.extensions == ((2, "urn:3gpp:video-orientation"), (3, _TRANSPORT))
    assert section.video.senders == ((11, 12),)
    assert (section.video.sends, section.video.receives) == (True, True)


@pytest.mark.parametrize(
    "text",
    [
        CHROMIUM,
        SOUND_AND_PICTURES.replace("BUNDLE 0 1", "BUNDLE 0"),
        SOUND_AND_PICTURES.replace("m=video 9", "m=video 0"),
        SOUND_AND_PICTURES.replace("m=video 9 UDP/TLS/RTP/SAVPF", "m=video 9 RTP/AVP"),
        SOUND_AND_PICTURES.replace("VP8/", "X/").replace("H264/", "Y/").replace("AV1/", "Z/"),
        SOUND_AND_PICTURES.replace("m=video", "m=application"),
    ],
    ids=["none", "another transport", "refused", "no keys", "codecs nobody knows", "another kind"],
)
def test_pictures_that_cannot_be_passed_on_are_none(text: str) -> None:
    assert pictures.read(description.read(text)) is None


def test_pictures_without_a_port_of_their_own_are_taken() -> None:
    assert read(SOUND_AND_PICTURES.replace("m=video 9", "m=video 0") + "a=bundle-only\r\n").place == 1


@pytest.mark.parametrize(
    "lines",
    [
        "a=ssrc-group:SIM 11 12\r\n",
        "a=ssrc:13 cname:x\r\na=ssrc:14 cname:x\r\n",
        "a=ssrc-group:FID 11 15\r\n",
        "a=ssrc-group:FID 12 11\r\n",
        "a=ssrc:no cname:x\r\n",
    ],
)
def test_pictures_of_senders_that_cannot_be_told_apart_name_none(lines: str) -> None:
    assert read(SOUND_AND_PICTURES + lines).video.senders == ()


@pytest.mark.parametrize("payload_type", [34, 64, 72, 95])
def test_pictures_with_numbers_that_are_no_dynamic_ones_are_left_out(payload_type: int) -> None:
    text = SOUND_AND_PICTURES.replace("SAVPF 96", f"SAVPF {payload_type}").replace(
        "rtpmap:96", f"rtpmap:{payload_type}"
    )
    assert numbers(read(text).video) == [102, 103, 35]


@pytest.mark.parametrize("number", ["0", "15", "0140", "014" + "0" * 5000, "\u0661", "-1", ""])
def test_pictures_extension_with_a_number_that_is_none_is_left_out(number: str) -> None:
    section = read(SOUND_AND_PICTURES.replace("a=extmap:2 urn", f"a=extmap:{number} urn"))
    assert section.video.extensions == ((3, _TRANSPORT),)


def test_offer_to_the_other_browser_speaks_with_the_first_ones_numbers() -> None:
    video = read().video
    beside = pictures.offered(video, LOCAL)
    written = description.offer(LOCAL, SOUND, [OPUS, PCMU], version=1, beside=beside)
    assert sdp.parse(sdp.serialise(written)) == written
    assert written.value("group") == "BUNDLE 0 1"
    sound, shown = written.media
    assert shown.formats == ("96", "97", "102", "103", "35") and shown.port == sound.port
    assert shown.values("rtpmap") == (
        "96 VP8/90000",
        "97 rtx/90000",
        "102 H264/90000",
        "103 rtx/90000",
        "35 AV1/90000",
    )
    assert shown.values("ssrc-group") == ("FID 11 12",) and shown.value("setup") == "actpass"
    assert (shown.value("ice-ufrag"), shown.has("rtcp-mux")) == (LOCAL.username, True)
    # It is read back as what it says.
    section = pictures.read(description.read(str(written)))
    assert section is not None and section.video == video


def test_offer_of_sound_gives_way_to_the_numbers_of_pictures() -> None:
    taken = SECTION.replace(" 96 97", " 111 97").replace(":96 ", ":111 ").replace("apt=96", "apt=111")
    taken = taken.replace(" 102 103", " 101 110").replace(":102 ", ":101 ").replace(":103 ", ":110 ")
    text = CHROMIUM.replace("BUNDLE 0", "BUNDLE 0 1").replace("111", "120") + taken.replace("apt=102", "apt=101")
    beside = pictures.offered(read(text).video, LOCAL)
    assert {"111", "101"} <= set(beside.formats)
    sound, shown = description.offer(LOCAL, SOUND, [OPUS, PCMU], version=1, beside=beside).media
    assert not set(sound.formats) & set(shown.formats)
    assert len(set(sound.formats)) == len(sound.formats) == 4
    theirs = description.read(
        CHROMIUM.replace(" 111 ", f" {sound.formats[0]} ").replace(":111 ", f":{sound.formats[0]} ")
    )
    agreed = description.agree(theirs, [OPUS], sent=sound)
    assert agreed.receive_payload_type == int(sound.formats[0])


def test_answer_says_what_the_other_party_has_in_its_name() -> None:
    other = read(SOUND_AND_PICTURES.replace(" 96 97", "").replace("FID 11 12", "FID 21 22").replace("ssrc:1", "ssrc:2"))
    written, agreed = answered(other.video)
    line = written.media[1]
    assert written.value("group") == "BUNDLE 0 1"
    assert line.formats == ("102", "103", "35") and line.values("ssrc-group") == ("FID 21 22",)
    assert (line.value("mid"), line.value("setup"), line.port) == ("1", "active", 20000)
    assert line.has("sendrecv")
    assert agreed is not None and numbers(agreed) == [102, 103, 35] and agreed.senders == ((11, 12),)


def test_answer_keeps_the_offers_order() -> None:
    other = read(SOUND_AND_PICTURES.replace("96 97 102 103", "102 103 96 97"))
    written, _ = answered(other.video)
    assert written.media[1].formats == ("96", "97", "102", "103", "35")


@pytest.mark.parametrize(
    ("offered", "other", "ours"),
    [
        ("sendrecv", "sendrecv", "sendrecv"),
        ("sendrecv", "recvonly", "recvonly"),
        ("sendrecv", "sendonly", "sendonly"),
        ("sendonly", "sendrecv", "recvonly"),
        ("recvonly", "sendrecv", "sendonly"),
        ("sendonly", "sendonly", "inactive"),
        ("inactive", "sendrecv", "inactive"),
    ],
)
def test_answer_goes_the_ways_that_both_go(offered: str, other: str, ours: str) -> None:
    def turned(direction: str) -> str:
        return CHROMIUM.replace("BUNDLE 0", "BUNDLE 0 1") + SECTION.replace("a=sendrecv", f"a={direction}")

    written, agreed = answered(read(turned(other)).video, offer=turned(offered))
    assert written.media[1].has(ours) and written.media[0].has("sendrecv")
    # As seen from here: what we send is what the peer receives.
    assert agreed is not None
    assert (agreed.receives, agreed.sends) == (ours in ("sendrecv", "sendonly"), ours in ("sendrecv", "recvonly"))
    assert bool(written.media[1].values("ssrc")) is (ours in ("sendrecv", "sendonly"))


def test_answer_without_anything_in_common_refuses_the_pictures_and_keeps_the_sound() -> None:
    other = read(SOUND_AND_PICTURES.replace("VP8/", "VP9/").replace("H264/", "H265/").replace("AV1/", "VP8/"))
    written, agreed = answered(other.video)
    assert [line.port for line in written.media] == [20000, 0] and agreed is None
    assert written.value("group") == "BUNDLE 0"


def test_answer_to_our_offer_is_what_both_have() -> None:
    shown = read().video
    answer = SOUND_AND_PICTURES.replace("96 97 102 103 101 35 104 116", "102 103").replace("actpass", "active")
    accepted = pictures.accepted(description.read(answer), shown)
    assert accepted is not None and numbers(accepted) == [102, 103]
    refused = answer.replace("m=video 9", "m=video 0")
    assert pictures.accepted(description.read(refused), shown) is None
    # A number that was not offered is not agreed on.
    assert pictures.accepted(description.read(answer), shown.in_every_browser() or shown) is None


@pytest.mark.parametrize(("port", "lines", "bundle"), [(9, [True, True], "BUNDLE 0 1"), (0, [True, False], "BUNDLE 0")])
def test_offer_again_offers_what_was_refused_no_more(port: int, lines: list[bool], bundle: str) -> None:
    sent = description.offer(LOCAL, SOUND, [OPUS, PCMU], version=1, beside=pictures.offered(read().video, LOCAL))
    answer = SOUND_AND_PICTURES.replace("m=video 9", f"m=video {port}").replace("actpass", "active")
    again = description.offer_again(description.settled(sent, description.read(answer)), version=2)
    assert [line.port != 0 for line in again.media] == lines and again.value("group") == bundle
    assert [line.value("mid") for line in again.media] == ["0", "1"]


def test_offer_again_repeats_every_line_in_its_place() -> None:
    written, _ = answered(read().video)
    again = description.offer_again(written, version=7)
    assert [line.value("mid") for line in again.media] == ["0", "1"] and again.origin.version == "7"
    assert [line.value("setup") for line in again.media] == ["actpass", "actpass"]
    assert [line.formats for line in again.media] == [line.formats for line in written.media]


@given(seed=st.integers(0, 2**32))
def test_pictures_mutated_are_read_or_left_and_nothing_else(seed: int) -> None:
    chance = random.Random(seed)
    text = list(SOUND_AND_PICTURES)
    for _ in range(chance.randint(1, 30)):
        place = chance.randrange(len(CHROMIUM), len(text))
        match chance.randrange(3):
            case 0:
                text[place] = chr(chance.randrange(1, 300))
            case 1:
                del text[place : place + chance.randrange(40)]
            case _:
                text[place:place] = text[: chance.randrange(100)]
    try:
        section = pictures.read(description.read("".join(text)))
    except SdpError:
        return
    if section is not None:
        assert section.video.payload_types
        beside = pictures.offered(section.video, LOCAL)
        written = description.offer(LOCAL, SOUND, CODECS, version=1, beside=beside)
        assert sdp.parse(sdp.serialise(written)) == written
        assert not set(written.media[0].formats) & set(written.media[1].formats)
