"""<Record>: a beep, then what the caller says, until a key, a silence, its time or his hang-up ends it.

The recording is of the caller alone (one channel) and begins behind the beep; keys pressed before that are lost. When
nothing was heard but silence, the next verb follows; else the action is requested, even when the caller hung up.
Source: Twilio <Record>.
"""

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from typing import Final

from gateway.hearing import Frames
from gateway.parameters import Parameters
from gateway.recordings import ActiveRecording, RecordingOrder
from gateway.scripted import ScriptedCall
from gateway.transcription import TranscriptionOrder
from gateway.twiml import TwimlError, resolve_url
from gateway.twiml.model import Record
from gateway.verbs.attempt import NOT_EXECUTED
from gateway.verbs.dial_sound import BAD_RECORDING_CALLBACK
from gateway.verbs.keys import asking_for_keys
from gateway.verbs.outcome import Continue, Fetch, Next
from media.activity import SpeechActivity
from media.engine import PortsExhausted, Received
from media.player import Clip
from media.tones import parse_tone
from signaling.leg import DigitReceived

INTERNAL_FAILURE: Final = 12400
BAD_MAX_LENGTH: Final = 13612
BAD_TRANSCRIBE_CALLBACK: Final = 13257
MISSING_ACTION: Final = 11100
VOICE_SDK_MAX_S: Final = 600
RATE_HZ: Final = 8000
HANGUP: Final = "hangup"


@cache
def beep() -> Clip:
    """1000 Hz for 400 ms at -16 dBm0."""
    return Clip(samples=parse_tone("beep", "1000/400", total_dbm0=-16).samples(RATE_HZ), rate_hz=RATE_HZ)


async def record(call: ScriptedCall, verb: Record, base_url: str | None) -> Next:
    await call.answer()
    # Resolved before anything sounds: a URL that cannot be requested is an error of the document.
    action = _action(verb, base_url)
    if verb.play_beep:
        await call.leg.media.play(beep())
    if verb.recording_configuration_id:
        call.timeline.warn(NOT_EXECUTED, "<Record recordingConfigurationId> has no effect")
    take = _Take(call, verb, _order(call, verb, base_url))
    try:
        key = await take.until_over()
    except asyncio.CancelledError:
        # Cancelled while the leg lives, the call was only sent to another document.
        if call.leg.events.ended is not None and take.has_sound:
            parameters = call.parameters() + take.result_parameters(HANGUP)
            call.timeline.note(call.timeline.owe(url=action, method=verb.method.value, parameters=parameters))
        raise
    finally:
        take.close()
    if not take.has_sound:
        return Continue()
    return Fetch(url=action, method=verb.method.value, parameters=take.result_parameters(key))


def _action(verb: Record, base_url: str | None) -> str:
    """Raises TwimlError 11100 where there is no document to default to. Source: Twilio Error 11100."""
    if not verb.action and base_url is None:
        raise TwimlError(MISSING_ACTION, "<Record action> expected in a document that has no URL, found none")
    return resolve_url(base_url, verb.action or "")


def _order(call: ScriptedCall, verb: Record, base_url: str | None) -> RecordingOrder:
    told_url = _callback_url(
        call, base_url, verb.recording_status_callback, name="recordingStatusCallback", code=BAD_RECORDING_CALLBACK
    )
    text_url = _callback_url(
        call, base_url, verb.transcribe_callback, name="transcribeCallback", code=BAD_TRANSCRIBE_CALLBACK
    )
    return RecordingOrder(
        call_sid=call.facts.sid,
        account_sid=call.facts.account_sid,
        source="RecordVerb",
        track="inbound",
        is_trimmed=verb.trim,
        callback_url=told_url,
        callback_method=verb.recording_status_callback_method.value,
        callback_events=frozenset(event.value for event in verb.recording_status_callback_events),
        transcription=TranscriptionOrder(url=text_url, parameters=call.parameters())
        if verb.transcribe and text_url is not None
        else None,
    )


def _callback_url(call: ScriptedCall, base_url: str | None, url: str | None, *, name: str, code: int) -> str | None:
    if url is None:
        return None
    try:
        return resolve_url(base_url, url, callback=True)
    except TwimlError as error:
        call.timeline.warn(code, f"{name}: {error.message}")
        return None


def _longest_s(call: ScriptedCall, verb: Record) -> int:
    """Source: Twilio <Record>, maxLength (calls of the Voice SDK: ten minutes)."""
    if verb.max_length_s > VOICE_SDK_MAX_S and call.leg.device.startswith("voice-sdk:"):
        if verb.max_length_s != Record.max_length_s:
            call.timeline.warn(BAD_MAX_LENGTH, f"<Record maxLength>: at most {VOICE_SDK_MAX_S} s for a Voice SDK call")
        return VOICE_SDK_MAX_S
    return verb.max_length_s


@dataclass(frozen=True)
class _Ending:
    key: str | None = None


class _Take:
    """One recording under way. ``close`` ends it; it may be called again."""

    def __init__(self, call: ScriptedCall, verb: Record, order: RecordingOrder) -> None:
        """Raises TwimlError when nothing more can be recorded."""
        self._call = call
        self._verb = verb
        self._longest_s = _longest_s(call, verb)
        self._activity = SpeechActivity()
        self._over: asyncio.Future[_Ending] = asyncio.get_running_loop().create_future()
        port = call.leg.media
        with ExitStack() as undo:
            try:
                self._frames: Frames = call.services.listen(Received(port))
                undo.callback(self._frames.close)
                self._recording: ActiveRecording = call.services.recordings.begin(
                    order, [[Received(port)]], rate_hz=port.rate_hz
                )
            except PortsExhausted as error:
                raise TwimlError(INTERNAL_FAILURE, f"<Record>: {error}") from error
            undo.pop_all()

    @property
    def has_sound(self) -> bool:
        return self._activity.has_spoken

    async def until_over(self) -> str | None:
        """The key that ended it, or None: silence, or its time."""
        hearing = asyncio.create_task(self._hear(), name=f"{self._call.facts.sid} record")
        try:
            with asking_for_keys(self._call, self._key):
                async with asyncio.timeout(self._longest_s):
                    return (await self._over).key
        except TimeoutError:
            return None
        finally:
            hearing.cancel()
            await asyncio.wait([hearing])

    def result_parameters(self, digits: str | None) -> Parameters:
        """What the action request says beside the standard parameters. Source: Twilio <Record>, action."""
        parameters = self._recording.finish().parameters()
        return parameters if digits is None else [*parameters, ("Digits", digits)]

    def close(self) -> None:
        self._frames.close()
        self._recording.finish()

    async def _hear(self) -> None:
        """Every frame, for its silence. The caller's hang-up ends the frames, not the recording: that is cancelled."""
        async for frame in self._frames:
            self._activity.push(frame)
            if self._verb.timeout_s and self._activity.pause_ms >= self._verb.timeout_s * 1000:
                self._end(_Ending())

    def _key(self, pressed: DigitReceived) -> None:
        if pressed.digit in self._verb.finish_on_key:
            self._end(_Ending(pressed.digit))

    def _end(self, ending: _Ending) -> None:
        if not self._over.done():
            self._over.set_result(ending)
