"""One attempt of a fork, and what several of them that failed amount to.

Pure. Who gets the call is gateway/fork.py's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.call import CallModel, CallStatus
from signaling.leg import HangupCause

# Of several attempts, or devices of one attempt, that all failed, the first of these that occurred is told; completed
# are those who answered and were not connected.
PRECEDENCE: Final = (
    CallStatus.NO_ANSWER,
    CallStatus.BUSY,
    CallStatus.CANCELED,
    CallStatus.FAILED,
    CallStatus.COMPLETED,
)


def worst_of(statuses: Sequence[CallStatus]) -> CallStatus:
    """The one status told for several that failed; ``failed`` for none. Source: spec of <Dial>, precedence."""
    return next((status for status in PRECEDENCE if status in statuses), CallStatus.FAILED)


@dataclass
class Attempt:
    """live: devices that still may answer. failures: why the others will not."""

    call: CallModel = field(default_factory=CallModel)
    live: set[int] = field(default_factory=set)
    failures: list[HangupCause] = field(default_factory=list)
    is_placed: bool = False

    @property
    def is_over(self) -> bool:
        return self.call.status.is_final
