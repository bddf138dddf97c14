"""A phone that seals what it says: pylibsrtp round the phone of phone.py, as an independent user of the library."""

from collections.abc import Callable
from dataclasses import dataclass

from pylibsrtp import Error, Policy, Session

from media.engine import SrtpKeys, SrtpSuite
from tests.media.phone import Phone, Rtp


def key(number: int, suite: SrtpSuite = SrtpSuite.AES_CM_128_80) -> bytes:
    return bytes((number + index) & 255 for index in range(suite.key_length))


def keys(suite: SrtpSuite = SrtpSuite.AES_CM_128_80) -> SrtpKeys:
    return SrtpKeys(suite=suite, send=key(1, suite), receive=key(100, suite))


@dataclass
class SealedPhone:
    """agreed: as the gateway has it; the phone's send is its receive."""

    phone: Phone
    agreed: SrtpKeys

    def __post_init__(self) -> None:
        profile = self.agreed.suite.profile
        self._tx = Session(Policy(key=self.agreed.receive, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile))
        self._rx = Session(Policy(key=self.agreed.send, ssrc_type=Policy.SSRC_ANY_INBOUND, srtp_profile=profile))

    def sealed(self) -> bytes:
        """The next packet of its tone."""
        return self._tx.protect(self.phone.packet())

    def say(self, packets: int) -> None:
        for _ in range(packets):
            self.phone.send(self.sealed())

    def report(self, octets: bytes) -> bytes:
        return self._tx.protect_rtcp(octets)

    def heard(self, datagrams: list[bytes]) -> list[Rtp]:
        """What of it opens with the agreed key."""
        return [Rtp.parse(octets, 0.0) for octets in _opened(datagrams, self._rx.unprotect)]

    def reports(self) -> list[bytes]:
        return _opened(self.phone.reports, self._rx.unprotect_rtcp)


def _opened(datagrams: list[bytes], unprotect: Callable[[bytes], bytes]) -> list[bytes]:
    opened = []
    for octets in datagrams:
        try:
            opened.append(unprotect(octets))
        except Error:
            continue
    return opened
