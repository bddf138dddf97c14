"""One call in a conference: what it hears, who hears it, and whether somebody speaks there.

A participant is a call whose <Dial> waits in ``until_over``; where it sits is the room's to say (conference.py).
Source: Twilio <Conference>, waitUrl, coach; Twilio Participant resource, HoldUrl, AnnounceUrl.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.hearing import Frames
from gateway.interpreter import ScriptError
from gateway.rooms.ambience import ANNOUNCEMENT, WAITING, Ambience, Music, Quiet, started
from gateway.rooms.conference_events import (
    Announced,
    Hears,
    LeaveReason,
    Left,
    Participant,
    RoomEffect,
    RoomEvent,
    Seat,
    Spoke,
)
from gateway.scripted import ScriptedCall
from gateway.twiml.values import ConferenceEvent
from gateway.verbs.outcome import Fetch
from gateway.webhooks.errors import FetchError
from media.activity import SpeechActivity
from media.engine import MediaPort, Mix, PortsExhausted, Received, Silence
from media.player import Clip


@dataclass(frozen=True, kw_only=True)
class RecordingWish:
    """How the conference is to be recorded; of the first participant who asks for it."""

    is_trimmed: bool = True
    callback_url: str | None = None
    callback_method: str = "POST"
    callback_events: frozenset[str] = frozenset({"completed"})


@dataclass(frozen=True, kw_only=True)
class RoomSettings:
    """What of the first participant's noun holds for the whole conference."""

    max_participants: int = 250
    region: str | None = None
    callback_url: str | None = None
    callback_method: str = "POST"
    callback_events: frozenset[ConferenceEvent] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Admission:
    """How a call wants to take part. most_delay_ms: as MediaPort.limit_delay has it."""

    participant: Participant
    waiting: Ambience = Music()
    recording: RecordingWish | None = None
    settings: RoomSettings = RoomSettings()
    most_delay_ms: int | None = None


class TellRoom(Protocol):
    def __call__(self, event: RoomEvent, /) -> tuple[RoomEffect, ...]: ...


