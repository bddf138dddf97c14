"""One party of a call, whatever it is reached by: the contract between signaling and gateway.

Pure: no loop of its own, no clock, no socket. Owns the leg's states, its events and the causes it may end with.
A SIP dialog, a Voice SDK device and a WebRTC phone all look like ``Leg`` from above; who bridges, forks or records
them is the gateway's business.

Ownership: a leg owns its MediaPort and closes it when it ends. Whoever holds the leg may call ``hangup`` in every
state, any number of times. The last event of a leg is always exactly one ``Ended``.
Source: RFC 3261 12, 13 (dialog, early dialog); RFC 3264 (hold).
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from signaling.mailbox import Mailbox
from signaling.video import Video

if TYPE_CHECKING:
    from media.engine import MediaPort  # compiled: commands without sound must start without it


class Direction(Enum):
    INBOUND = "inbound"
    OUTBOUND = "outbound"


class LegState(Enum):
    """TRYING: asked for, nobody alerted. RINGING: alerting, early media or not. UP: answered. ENDED: over."""

    TRYING = "trying"
    RINGING = "ringing"
    UP = "up"
    ENDED = "ended"


class HangupCause(Enum):
    """Why a leg ended. The value is the word of logs and records; ``sip_status`` is what an INVITE is refused with."""

    NORMAL = "normal"
    BUSY = "busy"
    DECLINED = "declined"
    NO_ANSWER = "no-answer"
    CANCELED = "canceled"
    ANSWERED_ELSEWHERE = "answered-elsewhere"
    NOT_FOUND = "not-found"
    UNREACHABLE = "unreachable"
    NOT_ACCEPTABLE = "not-acceptable"
    FORBIDDEN = "forbidden"
    FAILED = "failed"
    MEDIA_TIMEOUT = "media-timeout"
    SESSION_EXPIRED = "session-expired"
    OVERLOAD = "overload"
    SHUTDOWN = "shutdown"

    @property
    def sip_status(self) -> int:
        """Final status for an INVITE that is refused for this cause."""
        return _SIP_STATUS[self]

    @staticmethod
    def from_sip_status(status: int) -> "HangupCause":
        """What a final response to our INVITE (300-699) means for the leg.

        Source: RFC 3261 21.4-21.6; shared mapping of <Dial>: 486 and 600 busy, 603 declined, 408 and 480 no answer.
        """
        known = _CAUSE_OF_STATUS.get(status)
        return known if known is not None else HangupCause.FAILED


_SIP_STATUS = {
    HangupCause.NORMAL: 480,
    HangupCause.BUSY: 486,
    HangupCause.DECLINED: 603,
    HangupCause.NO_ANSWER: 480,
    HangupCause.CANCELED: 487,
    HangupCause.ANSWERED_ELSEWHERE: 487,
    HangupCause.NOT_FOUND: 404,
    HangupCause.UNREACHABLE: 480,
    HangupCause.NOT_ACCEPTABLE: 488,
    HangupCause.FORBIDDEN: 403,
    HangupCause.FAILED: 500,
    HangupCause.MEDIA_TIMEOUT: 480,
    HangupCause.SESSION_EXPIRED: 408,
    HangupCause.OVERLOAD: 503,
    HangupCause.SHUTDOWN: 503,
}

_CAUSE_OF_STATUS = {
    403: HangupCause.FORBIDDEN,
    404: HangupCause.NOT_FOUND,
    408: HangupCause.NO_ANSWER,
    480: HangupCause.NO_ANSWER,
    486: HangupCause.BUSY,
    487: HangupCause.NO_ANSWER,
    488: HangupCause.NOT_ACCEPTABLE,
    600: HangupCause.BUSY,
    603: HangupCause.DECLINED,
    606: HangupCause.NOT_ACCEPTABLE,
}


@dataclass(frozen=True)
class Ringing:
    """The far end alerts (180, or 183 without a body)."""


@dataclass(frozen=True)
class EarlyMedia:
    """The far end sends audio before it answers; ``leg.media`` receives it from now on."""


@dataclass(frozen=True)
class Answered:
    """The far end picked up. headers: X- and other extension headers of the answer."""

    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DigitReceived:
    """One key, from RFC 4733 packets, SIP INFO or the detector: ``0-9 A-D # *``.

    is_in_media: it came with the sound, so a bridge carries it by itself; else whoever bridges has to pass it on.
    """

    digit: str
    duration_ms: int = 0
    is_in_media: bool = True


@dataclass(frozen=True)
class Held:
    """The far end put us on hold; its audio stops by agreement."""


@dataclass(frozen=True)
class Resumed:
    """The far end took us off hold."""


@dataclass(frozen=True)
class TransferRequested:
    """The far end asks that its party be sent elsewhere (REFER).

    target: a number or a SIP URI, from outside. is_accepted: the far end was told so; see Transferable.
    """

    target: str
    is_accepted: bool


@dataclass(frozen=True)
class Ended:
    """The leg is over. Always the last event, always exactly one.

    by_remote: the far end ended it. sip_status: final status of the INVITE if it never was answered.
    headers: X- headers of the BYE or of the final response.
    """

    cause: HangupCause
    by_remote: bool = False
    sip_status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


LegEvent = Ringing | EarlyMedia | Answered | DigitReceived | Held | Resumed | TransferRequested | Ended


class LegEvents:
    """The event stream of one leg: bounded, ends with exactly one ``Ended``.

    The leg posts, one consumer iterates. Events after ``Ended`` are dropped, as are digits and transfers that nobody
    reads once ``limit`` events wait; ``post`` answers False for what was dropped. ``Ended`` is never dropped.
    """

    def __init__(self, *, limit: int = 256) -> None:
        self._waiting: Mailbox[LegEvent] = Mailbox()
        self._limit = limit
        self._ended: Ended | None = None

    @property
    def ended(self) -> Ended | None:
        return self._ended

    def post(self, event: LegEvent) -> bool:
        if self._ended is not None:
            return False
        if isinstance(event, Ended):
            self._ended = event
        elif isinstance(event, (DigitReceived, TransferRequested)) and len(self._waiting) >= self._limit:
            return False
        self._waiting.post(event)
        return True

    async def __aiter__(self) -> AsyncIterator[LegEvent]:
        while True:
            event = await self._waiting.take()
            yield event
            if isinstance(event, Ended):
                return


@dataclass(frozen=True, kw_only=True)
class Party:
    """How one side of a call is named.

    address: ``+15550100``, ``client:alice`` or ``sip:bob@example.com``, as applications see it in From and To.
    """

    address: str
    display_name: str = ""


@dataclass(frozen=True, kw_only=True)
class SipDetails:
    """What an application is told about a SIP leg. Source: Twilio SIP and TwiML interaction."""

    call_id: str
    domain: str
    source_ip: str


class Leg(Protocol):
    """One party's dialog.

    ``headers``: extension headers of the INVITE that came in (inbound) or went out (outbound).
    ``caller_parameters``: what a Voice SDK device passed to ``connect``; empty for SIP.
    """

    @property
    def leg_id(self) -> str: ...
    @property
    def direction(self) -> Direction: ...
    @property
    def state(self) -> LegState: ...
    @property
    def caller(self) -> Party: ...
    @property
    def callee(self) -> Party: ...
    @property
    def device(self) -> str:
        """What carries the leg, for records and logs: ``sip:alice@192.0.2.7``, ``trunk:carrier``."""
        ...

    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def diversion(self) -> str | None:
        """Number or address the call was forwarded from. Source: RFC 5806."""
        ...

    @property
    def sip(self) -> SipDetails | None: ...
    @property
    def media(self) -> "MediaPort":
        """The leg's audio. Ownership stays with the leg."""
        ...

    @property
    def codec_names(self) -> tuple[str, ...]:
        """Audio codecs agreed, or while undecided those the far end can do, best first."""
        ...

    @property
    def codec_choices(self) -> tuple[str, ...]:
        """What may still come to be spoken, best first: beside the codec agreed on, those that a new offer could bring.

        Where the far end cannot be offered anew (a Voice SDK device) only the one that was agreed on.
        """
        ...

    @property
    def is_codec_final(self) -> bool:
        """Whether the first agreement stands for the whole call."""
        ...

    @property
    def events(self) -> LegEvents: ...

    async def ring(self) -> None:
        """Tell an inbound caller that the far end alerts (180). Nothing on a leg that is past that."""
        ...

    async def early_media(self) -> None:
        """Open audio towards an inbound caller before the answer (183). Nothing once answered."""
        ...

    async def answer(self) -> None:
        """Answer an inbound call (200). Returns when the answer is sent; nothing if already answered or over."""
        ...

    def hangup(self, cause: HangupCause = HangupCause.NORMAL) -> None:
        """End the leg, from every state: reject, CANCEL, BYE, or ACK then BYE for a 200 that crossed a CANCEL.

        Never waits: ``Ended`` is posted and the media port closed at once, the protocol finishes in the background.
        """
        ...

    def prefer(self, codec_names: Sequence[str]) -> None:
        """Speak one of these if the far end can, so that a bridge relays; never waits, and nobody is told if it fails.

        Before the answer it decides what is answered; afterwards it offers anew where ``codec_choices`` allows that.
        """
        ...

    async def send_digits(self, digits: str) -> None:
        """Play ``0-9 A-D # *`` to the far end; ``w`` waits 0.5 s, ``W`` 1 s. Returns when all are sent."""
        ...


