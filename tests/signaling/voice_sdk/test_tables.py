"""The two tables of the Voice SDK side are complete: nothing that can happen is undecided."""

from typing import Any

import pytest

from signaling.voice_sdk import call_table, protocol
from signaling.voice_sdk.call_table import End, Event, Start, State, Step, Stop, Timer

# What cannot come about: a timer that does not run in the state, a piece of work that was not begun in it.
WORK = {
    Event.OFFERED: {State.OFFERING},
    Event.ACCEPTED: {State.ACCEPTING, State.UP, State.ADRIFT},
    Event.RESTARTED: {State.TAKING_OVER, State.UP, State.ADRIFT},
    Event.REFUSED: set(State) - {State.RINGING, State.RETURNING},
}
RUNNING = {
    Timer.RING: {State.RINGING, State.RETURNING},
    Timer.RETURN: {State.RETURNING},
    Timer.GRACE: {State.ADRIFT},
    Timer.CONNECT: {State.ACCEPTING, State.TAKING_OVER, State.ALERTING, State.UP, State.ADRIFT},
    Timer.MEDIA: {State.UP, State.ADRIFT},
}


def can_happen(state: State, event: Event) -> bool:
    for timer, timeout in call_table.TIMEOUTS.items():
        if event is timeout:
            return state in RUNNING[timer]
    return state in WORK.get(event, set(State))


@pytest.mark.parametrize("state", list(State), ids=lambda state: state.name)
@pytest.mark.parametrize("event", list(Event), ids=lambda event: event.name)
def test_call_every_event_is_decided_in_every_state(state: State, event: Event) -> None:
    is_decided = (state, event) in call_table.TRANSITIONS or (state, event) in call_table.IGNORED
    assert is_decided or not can_happen(state, event)


def test_call_no_pair_is_both_moved_and_ignored() -> None:
    assert not set(call_table.TRANSITIONS) & call_table.IGNORED
    assert not set(protocol.TRANSITIONS) & protocol.IGNORED


@pytest.mark.parametrize("pair", call_table.TRANSITIONS, ids=lambda pair: f"{pair[0].name}->{pair[1].name}")
def test_call_timers_run_only_where_their_time_out_is_decided(pair: tuple[State, Event]) -> None:
    """Follows what each move starts and stops; a timer that is left running must be one the next state knows."""
    state, _ = pair
    move = call_table.TRANSITIONS[pair]
    if move.to is State.ENDED:
        assert any(isinstance(step, End) for step in move.steps)
        return
    left = {timer for timer, states in RUNNING.items() if state in states}
    left -= {step.timer for step in move.steps if isinstance(step, Stop)}
    left |= {step.timer for step in move.steps if isinstance(step, Start)}
    if Step.AWAIT_MEDIA in move.steps:
        left.add(Timer.CONNECT)
    assert all(move.to in RUNNING[timer] for timer in left)


@pytest.mark.parametrize("pair", call_table.TRANSITIONS, ids=lambda pair: f"{pair[0].name}->{pair[1].name}")
def test_call_ends_exactly_when_it_says_so(pair: tuple[State, Event]) -> None:
    move = call_table.TRANSITIONS[pair]
    assert [isinstance(step, End) for step in move.steps].count(True) == (move.to is State.ENDED)
    assert move.to is not State.ENDED or isinstance(move.steps[-1], End)


def test_call_that_ends_without_its_device_knowing_is_remembered() -> None:
    """In the states without a socket nothing is sent; whatever ends them is told when the device is back."""
    for (state, event), move in call_table.TRANSITIONS.items():
        if state not in (State.RETURNING, State.ADRIFT) or move.to is not State.ENDED:
            continue
        by_device = event in (Event.DEVICE_REJECT, Event.DEVICE_HANGUP)
        assert (Step.REMEMBER in move.steps) is not by_device
        assert not {Step.SEND_CANCEL, Step.SEND_HANGUP} & set(move.steps)


P, E = protocol.State, protocol.Event
CANNOT: dict[protocol.Event, set[protocol.State]] = {
    E.LOGIN_TIMEOUT: set(P) - {P.OPEN},
    E.EXPIRED: {P.OPEN, P.REFUSED, P.EXPIRED},
    E.IDLE_TIMEOUT: {P.OPEN, P.ONLINE, P.REGISTERED},
    # There is no grant yet, or it holds the right: a new one without it unregisters first.
    E.REGISTER_FORBIDDEN: {P.OPEN, P.REFUSED, P.REGISTERED},
    E.RIGHT_LOST: {P.OPEN, P.REFUSED},
}


@pytest.mark.parametrize("state", list(P), ids=lambda state: state.name)
@pytest.mark.parametrize("event", list(E), ids=lambda event: event.name)
def test_connection_every_event_is_decided_in_every_state(state: protocol.State, event: protocol.Event) -> None:
    is_decided = (state, event) in protocol.TRANSITIONS or (state, event) in protocol.IGNORED
    assert is_decided or state in CANNOT.get(event, set())


@pytest.mark.parametrize("pair", protocol.TRANSITIONS, ids=lambda pair: f"{pair[0].name}->{pair[1].name}")
def test_connection_leaves_exactly_when_it_closes(pair: Any) -> None:
    move = protocol.TRANSITIONS[pair]
    assert (protocol.Step.LEAVE in move.steps) is (move.to is P.CLOSED)


def test_connection_is_reachable_only_while_registered() -> None:
    for (state, _), move in protocol.TRANSITIONS.items():
        appears = protocol.Step.APPEAR in move.steps
        leaves = bool({protocol.Step.DISAPPEAR, protocol.Step.LEAVE} & set(move.steps))
        assert appears is (state is not P.REGISTERED and move.to is P.REGISTERED)
        if state is P.REGISTERED and move.to is not P.REGISTERED:
            assert leaves
