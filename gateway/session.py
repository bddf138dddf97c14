"""One call that has a script, from its first moment (or its answer, when it was placed here) to its record.

Owns the call's tasks (one flat TaskGroup), its status and its timeline. What the caller hears and whom he is connected
to is the script's business (gateway/interpreter.py); this file knows when the call begins, is answered and ends.

A call ends in one way: the caller's leg posts ``Ended``, whoever ended it (BYE, script, time limit, shutdown), and
CallEnded leaves the group. Verbs end by cancellation and clean up in their ``finally``.
Source: Twilio "TwiML for Programmable Voice"; Twilio Call resource.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from gateway.call import CallStatus, PickedUp, unanswered_status
from gateway.call_progress import CallProgress
from gateway.call_recordings import CallRecordingOrder, CallRecordings
from gateway.parameters import (
    CallFacts,
    Parameters,
    call_parameters,
)
from gateway.routing import Script
from gateway.scripted import REFER_NOT_WANTED, DigitListener
from gateway.services import Services
from gateway.telling import Telling
from gateway.timeline import Timeline
from gateway.verbs.machine_detection import DetectionOrder, Detector, PlacedDetection
from gateway.verbs.outcome import Fetch, Given
from gateway.webhooks.cookies import CallCookies
from signaling.leg import DigitReceived, Ended, HangupCause, Leg, TransferRequested


class CallEnded(Exception):
    """The caller's leg is over: leaves the call's TaskGroup, caught in ``CallSession.run`` alone."""


class CallSession:
    """The call as verbs see it: its leg, its facts, its status, and the means to tell and to note.

    progress: of a call that was placed here and is answered already; None: it comes in and rings.
    first: the document to begin with, instead of the script's voice URL.
    digits: sent to the far end before that, instead of detecting who answered. recording: of the whole call, from the
    answer on.
    time_limit_s: how long it may last; None: as long as the configuration allows.
    listener: hears every key of the call.
    after: what still uses the leg and is being cancelled; the first document waits for its end.
    refusal: what an unanswered caller is told when the script ends (a <Dial> that found its party busy leaves "busy").
    """

    def __init__(
        self,
        services: Services,
        leg: Leg,
        facts: CallFacts,
        script: Script,
        *,
        progress: CallProgress | None = None,
        first: Fetch | Given | None = None,
        digits: str | None = None,
        recording: CallRecordingOrder | None = None,
        detection: PlacedDetection | None = None,
        time_limit_s: float | None = None,
        listener: DigitListener | None = None,
        after: "asyncio.Task[None] | None" = None,
    ) -> None:
        self.services = services
        self.leg = leg
        self.facts = facts
        self.script = script
        self.cookies = CallCookies()
        self.refusal = HangupCause.NORMAL
        self._progress = progress or CallProgress(
            services,
            facts,
            Timeline(services, facts, leg_id=leg.leg_id),
            Telling(url=script.status_callback or None, method=script.status_callback_method),
            status=CallStatus.RINGING,
        )
        self._listeners: list[DigitListener] = [] if listener is None else [listener]
        self._group: asyncio.TaskGroup | None = None
        self._script_task: asyncio.Task[None] | None = None
        self._redirected: Fetch | Given | None = first
        self._time_limit_s = time_limit_s or services.configuration.calls.time_limit_s
        self._limit: asyncio.TimerHandle | None = None
        self._digits = digits
        self._detection = detection
        self._after = after
        self._ordered = recording
        self.recordings = CallRecordings(services.recordings)

    @property
    def status(self) -> CallStatus:
        return self._progress.status

    @property
    def is_answered(self) -> bool:
        return self._progress.is_answered

    @property
    def timeline(self) -> Timeline:
        return self._progress.timeline

    @property
    def progress(self) -> CallProgress:
        return self._progress

    async def run(self) -> None:
        """Run the script until it or the call ends; the call's record and callbacks are written whatever happens."""
        if not self.is_answered:
            self._progress.begin(device=self.leg.device)
        self.limit_time(self._time_limit_s)
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                group.create_task(self._follow_leg(), name=f"{self.facts.sid} leg")
                group.create_task(self._play_out(group), name=f"{self.facts.sid} scripts")
        except* CallEnded:
            pass
        finally:
            assert self._limit is not None
            self._limit.cancel()
            self._progress.recording = self.recordings.finish()
            self.leg.hangup(HangupCause.FAILED)
            ended = self.leg.events.ended or Ended(HangupCause.FAILED)
            self._progress.close(self._final_status(ended), leg=self.leg, ended=ended)

    def limit_time(self, seconds: float) -> None:
        """The call ends this long from now, whatever its script does."""
        if self._limit is not None:
            self._limit.cancel()
        self._limit = asyncio.get_running_loop().call_later(seconds, self.leg.hangup, HangupCause.NORMAL)

    @property
    def session(self) -> "CallSession":
        """Itself: a call with a script is what others ask for."""
        return self

    def hangup(self, cause: HangupCause = HangupCause.NORMAL) -> None:
        self.leg.hangup(cause)

    def redirect(self, following: Fetch | Given) -> bool:
        """Take the running script away and go on with this document instead. False for a call that is over.

        Verbs see a cancellation while their leg still lives: nobody hung up.
        """
        is_over = self._script_task is not None and self._script_task.done()
        if self.leg.events.ended is not None or is_over:
            return False
        self._redirected = following
        # Before the first document it is what the script begins with.
        if self._script_task is not None:
            self._script_task.cancel()
        return True

    def fall_back_to(self, url: str, method: str) -> None:
        """Whom to ask from now on when a document fails."""
        self.script = replace(self.script, fallback_url=url, fallback_method=method)

    async def _follow_leg(self) -> None:
        async for event in self.leg.events:
            match event:
                case DigitReceived():
                    for listener in tuple(self._listeners):
                        listener(event)
                case TransferRequested():
                    self.timeline.warn(REFER_NOT_WANTED, "REFER of the caller: only a dialled party may refer")
                case Ended():
                    raise CallEnded
                case _:
                    pass

    async def _play_out(self, group: asyncio.TaskGroup) -> None:
        """One script after the other, each replacing the one before; the last that ends by itself ends the call."""
        if self._after is not None:
            await asyncio.wait([self._after])
        if self._ordered is not None:
            self.recordings.begin(self._ordered.order, self.leg.media, is_dual=self._ordered.is_dual)
        if self._digits:
            await self.leg.send_digits(self._digits)
        elif self._detection is not None and self._detection.is_awaited:
            await self._detect(self._detection.order)
        elif self._detection is not None:
            self.spawn(self._detect(self._detection.order), name="machine detection")
        following, self._redirected = self._redirected, None
        while True:
            work = self.services.interpreter.run(self, following)
            self._script_task = group.create_task(work, name=f"{self.facts.sid} script")
            await asyncio.wait([self._script_task])
            if self._redirected is None or not self._script_task.cancelled():
                break
            following, self._redirected = self._redirected, None
        self.leg.hangup(HangupCause.NORMAL if self.is_answered else self.refusal)

    async def _detect(self, order: DetectionOrder) -> None:
        """However the call ends, there is a verdict, and whoever wants it gets it."""
        detector = Detector(self.services, self.leg, order.thresholds)
        try:
            await detector.run()
        finally:
            found = self._progress.detection = detector.verdict
            self._progress.write()
            if order.callback_url is not None:
                self.timeline.note(
                    self.timeline.owe(
                        url=order.callback_url,
                        method=order.callback_method,
                        parameters=call_parameters(self.facts, CallStatus.IN_PROGRESS) + found.parameters(),
                        order_key=f"{self.facts.sid} machine detection",
                    )
                )

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """A task of the call: it ends with the call at the latest."""
        assert self._group is not None
        return self._group.create_task(work, name=f"{self.facts.sid} {name}")

    async def answer(self) -> None:
        """Answer the caller if that has not happened yet."""
        if self.is_answered or self.leg.events.ended is not None:
            return
        await self.leg.answer()
        if self.leg.events.ended is not None:
            return
        self._progress.advance(PickedUp())

    @contextmanager
    def listening(self, listener: DigitListener) -> Iterator[None]:
        """Hand the caller's digits to ``listener`` for as long as the context lasts."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def parameters(self) -> Parameters:
        """The standard parameters of a request made now; of one whose caller is gone, with the status it ends with."""
        ended = self.leg.events.ended
        found = self._progress.detection
        more = [] if found is None else found.parameters()
        if ended is None:
            return call_parameters(self.facts, self.status) + more
        status = CallStatus.COMPLETED if self.is_answered else self._final_status(ended)
        return call_parameters(self.facts, status) + more

    def _final_status(self, ended: Ended) -> CallStatus:
        """An inbound caller who gives up before the answer was not answered; a script may refuse him as busy.

        Of no account once the call was answered: then it is completed.
        """
        if ended.by_remote or ended.cause in (HangupCause.NORMAL, HangupCause.NOT_FOUND):
            return CallStatus.NO_ANSWER
        return unanswered_status(ended.cause)
