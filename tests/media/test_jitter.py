"""The jitter buffer in virtual time: where packets are placed, how long a mix waits for them, what fills a gap."""

import random
from collections.abc import Callable, Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from media.kernel import concealment, jitter, layout, mix, record, rtp
from media.kernel.layout import FRAME, MISSING, NOWHERE, RECORD_DELAY, RING
from tests.media.phone import encode, loudness, sine, strength
from tests.media.phone import rtp as packet_of

MS = 8
"""Samples of a millisecond."""


class Receiver:
    """One port and one mix it is in, fed packet by packet; time is in samples and starts at a tick."""

    def __init__(self) -> None:
        self.state = layout.new_state(ports=1, mixes=1, recordings=1, blocks=1, start_ns=0)
        self.engine, self.packet = self.state.engine[0], self.state.packet[0]
        self.port, self.mix = self.state.ports[0], self.state.mixes[0]
        self.engine["tick_position"] = 100 * FRAME
        self.port["received_users"] = 0
        self.port["scale"] = self.port["clock_factor"] = 1
        self.port["mix"], self.port["heard_by_count"] = 1, mix.EVERYBODY
        self.port["most_delay"] = jitter.MAX_DELAY
        record.use_received(self.port, 1)
        self.mixed: list[NDArray[np.int16]] = []

    @property
    def now(self) -> int:
        return int(self.engine["tick_position"])

    def take(self, number: int, timestamp: int, at: int, payload: bytes, *, marker: bool = False, ssrc: int = 7) -> int:
        """A packet arrives at `at`. Says the position of its first sample, NOWHERE if it has none."""
        octets = packet_of(payload, sequence=number, timestamp=timestamp, marker=marker, ssrc=ssrc)
        self.engine["octets"][: len(octets)] = np.frombuffer(octets, np.uint8)
        assert rtp.parse(self.engine["octets"], len(octets), self.packet)
        self.packet["arrival_position"], self.packet["arrival_ns"] = at, at * 125_000
        if rtp.track(self.port, self.packet) not in (rtp.IN_ORDER, rtp.REORDERED):
            return NOWHERE
        self.packet["codec"] = 0
        self.packet["samples"] = self.packet["size"]
        jitter.place(self.engine, self.port, self.packet)
        position = int(self.packet["position"])
        if position != NOWHERE:
            jitter.write(self.engine, self.port["received"], self.packet)
        return position

    def tick(self) -> None:
        """The media thread's tick, as far as this port goes."""
        self.engine["tick_position"] += FRAME
        position = self.now - RECORD_DELAY - FRAME
        concealment.conceal(self.port["received"], 1, position, self.port["gap"], self.port["period"], 0)
        jitter.forget_frame(self.port["received"], 1, self.now + layout.AHEAD - FRAME - RING)
        self.mix["total"][:], self.mix["scale"] = 0, 1
        mix.take_turn(self.state, self.port)
        self.mixed.append(np.array(self.port["mix_frame"][:FRAME]))

    def run(self, arrivals: Iterable[tuple[int, int, int, bytes]]) -> None:
        """arrivals: (number, timestamp, at, payload); ticks pass between them."""
        for number, timestamp, at, payload in sorted(arrivals, key=lambda arrival: arrival[2]):
            while self.now + FRAME <= at:
                self.tick()
            self.take(number, timestamp, at, payload)

    def delay_ms(self) -> float:
        return float(self.port["mix_delay"]) / MS


SOUND = sine(440, 160 * 3000)


def stream(
    count: int, delay: Callable[[int], float], *, first: int = 0, lost: Callable[[int], bool] = lambda number: False
) -> list[tuple[int, int, int, bytes]]:
    """`count` packets of 20 ms that leave on time and take delay(number) ms."""
    start = 100 * FRAME
    return [
        (
            number,
            160 * number,
            start + 160 * number + round(delay(number) * MS),
            encode(SOUND[160 * number : 160 * number + 160]),
        )
        for number in range(first, first + count)
        if not lost(number)
    ]


def test_jitter_packets_on_time_end_when_they_arrive() -> None:
    receiver = Receiver()
    for number, timestamp, at, payload in stream(50, lambda number: 5):
        while receiver.now + FRAME <= at:
            receiver.tick()
        assert receiver.take(number, timestamp, at, payload) == at - 160


def test_jitter_order_is_that_of_timestamps() -> None:
    receiver = Receiver()
    start = receiver.now
    arrivals = ((0, 0), (3, 3), (1, 3), (2, 3))
    positions = {n: receiver.take(n, 160 * n, start + 160 * at, encode(SOUND[:160])) for n, at in arrivals}
    assert [positions[n] - positions[0] for n in range(4)] == [0, 160, 320, 480]


