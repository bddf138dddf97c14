"""Listening to a call while it goes on: the contract between verbs and the media engine.

The engine's listener is media/listening.py; recognisers stand behind media/recognition/recognizer.py.
"""

from collections.abc import AsyncIterator, Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from media.engine import Feed, Tap


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

OpenFeed = Callable[[], Feed]
"""Sound that is written while it plays. Raises PortsExhausted when too many are open already."""
