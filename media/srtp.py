"""SRTP on the event loop's side: suites, keys, and the sessions made of them.

Decides what a session allows (one key for all senders, no replays); who gets which key is signalling's. Packets are
sealed and opened by the media thread alone (kernel/srtp.py), which gets a session's address: whoever made the session
keeps it until the thread has let go of it (media/transport.py).
Source: RFC 3711; RFC 4568 6.2 and RFC 7714 14.2 (suites and their names).
"""

from dataclasses import dataclass, field
from enum import Enum

from pylibsrtp import Policy, Session
from pylibsrtp import _binding as libsrtp

REPLAY_WINDOW = 1024
"""Packets: what arrives later than that is not heard any more anyway."""


class SrtpSuite(Enum):
    """Suites as SDES names them, best first; key_length: octets of master key and salt together."""

    AEAD_AES_256_GCM = ("AEAD_AES_256_GCM", Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 44)
    AEAD_AES_128_GCM = ("AEAD_AES_128_GCM", Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 28)
    AES_CM_128_80 = ("AES_CM_128_HMAC_SHA1_80", Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 30)
    AES_CM_128_32 = ("AES_CM_128_HMAC_SHA1_32", Policy.SRTP_PROFILE_AES128_CM_SHA1_32, 30)

    def __init__(self, sdes_name: str, profile: int, key_length: int) -> None:
        self.sdes_name = sdes_name
        self.profile = profile
        self.key_length = key_length


@dataclass(frozen=True, kw_only=True)
class SrtpKeys:
    """What both directions are sealed with. send, receive: master key and salt, suite.key_length octets each."""

    suite: SrtpSuite
    send: bytes = field(repr=False)
    receive: bytes = field(repr=False)


class SrtpSessions:
    """The two sessions of a port, alive as long as this is."""

    def __init__(self, *, send: Session, receive: Session) -> None:
        self._send = send
        self._receive = receive

    @staticmethod
    def of(keys: SrtpKeys) -> "SrtpSessions":
        """Raises ValueError for a key of the wrong length."""
        for key in (keys.send, keys.receive):
            if len(key) != keys.suite.key_length:
                raise ValueError(f"expected {keys.suite.key_length} octets of key and salt, found {len(key)}")
        return SrtpSessions(
            send=_session(keys.suite, keys.send, Policy.SSRC_ANY_OUTBOUND),
            receive=_session(keys.suite, keys.receive, Policy.SSRC_ANY_INBOUND),
        )

    @property
    def addresses(self) -> tuple[int, int]:
        """For the media thread: libsrtp's contexts, (receive, send)."""
        return _address(self._receive), _address(self._send)


def _session(suite: SrtpSuite, key: bytes, ssrc_type: int) -> Session:
    policy = Policy(key=key, ssrc_type=ssrc_type, srtp_profile=suite.profile)
    policy.window_size = REPLAY_WINDOW
    # Only a sender's matter: a relayed phone may send a packet twice.
    policy.allow_repeat_tx = True
    return Session(policy)


def _address(session: Session) -> int:
    return int(libsrtp.ffi.cast("uintptr_t", session._srtp[0]))
