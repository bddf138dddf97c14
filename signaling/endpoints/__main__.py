"""The endpoint's process: options as the first line of standard input, commands after it.

``process.py`` starts this; people use ``ringfork endpoint``. Nothing secret stands on a command line this way.
"""

import os
import sys

from signaling.endpoints.options import WebRtcEndpointOptions, options_from_json
from signaling.endpoints.servers import OptionError


def main() -> None:
    try:
        options = options_from_json(_first_line(sys.stdin.fileno()).decode())
    except (OptionError, UnicodeDecodeError) as error:
        sys.exit(f"options on standard input: {error}")
    if isinstance(options, WebRtcEndpointOptions):
        from signaling.endpoints.webrtc import run as run_webrtc

        run_webrtc(options)
    from signaling.endpoints.sip import run

    run(options)


def _first_line(fd: int) -> bytes:
    """Byte by byte: what comes after the line belongs to the command reader."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(fd, 1)):
        line += byte
    return line


if __name__ == "__main__":
    main()
