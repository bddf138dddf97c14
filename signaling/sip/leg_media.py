"""The sound of a SIP leg: its port in the engine, and offer and answer over it.

Owns the MediaPort from open to close and what was agreed; knows SDP and RTP addresses, no dialog. Whoever runs the
dialog says which body is an offer and which an answer.
Source: RFC 3264; RFC 6337 2 (which message carries which); reliability checks R-09, S-10.
"""

import secrets
from collections.abc import Callable, Sequence
from typing import Protocol

from media import opus
from media.codec import CODECS, G711, OPUS, Codec
from media.engine import Engine, MediaPort, PortEvent, RemoteMedia
from signaling import sdp
from signaling.sdp import LocalMedia, Negotiated, SessionDescription, SrtpOffer
from signaling.video import Video

FIRST_PACKET_S = 30.0
SILENCE_S = 15.0
_BY_NAME = {codec.name: codec for codec in CODECS if codec != OPUS or opus.IS_AVAILABLE}


def codecs_named(names: Sequence[str]) -> tuple[Codec, ...]:
    """Codecs of ours with these names, in that order; G.711 if none is known."""
    known = tuple(_BY_NAME[name.upper()] for name in names if name.upper() in _BY_NAME)
    return known or G711


class LegAudio(Protocol):
    """What a leg, and whoever runs its dialog, need of its sound: LegMedia for RTP, WebLegMedia for browsers.

    is_slow: descriptions take time there; ``prepare`` first, then they are at hand.
    """

    learn_from: str | None

    @property
    def port(self) -> MediaPort: ...
    @property
    def is_slow(self) -> bool: ...
    @property
    def is_agreed(self) -> bool: ...
    @property
    def codec_names(self) -> tuple[str, ...]: ...
    @property
    def codec_choices(self) -> tuple[str, ...]: ...
    @property
    def wants_another(self) -> bool:
        """Another codec is preferred than the one agreed on, and ``offer_anew`` can bring it."""
        ...

    @property
    def offer_is_open(self) -> bool: ...
    @property
    def is_held(self) -> bool: ...
    @property
    def video(self) -> Video | None: ...

    def show(self, video: Video | None) -> None:
        """As signaling/leg.py has it."""
        ...

    async def prepare(self, offer: bytes) -> None:
        """Make what ``answer`` to this offer, or without one ``offer``, will give. Raises PeerError."""
        ...

    def prefer(self, codec_names: Sequence[str]) -> None:
        """Speak one of these if both sides can: in the answer to come, or after it by ``offer_anew``."""
        ...

    def examine(self, offer: bytes) -> None: ...
    def offer(self) -> bytes: ...
    def repeat_offer(self) -> bytes: ...
    def offer_anew(self) -> bytes: ...
    def withdraw_offer(self) -> None: ...
    def answer(self, offer: bytes) -> bytes: ...
    def accept(self, answer: bytes, *, final: bool = True) -> None: ...
    def settle_early(self) -> None: ...
    def settle(self) -> bool: ...
    def watch(self) -> None: ...
    def close(self) -> None: ...


class _Relay:
    """Events of a port to its leg until the port is closed; afterwards nothing ties the two together."""

    __slots__ = ("target",)

    def __init__(self, target: Callable[[PortEvent], None]) -> None:
        self.target: Callable[[PortEvent], None] | None = target

    def __call__(self, event: PortEvent) -> None:
        if self.target is not None:
            self.target(event)


