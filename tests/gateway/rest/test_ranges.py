import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rest.ranges import MAX_RANGES, Unsatisfiable, parse_ranges


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", []),
        ("bytes=0-9", [(0, 9)]),
        ("Bytes=10-", [(10, 99)]),
        ("bytes=-10", [(90, 99)]),
        ("bytes=-1000", [(0, 99)]),
        ("bytes=90-1000", [(90, 99)]),
        ("bytes=0-0, 99-99", [(0, 0), (99, 99)]),
        ("bytes=0-9,200-300", [(0, 9)]),
        ("bytes=9-0", []),
        ("bytes=a-b", []),
        ("bytes=-", []),
        ("bytes=1.5-2", []),
        ("bytes=+1-2", []),
        ("bytes=\u0661-2", []),
        ("bytes=" + "9" * 5000 + "-", []),
        ("seconds=0-1", []),
    ],
)
def test_parse_ranges_reads_what_the_rule_allows_and_ignores_the_rest(
    header: str, expected: list[tuple[int, int]]
) -> None:
    assert parse_ranges(header, 100) == expected


@pytest.mark.parametrize(
    "header", ["bytes=100-", "bytes=-0", "bytes=200-300", "bytes=0-,0-,0-", "bytes=" + "0-," * 9999]
)
def test_parse_ranges_refuses_what_cannot_be_served(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        parse_ranges(header, 100)


@given(st.text("bytes=0123456789-, ", max_size=40), st.integers(0, 50))
def test_parse_ranges_any_text_stays_within_the_file(text: str, size: int) -> None:
    try:
        spans = parse_ranges("bytes=" + text, size)
    except Unsatisfiable:
        return
    assert len(spans) <= MAX_RANGES
    assert all(0 <= start <= end < size for start, end in spans)