class Attendance:
    """Its verb waits in ``until_over`` and calls ``leave`` whatever happens.

    tell: hands what happens here to the room. music: for who waits without a waitUrl. tells_speakers: whether anybody
    wants to know who speaks.
    """

    def __init__(
        self, call: ScriptedCall, admission: Admission, *, tell: TellRoom, music: Clip, tells_speakers: bool
    ) -> None:
        self.call = call
        self.admission = admission
        self.hold: Ambience = Music()
        self.was_connected = False
        self.joined_at = call.services.now()
        self.has_failed = False
        self._tell = tell
        self._music = music
        self._tells_speakers = tells_speakers
        self._seat: Seat | None = None
        self._mix: Mix | None = None
        self._is_over = asyncio.Event()
        # Of these at most one runs: the document that is heard instead of the others, or an announcement.
        self._document: asyncio.Task[None] | None = None
        self._frames: Frames | None = None

    @property
    def port(self) -> MediaPort:
        return self.call.leg.media

    async def until_over(self) -> None:
        """Returns when the call is in the room no more."""
        await self._is_over.wait()

    def leave(self, reason: LeaveReason = LeaveReason.HUNG_UP) -> None:
        """Idempotent."""
        self._tell(Left(call_sid=self.call.facts.sid, reason=reason))

    def announce(self, document: Fetch) -> None:
        """This participant alone hears the document, then what it heard before."""
        self._stop_document()
        self.port.hear(Silence())
        self._document = started(self.call, self._announce(document), name="announcement")

    def change_hold(self, ambience: Ambience) -> None:
        """What is heard on hold; at once if it is on hold now."""
        self.hold = ambience
        if self._seat is not None and self._seat.hears is Hears.HOLD:
            self._hear()

    # For the room.

    def take(self, seat: Seat, mix: Mix, heard_by: list[MediaPort] | None) -> None:
        """Hear and be heard as the room says from now on. heard_by: only by these; None: by everybody."""
        before, self._seat, self._mix = self._seat, seat, mix
        if before is None:
            self.port.limit_delay(self.admission.most_delay_ms)
        self.port.join(mix if seat.speaks else None, heard_by=heard_by)
        self._follow_speech(is_on=self._tells_speakers and seat.speaks)
        if before is None or before.hears is not seat.hears:
            self._hear()

    def dismiss(self) -> None:
        """It has no place here any more."""
        self._stop_document()
        self._follow_speech(is_on=False)
        self.port.join(None)
        self.port.limit_delay(None)
        self.port.hear(Silence())
        self._is_over.set()

    def _hear(self) -> None:
        """What belongs to the seat, from its beginning."""
        self._stop_document()
        assert self._seat is not None
        assert self._mix is not None
        match self._seat.hears:
            case Hears.WAITING:
                self._start(self.admission.waiting, is_waiting=True)
            case Hears.HOLD:
                self._start(self.hold, is_waiting=False)
            case Hears.ROOM:
                self.was_connected = True
                self.port.hear(self._mix)

    def _start(self, ambience: Ambience, *, is_waiting: bool) -> None:
        match ambience:
            case Music():
                self.port.play_nowait(self._music)
            case Quiet():
                self.port.hear(Silence())
            case Fetch():
                self.port.hear(Silence())
                work = self._perform(ambience, is_waiting=is_waiting)
                self._document = started(self.call, work, name="waits" if is_waiting else "on hold")

    def _stop_document(self) -> None:
        if self._document is not None:
            self._document.cancel()
            self._document = None

    async def _perform(self, document: Fetch, *, is_waiting: bool) -> None:
        """Run out of verbs, there is silence. A waiting document that fails costs the place in the room."""
        try:
            await self.call.services.interpreter.perform(self.call, document, WAITING)
        except (FetchError, ScriptError) as error:
            self.call.timeline.warn(int(error.code), error.message, level="error", url=error.url)
            if is_waiting:
                self.has_failed = True
                # This task is the document: it must not be cancelled by what its own failure leads to.
                self._document = None
                self.leave(LeaveReason.ADD_FAILED)
                return
        self.port.hear(Silence())

    async def _announce(self, document: Fetch) -> None:
        failure = None
        try:
            await self.call.services.interpreter.perform(self.call, document, ANNOUNCEMENT)
        except (FetchError, ScriptError) as error:
            self.call.timeline.warn(int(error.code), error.message, level="error", url=error.url)
            failure = error.message
        self._document = None
        self._hear()
        self._tell(Announced(url=document.url, call_sid=self.call.facts.sid, failure=failure))

    def _follow_speech(self, *, is_on: bool) -> None:
        if is_on and self._frames is None:
            try:
                self._frames = self.call.services.listen(Received(self.port))
            except PortsExhausted as error:
                self.call.timeline.log.warning("speakers not told", reason=str(error))
                return
            started(self.call, follow_speech(self._frames, self._spoke), name="speaks")
        elif not is_on and self._frames is not None:
            # That ends whoever reads them.
            self._frames.close()
            self._frames = None

    def _spoke(self, has_begun: bool) -> None:
        self._tell(Spoke(call_sid=self.call.facts.sid, has_begun=has_begun))


# Pauses between words are none between speeches.
SPEECH_OVER_MS: Final = 700


async def follow_speech(frames: Frames, tell: Callable[[bool], None]) -> None:
    """Tell when somebody begins (True) and stops speaking (False), for as long as there are frames."""
    activity, is_speaking = SpeechActivity(), False
    async for frame in frames:
        is_speech = activity.push(frame)
        if is_speech and not is_speaking:
            is_speaking = True
            tell(True)
        elif is_speaking and activity.pause_ms >= SPEECH_OVER_MS:
            is_speaking = False
            tell(False)
    if is_speaking:
        tell(False)
