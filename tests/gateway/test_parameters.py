"""Dates as applications and REST clients are told them."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

from gateway.parameters import rfc2822


def test_date_is_written_as_the_standard_library_writes_it() -> None:
    begin = datetime(2024, 2, 25, 23, 59, 58, 999_999, tzinfo=UTC)
    for days in range(0, 800):
        moment = begin + timedelta(days=days, seconds=days)
        assert rfc2822(moment) == format_datetime(moment)


def test_date_is_told_in_utc_whatever_it_was_in() -> None:
    moment = datetime(2010, 8, 20, 3, 13, 42, tzinfo=timezone(timedelta(hours=2)))
    assert rfc2822(moment) == "Fri, 20 Aug 2010 01:13:42 +0000"
