"""What a call needs of the process: handed to every session, put together in gateway/app.py."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from gateway.config import Configuration
from gateway.dialled_calls import DialledCalls
from gateway.hearing import Listen, OpenFeed
from gateway.recordings import Recordings
from gateway.routing import Router
from gateway.scripted import Performer
from gateway.sounds import Sounds
from gateway.speech.speaker import Speaker
from gateway.store import Store
from gateway.webhooks.client import WebhookClient
from media.recognition.recognizer import Recognizer
from signaling.location import Location

if TYPE_CHECKING:
    from gateway.beside import Beside
    from gateway.rooms.conferences import Conferences
    from gateway.rooms.queues import Queues
    from gateway.session import CallSession


@dataclass(frozen=True, kw_only=True)
class Services:
    """listen: to a call's sound while it goes on; open_feed: sound written while it plays. beside: what <Start> began.
    dialled: calls of dialled parties. launch: runs a call that goes its own way.

    now: wall clock, aware, for what is told; monotonic: seconds, for durations.
    """

    configuration: Configuration
    router: Router
    location: Location
    webhooks: WebhookClient
    store: Store
    recordings: Recordings
    interpreter: Performer
    listen: Listen
    open_feed: OpenFeed
    beside: "Beside"
    dialled: DialledCalls
    launch: Callable[["CallSession"], None]
    conferences: "Conferences"
    queues: "Queues"
    speaker: Speaker
    sounds: Sounds
    recognizer: Recognizer
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
