"""Pictures of two bridged phones: passed on as they are, with all that is reported about them, and never anywhere else.

The phones are pylibsrtp's; what stands for a picture is any octets, since the engine does not look at them.
"""

import asyncio
import struct
from dataclasses import dataclass, field

import pytest

from media.engine import MediaPort, Silence
from media.kernel.video import BURST_OCTETS, OCTETS_PER_S
from tests.media.phone import PhoneBooth, rtp, until
from tests.media.sealed_phone import SealedPhone, keys

VP8, REPAIR = 96, 127
TYPES = (VP8, REPAIR)
PICTURE_SSRC = 900


@dataclass
class Viewer:
    """A phone with a camera. seen: packets and reports that opened, in the order they came."""

    phone: SealedPhone
    seen: list[bytes] = field(default_factory=list)
    taken: int = 0
    sequence: int = 65530

    @property
    def port(self) -> MediaPort:
        return self.phone.phone.port

    def picture(self, *, payload_type: int = VP8, ssrc: int = PICTURE_SSRC, size: int = 900) -> bytes:
        """The next packet, with a header extension such as browsers send; sent, and returned as it was before."""
        plain = rtp(b"\x7a" * size, sequence=self.sequence, timestamp=3000, payload_type=payload_type, ssrc=ssrc)
        plain = bytes([plain[0] | 0x10]) + plain[1:12] + b"\xbe\xde\x00\x01\x31\x00\x07\x00" + plain[12:]
        self.sequence += 1
        self.phone.phone.send(self.phone._tx.protect(plain))
        return plain

    def report(self, octets: bytes) -> bytes:
        self.phone.phone.send(self.phone.report(octets))
        return octets

    def look(self) -> list[bytes]:
        """What came of pictures and reports about them; sound left out."""
        news = self.phone.phone.datagrams[self.taken :]
        self.taken += len(news)
        for octets in news:
            is_control = 192 <= octets[1] <= 223
            plain = (self.phone._rx.unprotect_rtcp if is_control else self.phone._rx.unprotect)(octets)
            ssrc = struct.unpack_from("!I", plain, 4 if is_control else 8)[0]
            if ssrc != self.port.ssrc:
                self.seen.append(plain)
        return self.seen

    async def has_seen(self, packets: int) -> list[bytes]:
        await until(lambda: len(self.look()) >= packets)
        return self.seen


async def viewer(phones: PhoneBooth) -> Viewer:
    made = Viewer(SealedPhone(await phones.phone(srtp=keys(), rtcp_mux=True), keys()))
    made.port.pass_video(TYPES)
    return made


async def bridged(phones: PhoneBooth) -> tuple[Viewer, Viewer]:
    alice, bob = await viewer(phones), await viewer(phones)
    alice.port.hear(bob.port)
    bob.port.hear(alice.port)
    return alice, bob


def feedback(kind: int, form: int, sender: int, about: int) -> bytes:
    """Source: RFC 4585 6.1."""
    return struct.pack("!BBHII", 0x80 | form, kind, 2, sender, about)


