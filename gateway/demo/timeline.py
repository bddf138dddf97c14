"""What happens in the demo, told live: phones' events and the application's requests on one clock.

Owns the list and the terminal; decides which events are worth a line and how they read.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from rich.console import Console
from rich.text import Text

from gateway.demo.application import Request
from signaling.endpoints.events import Event, EventName

COLOURS = ("cyan", "green", "magenta", "yellow")
APPLICATION = "application"


@dataclass(frozen=True)
class Moment:
    """t_s: seconds since the call was dialled; before that, negative."""

    t_s: float
    who: str
    what: str


@dataclass
class Timeline:
    """clock: seconds, the machine's monotonic clock."""

    console: Console
    clock: Callable[[], float]
    moments: list[Moment] = field(default_factory=list)
    dialled_at_s: float | None = None
    _colours: dict[str, str] = field(default_factory=dict)
    _early: list[tuple[float, str, str]] = field(default_factory=list)

    def phone(self, identity: str, device: str) -> Callable[[Event], None]:
        """What to call with the events of that phone. device: what it is, for people."""
        self._colours[identity] = COLOURS[len(self._colours) % len(COLOURS)]

        def tell(event: Event) -> None:
            if event.name == EventName.DIALING:
                self.dialled_at_s = event.t
            if (what := _line_of(event, device)) is not None:
                self.add(identity, what, event.t)

        return tell

    def application(self, request: Request) -> None:
        self.add(APPLICATION, _line_of_request(request), request.t)

    def add(self, who: str, what: str, t: float | None = None) -> None:
        at_s = (self.clock() if t is None else t) - (self.dialled_at_s or self.clock())
        moment = Moment(round(at_s, 3), who, what)
        self.moments.append(moment)
        line = Text(f"{moment.t_s:7.2f} s  " if self.dialled_at_s is not None else " " * 11, style="dim")
        line.append(f"{who:12}", style=self._colours.get(who, "blue"))
        line.append(what)
        self.console.print(line, soft_wrap=True)


def _line_of(event: Event, device: str) -> str | None:
    match event.name:
        case EventName.REGISTERED:
            return f"registered, a {device}"
        case EventName.DIALING:
            return f"dials {event['target']}"
        case EventName.RINGING if event["direction"] == "inbound":
            return "rings"
        case EventName.ANSWERED if event["direction"] == "inbound":
            return "answers"
        case EventName.ANSWERED:
            return "is connected, hears the ringing tone"
        case EventName.ENDED if not event["answered"]:
            return f"stops ringing: {event['cause']}"
        case EventName.ENDED:
            who = "hangs up" if event["by"] == "local" else "is hung up"
            return f"{who} after {event['duration_s']:.1f} s"
        case EventName.ERROR | EventName.REGISTRATION_FAILED:
            return f"failed: {event.values.get('message') or event.values.get('reason')}"
        case _:
            return None


def _line_of_request(request: Request) -> str:
    params = request.params
    match request.path:
        case "/voice":
            return f"is asked what to do with the call from {params.get('From', '?')}: <Dial> three clients"
        case "/status":
            callee = params.get("To", "").removeprefix("client:")
            return f"is told: {callee} {params.get('CallStatus', '?')}"
        case "/recording":
            seconds = f", {params['RecordingDuration']} s" if "RecordingDuration" in params else ""
            return f"is told: recording {params.get('RecordingStatus', '?')}{seconds}"
        case "/dialled":
            return f"is asked what next: the dial was {params.get('DialCallStatus', '?')}: <Hangup>"
        case path:
            return f"got {path}"
