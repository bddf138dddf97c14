"""PocketSphinx in a process of its own: sound in, words out. Run by media/recognition/sphinx.py, never imported.

One utterance at a time: ``begin`` with hints, ``hear`` with sound, ``end``. With hints a grammar of them listens first;
what it does not recognise is then read by the language model, so that hints help and do not bind.
Source: PocketSphinx 5, Python API; JSpeech Grammar Format.
"""

import base64
import re
from typing import Any

import numpy as np
from pocketsphinx import Decoder

from media.speech.serving import CannotAnswer, serve

RATE_HZ = 16_000
MEMORY_BYTES = 2 << 30
SURE = 0.5
"""A grammar finds something in everything; below this it is not believed."""
COVERED = 0.6
FRAME = RATE_HZ // 100
LOUD = 0.003
"""25 dB below the loudest frame."""
PIECE = 4096
MAX_SOUND = 90 * RATE_HZ * 2
_DIGITS = dict(enumerate("zero one two three four five six seven eight nine".split()))


class Sphinx:
    def __init__(self) -> None:
        # Narrower beams than the default: the model must keep up with the speaker on a busy core.
        self._decoder = Decoder(samprate=RATE_HZ, loglevel="FATAL", fwdflat=False, maxhmmpf=3000, maxwpf=10)
        self._language_model = self._decoder.current_search()
        self._sound = bytearray()
        self._has_grammar = False
        self._is_listening = False
        self._unknown: list[str] = []

    def answer(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        match request["do"]:
            case "begin":
                return self._begin(request["hints"]), b""
            case "hear":
                return self._hear(base64.b64decode(request["pcm"])), b""
            case "end":
                return self._end(), b""
            case other:
                raise CannotAnswer(f"expected begin, hear or end, found {other}")

    def _begin(self, hints: list[str]) -> dict[str, Any]:
        if self._is_listening:
            self._decoder.end_utt()
        self._sound.clear()
        phrases, self._unknown = self._phrases(hints)
        self._has_grammar = bool(phrases)
        if phrases:
            grammar = f"#JSGF V1.0; grammar hints; public <hint> = ( {' | '.join(phrases)} );"
            self._decoder.add_jsgf_string("hints", grammar)
        self._decoder.activate_search("hints" if phrases else self._language_model)
        self._decoder.start_utt()
        self._is_listening = True
        return {}

    def _hear(self, pcm: bytes) -> dict[str, Any]:
        if not self._is_listening:
            raise CannotAnswer("expected begin before hear")
        pcm = pcm[: max(MAX_SOUND - len(self._sound), 0)]
        if pcm:
            self._sound += pcm
            self._process(pcm)
        found = self._decoder.hyp()
        return {"text": _clean(found.hypstr) if found is not None else ""}

    def _end(self) -> dict[str, Any]:
        if not self._is_listening:
            raise CannotAnswer("expected begin before end")
        self._decoder.end_utt()
        self._is_listening = False
        text, confidence = self._found()
        if self._has_grammar and (not text or confidence < SURE or self._coverage() < COVERED):
            self._decoder.activate_search(self._language_model)
            self._decoder.start_utt()
            self._process(bytes(self._sound))
            self._decoder.end_utt()
            text, confidence = self._found()
        return {"text": text, "confidence": confidence, "unknown": self._unknown}

    def _process(self, pcm: bytes) -> None:
        """Bit by bit: the library crashes over long pieces."""
        for start in range(0, len(pcm), PIECE):
            self._decoder.process_raw(pcm[start : start + PIECE])

    def _found(self) -> tuple[str, float]:
        """The words, and how sure they are on the whole."""
        found = self._decoder.hyp()
        if found is None:
            return "", 0.0
        words = [segment for segment in self._decoder.seg() if segment.word[0] not in "<[+"]
        sure = [min(max(float(segment.prob), 0.0), 1.0) for segment in words]
        return _clean(found.hypstr), sum(sure) / len(sure) if sure else 0.0

    def _coverage(self) -> float:
        """How much of what was loud the words account for: one short word in a long sentence is no answer."""
        samples = np.frombuffer(self._sound, np.int16)
        count = len(samples) // FRAME
        power = np.mean(np.square(samples[: count * FRAME].reshape(count, FRAME), dtype=np.float64), axis=1)
        loud = power > power.max(initial=1.0) * LOUD
        worded = np.zeros(count, bool)
        for segment in self._decoder.seg():
            if segment.word[0] not in "<[+":
                worded[segment.start_frame : segment.end_frame + 1] = True
        return float(np.sum(loud & worded) / max(np.sum(loud), 1))

    def _phrases(self, hints: list[str]) -> tuple[list[str], list[str]]:
        """Hints of words that can be pronounced, as the grammar has them, and the others."""
        phrases, unknown = [], []
        for hint in hints:
            words = re.findall(r"[a-z']+|[0-9]", hint.lower())
            said = [_DIGITS[int(word)] if word.isdigit() else word for word in words]
            if said and "$" not in hint and all(self._decoder.lookup_word(word) for word in said):
                phrases.append(" ".join(said))
            else:
                unknown.append(hint)
        return list(dict.fromkeys(phrases)), unknown


def _clean(text: str) -> str:
    """Words alone, without marks of noise and of other pronunciations."""
    return " ".join(re.sub(r"\(\d+\)", "", word) for word in text.split() if word[0] not in "<[+")


if __name__ == "__main__":
    serve(Sphinx().answer, memory_bytes=MEMORY_BYTES)
