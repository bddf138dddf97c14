"""Figures from histograms: percentiles of binned counts, ours or those of a Prometheus exposition.

Pure. Owns no measurement; knows what a bin is wide and what a bucket's bound means.
Source: Prometheus text exposition format 0.0.4; histogram_quantile for the interpolation.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

_SAMPLE = re.compile(r"^(?P<name>[A-Za-z_:][\w:]*)(?:\{(?P<labels>[^}]*)\})?\s+(?P<value>\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Samples = Iterable[tuple[str, Mapping[str, str], float]]
"""Name, labels and value."""

Buckets = Sequence[tuple[float, float]]
"""Upper bound and cumulative count, ascending; the last bound is infinity."""


def percentile(bins: NDArray[np.int64], share: float, *, bin_width: float) -> float | None:
    """Upper edge of the bin in which ``share`` (0..1) of all counts is reached; None without counts."""
    total = int(bins.sum())
    if total == 0:
        return None
    position = int(np.searchsorted(np.cumsum(bins), max(1, math.ceil(share * total))))
    return round((position + 1) * bin_width, 9)


def percentile_of(values: Iterable[float], share: float) -> float | None:
    """The smallest of ``values`` that at least ``share`` of them do not exceed; None without values."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def exposition(text: str) -> list[tuple[str, Mapping[str, str], float]]:
    """Name, labels and value of each sample."""
    samples: list[tuple[str, Mapping[str, str], float]] = []
    for line in text.splitlines():
        found = _SAMPLE.match(line)
        if found is not None:
            labels = dict(_LABEL.findall(found["labels"] or ""))
            samples.append((found["name"], labels, float(found["value"])))
    return samples


def value_of(samples: Samples, name: str) -> float | None:
    """Sum over all label sets of ``name``; None when there is no such sample."""
    values = [value for sample, _, value in samples if sample == name]
    return sum(values) if values else None


def buckets_of(samples: Samples, name: str) -> Buckets:
    """Buckets of the histogram ``name``, summed over label sets; empty when there is none."""
    sums: dict[float, float] = {}
    for sample, labels, value in samples:
        if sample == f"{name}_bucket" and "le" in labels:
            bound = float(labels["le"])
            sums[bound] = sums.get(bound, 0.0) + value
    return sorted(sums.items())


def bucket_percentile(before: Buckets, after: Buckets, share: float) -> float | None:
    """Percentile of what was observed between two readings of one histogram, interpolated inside its bucket.

    What lies above the last finite bound is told as that bound. None when nothing was observed.
    """
    earlier = dict(before)
    counts = [(bound, count - earlier.get(bound, 0.0)) for bound, count in after]
    if not counts or counts[-1][1] <= 0:
        return None
    wanted = share * counts[-1][1]
    lower, below = 0.0, 0.0
    for bound, count in counts:
        if count >= wanted:
            if math.isinf(bound):
                return lower
            inside = count - below
            return bound if inside <= 0 else lower + (bound - lower) * (wanted - below) / inside
        lower, below = bound, count
    return lower
