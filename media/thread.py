"""The media thread seen from Python: compiling it, starting it, and the pipes to and from it.

Decides how commands leave (whole, in order, never waiting) and how facts come in. What commands mean is in
kernel/commands.py, what facts mean in media/engine.py. The layout of both is in kernel/layout.py.
"""

import asyncio
import contextlib
import ctypes
import fcntl
import os
import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable

import numba
import numpy as np
from numpy.typing import NDArray

from media.kernel import layout
from media.kernel.compiled import compiling
from media.kernel.libc import EPOLL_CTL_ADD, EVENT_WORDS, NS_PER_S
from media.kernel.loop import run
from media.kernel.program import as_one_program
from media.kernel.sockets import COMMANDS_TAG

PIPE_BYTES = 1 << 20
NTP_EPOCH_S = 2_208_988_800
BACKLOG_RETRY_S = 0.005
STOP_S = 5.0
NICENESS = -10
PR_SET_NAME = 15

HANDBACKS_AT_ONCE = 64

_HANDBACK = struct.Struct("<4q")
_COMMAND = struct.Struct(f"<{layout.COMMAND_WORDS}q")
_NO_WORDS = (0,) * layout.COMMAND_WORDS

PORT_COUNTERS = tuple(
    "packets_in octets_in packets_out octets_out lost_before_stream has_stream highest first_sequence"
    " received_in_stream late reordered duplicates concealed jitter_q4 foreign malformed forged refused unsent"
    " far_lost far_jitter rtt_us reports_in clock_factor video_in video_out video_dropped".split()
)


class MediaThread:
    """State, pipes and thread of one engine. on_event: called on the loop with the eight words of a fact.

    on_datagram: called there too, with slot, generation, packed sender and octets of what is neither RTP nor RTCP.
    port_counters: the fields PORT_COUNTERS of each port, a row each, as they are now.
    ready_fd: where the blocks of recordings are announced, READY_WORDS words each; read by a thread of its own.
    """

    def __init__(
        self,
        state: layout.State,
        on_event: Callable[[NDArray[np.int64]], None],
        on_datagram: Callable[[int, int, int, bytes], None],
    ) -> None:
        self.state = state
        self.port_counters = state.ports[list(PORT_COUNTERS)]
        self._on_event = on_event
        self._on_datagram = on_datagram
        self._backlog: deque[bytes] = deque()
        self._is_stopping = False
        self._has_stopped = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        command_out, self._command_in = _pipe(blocking=False)
        self._event_out, event_in = _pipe(blocking=False)
        self.ready_fd, ready_in = _pipe(blocking=False)
        os.set_blocking(self.ready_fd, True)
        # Datagrams, so that each is taken whole or not at all.
        self._handback_out, self._handback_in = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._handback_out.setblocking(False)
        self._epoll = select.epoll()
        self._descriptors = [command_out, self._command_in, self._event_out, event_in, ready_in]
        engine = state.engine
        engine["epoll_fd"] = self._epoll.fileno()
        engine["command_fd"], engine["event_fd"], engine["ready_fd"] = command_out, event_in, ready_in
        engine["handback_fd"] = self._handback_in.fileno()
        engine["ntp_offset_ns"] = NTP_EPOCH_S * NS_PER_S + time.time_ns() - time.monotonic_ns()
        _register(self._epoll, command_out, COMMANDS_TAG)
        self._thread = threading.Thread(target=self._run, name="media", daemon=True)

    def start(self) -> None:
        self._loop.add_reader(self._event_out, self._read_events)
        self._loop.add_reader(self._handback_out, self._read_datagrams)
        self._thread.start()

    def command(self, *words: int) -> None:
        """Sends a command; never waits. Nothing once the thread was told to stop. Loop only."""
        if self._is_stopping:
            return
        message = _COMMAND.pack(*words, *_NO_WORDS[len(words) :])
        if self._backlog:
            self._backlog.append(message)
        elif not self._write(message):
            self._backlog.append(message)
            self._loop.call_later(BACKLOG_RETRY_S, self._write_backlog)

    def command_from_thread(self, *words: int) -> None:
        """As command(), from any thread, for one that may wait for room."""
        message = _COMMAND.pack(*words, *_NO_WORDS[len(words) :])
        while not self._write(message):
            time.sleep(BACKLOG_RETRY_S)

    async def stop(self) -> None:
        """Ends the thread and closes the pipes, but for ready_fd: whoever reads that finds its end and closes it."""
        self.command(layout.DO_STOP)
        self._is_stopping = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await self._has_stopped.wait()
        await asyncio.to_thread(self._thread.join, STOP_S)
        self._backlog.clear()
        self._loop.remove_reader(self._event_out)
        self._loop.remove_reader(self._handback_out)
        self._handback_out.close()
        self._handback_in.close()
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._epoll.close()

    def _run(self) -> None:
        _name_thread(b"media")
        _prefer_thread()
        run(self.state)

    def _write(self, message: bytes) -> bool:
        try:
            os.write(self._command_in, message)
        except BlockingIOError:
            return False
        return True

    def _write_backlog(self) -> None:
        while self._backlog:
            if not self._write(self._backlog[0]):
                self._loop.call_later(BACKLOG_RETRY_S, self._write_backlog)
                return
            self._backlog.popleft()

    def _read_events(self) -> None:
        for words in np.frombuffer(os.read(self._event_out, 64 * layout.EVENT_BYTES), np.int64).reshape(-1, 8):
            if words[0] == layout.DID_STOP:
                self._has_stopped.set()
            else:
                self._on_event(words)

    def _read_datagrams(self) -> None:
        for _ in range(HANDBACKS_AT_ONCE):
            try:
                message = self._handback_out.recv(layout.HANDBACK_HEADER + layout.MAX_DATAGRAM)
            except BlockingIOError:
                return
            slot, generation, sender, length = _HANDBACK.unpack_from(message)
            self._on_datagram(slot, generation, sender, message[layout.HANDBACK_HEADER :][:length])


