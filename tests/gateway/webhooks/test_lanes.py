"""Order, patience and fairness of owed callbacks: a pure model, stepped through time."""

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gateway.store.records import OwedCallback
from gateway.webhooks.lanes import AT_ONCE, LONGEST_PROBE_PAUSE_S, Lanes, receiver_of
from tests.gateway.store.records import owed

ONE, TWO = "http://one.example.com/status", "http://two.example.com:8080/status"


def filled(*callbacks: OwedCallback) -> Lanes:
    lanes = Lanes()
    for callback in callbacks:
        lanes.add(callback, now=0.0)
    return lanes


def test_lanes_same_key_leaves_one_at_a_time_in_order() -> None:
    rows = [owed("CA1", number) for number in range(3)]
    lanes = filled(*rows)
    for row in rows:
        assert lanes.due(0.0) == [row]
        assert lanes.due(0.0) == []
        lanes.done(row)
    assert len(lanes) == 0
    assert lanes.next_at() is None


def test_lanes_other_keys_do_not_wait() -> None:
    rows = [owed("CA1"), owed("CA2"), owed("CA3")]
    assert filled(*rows).due(0.0) == rows


def test_lanes_same_key_at_another_receiver_does_not_wait() -> None:
    rows = [owed("CA1", url=ONE), owed("CA1", url=TWO)]
    assert filled(*rows).due(0.0) == rows


def test_lanes_one_receiver_gets_so_many_at_once() -> None:
    lanes = filled(*(owed(f"CA{number}", url=ONE) for number in range(AT_ONCE + 5)), owed("CA1", url=TWO))
    first = lanes.due(0.0)
    assert len(first) == AT_ONCE + 1
    lanes.done(first[0])
    assert len(lanes.due(0.0)) == 1


def test_lanes_deferred_callback_holds_up_its_lane_only() -> None:
    first, behind, other = owed("CA1", 0), owed("CA1", 1), owed("CA2", 0)
    lanes = filled(first, behind, other)
    assert lanes.due(0.0) == [first, other]
    later = replace(first, attempts=1)
    lanes.wait(later, until=10.0, was_answered=True)
    assert lanes.due(9.9) == []
    assert lanes.next_at() == 10.0
    assert lanes.due(10.0) == [later]
    lanes.done(later)
    assert lanes.due(10.0) == [behind]


def test_lanes_unreachable_receiver_is_probed_by_one_with_growing_pauses() -> None:
    lanes = filled(*(owed(f"CA{number}", url=ONE) for number in range(10)))
    for row in lanes.due(0.0):
        lanes.unreachable(row, now=0.0)
    now, pauses = 0.0, []
    for _ in range(9):
        at = lanes.next_at()
        assert at is not None
        pauses.append(at - now)
        now = at
        assert lanes.due(now - 0.01) == []
        (probe,) = lanes.due(now)
        assert lanes.next_at() is None
        lanes.unreachable(probe, now=now)
    assert pauses == [1, 2, 4, 8, 16, 32, LONGEST_PROBE_PAUSE_S, LONGEST_PROBE_PAUSE_S, LONGEST_PROBE_PAUSE_S]


def test_lanes_receiver_that_is_back_gets_everything_at_once() -> None:
    rows = [owed(f"CA{number}", url=ONE) for number in range(10)]
    lanes = filled(*rows)
    for row in lanes.due(0.0):
        lanes.unreachable(row, now=0.0)
    (probe,) = lanes.due(1.0)
    lanes.done(probe)
    assert len(lanes.due(1.0)) == 9


def test_lanes_dead_receiver_does_not_delay_another() -> None:
    dead = [owed(f"CA{number}", url=ONE) for number in range(100)]
    lanes = filled(*dead)
    for row in lanes.due(0.0):
        lanes.unreachable(row, now=0.0)
    fresh = owed("CA1", url=TWO)
    lanes.add(fresh, now=0.1)
    assert lanes.due(0.1) == [fresh]


def test_lanes_fresh_callback_makes_a_long_pause_short() -> None:
    lanes = filled(owed("CA1", url=ONE))
    now = 0.0
    for _ in range(8):
        now = lanes.next_at() or now
        (row,) = lanes.due(now)
        lanes.unreachable(row, now=now)
    assert lanes.next_at() == now + LONGEST_PROBE_PAUSE_S
    lanes.add(owed("CA2", url=ONE), now=now + 1.0)
    assert lanes.next_at() == now + 5.0
    lanes.add(owed("CA3", url=ONE), now=now + 9.0)
    assert len(lanes.due(now + 9.0)) == 1


def test_lanes_callback_deferred_before_a_restart_keeps_its_time() -> None:
    row = owed("CA1")
    lanes = Lanes()
    lanes.add(row, now=0.0, pause_s=50.0)
    assert lanes.due(49.0) == []
    assert lanes.due(50.0) == [row]


def test_lanes_expired_callbacks_of_a_dead_receiver_are_taken_out() -> None:
    old, young, behind = owed("CA1", url=ONE), owed("CA2", url=ONE), owed("CA1", 1, url=ONE)
    lanes = filled()
    lanes.add(old, now=0.0, age_s=100.0)
    lanes.add(young, now=0.0)
    lanes.add(behind, now=0.0, age_s=50.0)
    for row in lanes.due(0.0):
        lanes.unreachable(row, now=0.0)
    assert lanes.expired(old, older_than_s=60.0, now=0.0) == [old]
    assert len(lanes) == 2
    (probe,) = lanes.due(1.0)
    lanes.done(probe)
    assert {row.token for row in [probe, *lanes.due(1.0)]} == {young.token, behind.token}


def test_receiver_of_leaves_out_path_and_credentials() -> None:
    assert receiver_of("https://user:pass@App.example.com:8443/x?y#rc=2") == "https://app.example.com:8443"
    assert receiver_of("http://[::1") == "http://[::1"


@given(st.integers(0, 2**32), st.integers(1, 60))
def test_lanes_any_schedule_delivers_everything_in_order(seed: int, size: int) -> None:
    chance = random.Random(seed)
    rows = [owed(f"CA{chance.randrange(6)}", number, url=chance.choice([ONE, TWO])) for number in range(size)]
    lanes, under_way, delivered, now = Lanes(), [], [], 0.0
    to_come = list(rows)
    while to_come or len(lanes):
        if to_come and chance.random() < 0.5:
            lanes.add(to_come.pop(0), now=now)
        under_way += lanes.due(now)
        if not under_way:
            now = max(now, lanes.next_at() or now)
            continue
        row = under_way.pop(chance.randrange(len(under_way)))
        match chance.randrange(4):
            case 0 | 1:
                lanes.done(row)
                delivered.append(row)
            case 2:
                lanes.wait(replace(row, attempts=row.attempts + 1), until=now + chance.random(), was_answered=True)
            case _:
                lanes.unreachable(replace(row, attempts=row.attempts + 1), now=now)
    assert lanes.due(now + 1e9) == []
    for key in {(row.order_key, row.url) for row in rows}:
        expected = [row.token for row in rows if (row.order_key, row.url) == key]
        assert [row.token for row in delivered if (row.order_key, row.url) == key] == expected
