"""PJSIP as an endpoint needs it: the only file that imports pjsua2.

Its traps decide its shape. It aborts the process when a thread it does not know calls it, when a live call is
collected as garbage, or when a call is refused inside ``onIncomingCall``. So: one thread owns everything and turns
the crank (``poll``); callbacks hand a note on and do nothing else that could change a call; ``_Call`` objects stay in
a dict until ``forget``, which is called outside every callback; whoever runs this switches the collector off and ends
the process by ``os._exit``.
Decides nothing about a call (endpoint.py). Owns the sound of it: connects what is said and what is recorded.
Source: RFC 3261, RFC 3264 8.4 (hold), RFC 4733 (digits), through PJSIP 2.15.
"""

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pjsua2 as pj

from signaling.endpoints.commands import DigitMethod
from signaling.endpoints.messages import body_of, extension_headers, request_uri
from signaling.endpoints.notes import (
    CallAnswered,
    CallCame,
    CallOver,
    CallProgressed,
    DigitCame,
    LibraryError,
    MediaChanged,
    Note,
    RegistrationChanged,
)
from signaling.endpoints.options import SipEndpointOptions
from signaling.endpoints.servers import OptionError, Transport
from signaling.endpoints.sound import RATE_HZ, TONE_VOLUME, tone_hz

POLL_MS = 10
RETRY_REGISTRATION_S = 10
USER_AGENT = "Ringfork endpoint"
TONE_PERIOD_MS = 1000
_DIGIT_ENDS = 2  # PJMEDIA_STREAM_DTMF_IS_END, which the bindings do not name

_PJ_TRANSPORT = {
    Transport.UDP: pj.PJSIP_TRANSPORT_UDP,
    Transport.TCP: pj.PJSIP_TRANSPORT_TCP,
    Transport.TLS: pj.PJSIP_TRANSPORT_TLS,
}


class _Account(pj.Account):  # type: ignore[misc]  # pjsua2 ships no types
    def __init__(self, library: "PjsipLibrary") -> None:
        super().__init__()
        self._library = library

    def onRegState(self, prm: Any) -> None:
        self._library.note(RegistrationChanged(prm.code, prm.reason, prm.expiration))

    def onIncomingCall(self, prm: Any) -> None:
        call = self._library.new_call(prm.callId)
        info = call.getInfo()
        message = prm.rdata.wholeMsg
        self._library.note(
            CallCame(call.number, info.remoteUri, info.localUri, request_uri(message), extension_headers(message))
        )


class _Call(pj.Call):  # type: ignore[misc]  # pjsua2 ships no types
    def __init__(self, library: "PjsipLibrary", number: int, pj_id: int) -> None:
        super().__init__(library.account, pj_id)
        self.number = number
        self.audio: Any = None
        self.recorder: Any = None
        self.last_message = ""
        self._library = library

    def onCallState(self, prm: Any) -> None:
        info = self.getInfo()
        message = self._received(prm.e)
        match info.state:
            case pj.PJSIP_INV_STATE_EARLY:
                is_inbound = info.role == pj.PJSIP_ROLE_UAS
                has_sound = info.lastStatusCode == 183 and (is_inbound or bool(body_of(message)))
                self._library.note(CallProgressed(self.number, info.lastStatusCode, has_sound))
            case pj.PJSIP_INV_STATE_CONFIRMED:
                stream = self.getStreamInfo(0)
                self._library.note(
                    CallAnswered(
                        self.number,
                        stream.codecName,
                        stream.codecClockRate,
                        stream.remoteRtpAddress,
                        extension_headers(self.last_message),
                    )
                )
            case pj.PJSIP_INV_STATE_DISCONNECTED:
                self.audio = self.recorder = None
                headers = extension_headers(self.last_message)
                self._library.note(CallOver(self.number, info.lastStatusCode, info.lastReason, headers))

    def onCallMediaState(self, prm: Any) -> None:
        info = self.getInfo()
        audio = next((media for media in info.media if media.type == pj.PJMEDIA_TYPE_AUDIO), None)
        if audio is None:
            return
        if audio.status in (pj.PJSUA_CALL_MEDIA_ACTIVE, pj.PJSUA_CALL_MEDIA_REMOTE_HOLD):
            self._library.connect(self, audio.index)
        holder = {
            pj.PJSUA_CALL_MEDIA_LOCAL_HOLD: "local",
            pj.PJSUA_CALL_MEDIA_REMOTE_HOLD: "remote",
        }.get(audio.status)
        is_before_answer = info.state < pj.PJSIP_INV_STATE_CONNECTING
        self._library.note(MediaChanged(self.number, holder, is_before_answer, info.lastStatusCode))

    def onCallTsxState(self, prm: Any) -> None:
        self._received(prm.e)

    def onDtmfEvent(self, prm: Any) -> None:
        by_info = prm.method == pj.PJSUA_DTMF_METHOD_SIP_INFO
        if by_info or prm.flags & _DIGIT_ENDS:
            method = DigitMethod.INFO if by_info else DigitMethod.RFC4733
            self._library.note(DigitCame(self.number, prm.digit, method, prm.duration))

    def _received(self, event: Any) -> str:
        """The message that made an event, empty for one of our own."""
        message = ""
        if event.type == pj.PJSIP_EVENT_RX_MSG:
            message = str(event.body.rxMsg.rdata.wholeMsg)
        elif event.type == pj.PJSIP_EVENT_TSX_STATE and event.body.tsxState.type == pj.PJSIP_EVENT_RX_MSG:
            message = str(event.body.tsxState.src.rdata.wholeMsg)
        self.last_message = message or self.last_message
        return message


