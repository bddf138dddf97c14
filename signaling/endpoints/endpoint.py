"""What a client endpoint does in a call and what it tells of it, whatever the protocol under it.

One thread, one loop: the library's notes, commands from standard input, and what the options plan, in turn. Nothing
that ends or answers a call happens inside a note; it goes through the agenda.
Leaves to others: the protocol and the sound (a Library, notes.py), what is asked for (options.py, commands.py), how
events are written (events.py), the plan of a call (script.py), the process (sip.py, webrtc.py).
"""

import os
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, assert_never

from signaling.endpoints.commands import (
    Answer,
    Asked,
    Dial,
    DigitMethod,
    Digits,
    Hangup,
    Hold,
    LineReader,
    Play,
    Progress,
    Quit,
    Reject,
    Resume,
    Ring,
    Statistics,
    parse_command,
)
from signaling.endpoints.events import EventName, EventWriter, end_cause
from signaling.endpoints.notes import (
    CallAnswered,
    CallCame,
    CallOver,
    CallProgressed,
    DigitCame,
    Library,
    LibraryError,
    MediaChanged,
    Note,
    RegistrationChanged,
)
from signaling.endpoints.options import EndpointOptions
from signaling.endpoints.script import Agenda, Timed, on_answered, on_incoming, split_digits
from signaling.endpoints.servers import OptionError
from signaling.endpoints.sound import played_s

HANGUP_S = 3.0
UNREGISTER_S = 2.0
RECORDING_S = 2.0
EMPTY_RECORDING_S = 0.2
NO_CALL = 0


@dataclass
class _Conversation:
    """One call as the phone sees it."""

    number: int
    is_inbound: bool
    answered_at_s: float | None = None
    is_ended_by_us: bool = False
    had_early_media: bool = False
    held_by: str | None = None
    is_over: bool = False

    @property
    def direction(self) -> str:
        return "inbound" if self.is_inbound else "outbound"


