"""espeak-ng in a process of its own: markup in, PCM out. Run by media/speech/espeak.py, never imported.

The library is GPL-3.0 and C that reads other people's texts; both stay in here.
Source: espeak-ng, speak_lib.h.
"""

import ctypes
from typing import Any

import espeakng_loader

from media.speech.serving import CannotAnswer, serve

SYNCHRONOUS, BUFFER_MS, DONT_EXIT = 2, 60, 0x8000
UTF8, SSML, PHONEMES = 0x1, 0x10, 0x100
MEMORY_BYTES = 1 << 30
MAX_VOICES = 1000

_Heard = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class _VoiceEntry(ctypes.Structure):
    """The beginning of espeak_VOICE."""

    _fields_ = (("name", ctypes.c_char_p), ("languages", ctypes.c_void_p), ("identifier", ctypes.c_char_p))


class Espeak:
    """One initialised library."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        self.rate_hz = self._library.espeak_Initialize(SYNCHRONOUS, BUFFER_MS, data, DONT_EXIT)
        if self.rate_hz <= 0:
            raise SystemExit("espeak-ng does not find its data")
        self._sound = bytearray()
        self._most = 0
        self._files = self._voice_files()
        # The library keeps the pointer only.
        self._heard = _Heard(self._hear)
        self._library.espeak_SetSynthCallback(self._heard)

    def answer(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """request: parts, each with voice and markup; limit_s: of sound."""
        self._sound = bytearray()
        self._most = int(request["limit_s"] * self.rate_hz) * 2
        for part in request["parts"]:
            self._choose(part["voice"])
            text = part["markup"].encode() + b"\0"
            status = self._library.espeak_Synth(
                text,
                ctypes.c_size_t(len(text)),
                ctypes.c_uint(0),
                0,
                ctypes.c_uint(0),
                ctypes.c_uint(UTF8 | SSML | PHONEMES),
                None,
                None,
            )
            if status:
                raise CannotAnswer(f"espeak-ng refused the text ({status})")
        return {"rate_hz": self.rate_hz, "is_cut": len(self._sound) >= self._most}, bytes(self._sound[: self._most])

    def _choose(self, voice: str) -> None:
        """voice: a language, and a variant behind a plus sign."""
        language, plus, variant = voice.partition("+")
        name = self._files.get(language, language) + plus + variant
        if self._library.espeak_SetVoiceByName(name.encode()):
            raise CannotAnswer(f"expected a voice of espeak-ng, found {voice}")

    def _voice_files(self) -> dict[str, str]:
        """The name of each language's file, which is what voices with a variant are loaded by."""
        self._library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_VoiceEntry))
        entries, files = self._library.espeak_ListVoices(None), dict[str, str]()
        for number in range(MAX_VOICES):
            if not entries[number]:
                break
            entry = entries[number].contents
            # A priority byte stands before the language.
            language = ctypes.string_at(entry.languages + 1).decode()
            files.setdefault(language, entry.identifier.decode().rpartition("/")[2])
        return files

    def _hear(self, samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            self._sound += ctypes.string_at(samples, count * 2)
        return int(len(self._sound) >= self._most)


if __name__ == "__main__":
    serve(Espeak().answer, memory_bytes=MEMORY_BYTES)
