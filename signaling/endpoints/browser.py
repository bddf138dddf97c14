"""A browser with the Voice SDK, as a Library: how its calls, their sound and its registration go together.

One loop, which runs only inside ``poll`` and a few orders that wait; notes are told between its turns, outside of it.
Leaves the protocol to device.py, the sound to peer.py, and the socket with its token to signal_socket.py. What goes
wrong with one call ends that call; what nobody thought of ends the process with its traceback.
Source: voice-sdk.md 3, 4 and 7 of the specification.
"""

import asyncio
import uuid
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, assert_never

import aiohttp

from signaling.endpoints.commands import DigitMethod
from signaling.endpoints.device import (
    INTERRUPTED,
    Device,
    DeviceCall,
    DeviceNote,
    Invited,
    LoggedIn,
    Opened,
    Over,
    Rang,
    Refused,
    Registered,
    SentAway,
    Unregistered,
)
from signaling.endpoints.notes import (
    CallAnswered,
    CallCame,
    CallOver,
    CallProgressed,
    LibraryError,
    MediaChanged,
    Note,
    RegistrationChanged,
)
from signaling.endpoints.options import WebRtcEndpointOptions
from signaling.endpoints.peer import Peer, gather_on_route_to
from signaling.endpoints.servers import OptionError
from signaling.endpoints.session_text import host_of
from signaling.endpoints.signal_socket import SignalSocket, TokenRefused
from signaling.endpoints.voice import Mouth, Speech, speech_of

POLL_S = 0.01
REFRESH_S = 30.0
RENEW_BEFORE_S = 10.0
FAREWELL_S = 2.0


@dataclass
class _Call:
    number: int
    mouth: Mouth
    peer: Peer
    is_open: bool = False
    remote_media: str = ""


