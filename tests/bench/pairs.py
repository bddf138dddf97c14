"""Which two parties an engine bench puts on a call: what each speaks, and whether it is sealed as a browser's sound is.

A browser's leg gets its SRTP keys at once in place of a DTLS handshake; from there on the engine cannot tell.
Pure. Source: RFC 3711; RFC 5764 (DTLS-SRTP agrees on such keys); RFC 7874 3 (Opus, PCMU).
"""

import secrets
from dataclasses import dataclass
from enum import Enum
from typing import Any

from media.codec import OPUS, PCMU, Codec
from media.srtp import SrtpKeys, SrtpSuite
from tests.bench import kernel

SUITE = SrtpSuite.AES_CM_128_80
"""What Chromium and Firefox use unless told otherwise."""


@dataclass(frozen=True)
class Party:
    """speech: what the load says, one of the kernel's values."""

    codec: Codec
    is_sealed: bool
    speech: int


_PHONE = Party(PCMU, is_sealed=False, speech=kernel.PCMU)


class Pair(Enum):
    """aim_percent: of a core, a call."""

    PHONES = ("phones", _PHONE, _PHONE, 0.06)
    BROWSER_PHONE = ("browser-phone", Party(PCMU, True, kernel.PCMU), _PHONE, 0.12)
    BROWSERS = ("browsers", Party(OPUS, True, kernel.OPUS_STAMPED), Party(OPUS, True, kernel.OPUS_STAMPED), 0.12)
    OPUS_PHONE = ("opus-phone", Party(OPUS, True, kernel.OPUS_GENUINE), _PHONE, 0.7)

    def __init__(self, called: str, first: Party, second: Party, aim_percent: float) -> None:
        self.called = called
        self.parties = (first, second)
        self.aim_percent = aim_percent

    @property
    def is_relayed(self) -> bool:
        first, second = self.parties
        return first.codec == second.codec

    @staticmethod
    def of(called: str) -> "Pair":
        return next(pair for pair in Pair if pair.called == called)

    def party(self, leg: int) -> Party:
        """Legs 2k and 2k + 1 are on one call."""
        return self.parties[leg % 2]


def new_keys(pair: Pair, legs: int) -> list[dict[str, str] | None]:
    """For each leg what the gateway seals with and the load seals with, as JSON carries it; None in the clear."""
    return [
        {side: secrets.token_hex(SUITE.key_length) for side in ("gateway", "load")}
        if pair.party(leg).is_sealed
        else None
        for leg in range(legs)
    ]


def keys_of(keys: dict[str, Any] | None, *, own: str) -> SrtpKeys | None:
    """own: ``gateway`` or ``load``."""
    if keys is None:
        return None
    other = {"gateway": "load", "load": "gateway"}[own]
    return SrtpKeys(suite=SUITE, send=bytes.fromhex(keys[own]), receive=bytes.fromhex(keys[other]))