@dataclass
class PjsipLibrary:
    """One endpoint's PJSIP. Every method raises LibraryError when PJSIP refuses.

    note: gets what happened, inside PJSIP's callbacks; must not raise and must not end or answer a call.
    Calls are known by their number, from 1 in the order they were made or came.
    """

    options: SipEndpointOptions
    note: Callable[[Note], None]
    account: Any = None
    _endpoint: Any = None
    _calls: dict[int, _Call] = field(default_factory=dict)
    _calls_made: int = 0
    _player: Any = None

    def start(self) -> str:
        """Listen, and register if there is a server. Returns ``host:port`` listened on."""
        try:
            return self._start()
        except pj.Error as error:
            raise LibraryError(error.info()) from error

    def poll(self) -> None:
        """Wait for the network and the clock, at most POLL_MS; notes come from in here."""
        self._endpoint.libHandleEvents(POLL_MS)

    def unregister(self) -> None:
        self._ask(self.account.setRegistration, False)

    def dial(self, uri: str, headers: Mapping[str, str]) -> int:
        parameters = pj.CallOpParam(True)
        for name, value in headers.items():
            header = pj.SipHeader()
            header.hName, header.hValue = name, value
            parameters.txOption.headers.append(header)
        call = self.new_call(pj.PJSUA_INVALID_ID)
        try:
            self._ask(call.makeCall, uri, parameters)
        except LibraryError:
            self.forget(call.number)
            raise
        return call.number

    def respond(self, number: int, code: int) -> None:
        parameters = pj.CallOpParam()
        parameters.statusCode = code
        self._ask(self._calls[number].answer, parameters)

    def hangup(self, number: int) -> None:
        self._ask(self._calls[number].hangup, pj.CallOpParam())

    def hold(self, number: int) -> None:
        self._ask(self._calls[number].setHold, pj.CallOpParam(True))

    def resume(self, number: int) -> None:
        parameters = pj.CallOpParam(True)
        parameters.opt.flag |= pj.PJSUA_CALL_UNHOLD
        self._ask(self._calls[number].reinvite, parameters)

    def send_digits(self, number: int, digits: str, method: DigitMethod) -> None:
        parameters = pj.CallSendDtmfParam()
        parameters.digits = digits
        by_info = method is DigitMethod.INFO
        parameters.method = pj.PJSUA_DTMF_METHOD_SIP_INFO if by_info else pj.PJSUA_DTMF_METHOD_RFC2833
        self._ask(self._calls[number].sendDtmf, parameters)

    def statistics(self, number: int) -> dict[str, float]:
        rtcp = self._ask(self._calls[number].getStreamStat, 0).rtcp
        return {
            "sent": rtcp.txStat.pkt,
            "received": rtcp.rxStat.pkt,
            "lost": rtcp.rxStat.loss,
            "reordered": rtcp.rxStat.reorder,
            "duplicates": rtcp.rxStat.dup,
            "jitter_ms": rtcp.rxStat.jitterUsec.mean / 1000,
            "rtt_ms": rtcp.rttUsec.mean / 1000,
        }

    def play(self, sound: str, *, once: bool = False) -> None:
        """Say this file or tone in every call from now on; empty: nothing."""
        player = self._source(sound, once=once) if sound else None
        before, self._player = self._player, player
        for call in self._calls.values():
            if call.audio is not None:
                if before is not None:
                    self._ask(before.stopTransmit, call.audio)
                if player is not None:
                    self._ask(player.startTransmit, call.audio)

    def forget(self, number: int) -> None:
        """Let go of a call that is over. Never inside a note."""
        self._calls.pop(number, None)

    def new_call(self, pj_id: int) -> _Call:
        """pj_id: of a call that came in, which must have its object before the callback returns."""
        self._calls_made += 1
        call = self._calls[self._calls_made] = _Call(self, self._calls_made, pj_id)
        return call

    def connect(self, call: _Call, index: int) -> None:
        """Join a call's sound with what is said and with its recording."""
        call.audio = call.getAudioMedia(index)
        if self._player is not None:
            self._player.startTransmit(call.audio)
        path = self.options.record_path(call.number)
        if call.recorder is None and path is not None:
            call.recorder = pj.AudioMediaRecorder()
            call.recorder.createRecorder(str(path))
        if call.recorder is not None:
            call.audio.startTransmit(call.recorder)

    def _ask(self, method: Callable[..., Any], *values: Any) -> Any:
        try:
            return method(*values)
        except pj.Error as error:
            raise LibraryError(error.info()) from error

    def _source(self, sound: str, *, once: bool) -> Any:
        frequency = tone_hz(sound)
        if frequency is None:
            player = pj.AudioMediaPlayer()
            self._ask(player.createPlayer, sound, pj.PJMEDIA_FILE_NO_LOOP if once else 0)
            return player
        # Not a repeated file: PJMEDIA leaves out a frame wherever one begins again.
        tone = pj.ToneDesc()
        tone.freq1, tone.freq2, tone.volume = frequency, 0, TONE_VOLUME
        tone.on_msec, tone.off_msec = TONE_PERIOD_MS, 0
        tones = pj.ToneDescVector()
        tones.append(tone)
        generator = pj.ToneGenerator()
        self._ask(generator.createToneGenerator, RATE_HZ, 1)
        self._ask(generator.play, tones, True)
        return generator

    def _start(self) -> str:
        self._endpoint = endpoint = pj.Endpoint()
        endpoint.libCreate()
        config = pj.EpConfig()
        config.logConfig.level = config.logConfig.consoleLevel = self.options.log_level
        config.uaConfig.userAgent = USER_AGENT
        config.uaConfig.threadCnt = 0
        config.uaConfig.mainThreadOnly = True
        config.medConfig.clockRate = config.medConfig.sndClockRate = RATE_HZ
        config.medConfig.noVad = True
        config.medConfig.ecTailLen = 0
        config.medConfig.sndAutoCloseTime = -1
        endpoint.libInit(config)
        local = self._local_address()
        bound = self._listen(local)
        endpoint.libStart()
        endpoint.audDevManager().setNullDev()
        self._choose_codecs()
        if self.options.play:
            self.play(self.options.play)
        self.account = _Account(self)
        self.account.create(self._account_config(local))
        return bound

    def _local_address(self) -> str:
        if self.options.local_address or not self.options.is_registering:
            return self.options.local_address or "127.0.0.1"
        server = self.options.server_address
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.connect((server.host, server.port))
                return str(probe.getsockname()[0])
        except OSError as error:
            raise OptionError(f"no way to {server.host}: {error}") from error

    def _listen(self, local: str) -> str:
        config = pj.TransportConfig()
        config.port = self.options.local_port
        config.boundAddress = local
        transport = self.options.chosen_transport
        if transport is Transport.TLS:
            config.tlsConfig.verifyServer = not self.options.tls_insecure
            config.tlsConfig.CaListFile = self.options.tls_ca
        opened = self._endpoint.transportCreate(_PJ_TRANSPORT[transport], config)
        return str(self._endpoint.transportGetInfo(opened).localName)

    def _choose_codecs(self) -> None:
        wanted = [name.upper() for name in self.options.codecs]
        found = set()
        for codec in self._endpoint.codecEnum2():
            name = codec.codecId.split("/")[0].upper()
            self._endpoint.codecSetPriority(codec.codecId, 255 - wanted.index(name) if name in wanted else 0)
            found.add(name)
        if missing := [name for name in wanted if name not in found]:
            raise OptionError(f"no such codec: {', '.join(missing)}")

    def _account_config(self, local: str) -> Any:
        options = self.options
        config = pj.AccountConfig()
        name = options.display_name.replace("\\", "\\\\").replace('"', '\\"')
        config.idUri = f'"{name}" <{options.address_of_record}>' if name else options.address_of_record
        config.mediaConfig.transportConfig.boundAddress = local
        config.mediaConfig.transportConfig.port = 0
        if options.password:
            credentials = pj.AuthCredInfo("digest", "*", options.identity, 0, options.password)
            config.sipConfig.authCreds.append(credentials)
        if options.is_registering:
            config.regConfig.timeoutSec = options.expires_s
            config.regConfig.retryIntervalSec = RETRY_REGISTRATION_S
            config.regConfig.registrarUri = options.server_address.uri
            if options.domain:
                config.regConfig.registrarUri = f"sip:{options.domain}"
                config.sipConfig.proxies.append(f"{options.server_address.uri};lr")
        return config


def silence_standard_output(*, keep_on: int | None) -> int:
    """PJSIP prints to standard output, which is for events alone: move it to ``keep_on`` or nowhere.

    Returns a descriptor of what standard output was.
    """
    told = os.dup(1)
    sink = os.open(os.devnull, os.O_WRONLY) if keep_on is None else keep_on
    os.dup2(sink, 1)
    return told
