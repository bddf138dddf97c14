"""Opus and G.722 through the engine: relayed as they are, heard by others, recorded wide. Judged by ear."""

import asyncio
from pathlib import Path

import pytest
import soundfile

from media.codec import Codec
from media.engine import DigitReceived, Engine, Heard, OpusFormat, Received, Silence
from media.kernel import resample
from media.player import Clip
from tests.media.coded_phone import G722, OPUS, coded_phone, wide_sine, wide_strength
from tests.media.phone import PhoneBooth, loudness, rtp, strength, strongest

WIDE = pytest.mark.parametrize("codec", [OPUS, G722], ids=lambda codec: codec.name)
AUDIBLE = 4000
SILENT = 200


@WIDE
async def test_wideband_phones_are_relayed_without_decoding(phones: PhoneBooth, codec: Codec) -> None:
    alice, bob = await coded_phone(phones, codec, frequency_hz=5000), await coded_phone(phones, codec)
    bob.phone.port.hear(alice.phone.port)
    await alice.talk(0.5)
    sound = bob.heard()[-3200:]
    assert wide_strength(sound, 5000) > AUDIBLE
    packets = [packet for packet in bob.phone.received if packet.payload_type == codec.payload_type]
    step = 960 if codec == OPUS else 160
    assert {(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in zip(packets[-15:], packets[-14:], strict=False)} == {
        step
    }


@WIDE
async def test_wideband_and_narrow_phone_hear_each_other(phones: PhoneBooth, codec: Codec) -> None:
    alice, bob = await coded_phone(phones, codec, frequency_hz=700), await phones.phone(frequency_hz=1100)
    alice.phone.port.hear(bob.port)
    bob.port.hear(alice.phone.port)
    await asyncio.gather(alice.talk(0.8), bob.talk(0.8))
    assert strength(bob.heard()[-1600:], 700) > AUDIBLE
    assert strength(bob.heard()[-1600:], 1100) < SILENT
    assert wide_strength(alice.heard()[-3200:], 1100) > AUDIBLE


async def test_opus_and_g722_phone_hear_each_other_wide(phones: PhoneBooth) -> None:
    alice, bob = await coded_phone(phones, OPUS, frequency_hz=5000), await coded_phone(phones, G722, frequency_hz=6000)
    alice.phone.port.hear(bob.phone.port)
    bob.phone.port.hear(alice.phone.port)
    await asyncio.gather(alice.talk(0.8), bob.talk(0.8))
    assert wide_strength(bob.heard()[-3200:], 5000) > AUDIBLE
    assert wide_strength(alice.heard()[-3200:], 6000) > AUDIBLE


@WIDE
async def test_wideband_phone_hears_a_clip(phones: PhoneBooth, codec: Codec) -> None:
    alice = await coded_phone(phones, codec)
    await alice.phone.port.play(Clip(samples=wide_sine(600, 4000, rate_hz=8000), rate_hz=8000))
    sound = alice.heard()
    best = max(wide_strength(sound[at : at + 3200], 600) for at in range(0, len(sound) - 3200, 1600))
    assert best > AUDIBLE


@WIDE
async def test_wideband_clip_is_heard_wide(phones: PhoneBooth, codec: Codec) -> None:
    alice = await coded_phone(phones, codec)
    begun = asyncio.get_running_loop().time()
    await alice.phone.port.play(Clip(samples=wide_sine(5000, 4000), rate_hz=16000), loops=2)
    assert asyncio.get_running_loop().time() - begun == pytest.approx(0.5, abs=0.1)
    sound = alice.heard()
    best = max(wide_strength(sound[at : at + 3200], 5000) for at in range(0, len(sound) - 3200, 1600))
    assert best > AUDIBLE


async def test_wideband_clip_is_heard_by_a_narrow_phone_without_aliases(phones: PhoneBooth) -> None:
    alice = await phones.phone()
    samples = wide_sine(1000, 8000) + wide_sine(5000, 8000)
    await alice.port.play(Clip(samples=samples, rate_hz=16000))
    sound = alice.heard()
    assert strongest(sound, 1000) > 6000
    assert strongest(sound, 3000) < SILENT


async def test_conference_of_narrow_and_wideband_phones(engine: Engine, phones: PhoneBooth) -> None:
    mix = engine.open_mix()
    alice = await coded_phone(phones, OPUS, frequency_hz=5000)
    bob = await coded_phone(phones, G722, frequency_hz=900)
    carol = await phones.phone(frequency_hz=1300)
    for port in (alice.phone.port, bob.phone.port, carol.port):
        port.join(mix)
        port.hear(mix)
    await asyncio.gather(alice.talk(1.0), bob.talk(1.0), carol.talk(1.0))
    assert wide_strength(alice.heard()[-3200:], 900) > AUDIBLE
    assert wide_strength(alice.heard()[-3200:], 1300) > AUDIBLE
    assert wide_strength(alice.heard()[-3200:], 5000) < SILENT
    assert wide_strength(bob.heard()[-3200:], 5000) > AUDIBLE
    assert strength(carol.heard()[-1600:], 900) > AUDIBLE
    # 5 kHz must not come back as 3 kHz.
    assert strength(carol.heard()[-1600:], 3000) < SILENT
    mix.close()


@WIDE
@pytest.mark.parametrize("rate_hz", [8000, 16000])
async def test_recording_of_a_bridge_with_a_wideband_phone(
    engine: Engine, phones: PhoneBooth, tmp_path: Path, codec: Codec, rate_hz: int
) -> None:
    alice, bob = await coded_phone(phones, codec, frequency_hz=5000), await phones.phone(frequency_hz=1100)
    assert (alice.phone.port.rate_hz, bob.port.rate_hz) == (16000, 8000)
    alice.phone.port.hear(bob.port)
    bob.port.hear(alice.phone.port)
    recorder = engine.record(
        tmp_path / "wide.wav", [[Received(alice.phone.port)], [Received(bob.port)]], rate_hz=rate_hz
    )
    await asyncio.gather(alice.talk(1.2), bob.talk(1.2))
    recorded = await recorder.stop()
    sound, rate = soundfile.read(recorded.path, dtype="int16")
    assert rate == rate_hz
    middle = sound[len(sound) // 2 : len(sound) // 2 + rate_hz // 5]
    assert wide_strength(middle[:, 1], 1100, rate_hz=rate) > AUDIBLE
    if rate_hz == 16000:
        assert wide_strength(middle[:, 0], 5000, rate_hz=rate) > AUDIBLE
    else:
        assert wide_strength(middle[:, 0], 3000, rate_hz=rate) < SILENT


async def test_recording_of_what_a_wideband_phone_hears(engine: Engine, phones: PhoneBooth, tmp_path: Path) -> None:
    alice = await coded_phone(phones, OPUS)
    recorder = engine.record(tmp_path / "heard.wav", [[Heard(alice.phone.port)]], rate_hz=16000)
    alice.phone.port.play_nowait(Clip(samples=wide_sine(800, 8000, rate_hz=8000), rate_hz=8000))
    await asyncio.sleep(0.8)
    alice.phone.port.hear(Silence())
    recorded = await recorder.stop()
    sound, _ = soundfile.read(recorded.path, dtype="int16")
    middle = sound[len(sound) // 2 : len(sound) // 2 + 3200]
    assert wide_strength(middle, 800) > AUDIBLE


async def test_opus_lost_packets_are_made_up(engine: Engine, phones: PhoneBooth, tmp_path: Path) -> None:
    alice = await coded_phone(phones, OPUS, frequency_hz=150)
    alice.lose_every, alice.speaks = 10, True
    recorder = engine.record(tmp_path / "lost.wav", [[Received(alice.phone.port)]], rate_hz=16000)
    await alice.talk(2.0)
    recorded = await recorder.stop()
    sound, _ = soundfile.read(recorded.path, dtype="int16")
    frames = [sound[at : at + 320] for at in range(8000, 24000, 320)]
    assert min(loudness(frame) for frame in frames) > 0.3 * loudness(sound)
    assert alice.phone.port.statistics().lost >= 9


async def test_opus_bitrate_and_dtx_of_the_far_end_are_honoured(phones: PhoneBooth) -> None:
    sizes = {}
    for bitrate in (8000, 64000):
        wanted = OpusFormat(max_average_bitrate=bitrate, use_fec=False)
        alice = await coded_phone(phones, OPUS, opus=wanted)
        bob = await phones.phone(frequency_hz=900)
        alice.phone.port.hear(bob.port)
        await bob.talk(0.6)
        payloads = [packet.payload for packet in alice.phone.received][-20:]
        sizes[bitrate] = sum(map(len, payloads)) / len(payloads)
    assert sizes[8000] < 40 < sizes[64000]
    quiet = await coded_phone(phones, OPUS, opus=OpusFormat(use_dtx=True))
    await asyncio.sleep(1.2)
    before = len(quiet.phone.received)
    await asyncio.sleep(0.6)
    assert len(quiet.phone.received) - before < 10


async def test_opus_digits_are_told_and_sent_in_its_own_clock(phones: PhoneBooth) -> None:
    alice, bob = await coded_phone(phones, OPUS), await phones.phone()
    bob.port.hear(alice.phone.port)
    alice.phone.send(rtp(bytes([5, 0x8A, 4800 >> 8, 4800 & 255]), sequence=1, timestamp=9, payload_type=101))
    assert await alice.phone.told(DigitReceived) == DigitReceived("5", 100)
    await alice.phone.port.send_digits("7")
    events = [packet for packet in alice.phone.received if packet.payload_type == 101]
    assert {packet.payload[0] for packet in events} == {7}
    assert int.from_bytes(events[-1].payload[2:4], "big") == 4800
    relayed = [packet for packet in bob.received if packet.payload_type == 101]
    assert {packet.payload[0] for packet in relayed} == {5}
    assert int.from_bytes(relayed[-1].payload[2:4], "big") == 800


async def test_opus_rubbish_is_counted_and_the_next_packet_heard(phones: PhoneBooth) -> None:
    alice, bob = await coded_phone(phones, OPUS, frequency_hz=700), await phones.phone()
    bob.port.hear(alice.phone.port)
    for number, payload in enumerate((b"\xff", b"\x03\x3f", b"\x7f" * 700, b"\x01\x01\x01")):
        alice.phone.send(rtp(payload, sequence=number, timestamp=960 * number, payload_type=OPUS.payload_type))
    await alice.talk(0.6)
    assert strength(bob.heard()[-1600:], 700) > AUDIBLE


async def test_phone_changes_codec_in_a_call(phones: PhoneBooth) -> None:
    alice, bob = await coded_phone(phones, OPUS, frequency_hz=700), await phones.phone()
    bob.port.hear(alice.phone.port)
    await alice.talk(0.4)
    wider = await coded_phone(phones, G722, frequency_hz=900)
    alice.phone.port.connect(wider.phone.remote(codec=G722, payload_type=9))
    wider.phone.port.close()
    wider.phone.port = alice.phone.port
    await wider.talk(0.6)
    assert strength(bob.heard()[-1600:], 900) > AUDIBLE


def test_half_band_taps_have_unit_gain() -> None:
    assert abs(2 * resample.TAPS.sum() - 1) < 1e-6
