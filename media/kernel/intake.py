"""What has arrived: every datagram read, judged, entered in the books and, between ports, sent on at once.

The order is the defence: length and sender first, then the header, then the stream, then the sound. A datagram that
fails is counted and gone.
Source: RFC 3550 A.1; RFC 5761 4.
"""

from typing import Any

from media.kernel import decode, digits, handback, jitter, rtcp, rtp, send, sockets, source, srtp, video
from media.kernel.commands import read_commands
from media.kernel.compiled import compiled
from media.kernel.events import post
from media.kernel.layout import (
    FIRST_PACKET,
    LIVE,
    MAX_BATCH,
    MAX_DATAGRAM,
    NOWHERE,
    RATE_HZ,
    SOURCE_LEARNED,
    Record,
    State,
)
from media.kernel.libc import DATA_WORD, DONT_WAIT, epoll_wait, monotonic_ns, recvfrom

MAX_ROUNDS = 8
"""Datagrams one port may have read in one intake: a flood beyond stays in its socket, and in the end outside."""


@compiled
def position_at(engine: Record, time_ns: Any) -> Any:
    return (time_ns - engine.start_ns) * (RATE_HZ // 1000) // 1_000_000


@compiled
def take_in(state: State) -> None:
    """Reads what has arrived on any socket, one datagram of each in turn; what is left when a tick is due waits."""
    engine = state.engine[0]
    engine.intakes += 1
    for _ in range(MAX_ROUNDS):
        count = epoll_wait(engine.epoll_fd, engine.epoll_address, MAX_BATCH, 0)
        if count <= 0:
            return
        engine.now_ns = monotonic_ns(engine)
        for index in range(count):
            tag = int(engine.epoll_events[index, DATA_WORD])
            if tag == sockets.COMMANDS_TAG:
                read_commands(state)
            else:
                _read_in_order(state, tag >> 2, tag & 3)
        if monotonic_ns(engine) >= engine.next_tick_ns:
            return


@compiled
def _read_in_order(state: State, slot: Any, which: Any) -> None:
    """One datagram. If it brought the port a direct socket, what had come before that is read ahead of what it gets."""
    port = state.ports[slot]
    direct_before = port.direct_fd
    is_there = _read_socket(state, slot, which)
    if which == sockets.SOUND and port.direct_fd != direct_before:
        for _ in range(MAX_BATCH):
            if not is_there:
                return
            is_there = _read_socket(state, slot, which)


@compiled
def _read_socket(state: State, slot: Any, which: Any) -> Any:
    """Says whether there was a datagram."""
    engine, port = state.engine[0], state.ports[slot]
    if port.state != LIVE:
        return False
    descriptor = port.rtp_fd
    if which == sockets.DIRECT:
        descriptor = port.direct_fd
    elif which == sockets.CONTROL:
        descriptor = port.rtcp_fd
    engine.source_length[0] = 16
    length = recvfrom(
        descriptor,
        engine.octets_address,
        MAX_DATAGRAM,
        DONT_WAIT,
        engine.source_address,
        engine.source_length_address,
    )
    if length < 0:
        return False
    sender = source.read_sockaddr(engine.source)
    if port.shares_socket and not rtp.is_rtp_or_rtcp(engine.octets, length):
        handback.give_back(engine, port, length, sender)
    elif which == sockets.CONTROL or (port.rtcp_mux and rtp.is_rtcp(engine.octets, length)):
        if source.is_from_phones_host(port, sender):
            rtcp.take(state, port, engine.octets, length, sender)
        else:
            _refuse_foreign(engine, port)
    else:
        _take_sound(state, port, length, sender)
    return True


@compiled
def _refuse_foreign(engine: Record, port: Record) -> None:
    port.foreign += 1
    engine.foreign += 1


@compiled
def _refuse_malformed(engine: Record, port: Record) -> None:
    port.malformed += 1
    engine.malformed += 1


@compiled
def _take_sound(state: State, port: Record, length: Any, sender: Any) -> None:
    engine, packet = state.engine[0], state.packet[0]
    if length < rtp.HEADER or engine.octets[0] >> 6 != 2:
        _refuse_malformed(engine, port)
        return
    if port.srtp_in:
        # Nobody is learned from by what he cannot have sealed.
        if not source.may_be_phone(port, sender):
            _refuse_foreign(engine, port)
            return
        length = srtp.open_sound(engine, port, length)
        if length == 0:
            port.forged += 1
            engine.forged += 1
            return
    remote = port.remote
    if not source.is_from_phone(port, sender, engine.now_ns):
        _refuse_foreign(engine, port)
        return
    if port.remote != remote or port.direct_fd == sockets.NONE:
        sockets.open_direct(engine, port)
    if port.remote != remote:
        post(engine, SOURCE_LEARNED, port.slot, port.generation, sender, 0)
    if not rtp.parse(engine.octets, length, packet):
        _refuse_malformed(engine, port)
        return
    if port.has_video and video.is_agreed(port, packet.payload_type):
        video.pass_on(state, port, length)
        return
    packet.arrival_ns = engine.now_ns
    packet.arrival_position = position_at(engine, engine.now_ns)
    port.packets_in += 1
    port.octets_in += length - rtp.HEADER
    engine.packets_in += 1
    port.last_packet_ns = engine.now_ns
    if port.has_packets == 0:
        port.has_packets = 1
        post(engine, FIRST_PACKET, port.slot, port.generation, 0, 0)
    if port.receives:
        _pass_on(state, port)
    else:
        port.refused += 1


@compiled
def _pass_on(state: State, port: Record) -> None:
    engine, packet = state.engine[0], state.packet[0]
    packet.codec = rtp.payload_codec(port, packet.payload_type)
    packet.decoded = 0
    result = rtp.track(port, packet)
    if result in (rtp.DUPLICATE, rtp.MISFIT):
        return
    if packet.codec == rtp.DIGITS_PAYLOAD:
        _pass_digit(state, port)
    elif packet.codec == rtp.OTHER_PAYLOAD or not decode.has_length(engine, packet):
        port.refused += 1
    else:
        if result == rtp.IN_ORDER:
            rtp.measure_jitter(port, packet)
        jitter.place(engine, port, packet)
        if port.received_users > 0 and packet.position != NOWHERE:
            decode.write(engine, port, port.received, packet)
        listener = port.first_listener
        while listener:
            other = state.ports[listener - 1]
            send.relay_sound(engine, packet, port, other)
            listener = other.next_listener


@compiled
def _pass_digit(state: State, port: Record) -> None:
    """A telephone-event goes to the loop, and to the listeners as they know it."""
    engine, packet = state.engine[0], state.packet[0]
    ended = digits.take_event(engine, port, packet)
    listener = port.first_listener
    while listener:
        other = state.ports[listener - 1]
        if _takes_digits(other, port) and other.digit_sending == 0 and send.can_send(other):
            send.relay(engine, packet, port, other, other.send_digits_type, 0)
        listener = other.next_listener
    if ended >= 0:
        sound_digit(state, port, ended)


@compiled
def _takes_digits(listener: Record, port: Record) -> Any:
    """Whether a telephone-event of the port means the same in the listener's clock."""
    return listener.send_digits_type >= 0 and listener.clock_factor == port.clock_factor


@compiled
def sound_digit(state: State, port: Record, code: Any) -> None:
    """Listeners that could not be sent the event get the key anew: as one of their own, or as a tone."""
    listener = port.first_listener
    while listener:
        other = state.ports[listener - 1]
        if not _takes_digits(other, port):
            digits.queue_digit(other, code)
        listener = other.next_listener
