"""The end of a dialog from our side: BYE, and what may still come for an INVITE that nobody waits for.

Nothing here knows a leg: the leg is over, only the far end has to be told. Owns Attempt (one INVITE on its way) and
Leftover, which outlives its call by the 32 s in which answers, their copies and other forks may still arrive.
Source: RFC 3261 9.1, 13.2.2.4, 15.1.1; RFC 3326 (Reason); RFC 6026.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

from signaling.sip.core import SipCore
from signaling.sip.credentials import ChallengeAnswers
from signaling.sip.dialog import Dialog
from signaling.sip.message import Request, Response
from signaling.sip.scheduler import TimerHandle
from signaling.sip.transaction import cancel_for
from signaling.sip.transaction_layer import ClientTransaction, Outcome
from signaling.sip.transport import Flow
from signaling.sip.values import SipParseError

Field = tuple[str, str]


@dataclass(frozen=True)
class Peer:
    """What does not change for the far end of one leg.

    pinned: a registered device, reached only the way it registered. answers: to its challenges. identity: whose device
    it is, if it is registered.
    """

    pinned: bool
    answers: ChallengeAnswers
    identity: str = ""


@dataclass
class Attempt:
    """One INVITE on its way. is_final: it was answered for good, or never will be."""

    request: Request
    flow: Flow
    transaction: ClientTransaction | None = None
    has_provisional: bool = False
    is_final: bool = False


def say_bye(core: SipCore, dialog: Dialog, flow: Flow, peer: Peer, *, fields: Iterable[Field] = ()) -> None:
    """BYE, and once more with an answer if it is challenged by somebody who may have one."""
    _Bye(core, dialog, core.flow_of(dialog, flow, pinned=peer.pinned), peer, tuple(fields)).send()


@dataclass
class _Bye:
    core: SipCore
    dialog: Dialog
    flow: Flow
    peer: Peer
    fields: tuple[Field, ...]

    def send(self, *more: Field) -> None:
        request = self.dialog.request("BYE", fields=[*self.fields, *more, self.core.user_agent])
        self.core.layer.request(request, self.flow, partial(self._hear, request))

    def _hear(self, request: Request, outcome: Outcome) -> None:
        if isinstance(outcome, Response) and outcome.code in (401, 407):
            answer = self.peer.answers.answer(request, outcome, host=self.flow.source)
            if answer is not None:
                self.send(answer)


@dataclass
class Leftover:
    """Hears what still comes for an attempt, instead of the call.

    An INVITE that is not answered yet is cancelled as soon as that is allowed; an answer is acknowledged and ended with
    BYE. acks: the ACK of each answer by To tag, that of the call's own answer among them. fields: Reason.
    """

    core: SipCore
    attempt: Attempt
    peer: Peer
    fields: tuple[Field, ...] = ()
    acks: dict[str, tuple[bytes, Flow]] = field(default_factory=dict)
    _cancelled: bool = False
    _guard: TimerHandle | None = None

    def take_over(self) -> None:
        transaction = self.attempt.transaction
        if transaction is not None:
            transaction.listener = self._hear
        if self.attempt.has_provisional:
            self._cancel()

    def _hear(self, outcome: Outcome) -> None:
        if isinstance(outcome, Response) and outcome.code < 200:
            self._cancel()
            return
        self.attempt.is_final = True
        if self._guard is not None:
            self._guard.cancel()
            self._guard = None
        if isinstance(outcome, Response) and outcome.code < 300:
            self._end(outcome)

    def _cancel(self) -> None:
        attempt = self.attempt
        if attempt.is_final or self._cancelled:
            return
        self._cancelled = True
        cancel = cancel_for(attempt.request)
        for name, value in self.fields:
            cancel.headers.add(name, value)
        self.core.layer.request(cancel, attempt.flow, _unheard)
        self._guard = self.core.scheduler.call_later(self.core.layer.values.patience_s, self._give_up)

    def _give_up(self) -> None:
        """Nobody ever answered the CANCEL. Source: RFC 3261 9.1."""
        if self.attempt.transaction is not None:
            self.core.layer.drop(self.attempt.transaction)

    def _end(self, response: Response) -> None:
        """A 2xx that nobody wants, or the copy of one."""
        core, tag = self.core, response.to_tag
        if tag in self.acks:
            core.layer.send_again(*self.acks[tag])
            return
        attempt = self.attempt
        try:
            dialog = Dialog.of_response(attempt.request, response, local_contact=core.contact(attempt.flow))
        except SipParseError:
            # With a route that cannot be read nothing can be sent to it.
            return
        flow = core.flow_of(dialog, attempt.flow, pinned=self.peer.pinned)
        self.acks[tag] = core.layer.send_ack(dialog.acknowledge(attempt.request.cseq.sequence), flow), flow
        say_bye(core, dialog, flow, self.peer, fields=self.fields)


def _unheard(_outcome: Outcome) -> None:
    """What a CANCEL is answered changes nothing: the INVITE gets its own final answer."""
