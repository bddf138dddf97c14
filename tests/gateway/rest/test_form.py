"""Parameters of REST requests: what is taken, and with which code the rest is refused."""

from datetime import UTC, datetime

import pytest

from gateway.rest.errors import RestError
from gateway.rest.form import Form


@pytest.mark.parametrize(("written", "meant"), [("true", True), ("false", False), ("True", True), (None, False)])
def test_form_boolean(written: str | None, meant: bool) -> None:
    assert Form([] if written is None else [("Record", written)]).boolean("Record", default=False) is meant


@pytest.mark.parametrize("written", ["0", "601", "-1", "1.5", "x", "1" * 30])
def test_form_integer_out_of_range_has_the_code_of_its_parameter(written: str) -> None:
    with pytest.raises(RestError) as refused:
        Form([("Timeout", written)]).integer("Timeout", default=60, lowest=1, highest=600, code=21208)
    assert (refused.value.status, refused.value.code) == (400, 21208)


def test_form_names_are_case_sensitive() -> None:
    assert Form([("to", "x")]).text("To") is None


def test_form_lists_are_repeated_keys_or_words() -> None:
    known = ("initiated", "ringing", "answered", "completed")
    form = Form([("Event", "initiated ringing"), ("Event", "completed")])
    assert form.words("Event", known, default=()) == {"initiated", "ringing", "completed"}
    assert Form().words("Event", known, default=("completed",)) == {"completed"}


@pytest.mark.parametrize("written", ["/relative", "ftp://example.com/", "http://", "http://a_b.example.com/", "x y"])
def test_form_url_must_be_absolute(written: str) -> None:
    with pytest.raises(RestError) as refused:
        Form([("Url", written)]).url("Url", code=21205, callback=True)
    assert refused.value.code == 21205


def test_form_dates_are_days_or_moments_and_operators_are_part_of_the_name() -> None:
    day = Form([("StartTime", "2025-03-14")]).instants("StartTime")
    assert (day.start, day.end) == (datetime(2025, 3, 14, tzinfo=UTC), datetime(2025, 3, 15, tzinfo=UTC))
    span = Form([("StartTime>", "2025-03-14T10:00:00Z"), ("StartTime<", "2025-03-15")]).instants("StartTime")
    assert (span.start, span.end) == (datetime(2025, 3, 14, 10, tzinfo=UTC), datetime(2025, 3, 16, tzinfo=UTC))
    assert Form().instants("StartTime").is_open


@pytest.mark.parametrize("written", ["yesterday", "2025-13-01", "2025-03-14T25:00:00Z", "2025-03-14 10:00", "9" * 400])
def test_form_dates_that_are_none_are_refused(written: str) -> None:
    with pytest.raises(RestError) as refused:
        Form([("StartTime", written)]).instants("StartTime")
    assert refused.value.code == 20001