@dataclass(frozen=True, kw_only=True)
class TransferResult:
    """sip_status: what REFER was answered. notify_status: the last status told of the new call. None: nothing came."""

    sip_status: int | None = None
    notify_status: int | None = None


@runtime_checkable
class Transferable(Protocol):
    """A leg whose far end can be sent elsewhere, or ask for it: SIP. Source: RFC 3515."""

    def accept_transfers(self, accepted: bool) -> None:
        """Whether the far end's own requests are accepted; they are declined until this says otherwise."""
        ...

    async def transfer(self, target: str, headers: Mapping[str, str]) -> TransferResult:
        """Ask the far end to call ``target``, a SIP URI. Returns what came of it; never raises for the network."""
        ...


@runtime_checkable
class Pictured(Protocol):
    """A leg whose far end may show and see pictures: a browser that speaks SIP."""

    @property
    def video(self) -> Video | None:
        """What the far end offers of pictures, and once agreed what that was; None: none."""
        ...

    def show(self, video: Video | None) -> None:
        """Whose pictures the far end of an inbound leg is to see, and who sees its own: said in the answer to come.

        None, as long as nothing is said: nobody. Of no effect once its sound is described.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class OutboundCall:
    """What a new leg shows to the far end.

    headers: extension headers for the INVITE (names start with ``X-`` or are allowed by Twilio <Sip>).
    parameters: custom parameters; a Voice SDK device gets them as such, a SIP phone not at all.
    codec_names: the codecs to offer, best first; the parent's own come first so that nothing is transcoded.
    video: the parent's pictures, for a far end that is a browser.
    """

    call_sid: str
    account_sid: str
    caller: Party
    callee: Party
    headers: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    diversion: str | None = None
    codec_names: tuple[str, ...] = ("PCMU", "PCMA")
    video: Video | None = None
