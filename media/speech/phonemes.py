"""Pronunciations written out: IPA and X-SAMPA, as far as the embedded engine's English knows the sounds.

Pure. Source: IPA chart; J. C. Wells, X-SAMPA; espeak-ng docs/phonemes.md and phsource/ph_english.
"""

import re
from collections.abc import Mapping
from typing import Final

_IPA: Final[Mapping[str, str]] = (
    {symbol: symbol for symbol in "abdefhijklmnopstuvwz"}
    | {"g": "g", "ɡ": "g", "ɹ": "r\\", "r": "r\\", "ɫ": "l", "x": "x", "ʔ": "?", "ɾ": "4"}
    | {"ŋ": "N", "θ": "T", "ð": "D", "ʃ": "S", "ʒ": "Z", "ʧ": "tS", "ʤ": "dZ"}
    | {"ə": "@", "æ": "{", "ɑ": "A", "ɒ": "Q", "ɔ": "O", "ɛ": "E", "ɜ": "3", "ɝ": "3`", "ɚ": "@`", "ɐ": "@"}
    | {"ɪ": "I", "ʊ": "U", "ʌ": "V", "ː": ":", "ˑ": "", "ˈ": '"', "ˌ": "%", ".": ".", "͡": "", "‿": "", " ": " "}
)

_ESPEAK: Final[Mapping[str, str]] = (
    {symbol: symbol for symbol in "bdfhjklmnpstvwzxNTDSZ?"}
    | {"g": "g", "r": "r", "r\\": "r", "4": "t#", "tS": "tS", "dZ": "dZ"}
    | {"@": "@", "@`": "3", "3": "3:", "3:": "3:", "3`": "3:", "{": "a", "a": "a", "V": "V"}
    | {"A": "A:", "A:": "A:", "Q": "0", "O": "O:", "O:": "O:", "o": "oU", "E": "E", "e": "E"}
    | {"I": "I", "i": "i:", "i:": "i:", "U": "U", "u": "u:", "u:": "u:"}
    | {"eI": "eI", "aI": "aI", "aU": "aU", "OI": "OI", "@U": "oU", "oU": "oU"}
    | {'"': "'", "%": ",", ".": "", "-": "", " ": "|| "}
)
_SYMBOL: Final = re.compile("|".join(re.escape(symbol) for symbol in sorted(_ESPEAK, key=len, reverse=True)))


def x_sampa_of_ipa(text: str) -> str | None:
    """None if there is a sound that is not known."""
    symbols = [_IPA.get(symbol) for symbol in text]
    return None if None in symbols else "".join(symbol or "" for symbol in symbols)


def espeak_phonemes(x_sampa: str) -> str | None:
    """espeak-ng's English mnemonics; None if there is a sound that is not known. Source: as above."""
    found, at = "", 0
    while at < len(x_sampa):
        symbol = _SYMBOL.match(x_sampa, at)
        if symbol is None:
            return None
        found += _ESPEAK[symbol[0]]
        at = symbol.end()
    return found
