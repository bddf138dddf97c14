"""The descriptions of a WebRTC peer's sound: reading theirs, writing ours. Pictures beside it are pictures.py's.

Pure: texts and values only. Decides which codec is agreed on, and refuses what cannot be carried (no DTLS, no rtcp-mux,
an ICE Lite peer). Candidates of the peer are never read, so no description makes us look up a name or send anywhere.
Source: RFC 8829 5 (what browsers write and want); RFC 8839 (ICE), RFC 8122 and RFC 8842 (DTLS) in SDP; RFC 7587 7
(Opus); reliability check S-15.
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from media.codec import OPUS, Codec
from media.engine import OpusFormat
from signaling import sdp
from signaling.sdp import Attribute, MediaDirection, MediaLine, NotAcceptable, PayloadFormat, SdpError
from signaling.sdp.audio import TELEPHONE_EVENT, direction_of, opus_format, packet_time_ms
from signaling.sdp.negotiation import LOWER_CASE_NAMES, OFFERED_EVENTS

PROFILE = "UDP/TLS/RTP/SAVPF"
PROFILES = frozenset({PROFILE, "UDP/TLS/RTP/SAVP"})
_DIGITS_TYPES = {8000: 101, 48000: 110}
_ICE_CHARS = re.compile(r"[A-Za-z0-9+/]+")
_HASHES = frozenset({"sha-256", "sha-384", "sha-512"})
_MAX_FINGERPRINTS = 8
_MID = re.compile(r"[!-~]{1,32}")
STREAM = "ringfork"

Address = tuple[str, int]


class DtlsRole(Enum):
    CLIENT = "client"
    SERVER = "server"


@dataclass(frozen=True, kw_only=True)
class LocalPeer:
    """What our path is called and where it is. fingerprints: (hash, value)."""

    address: Address
    username: str
    password: str
    fingerprints: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class RemotePeer:
    """What ICE and DTLS must know of the peer."""

    username: str
    password: str
    fingerprints: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class RemoteSound:
    """The peer's description, as far as it is of use. setup: active, passive or actpass."""

    peer: RemotePeer
    setup: str
    description: sdp.SessionDescription
    place: int
    formats: tuple[PayloadFormat, ...]

    @property
    def line(self) -> MediaLine:
        return self.description.media[self.place]

    @property
    def direction(self) -> MediaDirection:
        """As stated. Browsers write ``c=IN IP4 0.0.0.0`` until they know better: that is no hold here."""
        return direction_of(replace(self.description, connection=None), replace(self.line, connection=None))


@dataclass(frozen=True, kw_only=True)
class AgreedSound:
    """What both sides speak, as we see it; the same fields as RemoteMedia's."""

    codec: Codec
    payload_type: int
    receive_payload_type: int
    digits_payload_type: int | None
    receive_digits_payload_type: int | None
    direction: MediaDirection
    ptime_ms: int
    opus: OpusFormat


@dataclass(frozen=True, kw_only=True)
class LocalSound:
    """What stays the same in our descriptions of one call. opus_bitrate: 0 for no limit."""

    ssrc: int
    session_id: int
    opus_bitrate: int = 0

    @staticmethod
    def of(ssrc: int, *, opus_bitrate: int) -> "LocalSound":
        return LocalSound(ssrc=ssrc, session_id=secrets.randbits(62), opus_bitrate=opus_bitrate)


def read(text: str) -> RemoteSound:
    """Raises SdpError (400) for what cannot be read, NotAcceptable (488) for what cannot be carried."""
    description = sdp.parse(text)
    reasons = []
    for place, line in enumerate(description.media):
        reason = _problem(description, line)
        if reason is None:
            return _sound(description, place)
        reasons.append(f"line {place + 1} ({line.kind[:20]}): {reason}")
    raise NotAcceptable("no audio stream we can take: " + ("; ".join(reasons[:4]) or "no media lines"))


def _problem(description: sdp.SessionDescription, line: MediaLine) -> str | None:
    if line.kind != "audio":
        return "not audio"
    if line.port == 0:
        return "port 0"
    if line.protocol not in PROFILES:
        return f"expected {PROFILE}, found {line.protocol[:30]}"
    if not line.has("rtcp-mux"):
        return "expected a=rtcp-mux"
    if any(attribute.name == "ice-lite" for attribute in description.attributes):
        return "an ICE Lite peer, which never checks where it is"
    return None


