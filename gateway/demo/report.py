"""The demo's verdict: every check, as a table for people or as one JSON document.

Reads the files the call left; draws the picture. Blocking: for a thread.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.demo.checks import Check, Ears, heard, listen
from gateway.demo.scene import (
    ANSWERER,
    ANSWERER_HZ,
    CALLED,
    CALLER,
    CALLER_HZ,
    RINGERS,
    Played,
    SceneError,
)
from gateway.demo.timeline import Moment
from media.waveform import draw_waveform
from signaling.endpoints.events import EndCause


@dataclass(frozen=True)
class Report:
    """The one JSON document of ``--json`` is ``as_json``."""

    checks: tuple[Check, ...]
    recording: Path
    duration_s: float
    channels: int
    waveform: Path
    timeline: tuple[Moment, ...]
    elapsed_s: float

    @property
    def is_true(self) -> bool:
        return all(check.is_true for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        return {
            "ok": self.is_true,
            "elapsed_s": round(self.elapsed_s, 2),
            "recording": str(self.recording),
            "duration_s": round(self.duration_s, 3),
            "channels": self.channels,
            "waveform": str(self.waveform),
            "checks": [
                {"name": check.name, "ok": check.is_true, "measured": check.measured, "expected": check.expected}
                for check in self.checks
            ],
            "timeline": [asdict(moment) for moment in self.timeline],
        }

    def show(self, console: Console) -> None:
        table = Table(box=None, pad_edge=False, show_header=False)
        for _ in range(3):
            table.add_column(overflow="fold")
        for check in self.checks:
            mark = Text("✓", style="green") if check.is_true else Text("✗", style="bold red")
            measured = Text(check.measured, style="dim" if check.is_true else "bold red")
            if not check.is_true:
                measured.append(f"  expected: {check.expected}", style="red")
            table.add_row(mark, check.name, measured)
        console.print()
        console.print(table)
        console.print()
        length = f"{self.duration_s:.2f} s, {self.channels} channels"
        console.print(Text(f"Recording  {self.recording}  ({length})"), soft_wrap=True)
        console.print(Text(f"Waveform   {self.waveform}"), soft_wrap=True)
        verdict = ("All of it is true.", "bold green") if self.is_true else ("Not all of it is true.", "bold red")
        console.print(Text(f"\n{verdict[0]}", style=verdict[1]))


def examine(played: Played, *, timeline: tuple[Moment, ...], elapsed_s: float) -> Report:
    """Listen to everything, draw the picture. Raises SceneError for an unreadable file."""
    samples, rate_hz = _sound_of(played.recording)
    duration_s = len(samples) / rate_hz
    checks = [*_signalling(played), *_files(played, duration_s, samples.shape[1])]
    if samples.shape[1] == 2:
        ears = Ears(CALLER_HZ, ANSWERER_HZ, rate_hz)
        ringing_s = played.answered_at_s - played.ringing_at_s
        checks += [*listen(ears, samples, ringing_s=ringing_s), *_phones(played)]
    waveform = played.recording.with_name("waveform.png")
    draw_waveform(
        played.recording,
        waveform,
        channel_names=(
            f"1  {CALLER} at a SIP phone, {CALLER_HZ} Hz",
            f"2  ringing tone, then {ANSWERER} in a browser, {ANSWERER_HZ} Hz",
        ),
    )
    return Report(
        checks=tuple(checks),
        recording=played.recording,
        duration_s=duration_s,
        channels=samples.shape[1],
        waveform=waveform,
        timeline=timeline,
        elapsed_s=elapsed_s,
    )


def _signalling(played: Played) -> Iterator[Check]:
    cancelled = [identity for identity in RINGERS if played.ended[identity].values.get("code") == 487]
    causes = ", ".join(f"{identity}: {played.ended[identity]['cause']}" for identity in RINGERS)
    elsewhere = {EndCause.CANCELED, EndCause.ANSWERED_ELSEWHERE}
    yield Check(
        "three rang, one answered, the others were cancelled",
        len(cancelled) == len(RINGERS) and all(played.ended[each]["cause"] in elsewhere for each in RINGERS),
        causes,
        "canceled or answered-elsewhere",
    )
    requests = played.requests
    unsigned = [request.path for request in requests if not request.is_signed]
    yield Check(
        "every request of the gateway is signed",
        bool(requests) and not unsigned,
        f"{len(requests) - len(unsigned)} of {len(requests)}",
        "all",
    )
    statuses = {
        identity: [
            request.params.get("CallStatus", "?")
            for request in sorted(
                (
                    each
                    for each in requests
                    if each.path == "/status" and _callee(each.params.get("To", "")) == identity
                ),
                key=lambda each: int(each.params.get("SequenceNumber", "0")),
            )
        ]
        for identity in CALLED
    }
    wanted = {
        identity: ["initiated", "ringing", *(["in-progress", "completed"] if identity == ANSWERER else ["canceled"])]
        for identity in CALLED
    }
    yield Check(
        "the application was told of each leg",
        statuses == wanted,
        "; ".join(f"{identity}: {' '.join(each)}" for identity, each in statuses.items()),
        "initiated ringing, then in-progress completed or canceled",
    )
    outcomes = [request.params.get("DialCallStatus", "?") for request in requests if request.path == "/dialled"]
    yield Check("the action was asked what next", outcomes == ["completed"], ", ".join(outcomes) or "no", "completed")


def _files(played: Played, duration_s: float, channels: int) -> Iterator[Check]:
    told = next(
        each.params
        for each in played.requests
        if each.path == "/recording" and each.params.get("RecordingStatus") == "completed"
    )
    yield Check(
        "the recording's callback tells two channels and its length",
        told.get("RecordingChannels") == "2" and abs(float(told.get("RecordingDuration", "0")) - duration_s) <= 1.0,
        f"{told.get('RecordingChannels')} channels, {told.get('RecordingDuration')} s",
        f"2 channels, {duration_s:.2f} s in whole seconds",
    )
    yield Check(
        "the recording is for its owner alone",
        played.recording_status_without_credentials == 401,
        f"{played.recording_status_without_credentials} without credentials",
        "401",
    )
    expected_s = played.ended_at_s - played.ringing_at_s
    yield Check(
        "the recording is as long as ringing and talk",
        channels == 2 and abs(duration_s - expected_s) <= 0.5,
        f"{duration_s:.2f} s",
        f"{expected_s:.2f} s ± 0.5",
    )


def _phones(played: Played) -> Iterator[Check]:
    for identity, path, wanted_hz, other_hz in (
        (CALLER, played.heard_by_caller, ANSWERER_HZ, CALLER_HZ),
        (ANSWERER, played.heard_by_answerer, CALLER_HZ, ANSWERER_HZ),
    ):
        samples, rate_hz = _sound_of(path)
        talk = np.ascontiguousarray(samples[-3 * rate_hz :, 0])
        ears = Ears(CALLER_HZ, ANSWERER_HZ, rate_hz)
        yield heard(f"{identity} heard the other", ears, talk, wanted_hz, other_hz)


def _sound_of(path: Path) -> tuple[NDArray[np.int16], int]:
    """(frames, channels) and the rate."""
    try:
        samples, rate_hz = soundfile.read(path, dtype="int16", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise SceneError(f"{path} cannot be read: {error}") from error
    return samples, rate_hz


def _callee(address: str) -> str:
    """``client:bob`` and ``sip:bob@…`` are both bob."""
    return address.partition(":")[2].partition("@")[0] or address
