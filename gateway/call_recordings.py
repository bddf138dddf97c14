"""Recordings of one call as a whole, beside those of its verbs: asked for when it was placed, or while it runs.

Channel 1 of a dual recording is what the call's own party says, channel 2 what it hears. They end with the call.
Source: Twilio Call resource, Record; Twilio Recording resource, "Create a recording for an active call".
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.parameters import RecordingMention
from gateway.recordings import ActiveRecording, RecordingOrder, Recordings
from media.engine import Heard, MediaPort, Received, Tap


@dataclass(frozen=True, kw_only=True)
class CallRecordingOrder:
    order: RecordingOrder
    is_dual: bool = False


def channels_of(port: MediaPort, *, track: str, is_dual: bool) -> Sequence[Sequence[Tap]]:
    """The taps of each channel of the file. track: inbound, outbound or both; a file of one track is always mono."""
    match track:
        case "inbound":
            return [[Received(port)]]
        case "outbound":
            return [[Heard(port)]]
        case _:
            return [[Received(port)], [Heard(port)]] if is_dual else [[Received(port), Heard(port)]]


class CallRecordings:
    def __init__(self, recordings: Recordings) -> None:
        self._recordings = recordings
        self._begun: list[ActiveRecording] = []

    def begin(self, order: RecordingOrder, port: MediaPort, *, is_dual: bool) -> ActiveRecording:
        """Record what the port's party says and hears from now on."""
        channels = channels_of(port, track=order.track, is_dual=is_dual)
        active = self._recordings.begin(order, channels, rate_hz=port.rate_hz)
        self._begun.append(active)
        return active

    def finish(self) -> RecordingMention | None:
        """The call is over. Returns how its last callback mentions the first of them, if there were any."""
        mentions = [active.finish() for active in self._begun]
        self._begun.clear()
        return mentions[0] if mentions else None