def _sound(description: sdp.SessionDescription, place: int) -> RemoteSound:
    line = description.media[place]
    peer = RemotePeer(
        username=_credential(description, line, "ice-ufrag", 4),
        password=_credential(description, line, "ice-pwd", 22),
        fingerprints=_fingerprints(description, line),
    )
    setup = (description.value_for(line, "setup") or "actpass").lower()
    if setup not in ("active", "passive", "actpass"):
        raise SdpError(f"a=setup: expected active, passive or actpass, found {setup[:20]!r}")
    return RemoteSound(peer=peer, setup=setup, description=description, place=place, formats=sdp.payload_formats(line))


def _credential(description: sdp.SessionDescription, line: MediaLine, name: str, least: int) -> str:
    value = description.value_for(line, name) or ""
    if not least <= len(value) <= 256 or not _ICE_CHARS.fullmatch(value):
        raise SdpError(f"a={name}: expected {least} to 256 letters, digits, + and /, found {value[:20]!r}")
    return value


def _fingerprints(description: sdp.SessionDescription, line: MediaLine) -> tuple[tuple[str, str], ...]:
    """Those with a hash we know; all of them must match. Source: RFC 8122 5."""
    stated = line.values("fingerprint") or tuple(
        attribute.value or "" for attribute in description.attributes if attribute.name == "fingerprint"
    )
    pairs = [tuple(value.split()) for value in stated[:_MAX_FINGERPRINTS]]
    known = tuple((pair[0].lower(), pair[1].upper()) for pair in pairs if len(pair) == 2 and pair[0].lower() in _HASHES)
    if not known:
        raise NotAcceptable(f"a=fingerprint: expected one with {', '.join(sorted(_HASHES))}, found none")
    return known


def agree(
    theirs: RemoteSound, codecs: Sequence[Codec], *, preferred: Codec | None = None, sent: MediaLine | None = None
) -> AgreedSound:
    """What to speak: ``preferred`` if it is there, else the first of ours that the peer has; raises NotAcceptable.

    sent: our offer's line, if theirs is the answer to it. Then the first of theirs counts. Source: RFC 3264 6.1, 7.
    """
    ours = sdp.payload_formats(sent) if sent is not None else theirs.formats
    common = [
        (codec, found)
        for codec in codecs
        for found in theirs.formats
        if _is(codec, found) and any(_is(codec, other) for other in ours)
    ]
    if not common:
        raise NotAcceptable(f"none of our codecs among {' '.join(theirs.line.formats[:16])}")
    if sent is not None:
        common.sort(key=lambda pair: theirs.formats.index(pair[1]))
    codec, found = next((pair for pair in common if pair[0] == preferred and sent is None), common[0])
    digits, our_digits = _digits(theirs.formats, codec), _digits(ours, codec)
    direction = theirs.direction.answered_by(MediaDirection.SENDRECV)
    return AgreedSound(
        codec=codec,
        payload_type=found.payload_type,
        receive_payload_type=next(other.payload_type for other in ours if _is(codec, other)),
        digits_payload_type=digits.payload_type if digits and our_digits else None,
        receive_digits_payload_type=our_digits.payload_type if digits and our_digits else None,
        direction=direction,
        ptime_ms=packet_time_ms(theirs.line, wish_ms=20),
        opus=opus_format(found.parameters),
    )


def offered_codecs(theirs: RemoteSound, codecs: Sequence[Codec]) -> tuple[Codec, ...]:
    """Those of ours that the peer has, in our order."""
    return tuple(codec for codec in codecs if any(_is(codec, found) for found in theirs.formats))


def _is(codec: Codec, found: PayloadFormat) -> bool:
    return (found.name, found.clock_rate_hz, found.channels) == (codec.name, codec.clock_rate_hz, codec.channels)


def _digits(formats: Sequence[PayloadFormat], codec: Codec) -> PayloadFormat | None:
    """Source: RFC 4733 2.4 (same clock as the sound)."""
    wanted = (TELEPHONE_EVENT, codec.clock_rate_hz)
    return next((found for found in formats if (found.name, found.clock_rate_hz) == wanted), None)


