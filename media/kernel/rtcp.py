"""RTCP: reports every five seconds, and what the far end reports.

Decides when a report is due and what is believed of one that comes. A BYE ends nothing: calls end by signalling.
Source: RFC 3550 6.2 (interval), 6.4 (reports), 6.5 (CNAME), 6.6 (BYE).
"""

from typing import Any

from media.kernel import sockets, srtp, video
from media.kernel.compiled import compiled
from media.kernel.layout import Record, State
from media.kernel.libc import DONT_WAIT, NS_PER_S, sendto
from media.kernel.rtp import lost_in_stream, put_u16, put_u32, u16, u32
from media.kernel.source import host_of, set_rtcp_remote

SENDER_REPORT, RECEIVER_REPORT, SOURCE_DESCRIPTION, BYE = 200, 201, 202, 203
CNAME = 1
INTERVAL_NS = 5 * NS_PER_S
BLOCK = 24


@compiled
def ntp(engine: Record) -> Any:
    """The engine's clock in NTP format, seconds << 32 | fraction: it runs like the monotonic clock, without steps."""
    now = engine.now_ns + engine.ntp_offset_ns
    return now // NS_PER_S << 32 | (now % NS_PER_S << 32) // NS_PER_S


@compiled
def schedule(engine: Record, port: Record, interval_ns: Any) -> None:
    """The next report 0.5 to 1.5 intervals from now; the first comes in half the time. Source: RFC 3550 6.2, 6.3.1."""
    engine.random = engine.random * 1103515245 + 12345 & 0x7FFFFFFF
    port.rtcp_due_ns = engine.now_ns + interval_ns // 2 + interval_ns * (engine.random >> 8) // (1 << 23)


@compiled
def report(engine: Record, port: Record, is_last: Any) -> None:
    """Sends a compound packet: report, CNAME and, when the port closes, BYE."""
    if port.remote == 0 or (port.rtcp_remote == 0 and port.rtcp_mux == 0):
        return
    octets = engine.control
    is_sender = port.packets_out > port.rtcp_packets_sent
    port.rtcp_packets_sent = port.packets_out
    octets[0] = 0x80 | (1 if port.has_stream else 0)
    octets[1] = SENDER_REPORT if is_sender else RECEIVER_REPORT
    put_u32(octets, 4, port.ssrc)
    end = 8
    if is_sender:
        now = ntp(engine)
        put_u32(octets, 8, now >> 32)
        put_u32(octets, 12, now)
        put_u32(octets, 16, port.sent_base + (engine.now_ns - engine.start_ns) * 8 // 1_000_000 * port.clock_factor)
        put_u32(octets, 20, port.packets_out)
        put_u32(octets, 24, port.octets_out)
        end = 28
    if port.has_stream:
        _report_block(engine, port, end)
        end += BLOCK
    put_u16(octets, 2, end // 4 - 1)
    end = _source_description(octets, end, port.ssrc)
    if is_last:
        octets[end] = 0x81
        octets[end + 1] = BYE
        put_u16(octets, end + 2, 1)
        put_u32(octets, end + 4, port.ssrc)
        end += 8
    packet = engine.control_address
    if port.srtp_out:
        packet, end = engine.sealed_address, srtp.seal(engine, port, octets, 0, end, True)
    if end == 0:
        return
    if port.rtcp_mux:
        sockets.send(port, packet, end)
    elif port.rtcp_fd >= 0:
        sendto(port.rtcp_fd, packet, end, DONT_WAIT, port.rtcp_remote_address, 16)


@compiled
def _report_block(engine: Record, port: Record, at: Any) -> None:
    octets = engine.control
    expected = port.highest - port.first_sequence + 1
    expected_since = expected - port.expected_before
    lost_since = expected_since - (port.received_in_stream - port.received_before)
    port.expected_before = expected
    port.received_before = port.received_in_stream
    fraction = 0
    if expected_since > 0 and lost_since > 0:
        fraction = min((lost_since << 8) // expected_since, 255)
    since_us = (engine.now_ns - port.report_ns) // 1000
    put_u32(octets, at, port.in_ssrc)
    put_u32(octets, at + 4, fraction << 24 | min(lost_in_stream(port), 0x7FFFFF))
    put_u32(octets, at + 8, port.highest)
    put_u32(octets, at + 12, port.jitter_q4 >> 4)
    put_u32(octets, at + 16, port.report_ntp)
    put_u32(octets, at + 20, (since_us << 16) // 1_000_000 if port.report_ntp else 0)


@compiled
def _source_description(octets: Any, at: Any, ssrc: Any) -> Any:
    """One chunk with a CNAME of eight hexadecimal digits; says where it ends."""
    octets[at] = 0x81
    octets[at + 1] = SOURCE_DESCRIPTION
    put_u32(octets, at + 4, ssrc)
    octets[at + 8] = CNAME
    octets[at + 9] = 8
    for index in range(8):
        digit = ssrc >> 28 - 4 * index & 15
        octets[at + 10 + index] = digit + 48 if digit < 10 else digit + 87
    octets[at + 18] = 0
    octets[at + 19] = 0
    put_u16(octets, at + 2, 4)
    return at + 20


@compiled
def take(state: State, port: Record, octets: Any, length: Any, source: Any) -> None:
    """Reads a compound packet from the phone's host; what is not well-formed is passed over.

    What is about pictures goes to the party that sends or sees them (video.py).

    Its source is where our reports go from now on, if it is not where they were sent to: RTCP passes a NAT so too.
    """
    engine = state.engine[0]
    is_report = length >= 8 and octets[0] >> 6 == 2 and octets[1] in (SENDER_REPORT, RECEIVER_REPORT)
    if not is_report and not (port.has_video and length >= 8 and video.is_feedback(octets[1])):
        port.malformed += 1
        engine.malformed += 1
        return
    if port.srtp_in:
        length = srtp.open_control(engine, port, length)
        if length == 0:
            port.forged += 1
            engine.forged += 1
            return
    if port.has_video and video.takes_control(state, port, length):
        return
    if port.rtcp_mux == 0 and source != port.rtcp_remote and host_of(port.rtcp_remote) != host_of(port.remote):
        set_rtcp_remote(port, source)
    port.reports_in += 1
    at = 0
    while at + 8 <= length:
        end = at + 4 + 4 * u16(octets, at + 2)
        if octets[at] >> 6 != 2 or end > length:
            return
        blocks = at + 8
        if octets[at + 1] == SENDER_REPORT and at + 28 <= end:
            port.report_ntp = (u32(octets, at + 8) & 0xFFFF) << 16 | u16(octets, at + 12)
            port.report_ns = engine.now_ns
            blocks = at + 28
        elif octets[at + 1] != RECEIVER_REPORT:
            blocks = end
        for index in range(octets[at] & 31):
            start = blocks + index * BLOCK
            if start + BLOCK <= end and u32(octets, start) == port.ssrc:
                _note_block(engine, port, octets, start)
        at = end


@compiled
def _note_block(engine: Record, port: Record, octets: Any, at: Any) -> None:
    port.far_lost = u32(octets, at + 4) & 0xFFFFFF
    port.far_jitter = u32(octets, at + 12)
    echoed, held = u32(octets, at + 16), u32(octets, at + 20)
    if echoed:
        trip = (ntp(engine) >> 16) - echoed - held & 0xFFFFFFFF
        # More than a minute is a clock of theirs that is wrong.
        if trip < 60 << 16:
            port.rtt_us = trip * 1_000_000 >> 16
