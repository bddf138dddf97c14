"""``python -m gateway.demo.leash COMMAND…``: become the command, and end (SIGTERM) when whoever started it dies.

Keeps a killed demo or test run from leaving a daemon behind. Linux only; elsewhere it just becomes the command.
Source: prctl(2), PR_SET_PDEATHSIG, which outlives execve(2).
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    os.execv(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
