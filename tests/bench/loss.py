"""One call over a bad path: how much of the sound is delivered while packets are lost, and how soon the delay is back.

Parent side. A browser's leg says symbols of 100 ms in Opus, one of two tones each, as an encoder with in-band FEC makes
them; for a while every packet has the same chance to be lost. What the phone's leg gets is heard in windows of 20 ms,
and compared with what was said; the place where it fits best, second by second, is the delay.
Source: RFC 6716 2.1.7 (FEC); the aims are those of the README's table.
"""

import asyncio
import socket
import struct
import time
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from tests.bench.pairs import Pair
from tests.bench.process import Child
from tests.bench.report import Goal, Report, build
from tests.bench.rtp import ADDRESS
from tests.bench.window import Window

RATE_HZ, OPUS_RATE_HZ, FRAME_S = 8000, 48_000, 0.02
SYMBOL_S = 0.1
TONES_HZ = (600, 1400)
CLEAR_S, AFTER_S = 3.0, 8.0
BACK_WITHIN_S = 5.0
MOST_DELAY_S, STEP_S = 0.8, 0.005
HEARD_DBFS = -16.0
"""The tones are at -12: two thirds of a window must be there."""
AIM_PERCENT = 93.0
SAME_DELAY_MS = 20.0
SEED = 20_260
NEITHER = -1


@dataclass(frozen=True)
class Heard:
    """What came out: samples from the first packet on, which came at begun_s."""

    samples: NDArray[np.int16]
    begun_s: float


async def measure_loss(*, percent: float, seconds: float, run: Path) -> Report:
    """percent: of the packets, lost for so many seconds after CLEAR_S without loss and before AFTER_S without."""
    random = np.random.default_rng(SEED)
    total_s = CLEAR_S + seconds + AFTER_S
    symbols = random.integers(0, 2, round(total_s / SYMBOL_S))
    packets = encode(symbols, percent)
    lost = [
        CLEAR_S <= number * FRAME_S < CLEAR_S + seconds and random.random() * 100 < percent
        for number in range(len(packets))
    ]
    host = await Child.start("media host", ["tests.bench.engine_host", "none", str(run)], log=run / "host.log")
    try:
        await host.ask("start", within_s=180.0)
        with _bound() as browser, _bound() as phone:
            legs = [browser.getsockname(), phone.getsockname()]
            addresses = await host.ask("open", legs=legs, pair=Pair.OPUS_PHONE.called, keys=[None, None], listen=False)
            browser.connect(tuple(addresses[0]))
            phone.connect(tuple(addresses[1]))
            window = Window(host.pid, host.pid)
            await window.idle(0.5)
            await window.begin()
            begun_s, heard = await asyncio.to_thread(_talk, browser, phone, packets, lost)
            window.end()
        figures = judge(heard, symbols, begun_s=begun_s, seconds=seconds)
    finally:
        await host.end()
    report = build(
        bench="loss",
        load={"percent": percent, "seconds": seconds},
        window=window,
        calls=1,
        rtp=None,
        drops=(0, 0),
        statistics={**figures, "packets_lost_on_purpose": sum(lost)},
    )
    return with_goals(report)


