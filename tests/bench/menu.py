"""A <Gather> menu: how long after its last digit the caller hears the answer, without what the webhook takes.

One call on a real engine: keys come in as RFC 4733 packets, each menu answers with a prompt of another tone, and the
time is taken from the packet that ends the last key to the first packet in which that tone sounds. The application is
asked without HTTP, so that the request's own time is none. This process is gateway and load in one.
Source: RFC 4733 2.5 (the end of an event is sent three times).
"""

import asyncio
import io
import os
import struct
import sys
import wave
from collections.abc import Callable
from dataclasses import replace

import structlog

from media.engine import PCMU, DigitReceived, Engine, EngineSettings, PortEvent
from media.kernel.digits import KEYS
from tests.bench.figures import percentile_of
from tests.bench.process import BenchError
from tests.bench.report import Goal, Report, build
from tests.bench.window import Window
from tests.gateway.peers import Scene
from tests.media.phone import DIGITS_TYPE, Phone, PhoneBooth, decode, rtp, sine, strength

AIM_MS = 200.0
DIGITS = "4711"
TONES_HZ = (700, 1200)
HEARD = 2000.0
PROMPT_S, LISTENED_S = 60, 1.0
FRAME, FRAME_S = 160, 0.02
KEY_FRAMES, GAP_FRAMES, END_PACKETS = 4, 3, 3


async def measure_menu(*, rounds: int) -> Report:
    """So many menus, one after the other, in one call."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    engine = Engine(EngineSettings(address="127.0.0.1", port_range=(32000, 32099), capacity=4))
    await engine.start()
    booth = PhoneBooth(engine)
    window = Window(os.getpid(), os.getpid())
    latencies_ms: list[float] = []
    try:
        scene = Scene({"/voice": _menus()})
        scene.sounds = {f"/{index}.wav": _wav(frequency_hz) for index, frequency_hz in enumerate(TONES_HZ)}
        phone = await _phone(engine, booth, scene)

        async def story(_scene: Scene) -> None:
            await asyncio.sleep(LISTENED_S)
            for number in range(rounds):
                latencies_ms.append(1000 * await _round(phone, TONES_HZ[(number + 1) % 2]))
            scene.caller.hangs_up()

        await window.idle(0.5)
        await window.begin()
        await scene.run(story)
        window.end()
    finally:
        booth.close()
        await engine.stop()
    return _report(window, rounds, latencies_ms)


def _menus() -> Callable[[dict[str, str]], str]:
    """Each answer is the next menu; what was pressed must be right."""
    asked: list[str] = []

    def answer(parameters: dict[str, str]) -> str:
        if asked and parameters.get("Digits") != DIGITS:
            raise BenchError(f"expected the digits {DIGITS}, found {parameters.get('Digits')}")
        asked.append("")
        prompt = f"/{(len(asked) - 1) % 2}.wav"
        return f"<Response><Gather numDigits='{len(DIGITS)}'><Play>{prompt}</Play></Gather></Response>"

    return answer


def _wav(frequency_hz: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(sine(frequency_hz, PROMPT_S * 8000).tobytes())
    return file.getvalue()


async def _phone(engine: Engine, booth: PhoneBooth, scene: Scene) -> Phone:
    def tell(event: PortEvent) -> None:
        if isinstance(event, DigitReceived):
            scene.caller.presses(event.digit)

    transport, socket = await booth.socket()
    rtcp_transport, rtcp_socket = await booth.socket()
    port = engine.open_port(tell)
    phone = Phone(
        port=port,
        codec=PCMU,
        transport=transport,
        rtcp_transport=rtcp_transport,
        _socket=socket,
        _rtcp_socket=rtcp_socket,
    )
    port.connect(phone.remote())
    scene.caller.media = port
    return phone


async def _round(phone: Phone, answer_hz: int) -> float:
    """Seconds from the end of the last key to the first packet of the answer's tone."""
    ended_s = 0.0
    for digit in DIGITS:
        ended_s = await _press(phone, digit)
        await asyncio.sleep(GAP_FRAMES * FRAME_S)
    await asyncio.sleep(LISTENED_S)
    for packet in phone.received:
        is_sound = packet.payload_type == PCMU.payload_type and packet.time_s >= ended_s
        if is_sound and strength(decode(packet.payload), answer_hz) > HEARD:
            return packet.time_s - ended_s
    raise BenchError(f"expected a tone of {answer_hz} Hz within {LISTENED_S:g} s of the last digit, heard none")


async def _press(phone: Phone, digit: str) -> float:
    """One key as telephone-events; when the first packet of its end was sent, on the loop's clock."""
    loop = asyncio.get_running_loop()
    timestamp, ended_s = phone.timestamp, 0.0
    for number in range(KEY_FRAMES + END_PACKETS):
        is_end = number >= KEY_FRAMES
        duration = min(number + 1, KEY_FRAMES) * FRAME
        payload = struct.pack("!BBH", KEYS.index(digit), 0x8A if is_end else 0x0A, duration)
        octets = rtp(
            payload,
            sequence=phone.sequence,
            timestamp=timestamp,
            payload_type=DIGITS_TYPE,
            ssrc=phone.ssrc,
            marker=number == 0,
        )
        phone.send(octets)
        phone.sequence += 1
        if number == KEY_FRAMES:
            ended_s = loop.time()
        await asyncio.sleep(FRAME_S)
    phone.timestamp += (KEY_FRAMES + END_PACKETS + GAP_FRAMES) * FRAME
    return ended_s


def _report(window: Window, rounds: int, latencies_ms: list[float]) -> Report:
    p50, p99 = percentile_of(latencies_ms, 0.5), percentile_of(latencies_ms, 0.99)
    assert p50 is not None and p99 is not None
    report = build(
        bench="menu",
        load={"rounds": rounds, "digits": len(DIGITS)},
        window=window,
        calls=1,
        rtp=None,
        drops=(0, 0),
        statistics={"answered_p50_ms": round(p50, 1), "answered_p99_ms": round(p99, 1)},
    )
    goal = Goal(
        name="menu answered after its last digit, p99",
        aim=f"≤ {AIM_MS:g} ms",
        measured=round(p99, 1),
        reached=p99 <= AIM_MS,
    )
    return replace(report, goals=(goal,))
