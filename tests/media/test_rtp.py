"""Reading RTP, and the books kept of a stream."""

import struct

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from media.kernel import layout, rtp
from tests.media.phone import rtp as packet_of


def parse(octets: bytes) -> tuple[int, int] | None:
    """Where the payload lies, (offset, size); None for what is no RTP."""
    state = layout.new_state(ports=1, mixes=1, recordings=1, blocks=1, start_ns=0)
    buffer = np.frombuffer(octets.ljust(layout.MAX_DATAGRAM, b"\xee"), np.uint8).copy()
    packet = state.packet[0]
    if not rtp.parse(buffer, len(octets), packet):
        return None
    return int(packet["offset"]), int(packet["size"])


def expected(octets: bytes) -> tuple[int, int] | None:
    """RFC 3550 5.1, read once more by somebody else."""
    if len(octets) < 12 or octets[0] >> 6 != 2:
        return None
    rest = octets[12 + 4 * (octets[0] & 15) :]
    if len(octets) < 12 + 4 * (octets[0] & 15):
        return None
    if octets[0] & 0x10:
        if len(rest) < 4:
            return None
        words = struct.unpack("!H", rest[2:4])[0]
        if len(rest) < 4 + 4 * words:
            return None
        rest = rest[4 + 4 * words :]
    offset = len(octets) - len(rest)
    if octets[0] & 0x20:
        padding = octets[-1]
        if padding == 0 or padding > len(rest):
            return None
        rest = rest[: len(rest) - padding]
    return offset, len(rest)


@settings(max_examples=400)
@given(
    st.one_of(
        st.binary(max_size=80),
        st.builds(
            lambda first, rest: bytes([0x80 | first]) + rest, st.integers(0, 63), st.binary(min_size=11, max_size=80)
        ),
    )
)
@example(b"")
@example(b"\x80" * 12)
@example(b"\xb0" + bytes(11) + b"\0\0\xff\xff")
def test_rtp_parse_finds_the_payload_or_refuses(octets: bytes) -> None:
    assert parse(octets) == expected(octets)


class Books:
    def __init__(self) -> None:
        self.state = layout.new_state(ports=1, mixes=1, recordings=1, blocks=1, start_ns=0)
        self.port = self.state.ports[0]

    def take(self, number: int, *, ssrc: int = 7) -> int:
        octets = packet_of(b"\xff" * 160, sequence=number, timestamp=160 * number, ssrc=ssrc)
        buffer = np.frombuffer(octets.ljust(layout.MAX_DATAGRAM, b"\0"), np.uint8).copy()
        assert rtp.parse(buffer, len(octets), self.state.packet[0])
        return int(rtp.track(self.port, self.state.packet[0]))

    @property
    def lost(self) -> int:
        return int(self.port["lost_before_stream"]) + int(rtp.lost_in_stream(self.port))


def test_rtp_sequence_wraps_without_loss() -> None:
    books = Books()
    assert {books.take(number) for number in range(65500, 65600)} == {rtp.IN_ORDER}
    assert books.lost == 0
    assert books.port["highest"] == 65599


def test_rtp_late_packet_is_no_loss_any_more() -> None:
    books = Books()
    assert [books.take(number) for number in (1, 2, 5, 3)] == [rtp.IN_ORDER] * 3 + [rtp.REORDERED]
    assert books.lost == 1


def test_rtp_jump_begins_a_stream_only_when_it_goes_on() -> None:
    books = Books()
    taken = [books.take(number) for number in (1, 2, 30000, 3, 40000, 40001, 40002)]
    assert taken == [
        rtp.IN_ORDER,
        rtp.IN_ORDER,
        rtp.MISFIT,
        rtp.IN_ORDER,
        rtp.MISFIT,
        rtp.IN_ORDER,
        rtp.IN_ORDER,
    ]
    assert books.lost == 0


def test_rtp_other_source_begins_a_stream_and_keeps_the_losses() -> None:
    books = Books()
    for number in (1, 2, 6):
        books.take(number)
    assert books.take(50000, ssrc=8) == rtp.IN_ORDER
    assert books.lost == 3


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(1, 2)), max_size=80))
def test_rtp_books_of_any_packets_stay_sane(packets: list[tuple[int, int]]) -> None:
    books = Books()
    for number, ssrc in packets:
        books.take(number, ssrc=ssrc)
        assert books.lost >= 0
        assert 0 <= books.port["received_in_stream"] <= len(packets)