def sender_report(sender: int, *abouts: int) -> bytes:
    blocks = b"".join(struct.pack("!IIIIII", about, 0, 0, 0, 0, 0) for about in abouts)
    return struct.pack("!BBHI", 0x80 | len(abouts), 200, 6 + len(blocks) // 4, sender) + bytes(20) + blocks


async def test_video_of_two_bridged_phones_passes_both_ways_unchanged(phones: PhoneBooth) -> None:
    alice, bob = await bridged(phones)
    from_alice = [alice.picture(), alice.picture(payload_type=REPAIR, ssrc=901), alice.picture(size=1200)]
    from_bob = [bob.picture(ssrc=77)]
    assert await bob.has_seen(3) == from_alice
    assert await alice.has_seen(1) == from_bob
    statistics = alice.port.statistics()
    assert (statistics.video_received, statistics.video_sent, statistics.video_dropped) == (3, 1, 0)


async def test_video_number_that_wraps_goes_on(phones: PhoneBooth) -> None:
    alice, bob = await bridged(phones)
    sent = []
    for burst in range(4):
        sent += [alice.picture(size=50) for _ in range(5)]
        assert await bob.has_seen(5 * (burst + 1)) == sent


async def test_video_is_no_sound_and_the_sound_goes_on(phones: PhoneBooth) -> None:
    alice, bob = await bridged(phones)
    alice.phone.say(2)
    alice.picture()
    alice.phone.say(2)
    await bob.has_seen(1)
    await until(lambda: alice.port.statistics().packets_received == 4)
    statistics = alice.port.statistics()
    assert (statistics.lost, statistics.dropped_other, statistics.reordered) == (0, 0, 0)
    assert (statistics.octets_received, statistics.video_received) == (4 * 160, 1)


@pytest.mark.parametrize(("kind", "form"), [(206, 1), (206, 4), (206, 15), (205, 1), (205, 15)])
async def test_video_feedback_reaches_who_sends_the_pictures(phones: PhoneBooth, kind: int, form: int) -> None:
    alice, bob = await bridged(phones)
    bob.phone.say(1)
    await until(lambda: bob.port.statistics().packets_received == 1)
    asked = [bob.report(feedback(kind, form, sender, PICTURE_SSRC)) for sender in (1, bob.phone.phone.ssrc)]
    assert await alice.has_seen(2) == asked


async def test_video_reports_pass_and_those_about_sound_stay_here(phones: PhoneBooth) -> None:
    alice, bob = await bridged(phones)
    alice.phone.say(1)
    await until(lambda: alice.port.statistics().packets_received == 1)
    alice.report(sender_report(alice.phone.phone.ssrc))
    alice.report(sender_report(902, alice.port.ssrc))
    about_pictures = alice.report(sender_report(PICTURE_SSRC, 77))
    assert await bob.has_seen(1) == [about_pictures]
    await until(lambda: alice.port.statistics().far_lost == 0)


async def test_video_stops_when_the_bridge_ends(phones: PhoneBooth) -> None:
    alice, bob = await bridged(phones)
    alice.picture()
    await bob.has_seen(1)
    bob.port.hear(Silence())
    alice.picture()
    bob.report(feedback(206, 1, 1, PICTURE_SSRC))
    bob.picture(ssrc=77)
    await until(lambda: alice.port.statistics().video_dropped == 1 and bob.port.statistics().video_dropped == 1)
    assert len(bob.look()) == 1 and alice.look() == []


async def test_video_needs_a_bridge_and_the_same_agreement_at_both_sides(phones: PhoneBooth) -> None:
    alice, bob = await bridged(phones)
    clear = await phones.phone()
    bob.port.pass_video([REPAIR])
    alice.picture()
    bob.port.pass_video([])
    alice.picture()
    bob.port.pass_video(TYPES, send=False)
    alice.picture()
    bob.port.pass_video(TYPES)
    alice.port.pass_video(TYPES, receive=False)
    alice.picture()
    alice.port.pass_video(TYPES)
    # Who merely listens sees nothing, and nobody who has no keys.
    clear.port.pass_video(TYPES)
    for other in (bob.port, clear.port):
        other.hear(alice.port)
    alice.port.hear(clear.port)
    alice.picture()
    await until(lambda: alice.port.statistics().video_dropped == 5)
    assert bob.look() == [] and not [octets for octets in clear.datagrams if octets[1] & 127 in TYPES]


async def test_video_cannot_speak_as_the_sound_that_is_sent_here(phones: PhoneBooth) -> None:
    alice, bob = await bridged(phones)
    alice.picture(ssrc=bob.port.ssrc)
    await until(lambda: alice.port.statistics().video_dropped == 1)


async def test_video_flood_is_bounded(phones: PhoneBooth) -> None:
    alice, bob = await bridged(phones)
    clock = asyncio.get_running_loop().time
    begun_s = clock()
    for burst in range(1, 33):
        for _ in range(50):
            alice.picture(size=1200)
        await until(lambda: alice.port.statistics().video_received == 50 * burst, within_s=5.0)  # noqa: B023
    lasted_s = clock() - begun_s
    dropped = alice.port.statistics().video_dropped
    passed = 1600 - dropped
    assert BURST_OCTETS // 1300 < passed < (BURST_OCTETS + OCTETS_PER_S * lasted_s) / 1200 + 1
    await until(lambda: bob.port.statistics().video_sent == passed)


@pytest.mark.parametrize("payload_type", [64, 95, 128, -1])
async def test_video_payload_type_that_reads_as_rtcp_is_refused(phones: PhoneBooth, payload_type: int) -> None:
    port = (await phones.phone()).port
    with pytest.raises(ValueError, match="payload type"):
        port.pass_video([VP8, payload_type])
