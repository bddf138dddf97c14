"""A picture of a recording: every channel over time, as the demo and the console show it.

Decides how it looks; draws with Pillow from peaks that are gathered in blocks, so that an hour costs no more memory
than a minute. Blocking: call it off the event loop.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from media import wav

BLOCK_FRAMES = 2**20
MARGIN_LEFT, MARGIN_RIGHT, MARGIN_TOP, MARGIN_BOTTOM = 60, 24, 32, 44
GAP = 32
TICK_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
TICK_DISTANCE = 80

BACKGROUND = (255, 255, 255)
PANEL = (245, 247, 250)
AXIS = (148, 160, 176)
GRID = (226, 231, 238)
INK = (38, 50, 68)
WAVES = ((28, 100, 196), (206, 92, 26), (32, 134, 86), (138, 72, 168))


def draw_waveform(
    path: Path, picture: Path, *, channel_names: Sequence[str] = (), width: int = 1200, height: int = 400
) -> None:
    """Draws a recording into a PNG, one panel a channel, each with its name, over one axis in seconds.

    Raises wav.NotARecording, OSError.
    """
    layout = wav.probe(path)
    columns = width - MARGIN_LEFT - MARGIN_RIGHT
    peaks = _peaks(path, layout, columns)
    image = Image.new("RGB", (width, height), BACKGROUND)
    draw = ImageDraw.Draw(image)
    panel_height = (height - MARGIN_TOP - MARGIN_BOTTOM - GAP * (layout.channels - 1)) // layout.channels
    top = MARGIN_TOP
    for channel in range(layout.channels):
        name = channel_names[channel] if channel < len(channel_names) else f"channel {channel + 1}"
        _draw_panel(draw, peaks[channel], top=top, height=panel_height, name=name, colour=WAVES[channel % len(WAVES)])
        top += panel_height + GAP
    _draw_axis(draw, duration_s=layout.duration_s, columns=columns, top=MARGIN_TOP, bottom=top - GAP)
    image.save(picture, format="PNG", optimize=True)


def _peaks(path: Path, layout: wav.Layout, columns: int) -> NDArray[np.int16]:
    """(channels, columns, 2): least and greatest sample that falls on each column of the picture."""
    edges = np.linspace(0, layout.frames, columns + 1).astype(np.int64)
    peaks = np.zeros((layout.channels, columns, 2), dtype=np.int16)
    at = 0
    while at < columns and layout.frames:
        # At least one column, and as many as fit a block.
        behind = max(int(np.searchsorted(edges, edges[at] + BLOCK_FRAMES, side="right")) - 1, at + 1)
        behind = min(behind, columns)
        start = int(edges[at])
        count = max(int(edges[behind]) - start, 1)
        offset = layout.data_offset + start * layout.frame_bytes
        samples = np.fromfile(path, dtype="<i2", count=count * layout.channels, offset=offset)
        samples = samples.reshape(-1, layout.channels)
        if len(samples):
            starts = np.minimum(edges[at:behind] - start, len(samples) - 1)
            peaks[:, at:behind, 0] = np.minimum.reduceat(samples, starts, axis=0).T
            peaks[:, at:behind, 1] = np.maximum.reduceat(samples, starts, axis=0).T
        at = behind
    return peaks


def _draw_panel(
    draw: ImageDraw.ImageDraw,
    peaks: NDArray[np.int16],
    *,
    top: int,
    height: int,
    name: str,
    colour: tuple[int, int, int],
) -> None:
    left, right = MARGIN_LEFT, MARGIN_LEFT + len(peaks)
    middle = top + height / 2
    # The loudest sample fills the panel, but silence is not blown up to look like sound.
    full = max(int(np.abs(peaks.astype(np.int32)).max(initial=0)), 1024)
    scale = (height / 2 - 3) / full
    draw.rectangle((left, top, right, top + height), fill=PANEL)
    draw.line((left, middle, right, middle), fill=AXIS)
    for column, (least, greatest) in enumerate(peaks.tolist()):
        if least != greatest:
            x = left + column
            draw.line((x, middle - greatest * scale, x, middle - least * scale), fill=colour)
    draw.text((left, top - 6), name, fill=colour, font=ImageFont.load_default(size=15), anchor="lb")
    small = ImageFont.load_default(size=11)
    for level, y in ((full, top + 3), (0, middle), (-full, top + height - 3)):
        label = f"{100 * level / 32768:.0f} %"
        draw.text((left - 8, y), label, fill=INK, font=small, anchor="rm")


def _draw_axis(draw: ImageDraw.ImageDraw, *, duration_s: float, columns: int, top: int, bottom: int) -> None:
    font = ImageFont.load_default(size=12)
    draw.line((MARGIN_LEFT, bottom + 6, MARGIN_LEFT + columns, bottom + 6), fill=AXIS)
    if duration_s <= 0:
        return
    widest = duration_s * TICK_DISTANCE / columns
    step_s = next((step for step in TICK_STEPS_S if step >= widest), TICK_STEPS_S[-1])
    for tick in range(int(duration_s / step_s + 1e-9) + 1):
        x = MARGIN_LEFT + tick * step_s / duration_s * columns
        draw.line((x, bottom + 6, x, bottom + 11), fill=AXIS)
        draw.text((x, bottom + 14), _clock(tick * step_s, step_s), fill=INK, font=font, anchor="mt")
    draw.text(
        (MARGIN_LEFT + columns, bottom + 30), "seconds" if step_s < 60 else "min:s", fill=INK, font=font, anchor="rt"
    )


def _clock(seconds: float, step_s: float) -> str:
    if step_s >= 60:
        return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
    return f"{seconds:.1f}" if step_s < 1 else f"{seconds:.0f}"
