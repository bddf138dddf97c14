"""Listening to a call while it goes on: the contract between verbs and the media engine.

The engine's listener is media/listening.py; recognisers stand behind media/recognition/recognizer.py.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from media.engine import Feed, Tap
from media.recognition.recognizer import Finding, RecognitionError


class Frames(Protocol):
    """(160,) int16 at 8 kHz, one for every 20 ms without a gap, until the port closes or ``close``."""

    @property
    def dropped_frames(self) -> int:
        """Frames that went unheard because the reader was too slow."""
        ...

    def __aiter__(self) -> AsyncIterator[NDArray[np.int16]]: ...

    def close(self) -> None:
        """Idempotent."""
        ...


Listen = Callable[[Tap], Frames]
"""Raises PortsExhausted when too many listen already."""


class Deaf:
    """The recogniser of an installation that has none."""

    async def recognize(self, frames: AsyncIterator[NDArray[np.int16]], **_asked: Any) -> AsyncIterator[Finding]:
        raise RecognitionError("expected a recogniser of speech, found none installed")
        yield  # an asynchronous generator that gives nothing

    async def close(self) -> None:
        pass


OpenFeed = Callable[[], Feed]
"""Sound that is written while it plays. Raises PortsExhausted when too many are open already."""
