"""The worker's end of its two pipes. Runs in the worker, never in the daemon.

Source: media/speech/worker.py, which is the other end.
"""

import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any

Answer = Callable[[dict[str, Any]], tuple[dict[str, Any], bytes]]


class CannotAnswer(Exception):
    """This request has no answer; the worker is none the worse."""


def serve(answer: Answer, *, memory_bytes: int) -> None:
    """Answers until the daemon closes the pipe, which it also does by dying. memory_bytes: of address space."""
    # Ctrl-C goes to the whole process group; the daemon still wants answers while it drains.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # What a library prints may not get between the answers.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    for line in sys.stdin.buffer:
        try:
            head, octets = answer(json.loads(line))
        except (CannotAnswer, MemoryError) as error:
            head, octets = {"error": str(error) or type(error).__name__}, b""
        out.write(json.dumps({**head, "bytes": len(octets)}).encode("ascii") + b"\n" + octets)
        out.flush()
