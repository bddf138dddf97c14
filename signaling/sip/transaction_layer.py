"""Runs transactions: matches what comes, sends what has to go out, keeps their timers, forgets those that are over.

The shell round transaction.py. Owns the live transactions, client and server, and the branches of our requests. What a
request means is for the agent: it decides whether a new one gets a transaction at all (``serve``) or is answered
without anything kept.
Source: RFC 3261 17, 18.1.1.
"""

import secrets
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

from signaling.sip.message import MAGIC_COOKIE, Request, Response
from signaling.sip.scheduler import Scheduler, TimerHandle
from signaling.sip.transaction import (
    CancelTimer,
    Deliver,
    Effect,
    Key,
    Send,
    StartTimer,
    Terminated,
    TimedOut,
    TimerValues,
    Transaction,
    TransportFailed,
    client_key,
    server_key,
)
from signaling.sip.transaction_table import Event, Kind, State
from signaling.sip.transport import Flow

Outcome = Response | TimedOut | TransportFailed
ServerOutcome = TimedOut | TransportFailed

# A and E and G repeat a message and must be on time; the others only end things, many at once.
_EXACT = frozenset({Event.TIMER_A, Event.TIMER_E, Event.TIMER_G})
_SLACK_S = 0.05
_WITHOUT_ANSWER = frozenset({State.CALLING, State.TRYING, State.PROCEEDING})


class Sender(Protocol):
    """What is used of SipTransports."""

    def send(self, message: bytes, flow: Flow) -> None: ...


class ClientTransaction:
    """A request of ours on its way. ``request`` is as sent, with its Via."""

    __slots__ = ("flow", "listener", "request", "serial", "timer", "transaction")

    def __init__(
        self, transaction: Transaction, request: Request, flow: Flow, listener: Callable[[Outcome], None]
    ) -> None:
        self.transaction = transaction
        self.request = request
        self.flow = flow
        self.listener: Callable[[Outcome], None] | None = listener
        self.serial = 0
        self.timer: TimerHandle | None = None


class ServerTransaction:
    """A request of the peer that we are answering.

    listener: hears of failure. on_cancel: takes an INVITE back. Both are let go by whoever set them once the final
    answer is out, so that a transaction waiting for copies holds no call.
    """

    __slots__ = ("flow", "listener", "on_cancel", "serial", "timer", "transaction")

    def __init__(self, transaction: Transaction, flow: Flow, listener: Callable[[ServerOutcome], None] | None) -> None:
        self.transaction = transaction
        self.flow = flow
        self.listener = listener
        self.on_cancel: Callable[[], None] | None = None
        self.serial = 0
        self.timer: TimerHandle | None = None


Running = ClientTransaction | ServerTransaction


