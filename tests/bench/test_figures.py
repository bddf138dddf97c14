"""Percentiles of bins and of Prometheus buckets."""

import math

import numpy as np
import pytest

from tests.bench.figures import (
    bucket_percentile,
    buckets_of,
    exposition,
    percentile,
    percentile_of,
    value_of,
)

EXPOSITION = """\
# HELP ticks_seconds How late.
# TYPE ticks_seconds histogram
ticks_seconds_bucket{le="0.001"} 90
ticks_seconds_bucket{le="0.01"} 99
ticks_seconds_bucket{le="+Inf"} 100
ticks_seconds_sum 0.5
ticks_seconds_count 100
calls{state="up",name="a \\"b\\""} 2
calls{state="over"} 3
"""


def test_percentile_answers_the_upper_edge_of_the_bin() -> None:
    bins = np.zeros(10, np.int64)
    bins[0], bins[4] = 98, 2
    assert percentile(bins, 0.5, bin_width=0.01) == 0.01
    assert percentile(bins, 0.99, bin_width=0.01) == 0.05


def test_percentile_without_counts_is_none() -> None:
    assert percentile(np.zeros(3, np.int64), 0.5, bin_width=1.0) is None
    assert percentile_of([], 0.5) is None


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.5, 2.0), (0.75, 3.0), (0.99, 4.0), (1.0, 4.0)])
def test_percentile_of_values_is_one_of_them(share: float, value: float) -> None:
    assert percentile_of([4.0, 1.0, 3.0, 2.0], share) == value


def test_exposition_reads_labels_and_sums_over_them() -> None:
    samples = exposition(EXPOSITION)
    assert value_of(samples, "calls") == 5
    assert value_of(samples, "missing") is None
    assert buckets_of(samples, "ticks_seconds") == [(0.001, 90), (0.01, 99), (math.inf, 100)]


def test_bucket_percentile_looks_at_what_came_between_two_readings() -> None:
    before = [(0.001, 10.0), (0.01, 10.0), (math.inf, 10.0)]
    after = [(0.001, 60.0), (0.01, 110.0), (math.inf, 110.0)]
    assert bucket_percentile(before, after, 0.5) == pytest.approx(0.001)
    assert bucket_percentile(before, after, 0.75) == pytest.approx(0.0055)
    assert bucket_percentile(after, after, 0.5) is None
    assert bucket_percentile([], [], 0.5) is None


def test_bucket_percentile_above_all_bounds_is_the_last_bound() -> None:
    assert bucket_percentile([], [(0.001, 0.0), (math.inf, 5.0)], 0.99) == 0.001
