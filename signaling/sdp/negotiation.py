"""Offer and answer for one audio stream.

Pure: descriptions in, a description and what was agreed out. Owns which codec, payload types, addresses and direction
two sides end up with, and the version number of our ``o=``. One audio stream is taken (the first we can), every other
media line is answered with port 0. Encrypted profiles are taken with keys in the description (crypto.py); with DTLS
they are refused by reason, because browsers do not come this way.
Source: RFC 3264 5, 6, 7, 8; RFC 4733 2.4 (telephone-event); RFC 5761 5.1 (rtcp-mux).
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from media.codec import Codec
from media.opus import OpusFormat
from media.srtp import SrtpKeys
from signaling.sdp.audio import (
    TELEPHONE_EVENT,
    MediaDirection,
    PayloadFormat,
    direction_of,
    events,
    ipv4,
    is_usable_remote,
    opus_format,
    packet_time_ms,
    payload_formats,
    rtcp_address,
)
from signaling.sdp.crypto import (
    SECURE_PROFILES,
    KeySource,
    SrtpOffer,
    agreed_keys,
    answer_to,
    crypto_lines,
    new_lines,
)
from signaling.sdp.description import (
    Attribute,
    Connection,
    MediaLine,
    NotAcceptable,
    Origin,
    SessionDescription,
)

_PROFILES = frozenset({"RTP/AVP", "RTP/AVPF"})
_DTLS_PROFILES = frozenset({"UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF"})

DIGITS_PAYLOAD_TYPE = 101
OFFERED_EVENTS = "0-16"
LOWER_CASE_NAMES = frozenset({TELEPHONE_EVENT, "OPUS"})


@dataclass(frozen=True, kw_only=True)
class LocalMedia:
    """Our side of the stream. version: used for the first description only; later ones count from ``previous``.

    advertised_address: where the peer reaches ``address``, if not there. srtp: how our offers speak of it; theirs with
    keys are always taken. key_source: where our keys come from.
    """

    address: str
    port: int
    session_id: int
    version: int = 1
    ptime_ms: int = 20
    rtcp_mux: bool = False
    own_addresses: frozenset[str] = frozenset()
    advertised_address: str = ""
    srtp: SrtpOffer = SrtpOffer.NONE
    key_source: KeySource = secrets.token_bytes

    @property
    def shown_address(self) -> str:
        return self.advertised_address or self.address


@dataclass(frozen=True, kw_only=True)
class Negotiated:
    """What both sides agreed to, from our side.

    payload_type, digits_payload_type: what we send with; the ``receive_`` ones: what the peer sends with (they differ
    only where a peer numbers dynamic types in its own way). digits_payload_type is None without telephone-event.
    remote, remote_rtcp: None where nothing may be sent to (held by 0.0.0.0, or an address that
    ``is_usable_remote`` refuses). held: the peer does not want our audio and agreed not to get any.
    opus: how the peer wants Opus. srtp: keys of both directions; None: in the clear.
    """

    codec: Codec
    payload_type: int
    receive_payload_type: int
    digits_payload_type: int | None
    receive_digits_payload_type: int | None
    digit_events: frozenset[int]
    remote: tuple[str, int] | None
    remote_rtcp: tuple[str, int] | None
    rtcp_mux: bool
    direction: MediaDirection
    held: bool
    ptime_ms: int
    opus: OpusFormat = OpusFormat()
    srtp: SrtpKeys | None = None

    @property
    def send(self) -> bool:
        return self.direction.send

    @property
    def receive(self) -> bool:
        return self.direction.receive


@dataclass(frozen=True)
class _Choice:
    """A media line's formats matched with ours: codecs in the peer's order, and its telephone-event."""

    codecs: tuple[tuple[Codec, PayloadFormat], ...]
    formats: tuple[PayloadFormat, ...]

    def digits(self, codec: Codec) -> PayloadFormat | None:
        """The telephone-event with the codec's clock. Source: RFC 4733 2.4 (same clock as the audio)."""
        for found in self.formats:
            if found.name == TELEPHONE_EVENT and found.clock_rate_hz == codec.clock_rate_hz:
                return found
        return None


