"""The little that signalling reads in a session description: whose it is, and what can be spoken.

Pure, linear in the text, never fails; whoever does the sound reads the whole of it.
Source: RFC 8866 5.14, 6.6; RFC 8122 5 (fingerprint).
"""

import re
from typing import Final

_FINGERPRINT = re.compile(r"^a=fingerprint:[ \t]*(\S{1,32}[ \t]+\S{1,256})", re.MULTILINE)
_AUDIO = re.compile(r"^m=audio \d{1,5} [A-Z/]{1,32}((?: \d{1,3}){1,64})", re.MULTILINE)
_CODEC = re.compile(r"^a=rtpmap:(\d{1,3}) ([A-Za-z0-9_.-]{1,32})/", re.MULTILINE)
_STATIC: Final = {"0": "PCMU", "8": "PCMA", "9": "G722"}
_NO_CODECS: Final = frozenset({"TELEPHONE-EVENT", "CN", "RED"})


def fingerprint_of(description: str) -> str:
    """The certificate a browser's connection has for life: the same one means the same connection. "" if none."""
    found = _FINGERPRINT.search(description)
    return "" if found is None else " ".join(found[1].split()).lower()


def is_audio_offer(description: str) -> bool:
    """Whether there is any chance of an answer: sound, and the keys that WebRTC needs."""
    return _AUDIO.search(description) is not None and bool(fingerprint_of(description))


def offered_codecs(description: str) -> tuple[str, ...]:
    """Names of the audio codecs, best first, in capitals: ``("PCMU", "OPUS")``."""
    audio = _AUDIO.search(description)
    if audio is None:
        return ()
    names = {**_STATIC, **{number: name.upper() for number, name in _CODEC.findall(description)}}
    listed = (names.get(number, "") for number in audio[1].split())
    return tuple(dict.fromkeys(name for name in listed if name and name not in _NO_CODECS))
