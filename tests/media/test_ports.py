"""Port numbers, capacity, and what is left of a port that closed."""

import asyncio
import resource
import socket
from functools import partial

import pytest

from media.engine import Engine, EngineSettings, PortsExhausted
from media.numbers import PortNumbers
from tests.media.phone import Phone, PhoneBooth, until


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def ignore(_: object) -> None:
    pass


def all_of(numbers: PortNumbers) -> list[int]:
    return sorted(iter(numbers.take, None))


@pytest.mark.parametrize(
    ("port_range", "expected"),
    [((20000, 20005), [20000, 20002, 20004]), ((20001, 20004), [20002]), ((20000, 20000), []), ((7, 3), [])],
)
def test_numbers_are_even_with_their_neighbour_inside(port_range: tuple[int, int], expected: list[int]) -> None:
    assert all_of(PortNumbers(port_range, clock=Clock())) == expected


def test_numbers_given_back_rest_before_they_are_used_again() -> None:
    clock = Clock()
    numbers = PortNumbers((20000, 20001), clock=clock)
    assert numbers.take() == 20000
    numbers.give_back(20000)
    clock.now_s += 29.9
    assert numbers.take() is None
    assert numbers.resting == 1
    clock.now_s += 0.2
    assert numbers.take() == 20000
    assert numbers.resting == 0


def test_numbers_longest_unused_comes_first() -> None:
    clock = Clock()
    numbers = PortNumbers((20000, 20003), clock=clock)
    first = numbers.take()
    assert first is not None
    numbers.give_back(first)
    clock.now_s += 60
    assert numbers.take() != first


