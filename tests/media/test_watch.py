"""What the engine tells of a phone that says nothing, and the reports of RTCP."""

import asyncio
import struct
from collections.abc import Sequence

import pytest

from media.engine import FirstPacket, SilenceTimeout
from tests.media.phone import Phone, PhoneBooth, until

SENDER_REPORT, RECEIVER_REPORT, SOURCE_DESCRIPTION, BYE = 200, 201, 202, 203


def silences(phone: Phone) -> int:
    return sum(isinstance(event, SilenceTimeout) for event in phone.events)


async def test_watch_no_first_packet_is_told_once(phone: Phone) -> None:
    phone.port.watch(first_packet_s=0.1, silence_s=30)
    await phone.told(SilenceTimeout)
    await asyncio.sleep(0.4)
    assert phone.events == [SilenceTimeout()]


async def test_watch_silence_counts_from_the_last_packet(phone: Phone) -> None:
    phone.port.watch(first_packet_s=30, silence_s=0.25)
    loop = asyncio.get_running_loop()
    await phone.talk(0.4)
    last_s = loop.time()
    assert phone.events == [FirstPacket()]
    await phone.told(SilenceTimeout)
    assert loop.time() - last_s > 0.2


async def test_watch_none_disarms(phone: Phone) -> None:
    phone.port.watch(first_packet_s=0.15, silence_s=0.15)
    phone.port.watch(first_packet_s=None, silence_s=None)
    await asyncio.sleep(0.5)
    assert silences(phone) == 0


async def test_watch_armed_again_after_a_hold_gives_the_full_time(phone: Phone) -> None:
    phone.send(phone.packet())
    await phone.told(FirstPacket)
    await asyncio.sleep(0.3)
    begun_s = asyncio.get_running_loop().time()
    phone.port.watch(first_packet_s=None, silence_s=0.25)
    await phone.told(SilenceTimeout)
    assert asyncio.get_running_loop().time() - begun_s > 0.24


async def test_watch_stranger_is_not_the_phone(phones: PhoneBooth) -> None:
    phone = await phones.phone()
    stranger, _ = await phones.socket()
    phone.port.watch(first_packet_s=0.2, silence_s=30)
    for _ in range(10):
        stranger.sendto(phone.packet(), phone.port.address)
        await asyncio.sleep(0.02)
    await phone.told(SilenceTimeout)


def chunks(octets: bytes) -> list[tuple[int, bytes]]:
    """The packets of a compound one: type and octets."""
    found = []
    while octets:
        first, kind, length = struct.unpack_from("!BBH", octets)
        assert first >> 6 == 2
        found.append((kind, octets[: 4 * length + 4]))
        octets = octets[4 * length + 4 :]
    return found


def kinds(reports: Sequence[bytes]) -> list[list[int]]:
    return [[kind for kind, _ in chunks(report)] for report in reports]


async def test_rtcp_reports_what_was_sent_and_lost(phone: Phone) -> None:
    await phone.talk(0.1)
    for _ in range(5):
        phone.packet()
    await phone.talk(0.1)
    # At closing the last report is due, five seconds earlier than else.
    await phone.has(5)
    phone.port.close()
    await until(lambda: len(phone.reports) > 0)
    (report, *rest) = chunks(phone.reports[-1])
    assert [kind for kind, _ in rest] == [SOURCE_DESCRIPTION, BYE]
    assert report[0] == SENDER_REPORT
    _, _, _, ssrc, _, _, timestamp, packets, octets = struct.unpack_from("!BBHIIIIII", report[1])
    assert ssrc == phone.port.ssrc
    assert packets == phone.port.statistics().packets_sent
    assert octets == packets * 160
    last = phone.received[-1]
    assert abs(((timestamp - last.timestamp + 2**31) & 0xFFFFFFFF) - 2**31) < 4000
    of, lost, highest, jitter, *_ = struct.unpack_from("!IIIIII", report[1], 28)
    assert of == phone.ssrc
    assert (lost >> 24, lost & 0xFFFFFF) == (5 * 256 // 15, 5)
    assert highest & 0xFFFF == (phone.sequence - 1) & 0xFFFF
    assert jitter < 800


async def test_rtcp_phones_report_gives_loss_and_round_trip(phone: Phone) -> None:
    phone.send(phone.packet())
    await phone.has(3)
    echo = struct.pack("!BBHI", 0x81, RECEIVER_REPORT, 7, phone.ssrc)
    block = struct.pack("!IIIIII", phone.port.ssrc, 3 << 24 | 12, 0, 80, 0, 0)
    control = (phone.port.address[0], phone.port.address[1] + 1)
    phone.rtcp_transport.sendto(echo + block, control)
    await until(lambda: phone.port.statistics().far_lost == 12)
    statistics = phone.port.statistics()
    assert statistics.far_jitter_ms == 10
    assert statistics.rtt_ms is None


@pytest.mark.timeout(20)
async def test_rtcp_report_comes_by_itself_and_its_echo_is_the_round_trip(phone: Phone) -> None:
    phone.send(phone.packet())
    control = (phone.port.address[0], phone.port.address[1] + 1)
    await until(lambda: len(phone.reports) > 0, within_s=9)
    assert kinds(phone.reports)[0] == [SENDER_REPORT, SOURCE_DESCRIPTION]
    ntp_high, ntp_low = struct.unpack_from("!II", phone.reports[0], 8)
    echoed = (ntp_high & 0xFFFF) << 16 | ntp_low >> 16
    await asyncio.sleep(0.1)
    head = struct.pack("!BBHI", 0x81, RECEIVER_REPORT, 7, phone.ssrc)
    block = struct.pack("!IIIIII", phone.port.ssrc, 0, 0, 0, echoed, round(0.06 * 65536))
    phone.rtcp_transport.sendto(head + block, control)
    await until(lambda: phone.port.statistics().rtt_ms is not None)
    assert phone.port.statistics().rtt_ms == pytest.approx(40, abs=60)


async def test_rtcp_on_the_same_port_is_no_sound(phones: PhoneBooth) -> None:
    phone = await phones.phone(rtcp_mux=True)
    head = struct.pack("!BBHI", 0x81, RECEIVER_REPORT, 7, phone.ssrc)
    block = struct.pack("!IIIIII", phone.port.ssrc, 7, 0, 0, 0, 0)
    phone.send(head + block)
    await until(lambda: phone.port.statistics().far_lost == 7)
    assert phone.port.statistics().packets_received == 0
    await phone.has(3)
    phone.port.close()
    await until(lambda: any(192 <= octets[1] <= 223 for octets in phone.datagrams))


async def test_rtcp_of_a_stranger_is_not_believed(phones: PhoneBooth) -> None:
    phone = await phones.phone()
    stranger, _ = await phones.socket("127.0.0.2")
    head = struct.pack("!BBHI", 0x81, RECEIVER_REPORT, 7, phone.ssrc)
    block = struct.pack("!IIIIII", phone.port.ssrc, 7, 0, 0, 0, 0)
    stranger.sendto(head + block, (phone.port.address[0], phone.port.address[1] + 1))
    await until(lambda: phone.port.statistics().dropped_foreign == 1)
    assert phone.port.statistics().far_lost is None
