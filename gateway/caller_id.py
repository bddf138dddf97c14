"""Who the dialled party sees as the caller.

Pure. Source: Twilio <Dial>, callerId; Twilio <Sip>. Without any number in any account there is nothing to own or
verify, so every well-formed number is let through; with them only a number of the account or one of the parent's own
addresses is.
"""

import re
from dataclasses import dataclass

from gateway.parameters import CallFacts
from gateway.routing import Router

INVALID_CALLER_ID = 13214
CALLER_ID_NOT_ALLOWED = 13247
CALLER_ID_TOO_LONG = 13248

_PHONE_NUMBER = re.compile(r"\+?[0-9]{3,15}")
_SIP_CALLER_ID = re.compile(r"[A-Za-z0-9+\-_.]+")
_LIMIT = 256


@dataclass(frozen=True)
class CallerIdRefused:
    """The attempt cannot be made, or is made with the parent's own address. code: Twilio's."""

    code: int
    message: str
    is_fatal: bool


def for_client(wanted: str | None, parent: CallFacts) -> str | CallerIdRefused:
    """A number, a ``client:`` identity, or the parent's address."""
    if wanted is None:
        return parent.caller
    if len(wanted) > _LIMIT:
        return CallerIdRefused(CALLER_ID_TOO_LONG, "callerId is longer than 256 characters", is_fatal=False)
    if wanted.startswith("client:") and len(wanted) > len("client:"):
        return wanted
    if _PHONE_NUMBER.fullmatch(wanted) or wanted in (parent.caller, parent.callee):
        return wanted
    return CallerIdRefused(INVALID_CALLER_ID, f"callerId: expected a number or client:NAME, found {wanted!r}", False)


def for_sip(wanted: str | None, parent: CallFacts) -> str | CallerIdRefused:
    """Free text of ``A-Z a-z 0-9 + - _ .``, or an address of the call itself."""
    if wanted is None:
        return parent.caller
    if len(wanted) > _LIMIT:
        return CallerIdRefused(CALLER_ID_TOO_LONG, "callerId is longer than 256 characters", is_fatal=False)
    if _SIP_CALLER_ID.fullmatch(wanted) or wanted in (parent.caller, parent.callee):
        return wanted
    return CallerIdRefused(
        INVALID_CALLER_ID, f"callerId: expected letters, digits and + - _ ., found {wanted!r}", False
    )


def for_number(wanted: str | None, parent: CallFacts, router: Router) -> str | CallerIdRefused:
    """A number that the account may show. A phone or browser has none of its own and must be given one."""
    own = parent.caller if wanted is None else wanted
    if not _PHONE_NUMBER.fullmatch(own):
        return CallerIdRefused(
            CALLER_ID_NOT_ALLOWED,
            f"callerId: calling a number must show a number, found {own!r}",
            is_fatal=True,
        )
    if router.may_show(own, account_sid=parent.account_sid):
        return own
    if parent.sip is None or _PHONE_NUMBER.fullmatch(parent.caller):
        if own in (parent.caller, parent.callee):
            return own
    return CallerIdRefused(CALLER_ID_NOT_ALLOWED, f"callerId: {own} is no number of this account", is_fatal=True)