def _name_thread(name: bytes) -> None:
    """What top and ps show for the calling thread."""
    ctypes.CDLL(None).prctl(PR_SET_NAME, name, 0, 0, 0)


def _prefer_thread() -> None:
    """Sound before everything else, where the system allows it (LimitRTPRIO=1 or CAP_SYS_NICE).

    The lowest real-time priority is enough, and safe: the thread sleeps in every round, however much there is to do.
    """
    thread = threading.get_native_id()
    try:
        os.sched_setscheduler(thread, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except OSError:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, NICENESS)


def compile_kernel(state: layout.State, progress: Callable[[str, int, int], None]) -> None:
    """Makes the thread's code ready: loads it, or compiles it where no cache fits. Takes long; not on the loop.

    progress: (function, how many so far, of how many), only while compiling.
    """
    with compiling(progress), as_one_program():
        run.compile((numba.typeof(state),))  # type: ignore[attr-defined]


def compile_ahead(progress: Callable[[str, int, int], None]) -> None:
    """As compile_kernel, for a thread that some later process starts: what is compiled stays in the cache."""
    state = layout.new_state(ports=1, mixes=1, recordings=1, blocks=1, listenings=1, feeds=1, start_ns=0)
    compile_kernel(state, progress)


def _pipe(*, blocking: bool) -> tuple[int, int]:
    reader, writer = os.pipe2(os.O_CLOEXEC | (0 if blocking else os.O_NONBLOCK))
    # More than the default is a favour of the system; what does not fit waits.
    with contextlib.suppress(OSError):
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return reader, writer


def _register(epoll: select.epoll, descriptor: int, tag: int) -> None:
    """Python's epoll knows no tag but the descriptor: the system call itself does."""
    event = struct.pack("=IQ" if EVENT_WORDS == 3 else "@IQ", select.EPOLLIN, tag)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.epoll_ctl(epoll.fileno(), EPOLL_CTL_ADD, descriptor, event) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
