"""The markup of a <Say>, flattened to stretches of text with their manner; what cannot be done is told, and read plain.

Pure. Numbers for the words of SSML (``slow``, ``x-loud``, ``strong``) stand here.
Source: Twilio <Say>, SSML; W3C SSML 1.1 3.1.12, 3.2.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from gateway.speech.say_as import is_known, read_as
from gateway.twiml.problems import SCHEMA_WARNING, Problem, level_of
from gateway.twiml.ssml import Markup, Ssml, plain_text
from media.speech.phonemes import espeak_phonemes, x_sampa_of_ipa
from media.speech.utterance import LONGEST_PAUSE_MS, PLAIN, Manner, Reading, Rest, Spoken, Utterance
from media.speech.voices import Engine, Voice, espeak_language

NOT_EXECUTED: Final = 13750

_BREAKS_MS: Final[Mapping[str, int]] = {
    "none": 0,
    "x-weak": 100,
    "weak": 250,
    "medium": 400,
    "strong": 700,
    "x-strong": 1200,
}
_SENTENCE_MS, _PARAGRAPH_MS = 400, 700
_RATES: Final[Mapping[str, float]] = {
    "x-slow": 0.5,
    "slow": 0.75,
    "medium": 1.0,
    "default": 1.0,
    "fast": 1.25,
    "x-fast": 1.6,
}
_PITCHES: Final[Mapping[str, float]] = {
    "x-low": 0.7,
    "low": 0.85,
    "medium": 1.0,
    "default": 1.0,
    "high": 1.2,
    "x-high": 1.4,
}
_GAINS_DB: Final[Mapping[str, float]] = {
    "silent": -96.0,
    "x-soft": -12.0,
    "soft": -6.0,
    "medium": 0.0,
    "default": 0.0,
    "loud": 4.0,
    "x-loud": 6.0,
}
_EMPHASES: Final[Mapping[str, tuple[float, float]]] = {
    # level: (rate, gain in dB)
    "strong": (0.85, 4.0),
    "moderate": (0.92, 2.0),
    "none": (1.0, 0.0),
    "reduced": (1.1, -3.0),
}
MIN_RATE, MAX_RATE = 0.2, 4.0
MIN_PITCH, MAX_PITCH = 0.5, 2.0
MIN_GAIN_DB, MAX_GAIN_DB = -96.0, 6.0

_Reader: TypeAlias = Callable[[str], float | None]


def flatten(content: Markup, voice: Voice) -> tuple[Utterance, tuple[Problem, ...]]:
    """What is to be said, and what of it this voice cannot say as it was asked for."""
    flattening = _Flattening(voice)
    flattening.walk(content, PLAIN)
    return tuple(flattening.parts), tuple(flattening.problems)


@dataclass
class _Flattening:
    voice: Voice
    parts: list[Spoken | Rest] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def walk(self, content: Markup, manner: Manner) -> None:
        for part in content:
            if isinstance(part, str):
                self.say(part, manner)
            else:
                self.element(part, dict(part.attributes), manner)

    def element(self, element: Ssml, attributes: Mapping[str, str], manner: Manner) -> None:
        match element.tag:
            case "break":
                self.rest(self.break_ms(element, attributes))
            case "p" | "s":
                length_ms = _PARAGRAPH_MS if element.tag == "p" else _SENTENCE_MS
                self.walk(element.content, manner)
                self.rest(length_ms)
            case "sub":
                self.say(f" {attributes.get('alias') or plain_text(element.content)} ", manner)
            case "say-as":
                self.say_as(element, attributes, manner)
            case "phoneme":
                self.phoneme(element, attributes, manner)
            case "prosody":
                self.walk(element.content, self.prosody(element, attributes, manner))
            case "emphasis":
                level = attributes.get("level", "moderate").lower()
                if level not in _EMPHASES:
                    self.bad(element, "level", level, ", ".join(_EMPHASES))
                rate, gain_db = _EMPHASES.get(level, _EMPHASES["moderate"])
                self.walk(element.content, _bounded(manner, rate=rate, gain_db=gain_db))
            case "lang":
                language = attributes.get("xml:lang", "")
                if espeak_language(language) is None:
                    self.bad(element, "xml:lang", language, "a language that can be spoken")
                    self.walk(element.content, manner)
                elif not self.is_versatile:
                    self.problem(NOT_EXECUTED, "this voice speaks one language; <lang> has no effect", element)
                    self.walk(element.content, manner)
                else:
                    self.walk(element.content, replace(manner, language=language))
            case "w":
                if "role" in attributes:
                    self.problem(NOT_EXECUTED, "<w role> has no effect; the word is read as it is written", element)
                self.walk(element.content, manner)
            case _:
                self.walk(element.content, manner)

    @property
    def is_versatile(self) -> bool:
        """Whether the engine can change language and pitch, and read phonemes."""
        return self.voice.engine is Engine.ESPEAK

    def is_english(self, manner: Manner) -> bool:
        return (manner.language or self.voice.language).lower().startswith("en")

    def say(self, text: str, manner: Manner, reading: Reading = Reading.WORDS) -> None:
        last = self.parts[-1] if self.parts else None
        if not isinstance(last, Spoken):
            text = text.lstrip()
        if isinstance(last, Spoken) and (last.manner, last.reading) == (manner, reading) == (manner, Reading.WORDS):
            self.parts[-1] = replace(last, text=last.text + text)
        elif text:
            self.parts.append(Spoken(text, manner, reading))

    def rest(self, length_ms: int) -> None:
        """Pauses that meet are the longer one, as at the end of a sentence that ends a paragraph."""
        if not length_ms:
            return
        while self.parts and isinstance(self.parts[-1], Spoken) and not self.parts[-1].text.strip():
            self.parts.pop()
        if self.parts and isinstance(self.parts[-1], Rest):
            self.parts[-1] = Rest(max(self.parts[-1].ms, length_ms))
        else:
            self.parts.append(Rest(length_ms))

    def break_ms(self, element: Ssml, attributes: Mapping[str, str]) -> int:
        time = attributes.get("time")
        if time is not None:
            found = re.fullmatch(r"\+?([0-9]{1,6}(?:\.[0-9]{1,6})?)(ms|s)", time.strip().lower())
            if found is None:
                self.bad(element, "time", time, "a length such as 3s or 250ms")
            else:
                length_ms = round(float(found[1]) * (1000 if found[2] == "s" else 1))
                if length_ms > LONGEST_PAUSE_MS:
                    self.bad(element, "time", time, f"at most {LONGEST_PAUSE_MS // 1000}s")
                return min(length_ms, LONGEST_PAUSE_MS)
        strength = attributes.get("strength", "medium").lower()
        if strength not in _BREAKS_MS:
            self.bad(element, "strength", strength, ", ".join(_BREAKS_MS))
        return _BREAKS_MS.get(strength, _BREAKS_MS["medium"])

    def say_as(self, element: Ssml, attributes: Mapping[str, str], manner: Manner) -> None:
        text = plain_text(element.content)
        kind = attributes.get("interpret-as", "").lower()
        if not is_known(kind):
            self.bad(element, "interpret-as", kind, "characters, digits, ordinal, date, time, telephone or another")
            self.say(text, manner)
            return
        is_english = self.is_english(manner)
        read = read_as(kind, text, form=attributes.get("format", ""), is_english=is_english)
        if read is None:
            reason = "" if is_english else "in this language "
            self.problem(NOT_EXECUTED, f"{kind} cannot be read {reason}from this text; it is read plain", element)
            read = text, Reading.WORDS
        words, reading = read
        self.say(f" {words} ", manner, reading)

    def phoneme(self, element: Ssml, attributes: Mapping[str, str], manner: Manner) -> None:
        written = attributes.get("ph", "").strip()
        alphabet = attributes.get("alphabet", "ipa").lower()
        if alphabet not in ("ipa", "x-sampa"):
            self.bad(element, "alphabet", alphabet, "ipa or x-sampa")
        x_sampa = x_sampa_of_ipa(written) if alphabet == "ipa" else written
        can_be_said = bool(x_sampa) and espeak_phonemes(x_sampa or "") is not None
        if x_sampa is None or not can_be_said or not self.is_english(manner) or not self.is_versatile:
            self.problem(NOT_EXECUTED, "this pronunciation cannot be said; the word is read as it is written", element)
            self.say(plain_text(element.content), manner)
        else:
            self.say(x_sampa, manner, Reading.PHONEMES)

    def prosody(self, element: Ssml, attributes: Mapping[str, str], manner: Manner) -> Manner:
        rate = self.value(element, attributes, "rate", _RATES, _percent, 1.0)
        pitch = self.value(element, attributes, "pitch", _PITCHES, _change, 1.0)
        if pitch != 1 and not self.is_versatile:
            self.problem(NOT_EXECUTED, "this voice has one pitch; <prosody pitch> has no effect", element)
        gain_db = self.value(element, attributes, "volume", _GAINS_DB, _decibel, 0.0)
        return _bounded(manner, rate=rate, pitch=pitch, gain_db=gain_db)

    def value(
        self,
        element: Ssml,
        attributes: Mapping[str, str],
        name: str,
        words: Mapping[str, float],
        number: _Reader,
        default: float,
    ) -> float:
        text = attributes.get(name, "").strip().lower()
        if not text:
            return default
        found = words.get(text)
        if found is None:
            found = number(text)
        if found is None:
            self.bad(element, name, text, f"{', '.join(words)} or a number")
            return default
        return found

    def bad(self, element: Ssml, name: str, found: str, expected: str) -> None:
        message = f"<{element.tag} {name}>: expected {expected}, found {ascii(found[:40])}"
        self.problem(SCHEMA_WARNING, message, element)

    def problem(self, code: int, message: str, element: Ssml) -> None:
        place = element.position
        self.problems.append(
            Problem(code=code, level=level_of(code), message=message, line=place.line, column=place.column)
        )


def _bounded(manner: Manner, *, rate: float = 1.0, pitch: float = 1.0, gain_db: float = 0.0) -> Manner:
    """The manner within a manner."""
    return replace(
        manner,
        rate=min(max(manner.rate * rate, MIN_RATE), MAX_RATE),
        pitch=min(max(manner.pitch * pitch, MIN_PITCH), MAX_PITCH),
        gain_db=min(max(manner.gain_db + gain_db, MIN_GAIN_DB), MAX_GAIN_DB),
    )


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[+-]?[0-9]{1,4}(\.[0-9]{1,4})?", text) else None


def _percent(text: str) -> float | None:
    """``90%`` of the usual, ``+20%`` more than it, or a plain factor."""
    if text.endswith("%"):
        found = _number(text[:-1])
        if found is None:
            return None
        factor = 1 + found / 100 if text[0] in "+-" else found / 100
    else:
        factor = _number(text) or 0.0
    return factor if factor > 0 else None


def _change(text: str) -> float | None:
    """``+10%``, ``-10%``, or semitones, ``+2st``."""
    if text.endswith("st"):
        found = _number(text[:-2])
        return None if found is None else 2 ** (min(max(found, -24), 24) / 12)
    return _percent(text) if text.endswith("%") else None


def _decibel(text: str) -> float | None:
    return _number(text[:-2]) if text.endswith("db") else None
