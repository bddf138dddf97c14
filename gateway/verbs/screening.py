"""What comes between the answer of a dialled party and its bridge: digits for an extension, whether a machine answered,
then its whisper document.

Decides whether the party is connected: not after a <Hangup> or <Reject> in its document, nor when that document cannot
be had or performed; then it is told like every other party whose application fails.
Source: Twilio <Number>, sendDigits, url; Twilio <Client>, <Sip>: url.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.announcement import error_announcement
from gateway.interpreter import ScriptError
from gateway.scripted import Rules
from gateway.twiml.model import Gather, Hangup, Pause, Play, Redirect, Reject, Say
from gateway.verbs.called_party import CalledParty
from gateway.verbs.machine_detection import Detection, DetectionOrder, Detector
from gateway.verbs.outcome import Continue, Fetch
from gateway.webhooks.errors import FetchError

# Twilio names Play, Say, Gather and Hangup; the rest ends or prolongs the document in the same spirit.
WHISPER: Final = Rules(verbs=frozenset({Play, Say, Gather, Hangup, Pause, Redirect, Reject}), code=13201)


@dataclass(frozen=True, kw_only=True)
class Screening:
    """send_digits: ``0-9 A-D # * w W``; detection: whom to listen for before the document; whisper: the document."""

    send_digits: str | None = None
    detection: DetectionOrder | None = None
    whisper: Fetch | None = None

    def __bool__(self) -> bool:
        return any(step is not None for step in (self.send_digits, self.detection, self.whisper))

    async def passes(self, party: CalledParty, note: Callable[[Detection], None]) -> bool:
        """Perform it; False if the party is to be dropped. note: gets what was found out."""
        if self.send_digits is not None:
            await party.leg.send_digits(self.send_digits)
        if self.detection is not None:
            found = await Detector(party.services, party.leg, self.detection.thresholds).run()
            note(found)
            party.more += found.parameters()
        if self.whisper is None:
            return True
        try:
            outcome = await party.services.interpreter.perform(party, self.whisper, WHISPER)
        except (FetchError, ScriptError) as error:
            party.timeline.warn(int(error.code), error.message, level="error", url=error.url)
            await party.leg.media.play(await error_announcement(party.services.speaker))
            return False
        return isinstance(outcome, Continue)
