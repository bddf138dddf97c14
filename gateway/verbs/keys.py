"""The caller's keys for a verb that asks for them, however his phone sends them.

Keys of RFC 4733, SIP INFO and browsers' messages come by themselves; tones in the sound are looked for only while
somebody asks, and not from a phone that sends telephone-events, so that no key counts twice.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.scripted import DigitListener, ScriptedCall


@contextmanager
def asking_for_keys(call: ScriptedCall, listener: DigitListener) -> Iterator[None]:
    """Hand this party's keys, tones too, to ``listener`` for as long as the context lasts."""
    port = call.leg.media
    port.detect_tones(True)
    try:
        with call.listening(listener):
            yield
    finally:
        port.detect_tones(False)
