"""Piper in a process of its own: text in, PCM out. Run by media/speech/piper.py, never imported.

Source: OHF-Voice/piper1-gpl, docs/API_PYTHON.md.
"""

from collections import OrderedDict
from typing import Any

from piper import PiperVoice
from piper.config import SynthesisConfig

from media.speech.serving import CannotAnswer, serve

MAX_LOADED = 4
MEMORY_BYTES = 8 << 30


class Piper:
    """The models that were used last."""

    def __init__(self) -> None:
        self._loaded: OrderedDict[str, Any] = OrderedDict()

    def answer(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """request: model, parts of text or pause, limit_s of sound."""
        voice = self._voice(request["model"])
        rate_hz = voice.config.sample_rate
        most = int(request["limit_s"] * rate_hz) * 2
        sound = bytearray()
        for part in request["parts"]:
            if "pause_ms" in part:
                sound += bytes(2 * (part["pause_ms"] * rate_hz // 1000))
                continue
            manner = SynthesisConfig(length_scale=part["length"], volume=part["volume"])
            for chunk in voice.synthesize(part["text"], syn_config=manner):
                sound += chunk.audio_int16_bytes
                if len(sound) >= most:
                    break
        return {"rate_hz": rate_hz}, bytes(sound[:most])

    def _voice(self, model: str) -> Any:
        voice = self._loaded.pop(model, None)
        if voice is None:
            try:
                voice = PiperVoice.load(model)
            except (OSError, ValueError, KeyError, RuntimeError) as error:
                raise CannotAnswer(f"expected a Piper voice at {model}, found {type(error).__name__}") from error
        self._loaded[model] = voice
        if len(self._loaded) > MAX_LOADED:
            self._loaded.popitem(last=False)
        return voice


if __name__ == "__main__":
    serve(Piper().answer, memory_bytes=MEMORY_BYTES)
