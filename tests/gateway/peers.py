"""The other side of a session: legs that do what a test tells them, and an application."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import numpy as np

from gateway.beside import Beside
from gateway.config import Configuration, load
from gateway.dialled_calls import DialledCalls
from gateway.interpreter import Interpreter
from gateway.parameters import CallDirection, CallFacts, RecordingMention
from gateway.recordings import ActiveRecording, RecordingOrder, Recordings
from gateway.rooms.conferences import Conferences
from gateway.rooms.queues import Queues
from gateway.routing import Router, Script
from gateway.services import Services
from gateway.session import CallSession
from gateway.sids import new_sid
from gateway.sounds import Sounds
from gateway.speech.speaker import Speaker
from gateway.store.records import CallRecord, EventRecord, LegRecord, Operation, OwedCallback, QueueRecord
from gateway.verbs.table import VERBS
from gateway.webhooks.audio import Audio
from gateway.webhooks.client import Fetched, Request
from gateway.webhooks.cookies import CallCookies
from gateway.webhooks.errors import FetchCode, FetchError
from media.player import Clip
from signaling.leg import (
    Answered,
    DigitReceived,
    Direction,
    EarlyMedia,
    Ended,
    HangupCause,
    LegEvents,
    LegState,
    OutboundCall,
    Party,
    Ringing,
    SipDetails,
    TransferRequested,
    TransferResult,
)
from signaling.location import (
    PHONE_CODECS,
    TRUNK_CODECS,
    ClientTarget,
    NumberTarget,
    Repertoire,
    SipTarget,
    Target,
)
from signaling.video import Video
from tests.gateway.sound_peers import PeerFrames, PeerMix, PeerPort, PeerRecognizer, PeerSpeech

ACCOUNT_SID = "AC" + "0" * 32
VOICE_URL = "http://app.example.com/voice?x=1"
HOLD_MUSIC = Clip(np.zeros(8000, np.int16), 8000)


class PeerLeg:
    """A leg whose far end is the test."""

    def __init__(self, name: str, *, direction: Direction, request: OutboundCall | None = None) -> None:
        self.leg_id = name
        self.direction = direction
        self.request = request
        self.state = LegState.TRYING
        self.caller = Party(address="sip:carol@example.com", display_name="Carol")
        self.callee = Party(address="sip:desk@example.com")
        self.device = f"sip:{name}"
        self.headers: Mapping[str, str] = {}
        self.diversion: str | None = None
        self.sip: SipDetails | None = SipDetails(
            call_id=f"{name}@example.com", domain="example.com", source_ip="192.0.2.1"
        )
        self.codec_names: tuple[str, ...] = ("PCMA",)
        self.codec_choices: tuple[str, ...] = ("PCMA",)
        self.is_codec_final = False
        self.preferred: list[tuple[str, ...]] = []
        self.answered_with: tuple[str, ...] = ()
        self.video: Video | None = None
        self.sees: Video | None = None
        self.events = LegEvents()
        self.media: Any = PeerPort(name)
        self.done: list[str] = []
        self.hung_up_with: HangupCause | None = None
        self.accepts_transfer = False
        self.transfer_results: asyncio.Queue[TransferResult] = asyncio.Queue()

    def __repr__(self) -> str:
        return f"<leg {self.leg_id}>"

    async def ring(self) -> None:
        self.done.append("ring")

    async def early_media(self) -> None:
        self.done.append("early media")

    async def answer(self) -> None:
        self.answered_with = self.preferred[-1] if self.preferred else ()
        self.done.append("answer")
        self.state = LegState.UP

    def prefer(self, codec_names: Sequence[str]) -> None:
        self.preferred.append(tuple(codec_names))

    def show(self, video: Video | None) -> None:
        if self.state is not LegState.UP:
            self.sees = video

    def hangup(self, cause: HangupCause = HangupCause.NORMAL) -> None:
        if self.state is LegState.ENDED:
            return
        self.hung_up_with = cause
        self.end(cause, by_remote=False)

    async def send_digits(self, digits: str) -> None:
        self.done.append(f"digits {digits}")

    def accept_transfers(self, accepted: bool) -> None:
        self.accepts_transfer = accepted

    async def transfer(self, target: str, headers: Mapping[str, str]) -> TransferResult:
        self.done.append(f"refer {target} {dict(headers)}")
        return await self.transfer_results.get()

    # What the far end does.

    def refers(self, target: str) -> None:
        self.events.post(TransferRequested(target, is_accepted=self.accepts_transfer))

    def rings(self) -> None:
        self.state = LegState.RINGING
        self.events.post(Ringing())

    def sends_early_media(self) -> None:
        self.events.post(EarlyMedia())

    def picks_up(self, headers: Mapping[str, str] | None = None) -> None:
        self.state = LegState.UP
        self.events.post(Answered(headers or {}))

    def presses(self, digit: str, *, is_in_media: bool = True) -> None:
        self.events.post(DigitReceived(digit, is_in_media=is_in_media))

    def hangs_up(self, cause: HangupCause = HangupCause.NORMAL, sip_status: int | None = None) -> None:
        self.end(cause, by_remote=True, sip_status=sip_status)

    def end(self, cause: HangupCause, *, by_remote: bool, sip_status: int | None = None) -> None:
        self.state = LegState.ENDED
        self.events.post(Ended(cause, by_remote=by_remote, sip_status=sip_status))


@dataclass
class PeerRecording:
    """What was to be recorded, tap by tap, each time it changed."""

    order: RecordingOrder
    channels: list[Sequence[Sequence[Any]]]
    rate_hz: int
    is_running: bool = True
    sid: str = field(default_factory=lambda: new_sid("RE"))


class Scene:
    """One call with an application that answers from a table, and whoever it dials.

    documents: path -> TwiML text, or a function of the request's parameters. sounds: path -> seconds of a sound file,
    or what is there instead of one. speech_s: when the caller speaks: from, to, in seconds of the call;
    frame_s: how often a frame of it comes, for tests of long calls.
    devices: identity -> number of devices. ``codecs``: what they speak, if they are no phones.
    has_trunk: whether there is a trunk.
    """

    def __init__(
        self,
        documents: Mapping[str, str | Callable[[dict[str, str]], str]],
        *,
        devices: Mapping[str, int] | None = None,
        has_trunk: bool = True,
        settings: Mapping[str, str] | None = None,
        script: Script | None = None,
        extra: Mapping[str, str] | None = None,
        content_type: str = "text/xml",
    ) -> None:
        self.content_type = content_type
        self.documents = dict(documents)
        self.devices = dict(devices or {})
        self.has_trunk = has_trunk
        self.configuration: Configuration = load(
            None,
            {
                "RINGFORK_ACCOUNT__SID": ACCOUNT_SID,
                "RINGFORK_ACCOUNT__AUTH_TOKEN": "0123456789abcdef",
                **(settings or {}),
            },
        )
        self.extra = dict(extra or {})
        self.script = script or Script(voice_url=VOICE_URL)
        self.verbs = dict(VERBS)
        self.content_types: dict[str, str] = {}
        self.final_urls: dict[str, str] = {}
        self.speech_s: list[tuple[float, float]] = []
        self.listeners: list[PeerFrames] = []
        self.recognizer = PeerRecognizer()
        self.zero_s = 0.0
        self.frame_s = 0.02
        self.sounds: dict[str, float | bytes] = {}
        self.sounds_fetched: list[str] = []
        self.fetch_audio_s = 0.0
        self.requests: list[Request] = []
        self.written: list[Operation] = []
        self.recordings: list[PeerRecording] = []
        self.mixes: list[PeerMix] = []
        self.dialled: list[PeerLeg] = []
        self.codecs: dict[str, Repertoire] = {}
        self.targets: list[Target] = []
        self.caller = PeerLeg("caller", direction=Direction.INBOUND)
        self.leg_type: type[PeerLeg] = PeerLeg
        self.speech = PeerSpeech()
        self.on_dial: Callable[[PeerLeg], None] = lambda leg: None
        self.beside = Beside()
        self.children = DialledCalls()
        self.moved: list[tuple[CallSession, asyncio.Task[None]]] = []
        self._arrived = asyncio.Event()

    # What the session sees.

    def write_soon(self, *operations: Operation) -> None:
        self.written.extend(operations)

    async def write(self, *operations: Operation) -> None:
        self.written.extend(operations)

    async def queue_named(self, account_sid: str, name: str) -> QueueRecord | None:
        return self._queue(lambda queue: (queue.account_sid, queue.friendly_name) == (account_sid, name))

    async def queue(self, sid: str) -> QueueRecord | None:
        return self._queue(lambda queue: queue.sid == sid)

    def _queue(self, is_wanted: Callable[[QueueRecord], bool]) -> QueueRecord | None:
        newest = {each.sid: each for each in self.written if isinstance(each, QueueRecord)}
        return next((each for each in newest.values() if is_wanted(each) and each.date_deleted is None), None)

    async def fetch(self, request: Request) -> Any:
        self.requests.append(request)
        path = request.url.partition("example.com")[2].partition("?")[0]
        document = self.documents.get(path)
        if document is None:
            raise FetchError(FetchCode.ERROR_STATUS, request.url, "answered 404", http_status=404)
        text = document if isinstance(document, str) else document(dict(request.params))
        return Fetched(
            body=text.encode(),
            content_type=self.content_types.get(path, self.content_type),
            charset=None,
            status=200,
            url=request.url,
            base_url=self.final_urls.get(path, request.url.partition("#")[0]),
        )

    def repertoires(self, target: Target, *, account_sid: str) -> list[Repertoire]:
        match target:
            case ClientTarget(identity):
                return [self.codecs.get(identity, PHONE_CODECS)] * self.devices.get(identity, 1)
            case NumberTarget():
                return [TRUNK_CODECS]
            case SipTarget():
                return [PHONE_CODECS]

    async def fetch_audio(self, url: str, *, account_sid: str, cookies: CallCookies) -> Audio:
        path = url.partition("example.com")[2]
        sound = self.sounds.get(path)
        self.sounds_fetched.append(path)
        if sound is None:
            raise FetchError(FetchCode.ERROR_STATUS, url, "answered 404", http_status=404)
        await asyncio.sleep(self.fetch_audio_s)
        if isinstance(sound, bytes):
            return Audio(body=sound, content_type="audio/wav", url=url)
        return Audio(body=b"\xff" * round(sound * 8000), content_type="audio/ulaw", url=url)

    def place(self, target: Target, request: OutboundCall) -> list[PeerLeg]:
        self.targets.append(target)
        match target:
            case ClientTarget(identity):
                names = [f"{identity}-{number}" for number in range(self.devices.get(identity, 1))]
            case NumberTarget(number):
                names = [number] if self.has_trunk else []
            case SipTarget(uri=uri):
                names = [uri]
        legs = [self.leg_type(name, direction=Direction.OUTBOUND, request=request) for name in names]
        self.dialled += legs
        for leg in legs:
            self.on_dial(leg)
        self._arrived.set()
        return legs

    def listen(self, tap: Any) -> PeerFrames:
        def speaks(now_s: float) -> bool:
            return any(start <= now_s - self.zero_s < end for start, end in self.speech_s)

        self.listeners.append(PeerFrames(speaks, self.frame_s))
        return self.listeners[-1]

    def begin(self, order: RecordingOrder, channels: Sequence[Sequence[Any]], *, rate_hz: int) -> ActiveRecording:
        recording = PeerRecording(order, [channels], rate_hz)
        self.recordings.append(recording)
        return cast(ActiveRecording, _PeerActive(recording))

    # What a test says and asks.

    def open_mix(self) -> PeerMix:
        self.mixes.append(PeerMix())
        return self.mixes[-1]

    async def run(self, story: Callable[["Scene"], Awaitable[None]] | None = None) -> None:
        """The whole call; ``story`` plays everybody else meanwhile."""
        self.session = CallSession(self.services(), cast(Any, self.caller), self.facts(), self.script)
        session = asyncio.create_task(self.session.run())
        if story is not None:
            await story(self)
        await session

    def services(self) -> Services:
        """What a call needs of the process; to be asked for on the loop."""
        loop = asyncio.get_running_loop()
        start = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        zero = self.zero_s = loop.time()
        return Services(
            configuration=self.configuration,
            router=Router(self.configuration),
            location=cast(Any, self),
            webhooks=cast(Any, self),
            store=cast(Any, self),
            recordings=cast(Recordings, self),
            interpreter=Interpreter(self.verbs),
            listen=self.listen,
            recognizer=self.recognizer,
            open_feed=cast(Any, None),
            beside=self.beside,
            dialled=self.children,
            launch=self.launch_session,
            conferences=Conferences(open_mix=cast(Any, self.open_mix), music=HOLD_MUSIC),
            queues=Queues(store=cast(Any, self), music=HOLD_MUSIC, now=lambda: start),
            speaker=Speaker(self.speech, self.configuration.speech.choice),
            sounds=Sounds(cast(Any, self)),
            now=lambda: start + timedelta(seconds=loop.time() - zero),
            monotonic=loop.time,
        )

    def launch_session(self, session: CallSession) -> None:
        """A dialled party that goes its own way."""
        self.moved.append((session, asyncio.create_task(session.run())))

    def facts(self) -> CallFacts:
        return CallFacts(
            sid=new_sid("CA"),
            account_sid=ACCOUNT_SID,
            caller=self.caller.caller.address,
            callee=self.caller.callee.address,
            direction=CallDirection.INBOUND,
            sip=self.caller.sip,
            extra=self.extra,
        )

    async def leg(self, name: str) -> PeerLeg:
        """The leg dialled under that name, waiting for it to be dialled."""
        while True:
            for leg in self.dialled:
                if leg.leg_id == name:
                    return leg
            self._arrived.clear()
            await self._arrived.wait()

    async def any_leg(self) -> PeerLeg:
        """The first leg that is dialled."""
        while not self.dialled:
            self._arrived.clear()
            await self._arrived.wait()
        return self.dialled[0]

    @property
    def last_request(self) -> dict[str, str]:
        return dict(self.requests[-1].params)

    def owed(self, path: str) -> list[dict[str, str]]:
        return [
            dict(operation.params)
            for operation in self.written
            if isinstance(operation, OwedCallback) and operation.url.endswith(path)
        ]

    def codes(self) -> list[int]:
        return [
            operation.code
            for operation in self.written
            if isinstance(operation, EventRecord) and operation.code is not None
        ]

    def record(self, sid: str) -> CallRecord:
        return [operation for operation in self.written if isinstance(operation, CallRecord) and operation.sid == sid][
            -1
        ]

    def leg_records(self) -> list[LegRecord]:
        return [operation for operation in self.written if isinstance(operation, LegRecord)]

    def assert_nothing_lives(self) -> None:
        for leg in (self.caller, *self.dialled):
            assert leg.events.ended is not None, f"{leg} still lives"
        assert all(listener.is_closed for listener in self.listeners)
        assert all(not recording.is_running for recording in self.recordings)
        assert all(mix.is_closed for mix in self.mixes)
        assert len(self.children) == 0


class _PeerActive:
    def __init__(self, recording: PeerRecording) -> None:
        self._recording = recording

    def retap(self, channels: Sequence[Sequence[Any]]) -> None:
        self._recording.channels.append(channels)

    def finish(self) -> Any:
        self._recording.is_running = False
        sid = self._recording.sid
        return RecordingMention(sid=sid, url=f"http://ringfork.example.com/{sid}", duration_s=7)
