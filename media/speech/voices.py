"""Which voice speaks: names and languages of TwiML, mapped to voices there are.

Pure. ``man``, ``woman`` and ``alice`` speak any language the engine has. The names of cloud voices stand for their
language and whether they are a man's or a woman's; a Piper voice is itself. An operator may give any name another
voice (aliases).
Source: Twilio <Say>, voice and language; Amazon Polly and Google Cloud Text-to-Speech, lists of voices; espeak-ng,
docs/languages.md.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

DEFAULT_VOICE: Final = "man"
DEFAULT_LANGUAGE: Final = "en-US"
PIPER_PREFIX: Final = "piper."


class Gender(Enum):
    MALE = "male"
    FEMALE = "female"


class Engine(Enum):
    ESPEAK = "espeak-ng"
    PIPER = "piper"


@dataclass(frozen=True, kw_only=True)
class Voice:
    """name: as its engine calls it. language: BCP 47, what is spoken unless a text says otherwise."""

    engine: Engine
    name: str
    language: str
    gender: Gender


class NoSuchVoice(Exception):
    """Says which name was asked for."""


class NoSuchLanguage(Exception):
    """No voice speaks it, or the voice asked for speaks another."""


@dataclass(frozen=True, kw_only=True)
class VoiceChoice:
    """What an installation offers. piper: by the name of its file without ``.onnx``; aliases: voice by voice."""

    voice: str = DEFAULT_VOICE
    language: str = DEFAULT_LANGUAGE
    piper: Mapping[str, Voice] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)

    def choose(self, voice: str | None, language: str | None) -> Voice:
        """None: the installation's own. Raises NoSuchVoice, NoSuchLanguage."""
        named = voice or self.voice
        named = self.aliases.get(named.lower(), named)
        name = named.lower()
        if name in ("man", "woman", "alice"):
            gender = Gender.MALE if name == "man" else Gender.FEMALE
            return _espeak(language or self.language, gender)
        if name.startswith(PIPER_PREFIX):
            found = self.piper.get(name.removeprefix(PIPER_PREFIX))
            if found is None:
                raise NoSuchVoice(f"expected a Piper voice of the configuration, found {named}")
            return _of_language(found, language)
        if name.startswith("polly."):
            return self._polly(name.removeprefix("polly."), language)
        if name.startswith("google."):
            return self._google(named[len("google.") :], language)
        raise NoSuchVoice(f"expected man, woman, alice, Polly.*, Google.* or Piper.*, found {named}")

    def _polly(self, name: str, language: str | None) -> Voice:
        known = _POLLY.get(re.sub("-(neural|generative|long-form)$", "", name))
        if known is None:
            # A voice newer than the table: it is no less a voice.
            return _espeak(language or self.language, Gender.FEMALE)
        return _of_language(_espeak(*known), language)

    def _google(self, name: str, language: str | None) -> Voice:
        parts = name.split("-")
        if len(parts) < 2:
            raise NoSuchVoice(f"expected Google.xx-XX-Kind-Name, found Google.{name}")
        last = parts[-1].lower()
        is_american = [part.lower() for part in parts[:2]] == ["en", "us"]
        letters = _AMERICAN_MEN if is_american and len(parts) > 3 and parts[2].lower() != "journey" else _MEN
        gender = Gender.MALE if last in letters or last in _CHIRP_MEN else Gender.FEMALE
        return _of_language(_espeak("-".join(parts[:2]), gender), language)


def espeak_language(language: str) -> str | None:
    """What espeak-ng calls a language, or None if it does not speak it: exact, by custom, else without the country."""
    tag = language.lower().replace("_", "-")
    primary = tag.partition("-")[0]
    for candidate in (tag, _CUSTOMARY.get(tag, ""), _CUSTOMARY.get(primary, ""), primary):
        if candidate in ESPEAK_LANGUAGES:
            return candidate
    return None


def _espeak(language: str, gender: Gender) -> Voice:
    name = espeak_language(language)
    if name is None:
        raise NoSuchLanguage(f"expected a language that espeak-ng speaks, found {language}")
    return Voice(engine=Engine.ESPEAK, name=name, language=language, gender=gender)


def _of_language(voice: Voice, language: str | None) -> Voice:
    """The voice, which has its own language: one of another kind is no pair. Twilio fails such a <Say>."""
    if language is not None and _kind(language) != _kind(voice.language):
        raise NoSuchLanguage(f"expected {voice.language} with this voice, found {language}")
    return voice


def _kind(language: str) -> str:
    primary = re.split("[-_]", language.lower())[0]
    return {"cmn": "zh", "yue": "zh", "arb": "ar", "nb": "no", "nn": "no", "fil": "tl"}.get(primary, primary)


