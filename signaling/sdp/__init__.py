"""SDP: reading and writing session descriptions, and the offer/answer of one audio stream. All of it pure."""

from signaling.sdp.audio import DIGIT_EVENTS, MediaDirection, PayloadFormat, is_usable_remote, payload_formats
from signaling.sdp.crypto import SrtpOffer
from signaling.sdp.description import (
    MAX_BYTES,
    Attribute,
    Connection,
    MediaLine,
    NotAcceptable,
    Origin,
    SdpError,
    SessionDescription,
    parse,
    serialise,
)
from signaling.sdp.negotiation import (
    LocalMedia,
    Negotiated,
    accept_answer,
    create_answer,
    create_offer,
    offered_codecs,
)

__all__ = [
    "DIGIT_EVENTS",
    "MAX_BYTES",
    "Attribute",
    "Connection",
    "LocalMedia",
    "MediaDirection",
    "MediaLine",
    "Negotiated",
    "NotAcceptable",
    "Origin",
    "PayloadFormat",
    "SdpError",
    "SessionDescription",
    "SrtpOffer",
    "accept_answer",
    "create_answer",
    "create_offer",
    "is_usable_remote",
    "offered_codecs",
    "parse",
    "payload_formats",
    "serialise",
]