class Browser:
    """note: gets what happened, between the loop's turns."""

    def __init__(self, options: WebRtcEndpointOptions, note: Callable[[Note], None]) -> None:
        self._options = options
        self._note = note
        self._loop = asyncio.new_event_loop()
        self._notes: deque[Note] = deque()
        self._socket = SignalSocket(options, self._opened_socket, self._received, self._disconnected)
        self._device = Device(self._socket.send, self._next_number)
        self._calls: dict[int, _Call] = {}
        self._calls_made = 0
        self._speech: Speech = speech_of(options.play, once=False)
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_logged_in = False
        self._is_registered = False
        self._ttl_s = 0
        self._renewal: asyncio.TimerHandle | None = None

    # What the endpoint asks

    def start(self) -> str:
        address = self._options.server_address
        try:
            gather_on_route_to(address.host, address.port)
        except OSError as error:
            raise OptionError(f"no way to {address.host}: {error}") from error
        self._spawn(self._socket.stay_connected())
        self._spawn(self._refresh())
        return address.signal_url

    def poll(self) -> None:
        self._loop.run_until_complete(asyncio.sleep(POLL_S))
        for task in [task for task in self._tasks if task.done()]:
            self._tasks.discard(task)
            task.result()
        while self._notes:
            self._note(self._notes.popleft())

    def unregister(self) -> None:
        self._device.register(is_reachable=False)

    def dial(self, uri: str, headers: Mapping[str, str]) -> int:
        if not self._is_logged_in:
            raise LibraryError("there is no connection to the server")
        call = self._new_call(self._next_number())
        self._spawn(self._invite(call, {"To": uri} | dict(headers)))
        return call.number

    def respond(self, number: int, code: int) -> None:
        match code:
            case 180:
                # It rings since it was told; no message says so.
                self._notes.append(CallProgressed(number, 180))
            case 183:
                raise LibraryError("a browser has no sound before its answer")
            case 200:
                waiting = self._waiting(number)
                self._spawn(self._answer(self._new_call(number), waiting))
            case _:
                self._waiting(number)
                self._device.reject(number)
                # The Voice SDK refuses without a reason; the server takes it for declined.
                self._end(number, 603, "Decline")

    def hangup(self, number: int) -> None:
        call = self._calls.get(number)
        is_inbound = any(each.number == number and each.offer for each in self._device.calls)
        self._device.hangup(number)
        if call is not None and call.is_open:
            self._end(number, 200, "Hung up")
        else:
            self._end(number, 603 if is_inbound else 487, "Decline" if is_inbound else "Canceled")

    def hold(self, number: int) -> None:
        raise LibraryError("the Voice SDK has no hold")

    def resume(self, number: int) -> None:
        raise LibraryError("the Voice SDK has no hold")

    def send_digits(self, number: int, digits: str, method: DigitMethod) -> None:
        """As messages, which is what the SDK does where telephone-event was not agreed on; aiortc never agrees."""
        self._device.digits(number, digits)

    def statistics(self, number: int) -> dict[str, float]:
        call = self._calls.get(number)
        if call is None:
            raise LibraryError("the call has no sound yet")
        return self._loop.run_until_complete(call.peer.statistics())

    def play(self, sound: str, *, once: bool = False) -> None:
        self._speech = speech_of(sound, once=once)
        for call in self._calls.values():
            call.mouth.say(self._speech)

    def forget(self, number: int) -> None:
        """Nothing is kept of a call that is over."""

    def close(self) -> None:
        """The last of all: what still has to be said is said, within FAREWELL_S."""

        async def leave() -> None:
            await self._socket.close(within_s=FAREWELL_S)
            for number in list(self._calls):
                self._end(number, 200, "")
            closing = [task for task in self._tasks if task.get_name() == "close"]
            if closing:
                await asyncio.wait(closing, timeout=FAREWELL_S)
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=FAREWELL_S)

        self._loop.run_until_complete(leave())
        self._loop.close()

    # Calls

    def _next_number(self) -> int:
        self._calls_made += 1
        return self._calls_made

    def _waiting(self, number: int) -> DeviceCall:
        found = next((call for call in self._device.calls if call.number == number and call.offer), None)
        if found is None or number in self._calls:
            raise LibraryError(f"call {number} is not waiting for an answer")
        return found

    def _new_call(self, number: int) -> _Call:
        mouth = Mouth(self._speech)
        peer = Peer(
            mouth,
            codecs=self._options.codecs,
            record=self._options.record_path(number),
            on_sound=lambda: self._sound(number),
            on_lost=lambda: self._lost(number),
        )
        call = self._calls[number] = _Call(number, mouth, peer)
        return call

    async def _invite(self, call: _Call, parameters: Mapping[str, str]) -> None:
        try:
            offer = await call.peer.offer()
        except LibraryError as error:
            self._give_up(call, error)
            return
        if call.number in self._calls:
            self._device.invite(call.number, f"TJS{uuid.uuid4()}", offer, parameters)

    async def _answer(self, call: _Call, waiting: DeviceCall) -> None:
        try:
            answer = await call.peer.answer(waiting.offer)
        except LibraryError as error:
            self._give_up(call, error)
            return
        if call.number in self._calls:
            call.remote_media = host_of(waiting.offer)
            self._device.answer(call.number, answer)
            self._opened(call)

    async def _accept(self, call: _Call, answer: str, *, is_answered: bool) -> None:
        """answer: empty where it came before."""
        try:
            if answer:
                call.remote_media = host_of(answer)
                await call.peer.accept(answer)
        except LibraryError as error:
            self._give_up(call, error)
            return
        if is_answered and call.number in self._calls:
            self._opened(call)

    def _give_up(self, call: _Call, error: LibraryError) -> None:
        """Its sound could not be agreed on; nothing for a call that ended meanwhile."""
        if call.number in self._calls:
            self._device.hangup(call.number)
            self._end(call.number, 488, str(error))

    def _opened(self, call: _Call) -> None:
        call.is_open = True
        self._notes.append(CallAnswered(call.number, call.peer.codec, call.peer.rate_hz, call.remote_media))

    def _sound(self, number: int) -> None:
        # An incoming call's sound is agreed on with the answer, an outgoing one's with the first description.
        call = self._calls[number]
        self._notes.append(MediaChanged(number, None, is_before_answer=not call.is_open, code=183))

    def _lost(self, number: int) -> None:
        self._device.hangup(number, INTERRUPTED)
        self._end(number, 408, "the path of the sound was lost")

    def _end(self, number: int, code: int, reason: str) -> None:
        call = self._calls.pop(number, None)
        if call is not None:
            call.peer.stop()
            self._spawn(call.peer.close(), name="close")
        self._notes.append(CallOver(number, code, reason))

    # What the server says

    def _take_in(self, note: DeviceNote) -> None:
        match note:
            case LoggedIn(ttl_s):
                self._logged_in(ttl_s)
            case Registered():
                if not self._is_registered:
                    self._is_registered = True
                    self._notes.append(RegistrationChanged(200, "OK", max(self._ttl_s, 1)))
            case Unregistered():
                self._is_registered = False
                self._notes.append(RegistrationChanged(200, "OK", 0))
            case Refused(code, status, message):
                self._refused(code, status, message)
            case SentAway():
                self._socket.is_sent_away = True
            case Invited(call, caller, callee, parameters):
                self._notes.append(CallCame(call.number, caller, callee, callee, parameters))
            case Rang(device_call, sdp):
                self._notes.append(CallProgressed(device_call.number, 183 if sdp else 180, has_sound=bool(sdp)))
                self._spawn(self._accept(self._calls[device_call.number], sdp, is_answered=False))
            case Opened(device_call, sdp):
                self._calls[device_call.number].is_open = True
                self._spawn(self._accept(self._calls[device_call.number], sdp, is_answered=True))
            case Over(device_call, status, reason):
                self._end(device_call.number, status, reason)
            case _:
                assert_never(note)

    def _logged_in(self, ttl_s: int) -> None:
        is_new, self._is_logged_in = not self._is_logged_in, True
        self._ttl_s = ttl_s
        if not self._options.token:
            if self._renewal is not None:
                self._renewal.cancel()
            due_s = max(ttl_s - RENEW_BEFORE_S, 1.0)
            self._renewal = self._loop.call_later(due_s, lambda: self._spawn(self._renew()))
        for number, call in self._calls.items():
            if call.is_open:
                self._device.reconnect(number, call.peer.description)
        if is_new:
            self._device.register(is_reachable=True)

    def _refused(self, code: int, status: int, message: str) -> None:
        reason = f"{code} {message}".strip()
        if status == 401 and self._is_logged_in and not self._options.token:
            self._spawn(self._renew())
            return
        self._is_registered = False
        self._notes.append(RegistrationChanged(status, reason, 0))

    # The socket

    def _opened_socket(self, token: str) -> None:
        self._device.listen(token)

    def _received(self, frame: str) -> None:
        for note in self._device.receive(frame):
            self._take_in(note)

    def _disconnected(self, status: int, reason: str) -> None:
        self._is_logged_in = self._is_registered = False
        for over in self._device.lost():
            self._end(over.call.number, over.status, over.reason)
        self._notes.append(RegistrationChanged(status, reason, 0))

    async def _renew(self) -> None:
        """A new token on the same socket. What fails is tried again by whoever notices that the old one is over."""
        if not self._socket.is_open:
            return
        try:
            self._device.listen(await self._socket.fetch_token())
        except (TokenRefused, aiohttp.ClientError, OSError) as error:
            self._notes.append(RegistrationChanged(401, f"the token was not renewed: {error}", 0))

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_S)
            if self._is_registered:
                self._device.register(is_reachable=True)

    def _spawn(self, work: Coroutine[Any, Any, None], *, name: str = "") -> None:
        self._tasks.add(self._loop.create_task(work, name=name or None))