def offer(
    local: LocalPeer,
    sound: LocalSound,
    codecs: Sequence[Codec],
    *,
    version: int,
    beside: MediaLine | None = None,
) -> sdp.SessionDescription:
    """One stream with these codecs, best first, and telephone-events for the clock of each.

    beside: a section of pictures on the same transport, whose payload types stand as they are.
    """
    taken = set(beside.formats) if beside is not None else set()
    formats = [_our_format(codec, _free(codec.payload_type, taken), sound) for codec in codecs]
    for rate_hz in dict.fromkeys(codec.clock_rate_hz for codec in codecs):
        number = _free(_DIGITS_TYPES[rate_hz], taken | {str(found.payload_type) for found in formats})
        formats.append(PayloadFormat(number, TELEPHONE_EVENT, rate_hz, 1, OFFERED_EVENTS))
    line = _line(local, sound, formats, mid="0", setup="actpass", direction=MediaDirection.SENDRECV)
    if beside is None:
        return _describe(local, sound, (line,), version=version, bundle="0")
    return _describe(local, sound, (line, beside), version=version, bundle=f"0 {mid_of(beside)}")


def settled(sent: sdp.SessionDescription, theirs: RemoteSound) -> sdp.SessionDescription:
    """Our offer after their answer: what they refused is refused from now on. Source: RFC 3264 6, 8.2."""
    answered = theirs.description.media
    lines = tuple(
        _refused(line) if place < len(answered) and answered[place].port == 0 else line
        for place, line in enumerate(sent.media)
    )
    left = " ".join(mid_of(line) for line in lines if line.port)
    attributes = tuple(
        Attribute("group", f"BUNDLE {left}") if attribute.name == "group" else attribute
        for attribute in sent.attributes
    )
    return replace(sent, media=lines, attributes=attributes)


def offer_again(described: sdp.SessionDescription, *, version: int) -> sdp.SessionDescription:
    """What was described last, as an offer: line by line as it is. Source: RFC 3264 8; RFC 8842 5.1 (setup)."""
    lines = tuple(
        replace(
            line,
            attributes=tuple(
                Attribute("setup", "actpass") if attribute.name == "setup" else attribute
                for attribute in line.attributes
            ),
        )
        for line in described.media
    )
    return replace(described, media=lines, origin=replace(described.origin, version=str(version)))


def _free(number: int, taken: set[str]) -> int:
    """A payload type of ours, or where it is taken another. There are more than a section may have."""
    numbers: tuple[int, ...] = (number, *range(127, 95, -1), *range(63, 34, -1))
    return next(found for found in numbers if str(found) not in taken)


def answer(
    theirs: RemoteSound,
    agreed: AgreedSound,
    local: LocalPeer,
    sound: LocalSound,
    *,
    role: DtlsRole,
    version: int,
    beside: tuple[int, MediaLine] | None = None,
) -> sdp.SessionDescription:
    """Every other stream is refused, but for the one beside the sound: its place, and what is answered there.

    Source: RFC 3264 6; RFC 8829 5.3.1; RFC 9143 7.3 (bundle).
    """
    formats = [_our_format(agreed.codec, agreed.receive_payload_type, sound)]
    if agreed.receive_digits_payload_type is not None:
        rate_hz = agreed.codec.clock_rate_hz
        formats.append(PayloadFormat(agreed.receive_digits_payload_type, TELEPHONE_EVENT, rate_hz, 1, OFFERED_EVENTS))
    mid = mid_of(theirs.line)
    setup = setup_of(role)
    line = _line(local, sound, formats, mid=mid, setup=setup, direction=agreed.direction)
    line = replace(line, protocol=theirs.line.protocol)
    accepted = {theirs.place: line, **({} if beside is None else {beside[0]: beside[1]})}
    lines = tuple(accepted.get(place) or _refused(other) for place, other in enumerate(theirs.description.media))
    bundle = " ".join(mid_of(accepted[place]) for place in sorted(accepted)) if bundled(theirs.description, mid) else ""
    return _describe(local, sound, lines, version=version, bundle=bundle)


def bundled(description: sdp.SessionDescription, mid: str) -> frozenset[str]:
    """The sections that share a transport with this one, itself too; none for one that is in no bundle."""
    groups = [attribute.value or "" for attribute in description.attributes if attribute.name == "group"]
    members = (group.split()[1:] for group in groups if group.startswith("BUNDLE"))
    return next((frozenset(group) for group in members if mid and mid in group), frozenset())


def setup_of(role: DtlsRole) -> str:
    return "active" if role is DtlsRole.CLIENT else "passive"


