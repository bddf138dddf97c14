"""The system calls of the media thread, by symbol, and memory by address.

Declared as external functions, so that code that calls them stays cacheable. All numbers are int64 on our side; -1 is
an error whose cause nobody here needs: a datagram that cannot be read or sent is one that is not there.
"""

import platform
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from media.kernel.compiled import compiled

_I32, _I64 = types.int32, types.int64

recvfrom = types.ExternalFunction("recvfrom", _I64(_I32, _I64, _I64, _I32, _I64, _I64))
sendto = types.ExternalFunction("sendto", _I64(_I32, _I64, _I64, _I32, _I64, _I32))
send = types.ExternalFunction("send", _I64(_I32, _I64, _I64, _I32))
socket = types.ExternalFunction("socket", _I32(_I32, _I32, _I32))
setsockopt = types.ExternalFunction("setsockopt", _I32(_I32, _I32, _I32, _I64, _I32))
bind = types.ExternalFunction("bind", _I32(_I32, _I64, _I32))
connect = types.ExternalFunction("connect", _I32(_I32, _I64, _I32))
close = types.ExternalFunction("close", _I32(_I32))
read = types.ExternalFunction("read", _I64(_I32, _I64, _I64))
write = types.ExternalFunction("write", _I64(_I32, _I64, _I64))
epoll_wait = types.ExternalFunction("epoll_wait", _I32(_I32, _I64, _I32, _I32))
epoll_ctl = types.ExternalFunction("epoll_ctl", _I32(_I32, _I32, _I32, _I64))
_clock_gettime = types.ExternalFunction("clock_gettime", _I32(_I32, _I64))
_clock_nanosleep = types.ExternalFunction("clock_nanosleep", _I32(_I32, _I32, _I64, _I64))

DONT_WAIT = 0x40
CLOCK_MONOTONIC = 1
TIMER_ABSTIME = 1
EPOLL_CTL_ADD, EPOLL_CTL_DEL = 1, 2
EPOLLIN = 1

EVENT_WORDS = 3 if platform.machine() in ("x86_64", "AMD64") else 4
"""struct epoll_event in 32-bit words: packed on x86-64 alone. The low half of its data is word DATA_WORD."""
DATA_WORD = EVENT_WORDS - 2

NS_PER_S = 1_000_000_000


@compiled
def monotonic_ns(engine: Any) -> Any:
    _clock_gettime(CLOCK_MONOTONIC, engine.timespec_address)
    return engine.timespec[0] * NS_PER_S + engine.timespec[1]


@compiled
def sleep_until(engine: Any, deadline_ns: Any) -> None:
    engine.timespec[0] = deadline_ns // NS_PER_S
    engine.timespec[1] = deadline_ns % NS_PER_S
    _clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, engine.timespec_address, 0)


@intrinsic  # type: ignore[untyped-decorator]  # numba has no annotations
def sample_at(typing_context: Any, address: Any, index: Any) -> Any:
    """The int16 number `index` of the PCM that begins at `address`. Whoever registered the address keeps it valid."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        start = builder.inttoptr(arguments[0], ir.IntType(16).as_pointer())
        return builder.load(builder.gep(start, [arguments[1]]))

    return types.int16(types.int64, types.int64), generate
