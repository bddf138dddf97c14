"""What a run left on disk: how many recordings, how long, readable or not. Reads WAV headers only."""

import wave
from pathlib import Path

from tests.bench.report import RecordingFigures


def summarise(directory: Path) -> RecordingFigures | None:
    """None when nothing was recorded."""
    files = sorted(directory.rglob("*.wav")) if directory.is_dir() else []
    lengths, channels, unreadable = [], set(), 0
    for path in files:
        try:
            with wave.open(str(path), "rb") as recording:
                lengths.append(recording.getnframes() / recording.getframerate())
                channels.add(recording.getnchannels())
        except (wave.Error, EOFError, ZeroDivisionError):
            unreadable += 1
    if not files:
        return None
    return RecordingFigures(
        files=len(files),
        channels=channels.pop() if len(channels) == 1 else None,
        shortest_s=round(min(lengths), 2) if lengths else None,
        longest_s=round(max(lengths), 2) if lengths else None,
        unreadable=unreadable,
    )
