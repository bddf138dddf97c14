"""Who is told about a call's progress, and of what.

Pure. Source: Twilio <Client>, statusCallback, statusCallbackEvent, statusCallbackMethod.
"""

from dataclasses import dataclass

from gateway.call import ProgressEvent


@dataclass(frozen=True, kw_only=True)
class Telling:
    """url None: nobody asked."""

    url: str | None = None
    method: str = "POST"
    events: frozenset[str] = frozenset({"completed"})

    def url_for(self, event: ProgressEvent) -> str | None:
        return self.url if event.value in self.events else None
