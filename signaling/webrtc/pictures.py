"""The pictures in a WebRTC peer's descriptions: reading its video section, writing ours.

Pure. Decides which of what browsers offer can be passed on untouched: formats that need no help from here, reports and
header extensions that mean the same to any two browsers. Only a section on the sound's own transport is taken (BUNDLE).
Source: RFC 9143 (bundle); RFC 8829 5; RFC 4585 and RFC 5104 (feedback); RFC 8285 (header extensions); RFC 5576 (ssrc).
"""

from dataclasses import dataclass, replace

from signaling import sdp
from signaling.sdp import Attribute, MediaDirection, MediaLine
from signaling.sdp.audio import direction_of
from signaling.sdp.description import small_number
from signaling.video import REPAIR, Video, VideoFormat, whole
from signaling.webrtc.description import (
    PROFILES,
    STREAM,
    LocalPeer,
    RemoteSound,
    bundled,
    candidate_attributes,
    media_line,
    mid_of,
    transport_attributes,
)

CODECS = frozenset({"VP8", "VP9", "H264", "H265", "AV1"})
FEEDBACK = frozenset({"nack", "nack pli", "ccm fir", "goog-remb", "transport-cc"})
_EXPERIMENTS = "http://www.webrtc.org/experiments/rtp-hdrext/"
EXTENSIONS = frozenset(
    {
        "urn:3gpp:video-orientation",
        "urn:ietf:params:rtp-hdrext:toffset",
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        *(_EXPERIMENTS + name for name in ("abs-send-time", "playout-delay", "video-content-type", "video-timing")),
        _EXPERIMENTS + "color-space",
    }
)
"""Not ``mid``: it names a section, and those are called differently at the two sides."""
MAX_FORMATS = 64
MAX_SENDERS = 2
MAX_PARAMETERS = 400
MID = "1"
"""Of the video section in our offers, after the sound's."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A peer's video section. place: which of its media lines."""

    place: int
    line: MediaLine
    video: Video


def read(theirs: RemoteSound) -> Section | None:
    """The first section that can be passed on; None without one. What cannot be read in it is left out."""
    together = bundled(theirs.description, mid_of(theirs.line))
    for place, line in enumerate(theirs.description.media):
        # A section on the sound's transport may come without a port of its own. Source: RFC 9143 6.
        is_there = line.port != 0 or line.has("bundle-only")
        if line.kind == "video" and is_there and line.protocol in PROFILES and mid_of(line) in together:
            video = _video(theirs, line)
            return None if video is None else Section(place=place, line=line, video=video)
    return None


def offered(video: Video, local: LocalPeer) -> MediaLine:
    """Our offer in the name of the party whose pictures they are."""
    direction = MediaDirection.of(send=video.sends, receive=video.receives)
    return _line(video, local, mid=MID, setup="actpass", direction=direction)


def answered(section: Section, other: Video, local: LocalPeer, *, setup: str) -> tuple[MediaLine, Video] | None:
    """Our answer in the name of ``other``, and what the peer's pictures are by that; None if they cannot agree."""
    agreed, ours = section.video.among(other), other.among(section.video)
    if agreed is None or ours is None:
        return None
    sends, receives = agreed.sends and ours.receives, agreed.receives and ours.sends
    direction = MediaDirection.of(send=receives, receive=sends)
    # The peer's order stands: its first format is what it likes to send best.
    order = {found.payload_type: number for number, found in enumerate(agreed.formats)}
    ours = replace(ours, formats=tuple(sorted(ours.formats, key=lambda found: order[found.payload_type])))
    line = _line(ours, local, mid=mid_of(section.line), setup=setup, direction=direction)
    agreed = replace(agreed, sends=sends, receives=receives)
    return replace(line, protocol=section.line.protocol), agreed


def accepted(theirs: RemoteSound, other: Video) -> Video | None:
    """The peer's pictures by its answer to what was offered in the name of ``other``; None if it wants none."""
    section = read(theirs)
    return None if section is None else section.video.among(other)


