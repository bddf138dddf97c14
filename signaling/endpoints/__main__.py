"""The endpoint's process: options as the first line of standard input, commands after it.

``process.py`` starts this; people use ``ringfork endpoint sip``. Nothing secret stands on a command line this way.
"""

import os
import sys

from signaling.endpoints.options import SipEndpointOptions
from signaling.endpoints.servers import OptionError


def main() -> None:
    try:
        options = SipEndpointOptions.from_json(_first_line(sys.stdin.fileno()).decode())
    except (OptionError, UnicodeDecodeError) as error:
        sys.exit(f"options on standard input: {error}")
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