class LegMedia:
    """The audio of one leg. Opens the port at once and raises PortsExhausted when there is none left.

    learn_from: host the signalling comes from, for RTP from behind NAT; None until it is known. An IPv6 one is no help.
    is_private: the signalling cannot be read on its way, so keys for SRTP may go over it; they are offered for phones
    that can. advertised_address: told in descriptions instead of the port's own.
    """

    def __init__(
        self,
        engine: Engine,
        on_event: Callable[[PortEvent], None],
        *,
        codecs: Sequence[Codec] = G711,
        learn_from: str | None,
        is_private: bool = False,
        advertised_address: str = "",
    ) -> None:
        self._relay = _Relay(on_event)
        self.port: MediaPort = engine.open_port(self._relay)
        self.learn_from = learn_from
        self._codecs = tuple(codecs)
        address, number = self.port.address
        offer = SrtpOffer.OPTIONAL if is_private else SrtpOffer.NONE
        self._local = LocalMedia(
            address=address,
            port=number,
            session_id=secrets.randbits(31),
            srtp=offer,
            advertised_address=advertised_address,
        )
        self._described: SessionDescription | None = None
        self._offered: SessionDescription | None = None
        self._theirs: tuple[Codec, ...] = ()
        self._examined: tuple[bytes, SessionDescription] | None = None
        self._preferred: Codec | None = None
        self._watching = False
        self._is_settled_early = False
        self.agreed: Negotiated | None = None

    @property
    def is_slow(self) -> bool:
        return False

    @property
    def is_agreed(self) -> bool:
        return self.agreed is not None

    async def prepare(self, offer: bytes) -> None:
        """Nothing: descriptions are made as they are needed."""

    @property
    def codec_names(self) -> tuple[str, ...]:
        """What was agreed, or what can still be."""
        if self.agreed is not None:
            return (self.agreed.codec.name,)
        return tuple(codec.name for codec in self._theirs or self._codecs)

    @property
    def codec_choices(self) -> tuple[str, ...]:
        """An offer of theirs told what else they can do."""
        return tuple(dict.fromkeys([*self.codec_names, *(codec.name for codec in self._theirs)]))

    @property
    def wants_another(self) -> bool:
        return self.agreed is not None and self._preferred not in (None, self.agreed.codec)

    def prefer(self, codec_names: Sequence[str]) -> None:
        agreed = self.agreed
        if agreed is not None and agreed.codec.name in codec_names:
            self._preferred = agreed.codec
        else:
            self._preferred = next((codec for codec in self._theirs if codec.name in codec_names), None)

    @property
    def offer_is_open(self) -> bool:
        """We offered and have no answer yet."""
        return self._offered is not None and not self._is_settled_early

    @property
    def is_held(self) -> bool:
        return self.agreed is not None and self.agreed.held

    @property
    def video(self) -> Video | None:
        """None: over RTP there is sound alone."""
        return None

    def show(self, video: Video | None) -> None:
        """Nothing."""

    def examine(self, offer: bytes) -> None:
        """Look at an offer before it is answered. Raises SdpError or NotAcceptable."""
        described = sdp.parse(offer)
        self._theirs = sdp.offered_codecs(described, self._codecs)
        self._examined = offer, described

    def offer(self) -> bytes:
        """Our offer of all we can. Source: RFC 6337 5.2.1 (also to a re-INVITE without one)."""
        if self._offered is None:
            self._offered = sdp.create_offer(self._local, codecs=self._codecs, previous=self._described)
        return sdp.serialise(self._offered)

    def repeat_offer(self) -> bytes:
        """What was agreed, offered again as it is, so that a session refresh changes nothing. RFC 4028 7.4."""
        agreed = self.agreed
        if self._offered is None and agreed is not None:
            self._offered = sdp.create_offer(
                self._local, codecs=(agreed.codec,), direction=agreed.direction, previous=self._described
            )
        return self.offer()

    def offer_anew(self) -> bytes:
        """What is preferred now, and behind it what is spoken, for a peer that changed its mind."""
        agreed, preferred = self.agreed, self._preferred
        if self._offered is None and agreed is not None and preferred is not None:
            self._offered = sdp.create_offer(
                self._local,
                codecs=(preferred, agreed.codec),
                direction=agreed.direction,
                previous=self._described,
            )
        return self.repeat_offer()

    def withdraw_offer(self) -> None:
        """Our offer was refused: what was agreed before still holds. Source: RFC 3264 8."""
        self._offered = None

    def answer(self, offer: bytes) -> bytes:
        """Answer an offer and connect the port to it. Raises SdpError or NotAcceptable and then changes nothing."""
        preferred = self.agreed.codec if self.agreed is not None else self._preferred
        examined, self._examined = self._examined, None
        theirs = examined[1] if examined is not None and examined[0] == offer else sdp.parse(offer)
        described, agreed = sdp.create_answer(
            theirs, self._local, codecs=self._codecs, preferred=preferred, previous=self._described
        )
        self._described = described
        self._connect(agreed)
        return sdp.serialise(described)

    def accept(self, answer: bytes, *, final: bool = True) -> None:
        """Their answer to our offer. Raises SdpError or NotAcceptable.

        final: False for early media, which another early dialog or the 2xx may replace.
        """
        if self._offered is None:
            return
        agreed = sdp.accept_answer(self._offered, sdp.parse(answer), local=self._local, codecs=self._codecs)
        if final:
            self._described, self._offered = self._offered, None
        self._connect(agreed)

    def settle_early(self) -> None:
        """A reliable early answer is the answer: offers may follow, and other early dialogs may bring theirs."""
        self._described = self._offered
        self._is_settled_early = True

    def settle(self) -> bool:
        """The 2xx came: what was agreed until now is final. False if that is nothing."""
        if self.agreed is None:
            return False
        if self._offered is not None and not self._is_settled_early:
            self._described = self._offered
        self._offered, self._is_settled_early = None, False
        return True

    def watch(self) -> None:
        """From now on (answered) silence ends the call, unless one side holds it."""
        self._watching = True
        self._arm()

    def close(self) -> None:
        self._watching = False
        self._relay.target = None
        self.port.close()

    def _connect(self, agreed: Negotiated) -> None:
        self.agreed = agreed
        self.port.connect(
            RemoteMedia(
                address=agreed.remote,
                rtcp_address=agreed.remote_rtcp,
                codec=agreed.codec,
                payload_type=agreed.payload_type,
                digits_payload_type=agreed.digits_payload_type,
                send=agreed.send,
                receive=agreed.receive,
                ptime_ms=agreed.ptime_ms,
                learn_from=self.learn_from if self.learn_from and ":" not in self.learn_from else None,
                rtcp_mux=agreed.rtcp_mux,
                srtp=agreed.srtp,
                receive_payload_type=agreed.receive_payload_type,
                receive_digits_payload_type=agreed.receive_digits_payload_type,
                opus=agreed.opus,
            )
        )
        if self._watching:
            self._arm()

    def _arm(self) -> None:
        agreed = self.agreed
        if agreed is not None and agreed.receive and not agreed.held:
            self.port.watch(first_packet_s=FIRST_PACKET_S, silence_s=SILENCE_S)
        else:
            self.port.watch(first_packet_s=None, silence_s=None)