def create_offer(
    local: LocalMedia,
    *,
    codecs: Sequence[Codec],
    direction: MediaDirection = MediaDirection.SENDRECV,
    previous: SessionDescription | None = None,
) -> SessionDescription:
    """An offer of one audio stream with these codecs, best first, and telephone-event.

    previous: the last description we sent in this dialog. Its media lines keep their places (refused ones stay refused
    with port 0), its payload types keep their numbers, and the version goes up by one only if something changed.
    Source: RFC 3264 5.1, 8.
    """
    place, kept = _place_of_audio(previous)
    numbers = {found.name: found.payload_type for found in payload_formats(kept)} if kept else {}
    formats = [_our_format(codec, numbers.get(codec.name.upper(), codec.payload_type)) for codec in codecs]
    rates = dict.fromkeys(codec.clock_rate_hz for codec in codecs)
    taken = {found.payload_type for found in formats}
    for rate_hz in rates:
        number = numbers.get(TELEPHONE_EVENT, DIGITS_PAYLOAD_TYPE)
        while number in taken:
            number = number + 1 if number < 127 else 96
        taken.add(number)
        formats.append(PayloadFormat(number, TELEPHONE_EVENT, rate_hz, 1, OFFERED_EVENTS))
    protocol = "RTP/SAVP" if local.srtp is SrtpOffer.REQUIRED else "RTP/AVP"
    crypto = new_lines(local.key_source) if kept is None and local.srtp is not SrtpOffer.NONE else ()
    if kept is not None:
        protocol, crypto = kept.protocol, crypto_lines(kept)
    line = _our_line(
        local,
        protocol=protocol,
        formats=formats,
        direction=direction,
        mux=local.rtcp_mux,
        crypto=tuple(found.attribute for found in crypto),
    )
    if previous is None:
        media: tuple[MediaLine, ...] = (line,)
    else:
        refused = [_refused(other) for other in previous.media]
        refused[place : place + 1] = [line]
        media = tuple(refused)
    return _describe(local, media, previous)


def create_answer(
    offer: SessionDescription,
    local: LocalMedia,
    *,
    codecs: Sequence[Codec],
    preferred: Codec | None = None,
    direction: MediaDirection = MediaDirection.SENDRECV,
    previous: SessionDescription | None = None,
) -> tuple[SessionDescription, Negotiated]:
    """The answer to an offer, with one codec in it: ``preferred`` if offered, else the offerer's favourite of ours.

    codecs: those we can do. direction: what we would like; the offer limits it. previous: as in ``create_offer``.
    Raises NotAcceptable, saying for every media line why it cannot be taken. Source: RFC 3264 6.
    """
    place, choice = _usable_line(offer, codecs)
    line = offer.media[place]
    codec, theirs = _preferred(choice, preferred)
    digits = choice.digits(codec)
    their_direction = direction_of(offer, line)
    agreed = their_direction.answered_by(direction)
    mux = line.has("rtcp-mux")
    formats = [replace(theirs, parameters="")]
    if digits is not None:
        formats.append(replace(digits, parameters=OFFERED_EVENTS))
    secured = answer_to(line, _place_of_audio(previous)[1], local.key_source)
    ours = _our_line(
        local,
        protocol=line.protocol,
        formats=formats,
        direction=agreed,
        mux=mux,
        crypto=() if secured is None else (secured[0].attribute,),
    )
    media = tuple(ours if index == place else _refused(other) for index, other in enumerate(offer.media))
    return _describe(local, media, previous), _negotiated(
        offer,
        line,
        local,
        codec=codec,
        theirs=theirs,
        ours=theirs,
        digits=digits,
        our_digits=digits,
        direction=agreed,
        mux=mux,
        srtp=None if secured is None else secured[1],
    )