@dataclass
class Endpoint:
    """The client. ``serve`` is its life; everything else happens inside it, on the same thread."""

    options: EndpointOptions
    make_library: Callable[[Callable[[Note], None]], Library]
    events: EventWriter
    commands: LineReader | None
    clock: Callable[[], float]
    exit_code: int = 0
    _conversations: dict[int, _Conversation] = field(default_factory=dict)
    _recordings: dict[int, Path] = field(default_factory=dict)
    _over_at_s: dict[int, float] = field(default_factory=dict)
    _agenda: Agenda = field(default_factory=Agenda)
    _calls_over: int = 0
    _is_registered: bool = False
    _is_leaving: bool = False
    _is_stopping: bool = False

    def __post_init__(self) -> None:
        self._library = self.make_library(self._note)

    def serve(self) -> None:
        """Register, do what is asked until told to stop, hang up, unregister.

        Raises OptionError or LibraryError when it cannot even start.
        """
        address = self._library.start()
        self.events.write(EventName.STARTED, address=address, transport=self.options.transport_name, pid=os.getpid())
        if self.options.dial:
            self.exit_code = 1
            if not self.options.is_registering:
                self._plan(NO_CALL, (Timed(0.0, Dial(self.options.dial)),))
        while not self._is_stopping:
            self._turn()
        self._shut_down()

    def stop(self) -> None:
        """May be called from a signal handler."""
        self._is_stopping = True

    def _turn(self) -> None:
        self._library.poll()
        if self.commands is not None:
            for line in self.commands.lines():
                self._obey_line(line)
            self._is_stopping |= self.commands.is_at_end
        for command in self._agenda.due(self.clock()):
            self._obey(Asked(command, type(command).__name__.lower()))
        self._forget_finished()
        self._is_stopping |= self.events.is_broken

    def _shut_down(self) -> None:
        for number in list(self._conversations):
            self._agenda.drop(number)
            self._obey(Asked(Hangup(number), "quit"))
        self._pump_until(lambda: not self._conversations, HANGUP_S)
        if self._is_registered:
            self._is_leaving = True
            self._library.unregister()
            self._pump_until(lambda: not self._is_registered, UNREGISTER_S)
        self._pump_until(lambda: not self._recordings, RECORDING_S)

    def _pump_until(self, is_done: Callable[[], bool], limit_s: float) -> None:
        deadline_s = self.clock() + limit_s
        while not is_done() and self.clock() < deadline_s:
            self._library.poll()
            self._forget_finished()

    def _forget_finished(self) -> None:
        """Outside every note: let go of calls that are over, tell of recordings that are complete."""
        for number in [each.number for each in self._conversations.values() if each.is_over]:
            del self._conversations[number]
            self._library.forget(number)
        for number, path in list(self._recordings.items()):
            if number not in self._over_at_s or (duration_s := played_s(path)) is None:
                continue
            if duration_s > 0 or self.clock() > self._over_at_s[number] + EMPTY_RECORDING_S:
                del self._recordings[number]
                self.events.write(EventName.RECORDED, call=number, file=str(path), duration_s=round(duration_s, 3))

    def _plan(self, number: int, planned: tuple[Timed, ...]) -> None:
        now_s = self.clock()
        for timed in planned:
            self._agenda.add(number, now_s + timed.delay_s, timed.command)

    # What the library tells

    def _note(self, note: Note) -> None:
        try:
            self._take_in(note)
        except Exception as error:  # noqa: BLE001  a library would print it and go on as if nothing were
            traceback.print_exc()
            self.events.write(EventName.ERROR, message=repr(error), command=None)

    def _take_in(self, note: Note) -> None:
        match note:
            case RegistrationChanged():
                self._registration(note)
            case CallCame(number, caller, callee, uri, headers):
                self._conversations[number] = _Conversation(number, is_inbound=True)
                self.events.write(
                    EventName.INCOMING,
                    call=number,
                    **{"from": caller, "to": callee},
                    uri=uri,
                    headers=dict(headers),
                )
                self._plan(number, on_incoming(self.options, number))
            case CallProgressed():
                self._progressed(note)
            case CallAnswered():
                self._answered(note)
            case MediaChanged():
                self._media_changed(note)
            case DigitCame(number, digit, method, duration_ms):
                self.events.write(
                    EventName.DIGIT, call=number, digit=digit, method=method.value, duration_ms=duration_ms
                )
            case CallOver():
                self._over(note)
            case _:
                assert_never(note)

    def _registration(self, note: RegistrationChanged) -> None:
        is_accepted = note.code // 100 == 2
        # What is left after leaving are other devices' bindings; their time is no registration of ours.
        if is_accepted and note.expires_s > 0 and not self._is_leaving:
            is_first, self._is_registered = not self._is_registered, True
            self.events.write(EventName.REGISTERED, expires_s=note.expires_s)
            if is_first and self.options.dial:
                self._plan(NO_CALL, (Timed(0.0, Dial(self.options.dial)),))
        elif is_accepted or self._is_leaving:
            self._is_registered = False
            self.events.write(EventName.UNREGISTERED)
        else:
            self.events.write(EventName.REGISTRATION_FAILED, code=note.code, reason=note.reason)
            if not self._is_registered and not self.options.commands:
                self.exit_code, self._is_stopping = 1, True

    def _conversation_of(self, number: int) -> _Conversation:
        """A call of ours is noted before ``dial`` returns its number."""
        return self._conversations.setdefault(number, _Conversation(number, is_inbound=False))

    def _progressed(self, note: CallProgressed) -> None:
        conversation = self._conversation_of(note.number)
        if note.has_sound:
            return  # told when it is there
        self.events.write(EventName.RINGING, call=note.number, code=note.code, direction=conversation.direction)

    def _answered(self, note: CallAnswered) -> None:
        conversation = self._conversation_of(note.number)
        conversation.answered_at_s = self.clock()
        if self.options.dial and not conversation.is_inbound:
            self.exit_code = 0
        self.events.write(
            EventName.ANSWERED,
            call=note.number,
            codec=note.codec,
            rate_hz=note.rate_hz,
            remote_media=note.remote_media,
            direction=conversation.direction,
            headers=dict(note.headers),
        )
        self._plan(note.number, on_answered(self.options, note.number))

    def _media_changed(self, note: MediaChanged) -> None:
        conversation = self._conversation_of(note.number)
        path = self.options.record_path(note.number)
        if path is not None:
            self._recordings[note.number] = path
        if note.is_before_answer and not conversation.is_inbound:
            if not conversation.had_early_media:
                conversation.had_early_media = True
                self.events.write(EventName.EARLY_MEDIA, call=note.number, code=note.code)
        elif note.holder != conversation.held_by:
            if conversation.held_by is not None:
                self.events.write(EventName.RESUMED, call=note.number, by=conversation.held_by)
            if note.holder is not None:
                self.events.write(EventName.HELD, call=note.number, by=note.holder)
            conversation.held_by = note.holder

    def _over(self, note: CallOver) -> None:
        conversation = self._conversation_of(note.number)
        conversation.is_over = True
        self._over_at_s[note.number] = self.clock()
        self._agenda.drop(note.number)
        headers = dict(note.headers)
        answered_at_s = conversation.answered_at_s
        cause = end_cause(
            code=note.code, was_answered=answered_at_s is not None, reason_header=headers.get("Reason", "")
        )
        self.events.write(
            EventName.ENDED,
            call=note.number,
            cause=cause,
            code=note.code,
            reason=note.reason,
            by="local" if conversation.is_ended_by_us else "remote",
            answered=answered_at_s is not None,
            duration_s=0.0 if answered_at_s is None else round(self.clock() - answered_at_s, 3),
            headers=headers,
            recording=note.number in self._recordings,
        )
        self._count_call()

    def _count_call(self) -> None:
        self._calls_over += 1
        last = self.options.last_call
        if last is not None and self._calls_over >= last:
            self._is_stopping = True

    # What is asked for

    def _obey_line(self, line: bytes) -> None:
        try:
            asked = parse_command(line)
        except OptionError as error:
            self.events.write(EventName.ERROR, message=str(error), command=None)
        else:
            self._obey(asked)

    def _obey(self, asked: Asked) -> None:
        try:
            self._execute(asked)
        except (LibraryError, OptionError) as error:
            self.events.write(EventName.ERROR, message=str(error), command=asked.id)

    def _execute(self, asked: Asked) -> None:
        match asked.command:
            case Dial(target, headers):
                self._dial(target, dict(self.options.headers) | dict(headers), asked.id)
            case Quit():
                self._is_stopping = True
            case Play(sound, once):
                self._library.play(sound, once=once)
                self.events.write(EventName.PLAYING, sound=sound)
            case Ring(call):
                self._respond(call, 180)
            case Progress(call):
                self._respond(call, 183)
            case Answer(call):
                self._respond(call, 200)
            case Reject(code, call):
                self._respond(call, code)
            case Hangup(call):
                conversation = self._living(call)
                conversation.is_ended_by_us = True
                self._library.hangup(conversation.number)
            case Digits(digits, method, call):
                self._send_digits(self._living(call).number, digits, method)
            case Hold(call):
                self._library.hold(self._living(call).number)
            case Resume(call):
                self._library.resume(self._living(call).number)
            case Statistics(call):
                number = self._living(call).number
                self.events.write(EventName.STATISTICS, call=number, **self._library.statistics(number))
            case _:
                assert_never(asked.command)

    def _living(self, number: int | None) -> _Conversation:
        living = [each for each in self._conversations.values() if not each.is_over]
        if number is not None:
            living = [each for each in living if each.number == number]
        if not living:
            raise OptionError("there is no call" if number is None else f"call {number} is not there")
        return living[-1]

    def _dial(self, target: str, headers: dict[str, str], asked_id: Any) -> None:
        uri = self.options.uri_of(target)
        try:
            number = self._library.dial(uri, headers)
        except LibraryError:
            self._count_call()
            raise
        self._conversation_of(number)
        self.events.write(EventName.DIALING, call=number, target=target, uri=uri, command=asked_id)

    def _respond(self, number: int | None, code: int) -> None:
        conversation = self._living(number)
        if not conversation.is_inbound or conversation.answered_at_s is not None:
            raise OptionError(f"call {conversation.number} is not waiting for an answer")
        conversation.is_ended_by_us |= code >= 300
        self._library.respond(conversation.number, code)

    def _send_digits(self, number: int, digits: str, method: DigitMethod) -> None:
        for delay_s, run in split_digits(digits):
            if delay_s > 0:
                self._plan(number, (Timed(delay_s, Digits(run, method, number)),))
            else:
                self._library.send_digits(number, run, method)
                self.events.write(EventName.DIGITS_SENT, call=number, digits=run)


def end_on_signals(endpoint: Endpoint) -> None:
    """SIGTERM and SIGINT hang up and unregister, as ``quit`` does."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: endpoint.stop())
