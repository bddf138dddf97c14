"""Errors that know whose fault they are and what to answer.

Raise at the parser, translate once at the edge, log once where it is handled. Ending a call never needs a switch
over exception classes: ``error.cause`` and ``error.fault`` say it.
"""

from enum import Enum

from signaling.leg import HangupCause


class Fault(Enum):
    CLIENT = "client"
    SERVER = "server"
    UPSTREAM = "upstream"
    UNKNOWN = "unknown"


class GatewayError(Exception):
    """Base of all errors of ours. The message says what was expected and what was found."""

    fault: Fault = Fault.UNKNOWN
    cause: HangupCause = HangupCause.FAILED


class PeerError(GatewayError):
    """A peer broke the rules of its protocol.

    status: what to answer, in the peer's own protocol (a SIP or an HTTP status).
    """

    fault = Fault.CLIENT

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class UsageError(GatewayError):
    """We broke a rule of our own: a bug."""

    fault = Fault.SERVER
