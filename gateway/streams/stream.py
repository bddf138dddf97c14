"""One media stream: a call's sound out to an application's WebSocket and, where it may, the application's sound in.

Decides what ends it and what its status callback says. A slow receiver costs the stream its oldest frames, a fast
sender waits: neither ever delays the call.
Source: Twilio <Stream>; Twilio Media Streams, WebSocket messages.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import ClientError, ClientWebSocketResponse, WSMsgType

from gateway.parameters import Parameters
from gateway.scripted import ScriptedCall
from gateway.sids import new_sid
from gateway.streams.protocol import Clear, Mark, Misunderstood, Sound, Writer, understood
from gateway.twiml.values import StreamTrack
from gateway.webhooks.errors import FetchError
from media import ulaw
from media.engine import Feed, Heard, PortsExhausted, Received, Silence
from signaling.leg import DigitReceived

GOODBYE_S: Final = 2.0
MAX_MARKS: Final = 1000
MAX_DIGITS: Final = 100
MAX_MISUNDERSTOOD: Final = 20
MAX_PARAMETER: Final = 500
"""A custom parameter's name and value are shorter together. Source: Twilio <Stream>, <Parameter>."""

TRACKS: Final = {
    StreamTrack.INBOUND: ("inbound",),
    StreamTrack.OUTBOUND: ("outbound",),
    StreamTrack.BOTH: ("inbound", "outbound"),
}


@dataclass(frozen=True, kw_only=True)
class StreamOrder:
    """tracks: of inbound and outbound. status_url: absolute. is_two_way: the application may speak too."""

    url: str
    tracks: tuple[str, ...]
    name: str = ""
    status_url: str | None = None
    status_method: str = "POST"
    parameters: Mapping[str, str] = field(default_factory=dict)
    is_two_way: bool = False


class MediaStream:
    """run() once; it returns when the application closes the socket, and ends by cancellation when the call does."""

    def __init__(self, call: ScriptedCall, order: StreamOrder) -> None:
        self.sid = new_sid("MZ")
        self._call = call
        self._order = order
        self._writer = Writer(
            account_sid=call.facts.account_sid,
            call_sid=call.facts.sid,
            stream_sid=self.sid,
            tracks=order.tracks,
            parameters=order.parameters,
        )
        self._digits: asyncio.Queue[str] = asyncio.Queue(MAX_DIGITS)
        self._marks: asyncio.Queue[tuple[int, str]] = asyncio.Queue(MAX_MARKS)
        self._misunderstood = 0

    async def run(self) -> None:
        try:
            socket = await self._call.services.webhooks.open_socket(
                self._order.url, account_sid=self._call.facts.account_sid
            )
        except FetchError as error:
            self._call.timeline.warn(int(error.code), f"<Stream>: {error.message}", level="error", url=error.url)
            self._tell("stream-error", StreamError=error.message)
            return
        self._tell("stream-started")
        try:
            await self._talk(socket)
        except (ClientError, ConnectionError) as error:
            self._call.timeline.log.info("stream broken", stream_sid=self.sid, reason=str(error))
        except PortsExhausted as error:
            self._call.timeline.log.error("stream without sound", stream_sid=self.sid, reason=str(error))
            self._tell("stream-error", StreamError="no room for another stream")
        finally:
            await self._say_goodbye(socket)
            self._tell("stream-stopped")

    async def _talk(self, socket: ClientWebSocketResponse) -> None:
        await socket.send_str(self._writer.connected())
        await socket.send_str(self._writer.start())
        port, services = self._call.leg.media, self._call.services
        feed = services.open_feed() if self._order.is_two_way else None
        if feed is not None:
            port.hear(feed)
        work: list[Coroutine[Any, Any, None]] = [self._send_digits(socket), self._read(socket, feed)]
        work += [self._send_track(socket, track) for track in self._order.tracks]
        if feed is not None:
            work.append(self._send_marks(socket, feed))
        tasks = [asyncio.create_task(each, name=f"{self._call.facts.sid} stream") for each in work]
        try:
            with self._call.listening(self._note_digit):
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if feed is not None:
                port.hear(Silence())
                feed.close()

    async def _send_track(self, socket: ClientWebSocketResponse, track: str) -> None:
        port = self._call.leg.media
        listener = self._call.services.listen(Received(port) if track == "inbound" else Heard(port))
        sent = 0
        try:
            async for frame in listener:
                place = sent + listener.dropped_frames
                await socket.send_str(self._writer.media(track, ulaw.encode(frame), frame=place))
                sent += 1
        finally:
            listener.close()

    async def _send_digits(self, socket: ClientWebSocketResponse) -> None:
        while True:
            await socket.send_str(self._writer.dtmf(await self._digits.get()))

    async def _send_marks(self, socket: ClientWebSocketResponse, feed: Feed) -> None:
        while True:
            position, name = await self._marks.get()
            await feed.wait_played(position)
            await socket.send_str(self._writer.mark(name))

    async def _read(self, socket: ClientWebSocketResponse, feed: Feed | None) -> None:
        """What the application says, until it closes the socket. A one-way stream has nothing to hear."""
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                self._note_misunderstood("text expected")
                continue
            told = understood(message.data, stream_sid=self.sid)
            match told:
                case Misunderstood(reason):
                    self._note_misunderstood(reason)
                case _ if feed is None:
                    self._note_misunderstood("nothing to play expected on a stream of one way")
                case Sound(octets):
                    await self._play(feed, octets)
                case Mark(name):
                    await self._marks.put((feed.written, name))
                case Clear():
                    feed.clear()

    async def _play(self, feed: Feed, octets: bytes) -> None:
        """Waits while a minute of sound is ahead: the socket then fills, and its sender waits as well."""
        samples = ulaw.decode(octets)
        while len(samples):
            room = feed.room
            if room == 0:
                await feed.wait_played(feed.played + 1)
                continue
            feed.write(samples[:room])
            samples = samples[room:]

    def _note_digit(self, pressed: DigitReceived) -> None:
        if self._order.is_two_way:
            with suppress(asyncio.QueueFull):
                self._digits.put_nowait(pressed.digit)

    def _note_misunderstood(self, reason: str) -> None:
        self._misunderstood += 1
        if self._misunderstood <= MAX_MISUNDERSTOOD:
            self._call.timeline.log.warning("stream message ignored", stream_sid=self.sid, expected=reason)

    async def _say_goodbye(self, socket: ClientWebSocketResponse) -> None:
        with suppress(TimeoutError, ClientError, ConnectionError):
            async with asyncio.timeout(GOODBYE_S):
                if not socket.closed:
                    await socket.send_str(self._writer.stop())
                await socket.close()

    def _tell(self, event: str, **more: str) -> None:
        """Source: Twilio <Stream>, statusCallback (Timestamp is ISO 8601)."""
        call, order = self._call, self._order
        call.timeline.note(call.timeline.event(event, message=self.sid, url=order.url, details=dict(more)))
        if order.status_url is None:
            return
        at = call.services.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        parameters: Parameters = [
            ("AccountSid", call.facts.account_sid),
            ("CallSid", call.facts.sid),
            ("StreamSid", self.sid),
            ("StreamName", order.name or self.sid),
            ("StreamEvent", event),
            *more.items(),
            ("Timestamp", at),
        ]
        owed = call.timeline.owe(
            url=order.status_url, method=order.status_method, parameters=parameters, order_key=self.sid
        )
        call.timeline.note(owed)