def _video(theirs: RemoteSound, line: MediaLine) -> Video | None:
    direction = direction_of(replace(theirs.description, connection=None), replace(line, connection=None))
    return whole(
        Video(
            formats=_formats(line),
            extensions=_extensions(line),
            senders=_senders(line),
            sends=direction.send,
            receives=direction.receive,
        )
    )


def _formats(line: MediaLine) -> tuple[VideoFormat, ...]:
    asked: dict[str, list[str]] = {}
    for value in line.values("rtcp-fb"):
        number, _, what = value.partition(" ")
        if what.strip() in FEEDBACK:
            asked.setdefault(number, []).append(what.strip())
    return tuple(
        VideoFormat(
            payload_type=found.payload_type,
            name=found.name,
            clock_rate_hz=found.clock_rate_hz,
            parameters=found.parameters,
            feedback=tuple(dict.fromkeys([*asked.get("*", ()), *asked.get(str(found.payload_type), ())])),
        )
        for found in sdp.payload_formats(line)[:MAX_FORMATS]
        if (found.name in CODECS or found.name == REPAIR)
        and is_dynamic(found.payload_type)
        and len(found.parameters) <= MAX_PARAMETERS
    )


def is_dynamic(payload_type: int) -> bool:
    """Source: RFC 3551 6; RFC 5761 4."""
    return 35 <= payload_type <= 63 or 96 <= payload_type <= 127


def _extensions(line: MediaLine) -> tuple[tuple[int, str], ...]:
    """Those that go both ways, in headers of one octet. Source: RFC 8285 4.2, 5."""
    found: dict[int, str] = {}
    for value in line.values("extmap"):
        text, _, uri = value.partition(" ")
        number = small_number(text, 14)
        if uri in EXTENSIONS and number:
            found.setdefault(number, uri)
    return tuple(found.items())


def _senders(line: MediaLine) -> tuple[tuple[int, ...], ...]:
    """None of a section with more than can be told apart, as of simulcast."""
    single = dict.fromkeys(_number(value.partition(" ")[0]) for value in line.values("ssrc"))
    groups: list[tuple[int, ...]] = []
    for value in line.values("ssrc-group"):
        kind, *members = value.split()[:4]
        numbers = tuple(_number(member) for member in members)
        if kind != "FID" or len(numbers) != 2 or not all(number in single for number in numbers):
            return ()
        groups.append(numbers)
    grouped = {number for group in groups for number in group}
    groups += [(number,) for number in single if number not in grouped]
    is_clear = sum(map(len, groups)) == len(single)
    return tuple(groups) if len(groups) <= MAX_SENDERS and 0 not in single and is_clear else ()


def _number(text: str) -> int:
    """An SSRC; 0, which none of ours is, for what is none."""
    return int(text) if text.isdecimal() and len(text) <= 10 and int(text) < 1 << 32 else 0


def _line(video: Video, local: LocalPeer, *, mid: str, setup: str, direction: MediaDirection) -> MediaLine:
    attributes = transport_attributes(local, mid=mid, setup=setup)
    attributes.append(Attribute(direction.value))
    for found in video.formats:
        number = found.payload_type
        name = found.name.lower() if found.name == REPAIR else found.name
        attributes.append(Attribute("rtpmap", f"{number} {name}/{found.clock_rate_hz}"))
        attributes += [Attribute("rtcp-fb", f"{number} {asked}") for asked in found.feedback]
        if found.parameters:
            attributes.append(Attribute("fmtp", f"{number} {found.parameters}"))
    attributes += [Attribute("extmap", f"{number} {uri}") for number, uri in video.extensions]
    attributes += [Attribute("msid", f"{STREAM} {STREAM}-video"), *candidate_attributes(local)]
    if direction.send:
        for group in video.senders:
            if len(group) == 2:
                attributes.append(Attribute("ssrc-group", f"FID {group[0]} {group[1]}"))
            attributes += [Attribute("ssrc", f"{number} cname:{STREAM}") for number in group]
    return media_line("video", local, [found.payload_type for found in video.formats], attributes)
