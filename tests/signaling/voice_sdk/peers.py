"""The two ends of the signalling in tests: a sound that records what is asked of it, and a browser that says what the
SDK says, over a wire that is a list or over a real WebSocket."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from media.engine import MediaPort, PortsExhausted
from signaling.errors import PeerError
from signaling.leg import OutboundCall, Party
from signaling.peer_media import PeerMedia, PeerMediaEvent
from signaling.scope import Scope, bare
from signaling.tokens import SigningKey, TokenVerifier, make_token
from signaling.video import Video
from signaling.voice_sdk.agent import VoiceSdkAgent
from signaling.voice_sdk.connection import Connection
from signaling.voice_sdk.leg import VoiceSdkLeg
from signaling.voice_sdk.settings import VoiceSdkSettings

ACCOUNT, KEY, APPLICATION = "AC" + "1" * 32, "SK" + "1" * 32, "AP" + "1" * 32
SIGNING = SigningKey(account_sid=ACCOUNT, secret="s" * 32)
CALL_SID = "CA" + "c" * 32


def token(
    identity: str = "alice",
    *,
    lifetime_s: int = 3600,
    may_receive: bool = True,
    application_sid: str | None = APPLICATION,
    parameters: dict[str, str] | None = None,
    now: float | None = None,
) -> str:
    return make_token(
        key_sid=KEY,
        key=SIGNING,
        identity=identity,
        now=time.time() if now is None else now,
        lifetime_s=lifetime_s,
        may_receive=may_receive,
        application_sid=application_sid,
        parameters=parameters,
    )


def browser_sdp(peer: str = "01", *, kind: str = "actpass") -> str:
    """What Chromium sends, cut down. peer: names the peer connection, whose fingerprint never changes."""
    lines = [
        "v=0",
        "o=- 1 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 0 111 63 9 8 13 110 126",
        "c=IN IP4 0.0.0.0",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:0123456789abcdef01234567",
        f"a=fingerprint:sha-256 {':'.join([peer] * 32)}",
        f"a=setup:{kind}",
        "a=rtpmap:111 opus/48000/2",
        "a=rtpmap:63 red/48000/2",
        "a=rtpmap:9 G722/8000",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:13 CN/8000",
        "a=rtpmap:110 telephone-event/48000",
        "a=rtpmap:126 telephone-event/8000",
    ]
    return "\r\n".join(lines) + "\r\n"


class RecordingSound:
    """A PeerMedia without sound: makes descriptions, notes what it was asked, refuses one that says ``refuse``.

    delay_s: how long it takes for each.
    """

    delay_s = 0.0
    video_in_offers: Video | None = None

    def __init__(self, codec_names: Sequence[str], on_event: Callable[[PeerMediaEvent], None]) -> None:
        self.codec_names = tuple(codec_names)
        self._on_event = on_event
        self.asked: list[tuple[str, str]] = []
        self.digits: list[str] = []
        self.preferred: list[tuple[str, ...]] = []
        self.shown: list[Video | None] = []
        self.video: Video | None = None
        self.is_closed = False
        self.port = cast(MediaPort, self)

    def tell(self, event: PeerMediaEvent) -> None:
        if not self.is_closed:
            self._on_event(event)

    def prefer(self, codec_names: Sequence[str]) -> None:
        self.preferred.append(tuple(codec_names))

    def offered_video(self, offer: str) -> Video | None:
        return self.video_in_offers if "m=video" in offer else None

    def show(self, video: Video | None) -> None:
        self.shown.append(video)

    async def _take(self, asked: str, description: str = "") -> None:
        self.asked.append((asked, description))
        await asyncio.sleep(self.delay_s)
        if "refuse" in description:
            raise PeerError("expected an acceptable description", status=488)

    async def offer(self) -> str:
        await self._take("offer")
        return "our offer"

    async def accept_answer(self, answer: str) -> None:
        await self._take("accept_answer", answer)

    async def answer(self, offer: str) -> str:
        await self._take("answer", offer)
        return "our answer"

    async def restart(self, offer: str) -> str:
        await self._take("restart", offer)
        return f"our new answer {len(self.asked)}"

    async def send_digits(self, digits: str) -> None:
        self.digits.append(digits)

    def close(self) -> None:
        self.is_closed = True


class Wire:
    """An Outlet that keeps what was written, parsed."""

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []
        self.beats = 0
        self.closed: int | None = None

    def send(self, frame: str) -> None:
        assert self.closed is None
        if frame == "\n":
            self.beats += 1
        else:
            self.frames.append(json.loads(frame))

    def close(self, code: int, reason: str) -> None:
        self.closed = code

    def take(self) -> list[dict[str, Any]]:
        """What came since the last look."""
        frames, self.frames = self.frames, []
        return frames

    def kinds(self) -> list[str]:
        return [frame["type"] for frame in self.take()]


class Browser:
    """The SDK's end of one connection that is a Wire."""

    def __init__(self, rig: "Rig", *, address: str = "192.0.2.1") -> None:
        self.wire = Wire()
        self.connection: Connection = rig.agent.open(self.wire, address)

    def say(self, kind: str, **payload: Any) -> None:
        self.connection.receive(json.dumps({"type": kind, "payload": payload, "version": "1.6"}))

    def log_in(self, text: str | None = None, *, register: bool = True, reconnect_timeout_s: int = 0) -> "Browser":
        self.say("listen", token=text or token(), reconnectTimeout=reconnect_timeout_s, browserinfo={})
        if register:
            self.say("register", media={"audio": True})
        self.wire.take()
        return self

    def echo(self) -> None:
        self.connection.receive("\n")


class Rig:
    """An agent with browsers on wires."""

    def __init__(
        self,
        settings: VoiceSdkSettings | None = None,
        *,
        ports: int = 100,
        keys: Mapping[str, SigningKey] | None = None,
        scope: Scope = bare,
    ) -> None:
        self.sounds: list[RecordingSound] = []
        self.calls: list[VoiceSdkLeg] = []
        self.now = time.time()
        self._ports = ports
        self.agent = VoiceSdkAgent(
            settings=settings or VoiceSdkSettings(),
            verifier=TokenVerifier({KEY: SIGNING, **(keys or {})}.get, clock=lambda: self.now),
            make_media=self.make_media,
            on_call=self.calls.append,
            new_call_sid=lambda: f"CA{len(self.calls):032x}",
            clock=lambda: self.now,
            scope=scope,
        )

    def make_media(self, *, codec_names: Sequence[str], on_event: Callable[[PeerMediaEvent], None]) -> PeerMedia:
        if len(self.sounds) >= self._ports:
            raise PortsExhausted("no port is left")
        sound = RecordingSound(codec_names, on_event)
        self.sounds.append(sound)
        return sound

    def browser(self, text: str | None = None, *, register: bool = True) -> Browser:
        return Browser(self).log_in(text, register=register)

    def dial(self, identity: str = "alice", *, call_sid: str = CALL_SID, **more: Any) -> list[VoiceSdkLeg]:
        request = outbound(call_sid=call_sid, **more)
        return [device.dial(request) for device in self.agent.devices(identity)]


def outbound(*, call_sid: str = CALL_SID, **more: Any) -> OutboundCall:
    return OutboundCall(
        call_sid=call_sid,
        account_sid=ACCOUNT,
        caller=Party(address="+15550100"),
        callee=Party(address="client:alice"),
        **more,
    )
