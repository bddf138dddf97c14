"""The media thread's whole life: take in every 2 ms, tick every 20 ms, sleep between; without calls only sleep.

Both rhythms stand on absolute deadlines of the monotonic clock. The one door for Python: called once per engine, by its
thread, and it returns when told to stop.
"""

from typing import Any

from media.kernel.commands import read_commands
from media.kernel.compiled import compiled, compiled_once
from media.kernel.events import post
from media.kernel.intake import take_in
from media.kernel.layout import DID_STOP, FRAME, INTAKE_NS, MAX_BATCH, TICK_NS, Record, State
from media.kernel.libc import epoll_wait, monotonic_ns, sleep_until
from media.kernel.tick import tick


@compiled_once
def run(state: State) -> None:
    engine = state.engine[0]
    next_intake_ns = _align(engine)
    while engine.stopping == 0:
        if _is_idle(engine):
            epoll_wait(engine.epoll_fd, engine.epoll_address, MAX_BATCH, -1)
            next_intake_ns = _align(engine)
            read_commands(state)
            continue
        take_in(state)
        now_ns = monotonic_ns(engine)
        while engine.next_tick_ns <= now_ns:
            engine.now_ns = now_ns
            tick(state, now_ns - engine.next_tick_ns)
            engine.next_tick_ns += TICK_NS
            now_ns = monotonic_ns(engine)
        if next_intake_ns <= now_ns:
            next_intake_ns = _next_intake_ns(engine, now_ns)
        sleep_until(engine, next_intake_ns)
    post(engine, DID_STOP, 0, 0, 0, 0)


@compiled
def _is_idle(engine: Record) -> Any:
    return engine.live_count + engine.recording_count + engine.listening_count + engine.mix_sounds == 0


@compiled
def _next_intake_ns(engine: Record, now_ns: Any) -> Any:
    """Intakes stand on a grid, and every tick on one of them: one wake-up serves both."""
    return now_ns + INTAKE_NS - (now_ns - engine.start_ns) % INTAKE_NS


@compiled
def _align(engine: Record) -> Any:
    """Takes up the rhythms after a rest: ticks stand on whole frames since the start. Says when to take in first."""
    now_ns = monotonic_ns(engine)
    engine.now_ns = now_ns
    past = (now_ns - engine.start_ns) // TICK_NS
    engine.next_tick_ns = engine.start_ns + (past + 1) * TICK_NS
    engine.tick_position = past * FRAME
    return _next_intake_ns(engine, now_ns)
