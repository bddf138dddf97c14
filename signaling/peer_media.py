"""The sound of a WebRTC peer, as the legs that signal for it see it.

Pure: the contract between a leg (voice_sdk/leg.py, SIP over WebSocket) and what does ICE, DTLS and SRTP for it
(signaling/webrtc.py). The peer keeps one MediaPort for life; ``restart`` swaps the connection below it, so that a
bridge and a recording go on.
Source: design.md D3; voice-sdk.md 6 of the specification; RFC 8829 (offer and answer); RFC 8445 9 (ICE restart).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from media.engine import MediaPort
    from signaling.video import Video


@dataclass(frozen=True)
class Connected:
    """ICE and DTLS are up; sound may flow. Again after every restart."""


@dataclass(frozen=True)
class Failed:
    """No path, or none any more: set-up failed, or nothing was heard of the peer for too long. It may come back."""

    reason: str = ""


@dataclass(frozen=True)
class Gone:
    """The peer closed its connection (DTLS close_notify). Never told for a connection that restart replaced."""


@dataclass(frozen=True)
class Digit:
    """One key, from RFC 4733 packets."""

    digit: str
    duration_ms: int = 0


PeerMediaEvent: TypeAlias = Connected | Failed | Gone | Digit


class PeerMedia(Protocol):
    """One peer's sound. Descriptions are SDP texts; a far one that cannot be used raises PeerError."""

    @property
    def port(self) -> "MediaPort":
        """There from the start until ``close``."""
        ...

    @property
    def codec_names(self) -> tuple[str, ...]:
        """The codec agreed on; until then those that can still be, best first."""
        ...

    def prefer(self, codec_names: Sequence[str]) -> None:
        """Agree on one of these if the peer can. Of no effect once a codec is agreed on."""
        ...

    @property
    def video(self) -> "Video | None":
        """The peer's pictures as they are agreed on; None if it shows and sees none."""
        ...

    def offered_video(self, offer: str) -> "Video | None":
        """What a peer's offer has of pictures that can be passed on; None too for an offer that cannot be taken."""
        ...

    def show(self, video: "Video | None") -> None:
        """Whose pictures the peer may see, and who sees the peer's; None: nobody. For the next offer or answer."""
        ...

    async def offer(self) -> str:
        """Our complete offer, with every candidate in it."""
        ...

    async def accept_answer(self, answer: str) -> None:
        """The far answer to our offer."""
        ...

    async def answer(self, offer: str) -> str:
        """Our complete answer to the far end's first offer."""
        ...

    async def restart(self, offer: str) -> str:
        """Answer an offer on a fresh connection; the old one goes when the new one is up, or at once if it is dead."""
        ...

    def close(self) -> None:
        """Idempotent, never waits; no event follows."""
        ...


class PeerMediaFactory(Protocol):
    """codec_names: what to agree on, best first. Raises GatewayError or PortsExhausted when there is no room."""

    def __call__(self, *, codec_names: Sequence[str], on_event: Callable[[PeerMediaEvent], None]) -> PeerMedia: ...