async def small_engine(clock: Clock, *, ports: int = 3, capacity: int = 50) -> Engine:
    """An engine of a few port numbers that nobody else has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        low = min(probe.getsockname()[1], 65000) // 2 * 2
    settings = EngineSettings(address="127.0.0.1", port_range=(low, low + 2 * ports - 1), capacity=capacity)
    engine = Engine(settings, clock=clock)
    await engine.start()
    return engine


@pytest.mark.usefixtures("kernel")
async def test_port_number_is_even_and_bound_with_its_neighbour() -> None:
    engine = await small_engine(Clock())
    port = engine.open_port(ignore)
    host, number = port.address
    assert (host, number % 2) == ("127.0.0.1", 0)
    for taken in (number, number + 1):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", taken))
    await engine.stop()


@pytest.mark.usefixtures("kernel")
async def test_port_closed_rests_and_its_late_packets_reach_nobody() -> None:
    clock = Clock()
    engine = await small_engine(clock, ports=1)
    port = engine.open_port(ignore)
    with pytest.raises(PortsExhausted):
        engine.open_port(ignore)
    port.close()
    port.close()
    await until(lambda: engine.statistics().live_ports == 0)
    with pytest.raises(PortsExhausted):
        engine.open_port(ignore)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as late:
        late.sendto(b"late", port.address)
    clock.now_s += 31
    again = engine.open_port(ignore)
    assert again.address == port.address
    assert again.ssrc != port.ssrc
    await asyncio.sleep(0.05)
    statistics = again.statistics()
    assert (statistics.dropped_malformed, statistics.dropped_foreign) == (0, 0)
    await engine.stop()


@pytest.mark.usefixtures("kernel")
async def test_port_number_of_somebody_else_is_passed_over() -> None:
    clock = Clock()
    engine = await small_engine(clock, ports=2)
    number = engine.open_port(ignore).address[1]
    low, high = engine.settings.port_range
    other = low if number != low else high - 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as somebody:
        somebody.bind(("127.0.0.1", other + 1))
        with pytest.raises(PortsExhausted):
            engine.open_port(ignore)
    clock.now_s += 31
    assert engine.open_port(ignore).address[1] == other
    await engine.stop()


@pytest.mark.usefixtures("kernel")
async def test_port_without_open_files_left_is_refused_and_its_number_stays_free() -> None:
    engine = await small_engine(Clock(), ports=1)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1, hard))
    try:
        with pytest.raises(PortsExhausted, match="Too many open files"):
            engine.open_port(ignore)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    engine.open_port(ignore)
    await engine.stop()


@pytest.mark.usefixtures("kernel")
async def test_engine_on_an_address_of_another_host_does_not_start() -> None:
    engine = Engine(EngineSettings(address="192.0.2.1", port_range=(20000, 20009), capacity=1))
    with pytest.raises(OSError, match="assign"):
        await engine.start()


@pytest.mark.usefixtures("kernel")
async def test_port_beyond_capacity_is_refused() -> None:
    engine = await small_engine(Clock(), ports=10, capacity=2)
    ports = [engine.open_port(ignore) for _ in range(2)]
    with pytest.raises(PortsExhausted, match="less than 2"):
        engine.open_port(ignore)
    ports[0].close()
    await until(lambda: engine.statistics().live_ports == 1)
    engine.open_port(ignore)
    await engine.stop()


async def test_port_slots_are_given_back_and_nothing_grows(engine: Engine, phones: PhoneBooth) -> None:
    partner = await phones.phone()
    for _ in range(40):
        ports = [engine.open_port(ignore) for _ in range(20)]
        for port in ports:
            port.hear(partner.port)
            port.close()
        await until(lambda: engine.statistics().live_ports == 1)
    await until(lambda: engine.slots_held == 1)
    partner.send(partner.packet())
    await until(lambda: partner.port.statistics().packets_received == 1)


async def test_port_closed_keeps_its_statistics_and_does_nothing_more(engine: Engine, phones: PhoneBooth) -> None:
    alice, bob = await phones.phone(), await phones.phone()
    bob.port.hear(alice.port)
    for _ in range(3):
        alice.send(alice.packet())
    await bob.hears(3)
    alice.port.close()
    alice.port.hear(bob.port)
    alice.port.join(None)
    alice.port.watch(first_packet_s=1, silence_s=1)
    alice.port.connect(alice.remote())
    bob.port.hear(alice.port)
    await alice.port.send_digits("1")
    await until(lambda: engine.slots_held == 1)
    assert alice.port.statistics().packets_received == 3
    assert alice.port.is_closed
    count = len(bob.received)
    await bob.has(count + 3)


def has_heard(phone: Phone, payload: bytes) -> bool:
    return any(packet.payload == payload for packet in phone.received)


async def test_port_listeners_come_and_go_in_any_order(phones: PhoneBooth) -> None:
    speaker = await phones.phone()
    listeners = [await phones.phone() for _ in range(4)]
    for listener in listeners:
        listener.port.hear(speaker.port)
    listeners[2].port.close()
    listeners[0].port.hear(listeners[1].port)
    listeners[1].port.hear(speaker.port)
    packet = speaker.packet()
    speaker.send(packet)
    for listener in (listeners[1], listeners[3]):
        await until(partial(has_heard, listener, packet[12:]))
    assert not has_heard(listeners[0], packet[12:])
    assert not has_heard(listeners[2], packet[12:])


async def test_engine_stops_with_everything_open_and_twice(engine: Engine, phones: PhoneBooth) -> None:
    phone = await phones.phone()
    mix = engine.open_mix()
    phone.port.hear(mix)
    await engine.stop()
    await engine.stop()
    mix.close()
    phone.port.close()
    assert phone.port.is_closed
    with pytest.raises(RuntimeError, match="running"):
        engine.open_port(ignore)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(phone.port.address)


@pytest.mark.usefixtures("kernel")
async def test_engine_without_calls_sleeps() -> None:
    engine = await small_engine(Clock())
    port = engine.open_port(ignore)
    port.close()
    await until(lambda: engine.slots_held == 0)
    ticks = engine.statistics().ticks
    await asyncio.sleep(0.1)
    assert engine.statistics().ticks - ticks <= 1
    await engine.stop()


async def test_engine_that_was_not_started_says_so() -> None:
    engine = Engine(EngineSettings(address="127.0.0.1", port_range=(20000, 20009), capacity=1))
    with pytest.raises(RuntimeError, match="running"):
        engine.statistics()
    await engine.stop()


async def test_port_reads_a_burst_at_its_start_in_the_order_it_came(phone: Phone) -> None:
    """The first packet brings the port a second socket; those behind it are spread over both."""
    for _ in range(40):
        phone.send(phone.packet())
    await until(lambda: phone.port.statistics().packets_received == 40)
    assert phone.port.statistics().reordered == 0