def accept_answer(
    offer_sent: SessionDescription, answer: SessionDescription, *, local: LocalMedia, codecs: Sequence[Codec]
) -> Negotiated:
    """What an answer to our offer agrees to. Raises NotAcceptable if the audio was refused or does not match.

    Tolerates an answer with other payload numbers than ours for the same codec, and one whose lines moved.
    """
    place, sent = _place_of_audio(offer_sent)
    if sent is None:
        raise NotAcceptable("answer: our offer had no audio")
    line = answer.media[place] if place < len(answer.media) else None
    if line is None or line.kind != "audio":
        line = next((other for other in answer.media if other.kind == "audio" and other.port), None)
    if line is None or line.port == 0:
        raise NotAcceptable("answer: the audio stream was refused")
    reason = (None if line.protocol in SECURE_PROFILES else _profile_problem(line)) or _address_problem(answer, line)
    if reason is not None:
        raise NotAcceptable(f"answer: {reason}")
    offered = _match(sent, codecs)
    choice = _match(line, [codec for codec, _ in offered.codecs])
    if not choice.codecs:
        raise NotAcceptable(f"answer: none of the codecs offered in it, found {' '.join(line.formats[:8])}")
    codec, theirs = choice.codecs[0]
    return _negotiated(
        answer,
        line,
        local,
        codec=codec,
        theirs=theirs,
        ours=next(found for ours, found in offered.codecs if ours == codec),
        digits=choice.digits(codec),
        our_digits=offered.digits(codec),
        direction=direction_of(answer, line).answered_by(direction_of(offer_sent, sent)),
        mux=line.has("rtcp-mux") and sent.has("rtcp-mux"),
        srtp=agreed_keys(sent, line),
    )


def offered_codecs(offer: SessionDescription, codecs: Sequence[Codec]) -> tuple[Codec, ...]:
    """Codecs of ours that the offerer can do, its favourite first. Raises NotAcceptable as ``create_answer`` does."""
    _, choice = _usable_line(offer, codecs)
    return tuple(codec for codec, _ in choice.codecs)


def _usable_line(offer: SessionDescription, codecs: Sequence[Codec]) -> tuple[int, _Choice]:
    reasons: list[str] = []
    for index, line in enumerate(offer.media):
        reason = _problem(offer, line)
        if reason is None:
            choice = _match(line, codecs)
            if choice.codecs:
                return index, choice
            reason = f"no codec of ours among {' '.join(line.formats[:8])}"
        reasons.append(f"line {index + 1} ({line.kind[:20]}): {reason}")
    raise NotAcceptable("no audio stream we can take: " + ("; ".join(reasons[:4]) or "no media lines"))


def _problem(offer: SessionDescription, line: MediaLine) -> str | None:
    if line.kind != "audio":
        return "not audio"
    if line.port == 0:
        return "port 0"
    return _profile_problem(line) or _address_problem(offer, line)


def _profile_problem(line: MediaLine) -> str | None:
    if line.protocol in _PROFILES or (line.protocol in SECURE_PROFILES and crypto_lines(line)):
        return None
    if line.protocol in SECURE_PROFILES:
        return f"{line.protocol}: no a=crypto that is supported here"
    if line.protocol in _DTLS_PROFILES:
        return f"{line.protocol}: encrypted media by DTLS is not supported here, RTP/SAVP with a=crypto is"
    return f"unknown transport {line.protocol[:30]}, expected RTP/AVP"


def _address_problem(description: SessionDescription, line: MediaLine) -> str | None:
    connection = description.connection_of(line)
    if connection is None:
        return "no c= line"
    if connection.network_type != "IN" or connection.address_type != "IP4":
        return f"address type {connection.address_type[:10]}: only IP4 is supported"
    address = ipv4(connection.address)
    if address is None:
        return f"expected an IPv4 address in c=, found {connection.address[:60]}"
    if address.is_multicast:
        return "multicast address"
    return None


def _match(line: MediaLine, codecs: Sequence[Codec]) -> _Choice:
    wanted = {(codec.name.upper(), codec.clock_rate_hz): codec for codec in codecs}
    formats = payload_formats(line)
    matched: dict[Codec, PayloadFormat] = {}
    for found in formats:
        codec = wanted.get((found.name, found.clock_rate_hz))
        if codec is not None and found.channels == codec.channels:
            matched.setdefault(codec, found)
    return _Choice(tuple(matched.items()), formats)


