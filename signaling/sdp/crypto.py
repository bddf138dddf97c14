"""SDES: keys for SRTP inside a session description, ``a=crypto``.

Pure. Reads and writes the lines and picks a pair of them; whether encryption is wanted at all is negotiation.py's. The
keys are as safe as the signalling that carries them.
Source: RFC 4568 4, 5.1, 6.1-6.3, 9.1; RFC 7714 14.2 (AEAD suites); RFC 8643 (keys offered with plain RTP/AVP).
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from media.srtp import SrtpKeys, SrtpSuite
from signaling.sdp.description import Attribute, MediaLine, NotAcceptable

MAX_LINES = 16
OFFERED_SUITES = (SrtpSuite.AEAD_AES_256_GCM, SrtpSuite.AEAD_AES_128_GCM, SrtpSuite.AES_CM_128_80)
SECURE_PROFILES = frozenset({"RTP/SAVP", "RTP/SAVPF"})
_SUITES = {suite.sdes_name: suite for suite in SrtpSuite}

KeySource = Callable[[int], bytes]
"""So many octets that nobody can guess."""


class SrtpOffer(Enum):
    """How our offers speak of SRTP. OPTIONAL: keys beside plain RTP/AVP, for who can; REQUIRED: RTP/SAVP."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


@dataclass(frozen=True, kw_only=True)
class CryptoLine:
    """One usable ``a=crypto``. key: master key and salt."""

    tag: int
    suite: SrtpSuite
    key: bytes = field(repr=False)

    @property
    def attribute(self) -> Attribute:
        return Attribute("crypto", f"{self.tag} {self.suite.sdes_name} inline:{base64.b64encode(self.key).decode()}")


def crypto_lines(line: MediaLine) -> tuple[CryptoLine, ...]:
    """Those of a media line that we can do, in its order of preference."""
    read = (_read(value) for value in line.values("crypto")[:MAX_LINES])
    return tuple(found for found in read if found is not None)


def new_lines(source: KeySource) -> tuple[CryptoLine, ...]:
    """For an offer."""
    return tuple(
        CryptoLine(tag=tag, suite=suite, key=source(suite.key_length)) for tag, suite in enumerate(OFFERED_SUITES, 1)
    )


def answer_to(offered: MediaLine, previous: MediaLine | None, source: KeySource) -> tuple[CryptoLine, SrtpKeys] | None:
    """Our line for the offerer's favourite, and the keys of both; None if there is none we can do.

    previous: our line so far, whose key stays while tag and suite do. Source: RFC 4568 7.1.2, 7.1.4.
    """
    theirs = next(iter(crypto_lines(offered)), None)
    if theirs is None:
        return None
    kept = crypto_lines(previous) if previous is not None else ()
    ours = next((line for line in kept if (line.tag, line.suite) == (theirs.tag, theirs.suite)), None)
    if ours is None:
        ours = CryptoLine(tag=theirs.tag, suite=theirs.suite, key=source(theirs.suite.key_length))
    return ours, SrtpKeys(suite=ours.suite, send=ours.key, receive=theirs.key)


def agreed_keys(sent: MediaLine, answer: MediaLine) -> SrtpKeys | None:
    """What an answer chose of the keys in our offer; None where plain RTP was.

    Raises NotAcceptable for a choice that is not one of them, and for none where encryption was required.
    """
    chosen: Sequence[CryptoLine] = crypto_lines(answer)
    ours = {(line.tag, line.suite): line for line in crypto_lines(sent)}
    if not answer.has("crypto"):
        if sent.protocol in SECURE_PROFILES or answer.protocol in SECURE_PROFILES:
            raise NotAcceptable("answer: encrypted media without a=crypto")
        return None
    for theirs in chosen:
        line = ours.get((theirs.tag, theirs.suite))
        if line is not None:
            return SrtpKeys(suite=line.suite, send=line.key, receive=theirs.key)
    if not ours and answer.protocol not in SECURE_PROFILES:
        return None
    raise NotAcceptable("answer: a=crypto is none of those offered")


def _read(value: str) -> CryptoLine | None:
    """``tag suite inline:key[|lifetime][|MKI:length] [parameters]``.

    A key identifier would stand in every packet, and parameters change how packets look: with those the line is not
    usable, but for a window size, which is a wish, and what is marked as optional. Source: RFC 4568 6.1, 6.3.
    """
    fields = value.split()
    if len(fields) < 3 or not fields[0].isascii() or not fields[0].isdigit() or len(fields[0]) > 9:
        return None
    suite = _SUITES.get(fields[1].upper())
    method, _, described = fields[2].partition(":")
    if suite is None or method.lower() != "inline" or ";" in described:
        return None
    if not all(parameter.startswith(("-", "WSH=")) for parameter in fields[3:]):
        return None
    encoded, *restrictions = described.split("|")
    if any(":" in restriction for restriction in restrictions):
        return None
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(key) != suite.key_length:
        return None
    return CryptoLine(tag=int(fields[0]), suite=suite, key=key)
