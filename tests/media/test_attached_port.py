"""Ports on a socket where ICE and DTLS go on: what is RTP is the engine's, the rest goes back to the loop."""

import asyncio
import socket
from dataclasses import dataclass, field

from media.engine import PCMU, Engine, MediaPort, MediaSocket, RemoteMedia, SrtpSessions
from tests.media.phone import Phone, PhoneBooth, Rtp, until
from tests.media.sealed_phone import SealedPhone, keys

STUN = b"\x00\x01\x00\x00" + bytes(16)
DTLS = bytes([22, 254, 253]) + bytes(20)


@dataclass
class Attached:
    port: MediaPort
    sockets: MediaSocket
    phone: SealedPhone
    back: list[tuple[bytes, tuple[str, int]]] = field(default_factory=list)


async def attached(engine: Engine, phones: PhoneBooth) -> Attached:
    port = engine.open_bare_port(lambda event: None)
    transport, protocol = await phones.socket()
    phone = Phone(port, PCMU, transport, transport, protocol, protocol)
    made = Attached(port, engine.bind_socket(), SealedPhone(phone, keys()))
    attach(made, made.sockets)
    return made


def attach(made: Attached, sockets: MediaSocket) -> None:
    agreed = SrtpSessions.of(made.phone.agreed)
    made.port.attach(sockets, agreed, on_datagram=lambda octets, sender: made.back.append((octets, sender)))
    made.port.connect(
        RemoteMedia(
            address=made.phone.phone.address, codec=PCMU, payload_type=0, digits_payload_type=None, rtcp_mux=True
        )
    )


def heard(made: Attached) -> list[Rtp]:
    return made.phone.heard([octets for _, octets in made.phone.phone._socket.datagrams if octets[0] >> 6 == 2])


async def test_attached_port_carries_sealed_sound_both_ways(engine: Engine, phones: PhoneBooth) -> None:
    made = await attached(engine, phones)
    made.phone.say(3)
    await until(lambda: made.port.statistics().packets_received == 3)
    await until(lambda: len(made.phone.phone._socket.datagrams) > 5)
    assert {packet.ssrc for packet in heard(made)} == {made.port.ssrc}


async def test_attached_port_hands_back_stun_of_all_and_dtls_of_the_phone(engine: Engine, phones: PhoneBooth) -> None:
    made = await attached(engine, phones)
    made.phone.say(1)
    await until(lambda: made.port.statistics().packets_received == 1)
    # asyncio's sendto drops empty datagrams.
    stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stranger.bind(("127.0.0.1", 0))
    for octets in (b"", b"\x00", DTLS, b"\xff" * 40, STUN):
        stranger.sendto(octets, made.port.address)
    made.phone.phone.send(DTLS)
    await until(lambda: len(made.back) == 2)
    mine, his = made.phone.phone.address, stranger.getsockname()
    stranger.close()
    assert sorted(made.back) == sorted([(STUN, his), (DTLS, mine)])
    statistics = made.port.statistics()
    assert (statistics.dropped_malformed, statistics.dropped_foreign) == (3, 1)


async def test_attached_port_flood_of_a_stranger_is_bounded_and_does_not_starve_the_phone(
    engine: Engine, phones: PhoneBooth
) -> None:
    made = await attached(engine, phones)
    made.phone.say(1)
    await until(lambda: made.port.statistics().packets_received == 1)
    stranger, _ = await phones.socket()
    for _ in range(20):
        for _ in range(5):
            stranger.sendto(STUN, made.port.address)
        await asyncio.sleep(0.005)
    made.phone.phone.send(STUN)
    mine = made.phone.phone.address
    await until(lambda: any(sender == mine for _, sender in made.back))
    assert len(made.back) <= 40


async def test_attached_port_goes_on_over_another_socket(engine: Engine, phones: PhoneBooth) -> None:
    made = await attached(engine, phones)
    bob = await phones.phone()
    made.port.hear(bob.port)
    bob.send(bob.packet())
    await until(lambda: len(heard(made)) > 0)
    before = made.port.address
    duplicate = socket.socket(fileno=socket.dup(made.sockets.sock.fileno()))
    attach(made, engine.bind_socket())
    assert made.port.address != before
    bob.send(bob.packet())
    count = len(made.phone.phone._socket.datagrams)
    await until(lambda: len(made.phone.phone._socket.datagrams) > count)
    made.phone = SealedPhone(made.phone.phone, made.phone.agreed)
    packets = heard(made)
    assert {packet.ssrc for packet in packets} == {made.port.ssrc}
    numbers = [packet.sequence for packet in packets]
    assert all((after - number) & 0xFFFF == 1 for number, after in zip(numbers, numbers[1:], strict=False))
    await until(lambda: made.sockets.sock.fileno() == -1)
    duplicate.close()


async def test_attached_port_closed_gives_number_and_slot_back(engine: Engine, phones: PhoneBooth) -> None:
    made = await attached(engine, phones)
    made.port.close()
    await until(lambda: engine.statistics().live_ports == 0)
    assert made.sockets.sock.fileno() == -1
    assert engine.statistics().resting_numbers == 1
    late = engine.bind_socket()
    attach(made, late)
    assert late.sock.fileno() == -1
