"""<say-as>: how numbers, dates, units and telephone numbers are read out.

Pure. Words are English; of another language only what needs none is read (digits, characters, numbers by themselves).
What cannot be read as asked is None, and the caller reads it as it stands.
Source: Twilio <Say>, say-as; W3C, SSML 1.0 say-as attribute values; Amazon Polly, say-as.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from media.speech.utterance import Reading

Read: TypeAlias = tuple[str, Reading]
BLEEP: Final = "beep"

_MONTHS: Final = ("January February March April May June July August September October November December").split()
_UNITS: Final[Mapping[str, tuple[str, str]]] = {
    unit: (one, many)
    for units, one, many in (
        ("mm", "millimeter", "millimeters"),
        ("cm", "centimeter", "centimeters"),
        ("m", "meter", "meters"),
        ("km", "kilometer", "kilometers"),
        ("in inch", "inch", "inches"),
        ("ft foot feet", "foot", "feet"),
        ("yd", "yard", "yards"),
        ("mi mile miles", "mile", "miles"),
        ("mg", "milligram", "milligrams"),
        ("g", "gram", "grams"),
        ("kg", "kilogram", "kilograms"),
        ("oz", "ounce", "ounces"),
        ("lb lbs", "pound", "pounds"),
        ("ml", "milliliter", "milliliters"),
        ("l", "liter", "liters"),
        ("gal", "gallon", "gallons"),
        ("ms", "millisecond", "milliseconds"),
        ("s sec", "second", "seconds"),
        ("min", "minute", "minutes"),
        ("h hr", "hour", "hours"),
        ("hz", "hertz", "hertz"),
        ("khz", "kilohertz", "kilohertz"),
        ("mhz", "megahertz", "megahertz"),
        ("w", "watt", "watts"),
        ("kw", "kilowatt", "kilowatts"),
        ("v", "volt", "volts"),
        ("a", "ampere", "amperes"),
        ("mph", "mile per hour", "miles per hour"),
        ("km/h kmh kph", "kilometer per hour", "kilometers per hour"),
        ("°c", "degree Celsius", "degrees Celsius"),
        ("°f", "degree Fahrenheit", "degrees Fahrenheit"),
        ("%", "percent", "percent"),
        ("kb", "kilobyte", "kilobytes"),
        ("mb", "megabyte", "megabytes"),
        ("gb", "gigabyte", "gigabytes"),
    )
    for unit in units.split()
}
_DENOMINATORS: Final = (
    "- - half third quarter fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth twentieth"
).split()


def read_as(kind: str, text: str, *, form: str, is_english: bool) -> Read | None:
    """kind: interpret-as. form: the format attribute, or empty. None: cannot be read as that."""
    text = " ".join(text.split())
    if kind in _ANY_LANGUAGE:
        return _ANY_LANGUAGE[kind](text)
    reader = _ENGLISH.get(kind) if is_english else None
    words = reader(text, form.lower()) if reader is not None else None
    return None if words is None else (words, Reading.WORDS)


def is_known(kind: str) -> bool:
    return kind in _ANY_LANGUAGE or kind in _ENGLISH


def ordinal(number: int) -> str:
    """``21st``, which the engine reads as a word."""
    suffix = "th" if number // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def _spelled(text: str) -> Read:
    return text, Reading.CHARACTERS


def _digits(text: str) -> Read:
    return " ".join(character for character in text if not character.isspace()), Reading.WORDS


def _cardinal(text: str) -> Read:
    """Without the separators of thousands, which would end a number."""
    return re.sub(r"(?<=\d)[, ](?=\d{3}\b)", "", text), Reading.WORDS


def _as_it_stands(text: str) -> Read:
    return text, Reading.WORDS


def _bleep(_text: str) -> Read:
    return BLEEP, Reading.WORDS


def _telephone(text: str) -> Read:
    """Digit by digit, a breath where a sign stands between them; a bare number in threes and a last four."""
    groups = re.findall(r"[0-9*#]+", text)
    if len(groups) == 1 and len(groups[0]) > 4:
        head, tail = groups[0][:-4], groups[0][-4:]
        lead = len(head) % 3
        groups = [head[:lead]] * bool(lead) + [head[at : at + 3] for at in range(lead, len(head), 3)] + [tail]
    said = ", ".join(" ".join(group) for group in groups)
    return ("+ " if text.startswith("+") else "") + said, Reading.WORDS


def _ordinal(text: str, _form: str) -> str | None:
    return ordinal(int(text)) if re.fullmatch(r"[0-9]{1,9}", text) else None


def _fraction(text: str, _form: str) -> str | None:
    found = re.fullmatch(r"(?:([0-9]{1,6})\s*[+ ]\s*)?([0-9]{1,6})\s*/\s*([0-9]{1,6})", text)
    if found is None:
        return None
    whole, above, below = found[1], int(found[2]), int(found[3])
    if 2 <= below < len(_DENOMINATORS):
        part = _DENOMINATORS[below]
        if above != 1:
            part = "halves" if below == 2 else part + "s"
        said = f"{above} {part}"
    else:
        said = f"{above} over {below}"
    return f"{whole} and {said}" if whole else said


def _unit(text: str, _form: str) -> str | None:
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?(?:/[0-9]+)?)[\s-]*(\S+)", text)
    names = _UNITS.get(found[2].lower()) if found is not None else None
    if found is None or names is None:
        return None
    amount = found[1]
    if "/" in amount:
        part = _fraction(amount, "")
        return f"{part} {names[0]}" if part else None
    return f"{amount} {names[amount != '1']}"


def _time(text: str, _form: str) -> str | None:
    """A length (1'21") or an hour of the day (10:30, 2:05:01 pm)."""
    length = re.fullmatch(r"(?:([0-9]{1,4})')?\s*(?:([0-9]{1,4})(?:\"|''))?", text)
    if length is not None and (length[1] or length[2]):
        parts = [(length[1], "minute"), (length[2], "second")]
        return " ".join(f"{count} {name}{'' if int(count) == 1 else 's'}" for count, name in parts if count)
    hour = re.fullmatch(r"([0-9]{1,2})(?::([0-9]{2}))?(?::([0-9]{2}))?\s*([ap])?\.?m?\.?", text.lower())
    if hour is None or not (hour[2] or hour[4]):
        return None
    minutes = [_minutes(part) for part in (hour[2], hour[3]) if part]
    if not hour[4] and hour[2] == "00" and not hour[3]:
        minutes = ["o'clock" if int(hour[1]) <= 12 else "hundred hours"]
    elif hour[4] and hour[2] == "00" and not hour[3]:
        minutes = []
    half = {"a": " A.M.", "p": " P.M."}.get(hour[4] or "", "")
    return " ".join([str(int(hour[1])), *minutes]) + half


def _minutes(digits: str) -> str:
    return f"oh {digits[1]}" if digits[0] == "0" else digits


def _date(text: str, form: str) -> str | None:
    """form: the order of what is given, of d, m, y; default mdy. ``yyyymmdd`` digits mean themselves, ? is left out."""
    packed = re.fullmatch(r"([0-9?]{4})([0-9?]{2})([0-9?]{2})", text)
    if packed is not None:
        form, parts = "ymd", list(packed.groups())
    else:
        parts = re.split(r"[-/. ]+", text)
        form = form or {3: "mdy", 2: "md", 1: "y"}.get(len(parts), "")
        if form == "yyyymmdd":
            form = "ymd"
    if len(parts) != len(form) or not set(form) <= set("dmy") or len(set(form)) != len(form):
        return None
    named = {key: value for key, value in zip(form, parts, strict=True) if "?" not in value}
    if not named or not all(re.fullmatch("[0-9]{1,4}", value) for value in named.values()):
        return None
    number = {key: int(value) for key, value in named.items()}
    if not (1 <= number.get("m", 1) <= 12 and 1 <= number.get("d", 1) <= 31):
        return None
    said = []
    if "m" in number:
        said.append(_MONTHS[number["m"] - 1])
    if "d" in number:
        said.append(("" if "m" in number else "the ") + ordinal(number["d"]))
    if "y" in number:
        said.append((", " if len(said) == 2 else "") + _year(number["y"], named["y"]))
    return " ".join(said).replace(" ,", ",").replace(",  ", ", ")


def _year(year: int, digits: str) -> str:
    """In two halves, as years before and after the first of their millennium are said."""
    if len(digits) == 2:
        return _minutes(digits)
    if len(digits) < 4 or 2000 <= year < 2010 or year % 1000 == 0:
        return str(year)
    rest = year % 100
    return f"{year // 100} " + ("hundred" if not rest else f"oh {rest}" if rest < 10 else str(rest))


_ANY_LANGUAGE: Final[Mapping[str, Callable[[str], Read]]] = {
    "address": _as_it_stands,
    "cardinal": _cardinal,
    "character": _spelled,
    "characters": _spelled,
    "digits": _digits,
    "expletive": _bleep,
    "number": _cardinal,
    "spell-out": _spelled,
    "telephone": _telephone,
}
_ENGLISH: Final[Mapping[str, Callable[[str, str], str | None]]] = {
    "date": _date,
    "fraction": _fraction,
    "ordinal": _ordinal,
    "time": _time,
    "unit": _unit,
}
