"""Whether a person or a machine answered a dialled leg, and who is told.

Without amdStatusCallback the dial waits for the verdict, so that the whisper document knows it; with it the verdict
is told when it is there. Listening is media/answering_machine.py's.
Source: Twilio <Number>, <Sip>: machineDetection, amdStatusCallback; Twilio "Answering Machine Detection".
"""

from dataclasses import dataclass

from gateway.parameters import Parameters
from gateway.scripted import ScriptedCall
from gateway.services import Services
from gateway.twiml import TwimlError, resolve_url
from gateway.twiml.model import MachineDetection
from gateway.twiml.values import MachineDetectionMode
from media.answering_machine import AnsweredBy, AnsweringMachine, Thresholds
from media.engine import PortsExhausted, Received
from signaling.leg import Leg


@dataclass(frozen=True)
class Detection:
    """duration_ms: how long it took to find out."""

    answered_by: AnsweredBy
    duration_ms: int

    def parameters(self) -> Parameters:
        return [("AnsweredBy", self.answered_by.value), ("MachineDetectionDuration", str(self.duration_ms))]


@dataclass(frozen=True, kw_only=True)
class DetectionOrder:
    """callback_url None: whoever dials waits for the verdict."""

    thresholds: Thresholds
    callback_url: str | None = None
    callback_method: str = "POST"


@dataclass(frozen=True, kw_only=True)
class PlacedDetection:
    """Of a call that is placed over REST. is_awaited: its document begins when the verdict is there."""

    order: DetectionOrder
    is_awaited: bool


def detection_order(call: ScriptedCall, wanted: MachineDetection | None, base_url: str | None) -> DetectionOrder | None:
    if wanted is None:
        return None
    callback = None
    if wanted.callback is not None:
        try:
            callback = resolve_url(base_url, wanted.callback, callback=True)
        except TwimlError as error:
            call.timeline.warn(error.code, f"amdStatusCallback: {error.message}")
    return DetectionOrder(
        thresholds=Thresholds(
            waits_for_end=wanted.mode is MachineDetectionMode.DETECT_MESSAGE_END,
            timeout_ms=wanted.timeout_s * 1000,
            speech_ms=wanted.speech_threshold_ms,
            speech_end_ms=wanted.speech_end_threshold_ms,
            silence_ms=wanted.silence_timeout_ms,
        ),
        callback_url=callback,
        callback_method=wanted.callback_method.value,
    )


class Detector:
    """Listens to one answered leg. ``verdict`` may be asked for at any time, once ``run`` has begun."""

    def __init__(self, services: Services, leg: Leg, thresholds: Thresholds) -> None:
        self._services = services
        self._leg = leg
        self._machine = AnsweringMachine(thresholds)
        self._found: AnsweredBy | None = None

    async def run(self) -> Detection:
        """Until it is found out, time is over, or the leg is."""
        try:
            frames = self._services.listen(Received(self._leg.media))
        except PortsExhausted:
            return self.verdict
        try:
            async for frame in frames:
                self._found = self._machine.push(frame)
                if self._found is not None:
                    break
        finally:
            frames.close()
        return self.verdict

    @property
    def verdict(self) -> Detection:
        return Detection(self._found or self._machine.out_of_time(), self._machine.elapsed_ms)
