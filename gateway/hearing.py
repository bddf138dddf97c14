"""Listening to a call while it goes on: the contract between verbs and the media engine.

Pure contract. The engine's listener is media/listening.py.
"""

from collections.abc import AsyncIterator, Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from media.engine import Tap


class Frames(Protocol):
    """(160,) int16 at 8 kHz, one for every 20 ms without a gap, until the port closes or ``close``."""

    def __aiter__(self) -> AsyncIterator[NDArray[np.int16]]: ...

    def close(self) -> None:
        """Idempotent."""
        ...


Listen = Callable[[Tap], Frames]
"""Raises PortsExhausted when too many listen already."""