def test_jitter_first_packets_that_came_late_are_moved_to_their_place() -> None:
    receiver = Receiver()
    arrivals = stream(20, lambda number: max(60 - 20 * number, 0))
    receiver.run(arrivals)
    ring = receiver.port["received"]
    end = arrivals[-1][2]
    heard = np.array([ring[position % RING] for position in range(end - 20 * 160, end)])
    # Within a millisecond, the time packets lie in their sockets.
    likeness = max(np.corrcoef(heard[shift : shift + 3000], SOUND[:3000])[0, 1] for shift in range(8))
    assert likeness > 0.99


@pytest.mark.parametrize("parts_per_million", [-200, 200])
def test_jitter_clocks_that_differ_never_add_up(parts_per_million: int) -> None:
    receiver = Receiver()
    chance = random.Random(1)
    payload = encode(SOUND[:160])
    start = receiver.now
    worst = 0
    for number in range(30_000):
        sent = start + round(160 * number * (1 + parts_per_million / 1e6))
        at = sent + chance.randrange(2 * MS)
        receiver.engine["tick_position"] = at // FRAME * FRAME
        position = receiver.take(number, 160 * number, at, payload)
        assert position != NOWHERE
        worst = max(worst, abs(position + 160 - sent))
    # 200 ppm of ten minutes are 120 ms.
    assert worst < 8 * MS


def test_jitter_wait_follows_a_bad_stretch_and_comes_back() -> None:
    receiver = Receiver()
    chance = random.Random(2)
    receiver.run(stream(300, lambda number: 3))
    before_ms = receiver.delay_ms()
    receiver.run(stream(200, lambda number: chance.choice((3, 30, 60, 90)), first=300))
    during_ms = receiver.delay_ms()
    receiver.run(stream(250, lambda number: 3, first=500))
    assert before_ms < 30
    assert during_ms > 80
    assert receiver.delay_ms() <= before_ms + 20


def test_jitter_never_waits_longer_than_200_ms() -> None:
    receiver = Receiver()
    chance = random.Random(3)
    receiver.run(stream(400, lambda number: chance.choice((0, 230))))
    assert 150 < receiver.delay_ms() <= 200


@pytest.mark.parametrize(("most_ms", "waits_ms"), [(0, 23), (40, 40), (80, 80), (200, 138)])
def test_jitter_waits_no_longer_than_it_may_and_makes_up_the_rest(most_ms: int, waits_ms: int) -> None:
    receiver = Receiver()
    receiver.port["most_delay"] = most_ms * MS
    chance = random.Random(5)
    receiver.run(stream(400, lambda number: chance.choice((3, 30, 60, 120))))
    assert receiver.delay_ms() == pytest.approx(waits_ms, abs=6)
    late, concealed = int(receiver.port["late"]), int(receiver.port["concealed"])
    # Each packet that comes later than is waited for is a gap, in one frame or in two; of four delays so many do.
    too_late = sum(delay - 3 > waits_ms - 23 + 6 for delay in (3, 30, 60, 120)) / 4
    assert too_late * 0.7 - 0.1 < late / 400 < too_late + 0.15
    assert too_late * 0.6 - 0.1 < concealed / 400 < 2 * too_late + 0.15


def test_jitter_without_a_wait_hears_a_steady_line_whole() -> None:
    receiver = Receiver()
    receiver.port["most_delay"] = 0
    receiver.run(stream(400, lambda number: 3))
    concealed = int(receiver.port["concealed"])
    receiver.run(stream(200, lambda number: 3, first=400))
    assert receiver.port["concealed"] == concealed
    assert strength(np.concatenate(receiver.mixed[300:]), 440) > 7900


def test_jitter_single_accident_is_not_waited_for() -> None:
    receiver = Receiver()
    receiver.run(stream(300, lambda number: 150 if number % 100 == 50 else 3))
    assert receiver.delay_ms() < 40
    assert receiver.port["late"] >= 2


def test_jitter_steady_stream_is_mixed_without_a_flaw() -> None:
    receiver = Receiver()
    chance = random.Random(4)
    receiver.run(stream(400, lambda number: chance.random() * 10))
    heard = np.concatenate(receiver.mixed[250:400])
    assert strength(heard, 440) > 7900
    assert receiver.port["concealed"] < 10


