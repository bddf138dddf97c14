"""Which pictures two parties have in common. Source: RFC 3264 6.1; RFC 4588 8."""

from dataclasses import replace

import pytest

from signaling.video import Video, VideoFormat

VP8 = VideoFormat(payload_type=96, name="VP8", clock_rate_hz=90000, feedback=("nack", "nack pli", "goog-remb"))
VP8_REPAIR = VideoFormat(payload_type=97, name="RTX", clock_rate_hz=90000, parameters="apt=96")
H264 = VideoFormat(payload_type=102, name="H264", clock_rate_hz=90000, parameters="packetization-mode=1")
H264_REPAIR = VideoFormat(payload_type=103, name="RTX", clock_rate_hz=90000, parameters="rtx-time=3000; apt=102")
ALICE = Video(
    formats=(H264, H264_REPAIR, VP8, VP8_REPAIR),
    extensions=((3, "transport"), (4, "orientation")),
    senders=((1, 2),),
)


def test_video_in_common_keeps_own_order_parameters_and_senders() -> None:
    theirs = Video(
        formats=(VP8, replace(H264, parameters="packetization-mode=1;x=1")),
        extensions=((4, "orientation"), (5, "other")),
    )
    common = ALICE.among(theirs)
    assert common == Video(formats=(H264, VP8), extensions=((4, "orientation"),), senders=((1, 2),))


def test_video_in_common_asks_only_for_what_both_understand() -> None:
    common = ALICE.among(Video(formats=(replace(VP8, feedback=("nack pli", "ccm fir")),)))
    assert common is not None and common.formats[0].feedback == ("nack pli",)


@pytest.mark.parametrize(
    "other",
    [
        replace(VP8, payload_type=98),
        replace(VP8, name="VP9"),
        replace(VP8, clock_rate_hz=48000),
        VP8_REPAIR,
    ],
    ids=["another number", "another codec", "another clock", "nothing but a repair"],
)
def test_video_of_which_nothing_fits_is_none(other: VideoFormat) -> None:
    assert Video(formats=(VP8,)).among(Video(formats=(other,))) is None


def test_video_in_every_browser_is_vp8_with_its_repairs_and_in_nobodys_name() -> None:
    known = replace(ALICE, sends=False).in_every_browser()
    assert known == Video(formats=(VP8, VP8_REPAIR), extensions=ALICE.extensions)
    assert Video(formats=(H264, H264_REPAIR)).in_every_browser() is None


@pytest.mark.parametrize(
    ("parameters", "repairs"),
    [
        ("apt=96", 96),
        (" rtx-time=1;apt=7 ", 7),
        ("apt=", None),
        ("apt=x", None),
        ("apt=1234", None),
        ("", None),
        ("apt", None),
    ],
)
def test_video_repair_names_what_it_repairs(parameters: str, repairs: int | None) -> None:
    assert replace(VP8_REPAIR, parameters=parameters).repairs == repairs
    assert replace(VP8, parameters=parameters).repairs is None
