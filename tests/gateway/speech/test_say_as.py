"""Numbers, dates and units, as they are read out."""

import pytest

from gateway.speech.say_as import read_as
from media.speech.utterance import Reading


@pytest.mark.parametrize(
    ("kind", "text", "form", "words"),
    [
        ("digits", "12345", "", "1 2 3 4 5"),
        ("digits", "12 34", "", "1 2 3 4"),
        ("cardinal", "12,345,678", "", "12345678"),
        ("number", "1234", "", "1234"),
        ("ordinal", "1", "", "1st"),
        ("ordinal", "12", "", "12th"),
        ("ordinal", "23", "", "23rd"),
        ("ordinal", "111", "", "111th"),
        ("fraction", "1/2", "", "1 half"),
        ("fraction", "3/4", "", "3 quarters"),
        ("fraction", "5/3", "", "5 thirds"),
        ("fraction", "2+1/2", "", "2 and 1 half"),
        ("fraction", "3/97", "", "3 over 97"),
        ("unit", "6ft", "", "6 feet"),
        ("unit", "1 mile", "", "1 mile"),
        ("unit", "10KB", "", "10 kilobytes"),
        ("unit", "2.5km/h", "", "2.5 kilometers per hour"),
        ("unit", "1/2inch", "", "1 half inch"),
        ("date", "9/10/2026", "", "September 10th, 20 26"),
        ("date", "10-9-1985", "dmy", "September 10th, 19 85"),
        ("date", "2026.09.10", "ymd", "September 10th, 20 26"),
        ("date", "20260910", "", "September 10th, 20 26"),
        ("date", "????0910", "", "September 10th"),
        ("date", "12/31", "md", "December 31st"),
        ("date", "31/12", "dm", "December 31st"),
        ("date", "12/1900", "my", "December 19 hundred"),
        ("date", "2005", "y", "2005"),
        ("date", "3", "m", "March"),
        ("date", "3", "d", "the 3rd"),
        ("time", "1'21\"", "", "1 minute 21 seconds"),
        ("time", '30"', "", "30 seconds"),
        ("time", "10:30am", "", "10 30 A.M."),
        ("time", "2:05 pm", "", "2 oh 5 P.M."),
        ("time", "9:00", "", "9 o'clock"),
        ("time", "17:00", "", "17 hundred hours"),
        ("telephone", "2125551212", "", "2 1 2, 5 5 5, 1 2 1 2"),
        ("telephone", "+12125551212", "", "+ 1, 2 1 2, 5 5 5, 1 2 1 2"),
        ("telephone", "(212) 555-1212", "", "2 1 2, 5 5 5, 1 2 1 2"),
        ("telephone", "911", "", "9 1 1"),
        ("expletive", "darn", "", "beep"),
        ("address", "1 Main St", "", "1 Main St"),
    ],
)
def test_say_as_is_read_in_english(kind: str, text: str, form: str, words: str) -> None:
    assert read_as(kind, text, form=form, is_english=True) == (words, Reading.WORDS)


@pytest.mark.parametrize("kind", ["characters", "character", "spell-out"])
def test_say_as_characters_are_left_to_the_engine(kind: str) -> None:
    assert read_as(kind, "a1B", form="", is_english=False) == ("a1B", Reading.CHARACTERS)


@pytest.mark.parametrize(
    ("kind", "text", "form"),
    [
        ("date", "13/13/2026", "mdy"),
        ("date", "9/10", "mdy"),
        ("date", "tomorrow", ""),
        ("date", "1/1/1", "mmm"),
        ("date", "????????", ""),
        ("time", "noon", ""),
        ("time", "", ""),
        ("fraction", "half", ""),
        ("ordinal", "-3", ""),
        ("ordinal", "9" * 400, ""),
        ("unit", "six feet", ""),
        ("unit", "6 parsecs", ""),
    ],
)
def test_say_as_what_is_not_of_its_kind_cannot_be_read(kind: str, text: str, form: str) -> None:
    assert read_as(kind, text, form=form, is_english=True) is None


@pytest.mark.parametrize("kind", ["date", "time", "ordinal", "fraction", "unit"])
def test_say_as_words_are_english_alone(kind: str) -> None:
    assert read_as(kind, "1/2", form="", is_english=False) is None
    assert read_as("digits", "12", form="", is_english=False) == ("1 2", Reading.WORDS)