_MEN: Final = frozenset("bdhij")
_AMERICAN_MEN: Final = frozenset("abdij")
_CHIRP_MEN: Final = frozenset(
    {"achird", "algenib", "algieba", "alnilam", "charon", "enceladus", "fenrir", "iapetus", "orus", "puck"}
    | {"rasalgethi", "sadachbia", "sadaltager", "schedar", "umbriel", "zubenelgenubi"}
)

_POLLY_BY_LANGUAGE: Final[Mapping[str, tuple[str, str]]] = {
    # language: (women, men)
    "ar": ("zeina", ""),
    "ar-AE": ("hala", "zayd"),
    "ca-ES": ("arlet", ""),
    "cmn-CN": ("zhiyu", ""),
    "cs-CZ": ("jitka", ""),
    "cy-GB": ("gwyneth", ""),
    "da-DK": ("naja sofie", "mads"),
    "de-AT": ("hannah", ""),
    "de-CH": ("sabrina", ""),
    "de-DE": ("marlene vicki", "hans daniel"),
    "en-AU": ("nicole olivia", "russell"),
    "en-GB": ("amy emma", "brian arthur geraint"),
    "en-IE": ("niamh", ""),
    "en-IN": ("aditi raveena kajal", ""),
    "en-NZ": ("aria", ""),
    "en-SG": ("jasmine", ""),
    "en-US": (
        "danielle ivy joanna kendra kimberly ruth salli",
        "gregory joey justin kevin matthew patrick stephen",
    ),
    "en-ZA": ("ayanda", ""),
    "es-ES": ("conchita lucia alba", "enrique sergio raul"),
    "es-MX": ("mia", "andres andrés"),
    "es-US": ("lupe penelope penélope", "miguel pedro"),
    "fi-FI": ("suvi", ""),
    "fr-BE": ("isabelle", ""),
    "fr-CA": ("chantal gabrielle", "liam"),
    "fr-FR": ("celine céline lea léa", "mathieu remi rémi"),
    "is-IS": ("dora dóra", "karl"),
    "it-IT": ("bianca carla", "giorgio adriano"),
    "ja-JP": ("kazuha mizuki tomoko", "takumi"),
    "ko-KR": ("jihye seoyeon", ""),
    "nb-NO": ("ida liv", ""),
    "nl-BE": ("lisa", ""),
    "nl-NL": ("laura lotte", "ruben"),
    "pl-PL": ("ewa maja ola", "jacek jan"),
    "pt-BR": ("camila vitoria vitória", "ricardo thiago"),
    "pt-PT": ("ines inês", "cristiano"),
    "ro-RO": ("carmen", ""),
    "ru-RU": ("tatyana", "maxim"),
    "sv-SE": ("astrid elin", ""),
    "tr-TR": ("burcu filiz", ""),
    "yue-CN": ("hiujin", ""),
}
_POLLY: Final[Mapping[str, tuple[str, Gender]]] = {
    name: (language, gender)
    for language, names in _POLLY_BY_LANGUAGE.items()
    for gender, group in zip((Gender.FEMALE, Gender.MALE), names, strict=True)
    for name in group.split()
}

_CUSTOMARY: Final[Mapping[str, str]] = {
    "arb": "ar",
    "en": "en-us",
    "en-au": "en-gb",
    "en-bz": "en-029",
    "en-ca": "en-us",
    "en-gb-wls": "en-gb",
    "en-ie": "en-gb",
    "en-in": "en-gb",
    "en-jm": "en-029",
    "en-nz": "en-gb",
    "en-sg": "en-gb",
    "en-tt": "en-029",
    "en-za": "en-gb",
    "es-ar": "es-419",
    "es-cl": "es-419",
    "es-co": "es-419",
    "es-mx": "es-419",
    "es-pe": "es-419",
    "es-us": "es-419",
    "es-ve": "es-419",
    "fr": "fr-fr",
    "iw": "he",
    "no": "nb",
    "sh": "hr",
    "zh": "cmn",
    "zh-hk": "yue",
}

ESPEAK_LANGUAGES: Final = frozenset(
    """
    af am an ar as az ba be bg bn bpy bs ca ca-ba ca-nw ca-va cmn cmn-latn-pinyin cs cv cy da de el en-029 en-gb
    en-gb-scotland en-gb-x-gbclan en-gb-x-gbcwmd en-gb-x-rp en-us en-us-nyc eo es es-419 et eu fa fi fo fr-be fr-ch
    fr-fr ga gd gn grc gu hak haw he hi hr ht hu hy hyw ia id io is it ja jbo ka kaa kk kl kn ko kok ku ky la lb lfn lt
    ltg lv mi mk ml mr ms mt my nb nci ne nl nog om or pa pap pl pt pt-br py quc qu ro ru ru-cl ru-lv sd shn si sk sl
    smj sq sr sv sw ta te th ti tk tn tr tt ug uk ur uz vi vi-vn-x-central vi-vn-x-south yue
    """.split()
)