def role_in_answer(theirs: RemoteSound) -> DtlsRole:
    """Ours, when theirs is the offer: client, if we may, since then nobody else's hello counts. RFC 8842 5.3."""
    return DtlsRole.SERVER if theirs.setup == "active" else DtlsRole.CLIENT


def role_after_offer(theirs: RemoteSound) -> DtlsRole:
    """Ours, when theirs is the answer. Source: RFC 8842 5.4."""
    return DtlsRole.CLIENT if theirs.setup == "passive" else DtlsRole.SERVER


def mid_of(line: MediaLine) -> str:
    """ "" for one without, or with one that is none."""
    mid = line.value("mid") or ""
    return mid if _MID.fullmatch(mid) else ""


def _our_format(codec: Codec, payload_type: int, sound: LocalSound) -> PayloadFormat:
    if codec != OPUS:
        return PayloadFormat(payload_type, codec.name, codec.clock_rate_hz)
    parameters = "minptime=10;useinbandfec=1;stereo=0;sprop-stereo=0"
    if sound.opus_bitrate:
        parameters += f";maxaveragebitrate={sound.opus_bitrate}"
    return PayloadFormat(payload_type, codec.name, codec.clock_rate_hz, codec.channels, parameters)


def _line(
    local: LocalPeer,
    sound: LocalSound,
    formats: Sequence[PayloadFormat],
    *,
    mid: str,
    setup: str,
    direction: MediaDirection,
) -> MediaLine:
    attributes = transport_attributes(local, mid=mid, setup=setup)
    attributes.append(Attribute(direction.value))
    for found in formats:
        name = found.name.lower() if found.name in LOWER_CASE_NAMES else found.name
        channels = f"/{found.channels}" if found.channels > 1 else ""
        attributes.append(Attribute("rtpmap", f"{found.payload_type} {name}/{found.clock_rate_hz}{channels}"))
        if found.parameters:
            attributes.append(Attribute("fmtp", f"{found.payload_type} {found.parameters}"))
    attributes += [
        Attribute("ptime", "20"),
        Attribute("msid", f"{STREAM} {STREAM}-audio"),
        Attribute("ssrc", f"{sound.ssrc} cname:{STREAM}"),
        *candidate_attributes(local),
    ]
    return media_line("audio", local, [found.payload_type for found in formats], attributes)


def transport_attributes(local: LocalPeer, *, mid: str, setup: str) -> list[Attribute]:
    attributes = [Attribute("rtcp-mux"), Attribute("ice-ufrag", local.username), Attribute("ice-pwd", local.password)]
    attributes += [Attribute("fingerprint", f"{algorithm} {value}") for algorithm, value in local.fingerprints]
    attributes.append(Attribute("setup", setup))
    if mid:
        attributes.append(Attribute("mid", mid))
    return attributes


def candidate_attributes(local: LocalPeer) -> tuple[Attribute, Attribute]:
    """Said in each section of a bundle: peers look in the one that comes first.

    One component, the highest type preference: there is no other candidate. Source: RFC 8445 5.1.2.1.
    """
    host, port = local.address
    return Attribute("candidate", f"1 1 udp 2130706431 {host} {port} typ host"), Attribute("end-of-candidates")


def media_line(kind: str, local: LocalPeer, payload_types: Sequence[int], attributes: Sequence[Attribute]) -> MediaLine:
    host, port = local.address
    return MediaLine(
        kind=kind,
        port=port,
        protocol=PROFILE,
        formats=tuple(str(number) for number in payload_types),
        connection=sdp.Connection(host),
        attributes=tuple(attributes),
    )


def _refused(line: MediaLine) -> MediaLine:
    mid = mid_of(line)
    attributes = (Attribute("mid", mid), Attribute("inactive")) if mid else (Attribute("inactive"),)
    return MediaLine(kind=line.kind, port=0, protocol=line.protocol, formats=line.formats, attributes=attributes)


def _describe(
    local: LocalPeer, sound: LocalSound, lines: tuple[MediaLine, ...], *, version: int, bundle: str
) -> sdp.SessionDescription:
    attributes = [Attribute("msid-semantic", f"WMS {STREAM}")]
    if bundle:
        attributes.insert(0, Attribute("group", f"BUNDLE {bundle}"))
    return sdp.SessionDescription(
        origin=sdp.Origin(session_id=str(sound.session_id), version=str(version), address=local.address[0]),
        media=lines,
        attributes=tuple(attributes),
    )