def _preferred(choice: _Choice, preferred: Codec | None) -> tuple[Codec, PayloadFormat]:
    for codec, found in choice.codecs:
        if codec == preferred:
            return codec, found
    return choice.codecs[0]


def _negotiated(
    description: SessionDescription,
    line: MediaLine,
    local: LocalMedia,
    *,
    codec: Codec,
    theirs: PayloadFormat,
    ours: PayloadFormat,
    digits: PayloadFormat | None,
    our_digits: PayloadFormat | None,
    direction: MediaDirection,
    mux: bool,
    srtp: SrtpKeys | None,
) -> Negotiated:
    connection = description.connection_of(line)
    assert connection is not None, "checked by _address_problem"
    own = local.own_addresses | {local.shown_address}
    usable = is_usable_remote(connection.address, local.address, own=own)
    rtcp = rtcp_address(line, connection.address) if usable else None
    if rtcp is not None and not is_usable_remote(rtcp[0], local.address, own=own):
        rtcp = None
    remote = (connection.address, line.port) if usable else None
    return Negotiated(
        codec=codec,
        payload_type=theirs.payload_type,
        receive_payload_type=ours.payload_type,
        digits_payload_type=digits.payload_type if digits else None,
        receive_digits_payload_type=our_digits.payload_type if digits and our_digits else None,
        digit_events=events(digits.parameters) if digits else frozenset(),
        remote=remote,
        remote_rtcp=remote if mux else rtcp,
        rtcp_mux=mux,
        direction=direction,
        held=not direction_of(description, line).receive,
        ptime_ms=packet_time_ms(line, wish_ms=local.ptime_ms),
        opus=opus_format(theirs.parameters),
        srtp=srtp,
    )


def _place_of_audio(description: SessionDescription | None) -> tuple[int, MediaLine | None]:
    """Index and line of the live audio stream in a description of ours; (0, None) without one."""
    if description is not None:
        for index, line in enumerate(description.media):
            if line.kind == "audio" and line.port:
                return index, line
    return 0, None


def _our_format(codec: Codec, payload_type: int) -> PayloadFormat:
    return PayloadFormat(payload_type, codec.name.upper(), codec.clock_rate_hz, codec.channels)


def _our_line(
    local: LocalMedia,
    *,
    protocol: str,
    formats: Sequence[PayloadFormat],
    direction: MediaDirection,
    mux: bool,
    crypto: tuple[Attribute, ...],
) -> MediaLine:
    attributes: list[Attribute] = list(crypto)
    for found in formats:
        # Lower case as RFC 4733 and RFC 7587 register them; some phones compare byte for byte.
        name = found.name.lower() if found.name in LOWER_CASE_NAMES else found.name
        channels = f"/{found.channels}" if found.channels > 1 else ""
        attributes.append(Attribute("rtpmap", f"{found.payload_type} {name}/{found.clock_rate_hz}{channels}"))
        if found.parameters:
            attributes.append(Attribute("fmtp", f"{found.payload_type} {found.parameters}"))
    attributes.append(Attribute("ptime", str(local.ptime_ms)))
    attributes.append(Attribute(direction.value))
    if mux:
        attributes.append(Attribute("rtcp-mux"))
    return MediaLine(
        kind="audio",
        port=local.port,
        protocol=protocol,
        formats=tuple(str(found.payload_type) for found in formats),
        attributes=tuple(attributes),
    )


def _refused(line: MediaLine) -> MediaLine:
    """The line with port 0; its formats stay, because the grammar wants at least one. Source: RFC 3264 6."""
    return MediaLine(kind=line.kind, port=0, protocol=line.protocol, formats=line.formats)


def _describe(
    local: LocalMedia, media: tuple[MediaLine, ...], previous: SessionDescription | None
) -> SessionDescription:
    """Our description; its version is the previous one's, plus one if anything differs. Source: RFC 3264 5, 8."""
    version = previous.origin.version if previous is not None else str(local.version)
    description = SessionDescription(
        origin=Origin(session_id=str(local.session_id), version=version, address=local.shown_address),
        connection=Connection(local.shown_address),
        media=media,
    )
    if previous is None or description == previous:
        return description
    return replace(description, origin=replace(description.origin, version=str(int(version) + 1)))