def test_jitter_lasting_change_of_the_way_is_followed() -> None:
    receiver = Receiver()
    receiver.run(stream(200, lambda number: 5))
    receiver.run(stream(1000, lambda number: 65, first=200))
    receiver.run(stream(600, lambda number: 15, first=1200))
    assert receiver.delay_ms() < 30
    heard = np.concatenate(receiver.mixed[-100:])
    assert strength(heard, 440) > 7900


def test_jitter_timestamps_that_jump_are_believed_when_they_stay() -> None:
    receiver = Receiver()
    receiver.run(stream(50, lambda number: 0))
    at = receiver.now + FRAME
    places = []
    for number in range(6):
        receiver.tick()
        timestamp = 5_000_000 + 160 * number
        places.append(receiver.take(50 + number, timestamp, at + 160 * number, encode(SOUND[:160])))
    assert places[:2] == [NOWHERE, NOWHERE]
    assert places[2:] == [at + 160 * number - 160 for number in range(2, 6)]


def test_jitter_marked_packet_with_a_jump_is_believed_at_once() -> None:
    receiver = Receiver()
    receiver.run(stream(50, lambda number: 0))
    at = receiver.now + FRAME
    assert receiver.take(50, 9_000_000, at, encode(SOUND[:160]), marker=True) == at - 160


Packets = st.lists(
    st.tuples(
        st.integers(0, 65535),
        st.integers(0, 2**32 - 1),
        st.integers(0, 4000),
        st.integers(1, 480),
        st.booleans(),
        st.integers(0, 3),
    ),
    max_size=60,
)


@settings(max_examples=60)
@given(Packets)
def test_jitter_whatever_comes_is_placed_inside_the_ring_or_not_at_all(
    packets: list[tuple[int, int, int, int, bool, int]],
) -> None:
    receiver = Receiver()
    for number, timestamp, later, size, marker, ssrc in packets:
        at = receiver.now + min(later, 159)
        position = receiver.take(number, timestamp, at, b"\x11" * size, marker=marker, ssrc=ssrc)
        if position != NOWHERE:
            assert receiver.now - RECORD_DELAY <= position
            assert position + size <= receiver.now + layout.AHEAD
        for _ in range(later // 160):
            receiver.tick()
        assert 160 <= receiver.port["mix_delay"] <= 1600 or not receiver.mixed


# Concealment


def ring_of(sound: NDArray[np.int16], missing: slice) -> NDArray[np.int16]:
    ring = np.full(RING, MISSING, np.int16)
    ring[: len(sound)] = sound
    ring[missing] = MISSING
    return ring


def conceal(ring: NDArray[np.int16], frames: int) -> list[int]:
    gaps, periods = np.full(3, concealment.FADED, np.int64), np.zeros(3, np.int64)
    return [int(concealment.conceal(ring, 1, FRAME * frame, gaps, periods, 0)) for frame in range(frames)]


def test_concealment_leaves_what_is_whole() -> None:
    sound = sine(440, 1600)
    ring = ring_of(sound, slice(0, 0))
    assert conceal(ring, 10) == [0] * 10
    assert (ring[:1600] == sound).all()


def test_concealment_of_one_packet_goes_on_with_the_voice() -> None:
    sound = sine(200, 1600)
    ring = ring_of(sound, slice(800, 960))
    assert conceal(ring, 10) == [0] * 5 + [160] + [0] * 4
    likeness = np.corrcoef(ring[800:960], sound[800:960])[0, 1]
    assert likeness > 0.97
    assert np.abs(np.diff(ring[:1600].astype(int))).max() < 2 * np.abs(np.diff(sound.astype(int))).max()


def test_concealment_fades_to_silence_within_60_ms() -> None:
    ring = ring_of(sine(200, 3200), slice(800, 2400))
    made_up = conceal(ring, 20)
    assert sum(made_up) == concealment.FADED
    levels = [loudness(ring[start : start + 160]) for start in range(800, 1600, 160)]
    assert levels == sorted(levels, reverse=True)
    assert loudness(ring[1280:2400]) == 0


def test_concealment_without_anything_before_is_silence() -> None:
    ring = np.full(RING, MISSING, np.int16)
    assert sum(conceal(ring, 10)) == 0
    assert not ring[:1600].any()


def test_concealment_of_odd_pieces_leaves_nothing_missing() -> None:
    chance = random.Random(6)
    sound = sine(300, 3200)
    ring = ring_of(sound, slice(0, 0))
    for _ in range(30):
        start = chance.randrange(3100)
        ring[start : start + chance.randrange(1, 100)] = MISSING
    conceal(ring, 20)
    assert (ring[:3200] != MISSING).all()
    assert np.abs(ring[:3200].astype(int)).max() < 16000
