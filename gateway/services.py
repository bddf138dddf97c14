"""What a call needs of the process: handed to every session, put together in gateway/app.py."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from gateway.config import Configuration
from gateway.recordings import Recordings
from gateway.routing import Router
from gateway.scripted import Performer
from gateway.sounds import Sounds
from gateway.speech.speaker import Speaker
from gateway.store import Store
from gateway.webhooks.client import WebhookClient
from signaling.location import Location


@dataclass(frozen=True, kw_only=True)
class Services:
    """now: wall clock, aware, for what is told; monotonic: seconds, for durations."""

    configuration: Configuration
    router: Router
    location: Location
    webhooks: WebhookClient
    store: Store
    recordings: Recordings
    interpreter: Performer
    speaker: Speaker
    sounds: Sounds
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