def encode(symbols: NDArray[np.int64], percent: float) -> list[bytes]:
    """Opus packets of 20 ms."""
    said = _sound(symbols, OPUS_RATE_HZ)
    encoder = av.CodecContext.create("libopus", "w")
    encoder.format, encoder.layout, encoder.sample_rate = "s16", "mono", OPUS_RATE_HZ
    encoder.bit_rate = 32_000
    encoder.options = {"application": "voip", "frame_duration": "20", "fec": "1", "packet_loss": str(round(percent))}
    step = round(FRAME_S * OPUS_RATE_HZ)
    packets = []
    for start in range(0, len(said), step):
        frame = av.AudioFrame.from_ndarray(said[start : start + step].reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts = OPUS_RATE_HZ, start
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return packets


def judge(heard: Heard, symbols: NDArray[np.int64], *, begun_s: float, seconds: float) -> dict[str, float]:
    """Second by second: where what was heard fits best, and how much of it fits there. begun_s: first packet sent."""
    head_start = round((heard.begun_s - begun_s) / STEP_S)
    symbols_heard = _symbols_of(heard.samples)
    fits: list[tuple[float, float]] = []
    per_second = round(1 / SYMBOL_S)
    for second in range(len(symbols) // per_second):
        said = symbols[second * per_second : (second + 1) * per_second]
        at = round(second / STEP_S) - head_start
        fits.append(max(_fits(symbols_heard, said, at), key=lambda fit: (fit[1], -fit[0])))
    clear, bad = round(CLEAR_S), round(CLEAR_S + seconds)
    before = float(np.median([delay_s for delay_s, _ in fits[1:clear]]))
    back = [delay_s for delay_s, _ in fits[round(bad + BACK_WITHIN_S) : -1]]
    return {
        "delivered_percent": round(100 * float(np.mean([share for _, share in fits[clear:bad]])), 1),
        "delivered_clear_percent": round(100 * float(np.mean([share for _, share in fits[1:clear]])), 1),
        "delay_before_ms": round(1000 * before, 1),
        "delay_worst_ms": round(1000 * max(delay_s for delay_s, _ in fits[clear:bad]), 1),
        "delay_back_ms": round(1000 * max(back), 1),
    }


def with_goals(report: Report) -> Report:
    delivered = report.statistics["delivered_percent"]
    later_ms = round(report.statistics["delay_back_ms"] - report.statistics["delay_before_ms"], 1)
    return replace(
        report,
        goals=(
            Goal(
                name="sound delivered",
                aim=f"≥ {AIM_PERCENT:g} %",
                measured=delivered,
                reached=delivered >= AIM_PERCENT,
            ),
            Goal(
                name=f"delay beyond the first, {BACK_WITHIN_S:g} s after",
                aim=f"≤ {SAME_DELAY_MS:g} ms",
                measured=later_ms,
                reached=later_ms <= SAME_DELAY_MS,
            ),
        ),
    )


def _fits(symbols_heard: NDArray[np.int64], said: NDArray[np.int64], at: int) -> list[tuple[float, float]]:
    """(delay, share of windows that hold what was said) for each delay that may be. at: in steps."""
    windows = np.repeat(said, round(SYMBOL_S / FRAME_S))
    places = at + np.arange(len(windows)) * round(FRAME_S / STEP_S)
    found = []
    for step in range(round(MOST_DELAY_S / STEP_S)):
        inside = (places + step >= 0) & (places + step < len(symbols_heard))
        heard = np.where(inside, symbols_heard[(places + step).clip(0, len(symbols_heard) - 1)], NEITHER)
        found.append((step * STEP_S, float(np.mean(heard == windows))))
    return found


def _symbols_of(samples: NDArray[np.int16]) -> NDArray[np.int64]:
    """What sounds in the 20 ms from each step of STEP_S on: a symbol, or NEITHER."""
    window, step = round(FRAME_S * RATE_HZ), round(STEP_S * RATE_HZ)
    starts = np.arange(0, max(len(samples) - window, 0) + 1, step)
    turned = np.arange(len(samples)) * 2j * np.pi / RATE_HZ
    amplitudes = []
    for frequency in TONES_HZ:
        sums = np.concatenate([[0], np.cumsum(samples * np.exp(-frequency * turned))])
        ends = (starts + window).clip(0, len(samples))
        amplitudes.append(np.abs(sums[ends] - sums[starts]) * 2 / window / 32768)
    heard: NDArray[np.int64] = np.argmax(amplitudes, axis=0)
    return np.where(np.max(amplitudes, axis=0) > 10 ** (HEARD_DBFS / 20), heard, NEITHER)


def _sound(symbols: NDArray[np.int64], rate_hz: int) -> NDArray[np.int16]:
    """Phases are continuous: a symbol's end is no click."""
    frequencies = np.repeat(np.array(TONES_HZ)[symbols], round(SYMBOL_S * rate_hz))
    return np.asarray(np.rint(8000 * np.sin(2 * np.pi * np.cumsum(frequencies) / rate_hz)), np.int16)


def _bound() -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind((ADDRESS, 0))
    bound.setblocking(False)
    return bound


def _talk(browser: socket.socket, phone: socket.socket, packets: list[bytes], lost: list[bool]) -> tuple[float, Heard]:
    """In real time; answers when the first packet left, and what came."""
    # What was sent while nobody talked has waited in the socket; its time of arrival would say nothing.
    _take(phone, {}, 0.0, 0.0)
    begun_s = time.monotonic()
    heard: dict[int, bytes] = {}
    first_s = 0.0
    for number, (packet, is_lost) in enumerate(zip(packets, lost, strict=True)):
        if not is_lost:
            browser.send(struct.pack("!BBHII", 0x80, 111, number & 0xFFFF, number * 960, 4711) + packet)
        phone.send(struct.pack("!BBHII", 0x80, 0, number & 0xFFFF, number * 160, 4712) + b"\xff" * 160)
        until_s = begun_s + (number + 1) * FRAME_S
        while (now_s := time.monotonic()) < until_s:
            first_s = _take(phone, heard, first_s, now_s)
            time.sleep(min(0.002, until_s - now_s))
    last = max(heard, default=0)
    samples = np.zeros((last - min(heard, default=0)) + 160, np.int16)
    for stamp, payload in heard.items():
        at = stamp - min(heard)
        piece = _from_mu_law(payload)
        samples[at : at + len(piece)] = piece[: len(samples) - at]
    return begun_s, Heard(samples, first_s)


def _take(phone: socket.socket, heard: dict[int, bytes], first_s: float, now_s: float) -> float:
    while True:
        try:
            datagram = phone.recv(2048)
        except BlockingIOError:
            return first_s
        if datagram[1] & 0x7F == 0 and len(datagram) > 12:
            stamp = int.from_bytes(datagram[4:8])
            # RTP's clock may run over within a call.
            heard[stamp if not heard or stamp >= min(heard) - (1 << 31) else stamp + (1 << 32)] = datagram[12:]
            first_s = first_s or now_s


def _from_mu_law(payload: bytes) -> NDArray[np.int16]:
    """Source: ITU-T G.711, table 2a."""
    octets = ~np.frombuffer(payload, np.uint8)
    magnitude = (((octets & 0x0F).astype(np.int32) << 3) + 0x84 << ((octets >> 4) & 7)) - 0x84
    return np.asarray(np.where(octets & 0x80, -magnitude, magnitude), np.int16)
