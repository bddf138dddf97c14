"""<Start>, <Stop> and <Connect>: streams and recordings beside a call's script, or in its place.

Start goes on with the next verb at once, Connect when the application has closed its stream. What is unnamed is known
to <Stop> by its URL. Siprec, Transcription and the other nouns of Connect need services of a cloud and are told.
Source: Twilio <Start>, <Stop>, <Connect>, <Stream>, <Recording>.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from gateway.beside import STREAM, NotStarted
from gateway.call_recordings import channels_of
from gateway.recordings import RecordingOrder
from gateway.scripted import ScriptedCall
from gateway.streams.stream import MAX_PARAMETER, TRACKS, MediaStream, StreamOrder
from gateway.twiml import TwimlError, resolve_url
from gateway.twiml.model import Connect, Recording, Start, Stop, Stream
from gateway.twiml.support import without_effect
from gateway.twiml.values import RecordingChannels, StreamTrack
from gateway.verbs.outcome import Continue, Fetch, Next

NOT_EXECUTED: Final = 13750
INVALID_URL: Final = 11100
BAD_VALUE: Final = 12200
BAD_RECORDING_CALLBACK: Final = 13256


async def start(call: ScriptedCall, verb: Start, base_url: str | None) -> Next:
    await call.answer()
    _tell_what_has_no_effect(call, verb)
    for noun in verb.nouns:
        match noun:
            case Stream():
                order = _order(call, noun, base_url, is_two_way=False)
                if order is not None:
                    stream, key = MediaStream(call, order), order.name or order.url
                    _begin(call, STREAM, key, stream.run(), name=order.name, sid=stream.sid)
            case Recording():
                _begin(call, "recording", noun.name or "", _record(call, noun, base_url))
            case _:
                call.timeline.warn(NOT_EXECUTED, f"<Start><{noun.tag}> is not executed; skipped")
    return Continue()


async def stop(call: ScriptedCall, verb: Stop, _base_url: str | None) -> Next:
    _tell_what_has_no_effect(call, verb)
    for noun in verb.nouns:
        match noun:
            case Stream():
                found = call.services.beside.stop(call, STREAM, noun.name or noun.url or "")
            case Recording():
                found = call.services.beside.stop(call, "recording", noun.name or "")
            case _:
                found = True
                call.timeline.warn(NOT_EXECUTED, f"<Stop><{noun.tag}> is not executed; skipped")
        if not found:
            call.timeline.warn(BAD_VALUE, f"<Stop><{noun.tag}>: nothing of that name is running")
    return Continue()


async def connect(call: ScriptedCall, verb: Connect, base_url: str | None) -> Next:
    await call.answer()
    _tell_what_has_no_effect(call, verb)
    action = None if verb.action is None else resolve_url(base_url, verb.action)
    for noun in verb.nouns:
        if not isinstance(noun, Stream):
            call.timeline.warn(NOT_EXECUTED, f"<Connect><{noun.tag}> is not executed; skipped")
            continue
        if noun.track is not StreamTrack.INBOUND:
            call.timeline.warn(BAD_VALUE, "<Connect><Stream> carries the inbound track only")
        order = _order(call, noun, base_url, is_two_way=True)
        if order is not None:
            await MediaStream(call, order).run()
        break
    return Continue() if action is None else Fetch(url=action, method=verb.method.value)


def _tell_what_has_no_effect(call: ScriptedCall, verb: Start | Stop | Connect) -> None:
    for name in without_effect(verb.tag, verb):
        call.timeline.warn(NOT_EXECUTED, f"<{verb.tag} {name}> has no effect")
    for noun in verb.nouns:
        # Of those that run; the others are told as a whole.
        if isinstance(noun, Stream | Recording):
            for name in without_effect(f"{verb.tag}/{noun.tag}", noun):
                call.timeline.warn(NOT_EXECUTED, f"<{verb.tag}><{noun.tag} {name}> has no effect")
        if isinstance(verb, Stop) and isinstance(noun, Stream) and noun.parameters:
            call.timeline.warn(NOT_EXECUTED, "<Stop><Stream><Parameter> has no effect")


def _begin(call: ScriptedCall, kind: str, key: str, work: Coroutine[Any, Any, None], **known: str) -> None:
    """known: its name and sid, as Beside.start."""
    try:
        call.services.beside.start(call, kind, key, work, **known)
    except NotStarted as error:
        call.timeline.warn(BAD_VALUE, f"<Start>: {error}")


def _order(call: ScriptedCall, noun: Stream, base_url: str | None, *, is_two_way: bool) -> StreamOrder | None:
    """None, and told, for a stream without an address."""
    if noun.url is None:
        call.timeline.warn(INVALID_URL, "<Stream>: a url expected", level="error")
        return None
    parameters = {}
    for name, value in noun.parameters:
        if len(name) + len(value) >= MAX_PARAMETER:
            call.timeline.warn(BAD_VALUE, f"<Parameter> {name[:40]!r}: name and value under {MAX_PARAMETER} characters")
        else:
            parameters[name] = value
    return StreamOrder(
        url=noun.url,
        tracks=("inbound",) if is_two_way else TRACKS[noun.track],
        name=noun.name or "",
        status_url=_callback(call, noun.status_callback, base_url, INVALID_URL),
        status_method=noun.status_callback_method.value,
        parameters=parameters,
        is_two_way=is_two_way,
    )


async def _record(call: ScriptedCall, noun: Recording, base_url: str | None) -> None:
    """Records what the party says and hears until it is stopped or the call is over."""
    order = RecordingOrder(
        call_sid=call.facts.sid,
        account_sid=call.facts.account_sid,
        source="StartCallRecordingAPI",
        track=noun.track.value,
        is_trimmed=noun.trim,
        callback_url=_callback(call, noun.recording_status_callback, base_url, BAD_RECORDING_CALLBACK),
        callback_method=noun.recording_status_callback_method.value,
        callback_events=frozenset(event.value for event in noun.recording_status_callback_events),
    )
    port = call.leg.media
    channels = channels_of(port, track=order.track, is_dual=noun.channels is RecordingChannels.DUAL)
    active = call.services.recordings.begin(order, channels, rate_hz=port.rate_hz)
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        active.finish()


def _callback(call: ScriptedCall, url: str | None, base_url: str | None, code: int) -> str | None:
    if url is None:
        return None
    try:
        return resolve_url(base_url, url, callback=True)
    except TwimlError as error:
        call.timeline.warn(code, f"callback: {error.message}")
        return None
