"""A SIP phone without sound card or screen, in a process of its own (``run`` never returns).

Owns the process: what standard output is, signals, the exit code. What the phone does stands in endpoint.py.
"""

import gc
import os
import sys
import time
import traceback
from typing import NoReturn

from signaling.endpoints.commands import LineReader
from signaling.endpoints.endpoint import Endpoint, end_on_signals
from signaling.endpoints.events import EventName, EventWriter
from signaling.endpoints.notes import LibraryError
from signaling.endpoints.options import SipEndpointOptions
from signaling.endpoints.pjsip import PjsipLibrary, silence_standard_output
from signaling.endpoints.servers import OptionError


def run(options: SipEndpointOptions, *, command_fd: int = 0) -> NoReturn:
    """Be that endpoint until it is told to stop, then end the process: 0, or 1 for a failure.

    Failures: the server refused the registration, the call asked for by ``dial`` was never answered, the phone could
    not start at all.
    """
    told = silence_standard_output(keep_on=sys.stderr.fileno() if options.log_level else None)
    gc.disable()
    events = EventWriter(told, identity=options.identity, clock=time.monotonic, wall=time.time)
    commands = LineReader(command_fd) if options.commands else None
    endpoint = Endpoint(options, lambda note: PjsipLibrary(options, note), events, commands, time.monotonic)
    end_on_signals(endpoint)
    try:
        endpoint.serve()
        code = endpoint.exit_code
    except (LibraryError, OptionError) as error:
        events.write(EventName.ERROR, message=str(error), command=None)
        code = 1
    except BaseException:  # noqa: BLE001  the edge of the process: the interpreter must not tear PJSIP down
        traceback.print_exc()
        code = 1
    events.write(EventName.STOPPED, exit_code=code)
    sys.stderr.flush()
    os._exit(code)
