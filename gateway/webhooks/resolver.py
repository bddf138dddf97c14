"""From a host name to sockets that may be connected: where the guard is applied.

Owns name look-ups and the making of sockets for webhooks. The last word is ``make_socket``, which sees the very
address that is connected to: a name that changes between two look-ups, a literal, a redirect, all pass there.
A look-up blocks a thread of its own for as long as the system's resolver likes; callers wait ``timeout_s`` at most, a
host being looked up is never looked up twice at once, and a dead name server holds ``limit`` threads at most.
"""

import asyncio
import contextlib
import socket
import threading
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

from aiohttp.abc import AbstractResolver, ResolveResult

from gateway.webhooks.guard import Guard

AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]
LookUp = Callable[[str], list[str]]

REMEMBERED_HOSTS: Final = 1_000
REMEMBERED_S: Final = 600.0


class AddressRefused(OSError):
    """The guard does not let us connect there."""


class NameUnresolved(OSError):
    """No address for the name, or none in time."""


def system_addresses(host: str) -> list[str]:
    """Addresses of a name as the system knows them; blocks."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


class GuardedResolver(AbstractResolver):
    """For aiohttp's connector; filters addresses and makes the sockets.

    look_up: addresses of a name, called on a thread of its own. An address that worked is used again for ten minutes
    while the name server does not answer.
    """

    def __init__(
        self, guard: Guard, *, look_up: LookUp = system_addresses, timeout_s: float = 4.5, limit: int = 32
    ) -> None:
        self._guard = guard
        self._look_up = look_up
        self._timeout_s = timeout_s
        self._limit = limit
        self._pending: dict[str, asyncio.Future[list[str]]] = {}
        self._known: OrderedDict[str, tuple[float, list[str]]] = OrderedDict()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises AddressRefused when the name has addresses but none that may be called, else NameUnresolved."""
        found = await self._addresses(host)
        reasons = {address: self._guard.refusal(address, port) for address in found}
        allowed = [address for address, reason in reasons.items() if reason is None]
        if not allowed:
            raise AddressRefused(next(iter(reasons.values())))
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in allowed
        ]

    def make_socket(self, info: AddressInfo) -> socket.socket:
        """Raises AddressRefused instead of making a socket for an address that may not be called."""
        family, kind, protocol, _, address = info
        reason = self._guard.refusal(str(address[0]), int(address[1]))
        if reason is not None:
            raise AddressRefused(reason)
        return socket.socket(family, kind, protocol)

    async def close(self) -> None:
        for future in self._pending.values():
            future.cancel()
        self._pending.clear()

    async def _addresses(self, host: str) -> list[str]:
        future = self._pending.get(host)
        if future is None:
            if len(self._pending) >= self._limit:
                raise NameUnresolved("too many name look-ups without an answer")
            future = self._start(host)
        try:
            async with asyncio.timeout(self._timeout_s):
                found = await asyncio.shield(future)
        except TimeoutError:
            return self._remembered(host, f"no answer of the name server in {self._timeout_s:g} s")
        except socket.gaierror as error:
            if error.errno == socket.EAI_AGAIN:
                return self._remembered(host, "the name server does not answer")
            raise NameUnresolved(f"no such host: {host}") from error
        except (OSError, UnicodeError) as error:
            raise NameUnresolved(f"{host} cannot be looked up: {error}") from error
        if not found:
            raise NameUnresolved(f"no address for {host}")
        self._known[host] = (monotonic(), found)
        self._known.move_to_end(host)
        if len(self._known) > REMEMBERED_HOSTS:
            self._known.popitem(last=False)
        return found

    def _remembered(self, host: str, reason: str) -> list[str]:
        known_at, addresses = self._known.get(host, (0.0, []))
        if not addresses or monotonic() - known_at > REMEMBERED_S:
            raise NameUnresolved(reason)
        return addresses

    def _start(self, host: str) -> "asyncio.Future[list[str]]":
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[str]] = loop.create_future()
        self._pending[host] = future

        def settle(found: list[str] | None, error: BaseException | None) -> None:
            if self._pending.get(host) is future:
                del self._pending[host]
            if future.done():
                return
            if found is not None:
                future.set_result(found)
            elif error is not None:
                future.set_exception(error)
                future.exception()  # whoever waits raises it; with nobody waiting it is not worth a log line

        def run() -> None:
            found: list[str] | None = None
            failure: Exception | None = None
            try:
                found = self._look_up(host)
            except (OSError, UnicodeError) as error:
                failure = error
            with contextlib.suppress(RuntimeError):  # the loop may be closed by now
                loop.call_soon_threadsafe(settle, found, failure)

        threading.Thread(target=run, name="webhook-look-up", daemon=True).start()
        return future
