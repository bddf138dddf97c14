"""What the caller hears while a <Dial> rings, the bridge, and the recording.

A caller who was not answered yet and for whom no tone was asked gets 180 and his own phone rings; a tone, audio that
the dialled party sends before its answer, or a recording from ringing opens early media (183). A caller who was
answered always hears a tone made here.
Channel 1 of a dual recording is the parent. Channel 2 is the child; before its answer it is what the parent hears.
Source: Twilio <Dial>, ringTone, answerOnBridge, record, recordingTrack, trim; CallAPI <Dial>, dialMusic.
"""

import asyncio
from collections.abc import Sequence

from gateway.parameters import RecordingMention
from gateway.recordings import ActiveRecording, RecordingOrder
from gateway.scripted import ScriptedCall
from gateway.twiml import TwimlError, resolve_url
from gateway.twiml.model import Dial
from gateway.twiml.values import RecordingTrack
from gateway.webhooks.errors import FetchCode, FetchError
from media.engine import Heard, MediaPort, Received, Silence, Tap
from media.player import UnplayableAudio
from media.tones import CallProgress, tone
from signaling.leg import Leg

BAD_RECORDING_CALLBACK = 13256


class DialSound:
    """Everything audible of one dial; ``close`` ends what still runs."""

    def __init__(self, call: ScriptedCall, verb: Dial, base_url: str | None) -> None:
        self._call = call
        self._verb = verb
        self._base_url = base_url
        self._recording: ActiveRecording | None = None
        self._mention: RecordingMention | None = None
        self._bridged: MediaPort | None = None
        self._has_early_media = False
        self._music: asyncio.Task[None] | None = None

    async def start_ringback(self) -> None:
        verb = self._verb
        wants_audio = verb.ring_tone is not None or verb.dial_music is not None or verb.record.from_ringing
        if not self._call.is_answered:
            await self._call.leg.ring()
            if wants_audio:
                await self._open_early_media()
        if self._call.is_answered or self._has_early_media:
            country = self._verb.ring_tone or self._call.services.configuration.calls.default_ring_tone
            self._parent.hear(tone(country, CallProgress.RING))
            if verb.dial_music is not None:
                self._stop_music()
                self._music = self._call.spawn(self._play_music(verb.dial_music), name="dial music")
        if self._verb.record.from_ringing and self._recording is None:
            self._begin_recording(self._parent, None)

    async def pass_early_media(self, leg: Leg) -> None:
        """Let the caller hear the dialled party's own announcement, unless a tone was asked for."""
        if self._verb.ring_tone is not None or self._verb.dial_music is not None:
            return
        if not self._call.is_answered:
            await self._open_early_media()
        self._parent.hear(leg.media)

    async def _open_early_media(self) -> None:
        """Once it is open the caller's phone makes no tone of its own, so that ringing has to be heard from here."""
        self._has_early_media = True
        await self._call.leg.early_media()

    async def _play_music(self, written: str) -> None:
        """Ringing is heard until it is there, and in its place if it cannot be had."""
        try:
            url = resolve_url(self._base_url, written)
            call = self._call
            clip = await call.services.sounds.clip(
                url, account_sid=call.facts.account_sid, cookies=call.cookies, rate_hz=self._parent.rate_hz
            )
        except TwimlError as error:
            self._call.timeline.warn(error.code, f"dialMusic: {error.message}")
        except FetchError as error:
            self._call.timeline.warn(int(error.code), f"dialMusic: {error.message}", url=error.url)
        except UnplayableAudio as error:
            self._call.timeline.warn(FetchCode.BAD_AUDIO_TYPE, f"dialMusic: {error}")
        else:
            await self._parent.play(clip, loops=0)

    def _stop_music(self) -> None:
        if self._music is not None:
            self._music.cancel()
            self._music = None

    def stop_ringback(self) -> None:
        self._stop_music()
        self._parent.hear(Silence())

    def bridge(self, leg: Leg) -> None:
        self._stop_music()
        parent, child = self._parent, leg.media
        parent.hear(child)
        child.hear(parent)
        self._bridged = child
        if not self._verb.record.is_on:
            return
        if self._recording is None:
            self._begin_recording(parent, child)
        else:
            self._recording.retap(self._channels(parent, child))

    def record_parent(self) -> None:
        """Record the caller and what he hears, where that is no single party: a conference, an application."""
        if self._verb.record.is_on:
            self._begin_recording(self._parent, None)

    @property
    def is_recording(self) -> bool:
        return self._recording is not None

    def finish_recording(self) -> RecordingMention | None:
        """Stop recording, if there is one; how requests mention it. May be called again."""
        if self._recording is not None:
            self._mention = self._recording.finish()
            self._recording = None
        return self._mention

    def close(self) -> None:
        self.finish_recording()
        self._stop_music()
        if self._bridged is not None:
            self._parent.hear(Silence())
            self._bridged = None

    @property
    def _parent(self) -> MediaPort:
        return self._call.leg.media

    def _begin_recording(self, parent: MediaPort, child: MediaPort | None) -> None:
        verb = self._verb
        order = RecordingOrder(
            call_sid=self._call.facts.sid,
            account_sid=self._call.facts.account_sid,
            track=verb.recording_track.value,
            is_trimmed=verb.trim,
            callback_url=self._callback_url(),
            callback_method=verb.recording_status_callback_method.value,
            callback_events=frozenset(event.value for event in verb.recording_status_callback_events),
        )
        # A bridge carries what its narrowest party has; while it rings only the parent is known.
        rate_hz = parent.rate_hz if child is None else min(parent.rate_hz, child.rate_hz)
        self._recording = self._call.services.recordings.begin(order, self._channels(parent, child), rate_hz=rate_hz)

    def _channels(self, parent: MediaPort, child: MediaPort | None) -> Sequence[Sequence[Tap]]:
        """The taps of each channel of the file. A file of one track is always mono."""
        spoken = Received(parent)
        answered: Tap = Heard(parent) if child is None else Received(child)
        match self._verb.recording_track:
            case RecordingTrack.INBOUND:
                return [[spoken]]
            case RecordingTrack.OUTBOUND:
                return [[Heard(parent)]]
            case RecordingTrack.BOTH:
                return [[spoken], [answered]] if self._verb.record.is_dual else [[spoken, answered]]

    def _callback_url(self) -> str | None:
        if self._verb.recording_status_callback is None:
            return None
        try:
            return resolve_url(self._base_url, self._verb.recording_status_callback, callback=True)
        except TwimlError as error:
            self._call.timeline.warn(BAD_RECORDING_CALLBACK, f"recordingStatusCallback: {error.message}")
            return None
