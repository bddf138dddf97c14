"""A browser without page or screen, in a process of its own (``run`` never returns).

Owns the process: signals, the exit code. What it does stands in endpoint.py, how it speaks in browser.py.
"""

import sys
import time
from collections.abc import Callable
from typing import NoReturn

from signaling.endpoints.browser import Browser
from signaling.endpoints.commands import LineReader
from signaling.endpoints.endpoint import Endpoint, end_on_signals
from signaling.endpoints.events import EventName, EventWriter
from signaling.endpoints.notes import LibraryError, Note
from signaling.endpoints.options import WebRtcEndpointOptions
from signaling.endpoints.servers import OptionError


def run(options: WebRtcEndpointOptions, *, command_fd: int = 0) -> NoReturn:
    """Be that endpoint until it is told to stop, then end the process: 0, or 1 for a failure.

    Failures: the server refused the token or the registration, the call asked for by ``dial`` was never answered, it
    could not start at all.
    """
    events = EventWriter(1, identity=options.identity, clock=time.monotonic, wall=time.time)
    commands = LineReader(command_fd) if options.commands else None
    browsers: list[Browser] = []

    def make(note: Callable[[Note], None]) -> Browser:
        browsers.append(Browser(options, note))
        return browsers[0]

    code = 1
    try:
        endpoint = Endpoint(options, make, events, commands, time.monotonic)
        end_on_signals(endpoint)
        endpoint.serve()
        code = endpoint.exit_code
    except (LibraryError, OptionError) as error:
        events.write(EventName.ERROR, message=str(error), command=None)
    finally:
        for browser in browsers:
            browser.close()
        events.write(EventName.STOPPED, exit_code=code)
    sys.exit(code)