class TransactionLayer:
    """All transactions of one agent.

    on_request: a request that belongs to no transaction, ACKs for a 2xx among them.
    on_stray_response: a response that belongs to none: a 2xx of a fork after its transaction ended, or noise.
    advertised_host: where peers reach us, for Via; empty: the flow's own address.
    """

    def __init__(
        self,
        *,
        sender: Sender,
        scheduler: Scheduler,
        on_request: Callable[[Request, Flow], None],
        on_stray_response: Callable[[Response, Flow], None],
        values: TimerValues | None = None,
        advertised_host: str = "",
    ) -> None:
        self._advertised_host = advertised_host
        self._sender = sender
        self._scheduler = scheduler
        self._on_request = on_request
        self._on_stray_response = on_stray_response
        self.values = TimerValues() if values is None else values
        self._clients: dict[Key, ClientTransaction] = {}
        self._servers: dict[Key, ServerTransaction] = {}
        self._running: dict[int, Running] = {}
        self._serial = 0
        self._by_connection: dict[Flow, set[Running]] = {}
        self._endings: dict[float, _Endings] = {}

    @property
    def live(self) -> int:
        return len(self._running)

    @property
    def unanswered(self) -> int:
        """Requests of ours without a final answer; counts them, so not for every message."""
        return sum(client.transaction.state in _WITHOUT_ANSWER for client in self._clients.values())

    def receive(self, message: Request | Response, flow: Flow) -> None:
        if isinstance(message, Response):
            client = self._clients.get(client_key(message))
            if client is None:
                self._on_stray_response(message, flow)
            else:
                self._run(client, client.transaction.receive(message))
            return
        server = self._servers.get(server_key(message))
        if server is None or (message.method == "ACK" and server.transaction.state is State.ACCEPTED):
            self._on_request(message, flow)
        else:
            self._run(server, server.transaction.receive(message))

    def request(self, request: Request, flow: Flow, listener: Callable[[Outcome], None]) -> ClientTransaction:
        """Send a request in a transaction of its own. A request without a Via (all but CANCEL) gets ours.

        listener: hears each response and, at most once and as the last, that it timed out or could not be sent.
        """
        if not request.headers.getlist("Via"):
            request.headers.setlist("Via", [via_for(flow, advertised_host=self._advertised_host)])
        kind = Kind.INVITE_CLIENT if request.method == "INVITE" else Kind.CLIENT
        transaction = Transaction(kind, key=client_key(request), reliable=flow.reliable, values=self.values)
        client = ClientTransaction(transaction, request, flow, listener)
        self._clients[transaction.key] = client
        self._index(client)
        self._run(client, transaction.start(request))
        return client

    def send_ack(self, ack: Request, flow: Flow) -> bytes:
        """Send an ACK for a 2xx; gives its octets, for when the 2xx comes again. Source: RFC 3261 13.2.2.4."""
        ack.headers.setlist("Via", [via_for(flow, advertised_host=self._advertised_host)])
        octets = bytes(ack)
        self._sender.send(octets, flow)
        return octets

    def send_again(self, octets: bytes, flow: Flow) -> None:
        self._sender.send(octets, flow)

    def serve(
        self, request: Request, flow: Flow, listener: Callable[[ServerOutcome], None] | None = None
    ) -> ServerTransaction:
        """A new request gets a transaction: its copies are answered from it from now on."""
        kind = Kind.INVITE_SERVER if request.method == "INVITE" else Kind.SERVER
        transaction = Transaction(kind, key=server_key(request), reliable=flow.reliable, values=self.values)
        server = ServerTransaction(transaction, flow, listener)
        self._servers[transaction.key] = server
        self._index(server)
        return server

    def respond(self, server: ServerTransaction, response: Response) -> None:
        self._run(server, server.transaction.send(response))

    def server_of(self, key: Key) -> ServerTransaction | None:
        return self._servers.get(key)

    def drop(self, running: Running) -> None:
        """Forget a transaction that would wait for ever: an INVITE whose CANCEL nobody answers. RFC 3261 9.1."""
        running.listener = None
        self._forget(running)

    def connection_lost(self, flow: Flow) -> None:
        """The transport reports that nothing more can be sent on this flow."""
        for running in list(self._by_connection.get(flow, ())):
            self._run(running, running.transaction.fail())
        if not flow.reliable:
            for running in self._all():
                if running.flow == flow:
                    self._run(running, running.transaction.fail())

    def close(self) -> None:
        """Forget everything and stop every timer; nobody is told."""
        for running in self._all():
            self.drop(running)
        for endings in self._endings.values():
            endings.close()
        self._endings.clear()

    def _all(self) -> list[Running]:
        return list(self._running.values())

    def _run(self, running: Running, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(octets):
                    self._sender.send(octets, running.flow)
                case Deliver(message):
                    # A server delivers ACKs for a 2xx only, and those never come this way (receive).
                    if isinstance(running, ClientTransaction) and isinstance(message, Response):
                        if running.listener is not None:
                            running.listener(message)
                case StartTimer(timer, after_s):
                    self._start(running, timer, after_s)
                case CancelTimer(timer):
                    # The others need no cancelling: in a state where a timer means nothing its firing is no move.
                    if timer in _EXACT and running.timer is not None:
                        running.timer.cancel()
                        running.timer = None
                case TimedOut() | TransportFailed():
                    listener, running.listener = running.listener, None
                    if listener is not None:
                        listener(effect)
                case Terminated():
                    self._forget(running)

    def _start(self, running: Running, timer: Event, after_s: float) -> None:
        if timer in _EXACT:
            running.timer = self._scheduler.call_later(after_s, partial(self._fire, running, timer))
            return
        endings = self._endings.get(after_s)
        if endings is None:
            endings = self._endings[after_s] = _Endings(after_s, self._scheduler, self._fire_of)
        endings.add(running.serial, timer)

    def _fire(self, running: Running, timer: Event) -> None:
        self._run(running, running.transaction.fire(timer))

    def _fire_of(self, serial: int, timer: Event) -> None:
        running = self._running.get(serial)
        if running is not None:
            self._fire(running, timer)

    def _index(self, running: Running) -> None:
        self._serial += 1
        running.serial = self._serial
        self._running[running.serial] = running
        if running.flow.reliable:
            self._by_connection.setdefault(running.flow, set()).add(running)

    def _forget(self, running: Running) -> None:
        key = running.transaction.key
        running.listener = None
        self._running.pop(running.serial, None)
        if isinstance(running, ClientTransaction):
            if self._clients.get(key) is running:
                del self._clients[key]
        elif self._servers.get(key) is running:
            del self._servers[key]
        if running.timer is not None:
            running.timer.cancel()
            running.timer = None
        if running.flow.reliable and (others := self._by_connection.get(running.flow)) is not None:
            others.discard(running)
            if not others:
                del self._by_connection[running.flow]


class _Endings:
    """Timers of one length, in the order they run out, without one heap entry of the loop for each.

    Holds numbers only: a transaction that is over before its timer is gone at once.
    """

    def __init__(self, length_s: float, scheduler: Scheduler, fire: Callable[[int, Event], None]) -> None:
        self._length_s = length_s
        self._scheduler = scheduler
        self._fire = fire
        self._waiting: deque[tuple[float, int, Event]] = deque()
        self._handle: TimerHandle | None = None

    def add(self, serial: int, timer: Event) -> None:
        self._waiting.append((self._scheduler.time() + self._length_s, serial, timer))
        if self._handle is None:
            self._handle = self._scheduler.call_later(self._length_s, self._due)

    def close(self) -> None:
        self._waiting.clear()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _due(self) -> None:
        self._handle = None
        now = self._scheduler.time()
        waiting = self._waiting
        while waiting and waiting[0][0] <= now:
            _, serial, timer = waiting.popleft()
            self._fire(serial, timer)
        if waiting and self._handle is None:
            self._handle = self._scheduler.call_later(max(waiting[0][0] - now, _SLACK_S), self._due)


def via_for(flow: Flow, *, advertised_host: str = "") -> str:
    """Our Via on a request over this flow, with a branch of its own. Source: RFC 3261 8.1.1.7; RFC 3581 3."""
    host, port = flow.local
    host = advertised_host or host
    shown = f"[{host}]" if ":" in host else host
    return f"SIP/2.0/{flow.protocol.upper()} {shown}:{port};rport;branch={MAGIC_COOKIE}{secrets.token_hex(8)}"
