"""Facts for the event loop: one write to a pipe each, taken whole or not at all."""

from typing import Any

from media.kernel.compiled import compiled
from media.kernel.layout import EVENT_BYTES, Record
from media.kernel.libc import write


@compiled
def post(engine: Record, kind: Any, slot: Any, generation: Any, first: Any, second: Any) -> Any:
    """Says False when the loop is so far behind that the pipe is full; what must not be lost is posted again later."""
    event = engine.event
    event[0], event[1], event[2], event[3], event[4] = kind, slot, generation, first, second
    if write(engine.event_fd, engine.events_address, EVENT_BYTES) == EVENT_BYTES:
        return True
    engine.events_lost += 1
    return False
