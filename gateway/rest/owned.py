"""What an account has configured, as resources: found by sid, listed page by page, and changed unless the file says it.

Source: rest-api.md 2 and 7 of the specification; README, "Choices" (what the configuration file defines).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from gateway.accounts.directory import Directory
from gateway.accounts.entries import Entry
from gateway.accounts.ledger import Ledger
from gateway.rest.dispatch import ROOT, Ask, Reply
from gateway.rest.errors import RestError, not_found
from gateway.rest.paging import Page, asked_page, paged

DENIED: Final = 20006
CONFLICT: Final = 20409
MAX_NAME: Final = 64

EntryT = TypeVar("EntryT", bound=Entry)


class OwnedApi:
    """What the resources of configured things begin with. now: wall clock, aware."""

    def __init__(self, ledger: Ledger, *, now: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._directory = ledger.directory
        self._now = now


def own(directory: Directory, kind: type[EntryT], ask: Ask, sid: str) -> EntryT:
    """Raises RestError 404 for what there is not, or is another account's."""
    found = directory.get(kind, ask.account_sid, sid)
    if found is None:
        raise not_found(ask.path)
    return found


def changeable(entry: EntryT) -> EntryT:
    """Raises RestError 403 for what the configuration file defines."""
    if entry.is_configured:
        raise RestError(403, DENIED, f"{entry.sid} is defined in the configuration file: change it there")
    return entry


def check_room(directory: Directory, kind: type[Entry], ask: Ask, *, code: int = CONFLICT) -> None:
    """Raises RestError when the account has as many of the kind as it may."""
    if not directory.has_room(kind, ask.account_sid):
        raise RestError(409, code, "The account has as many of these as it may have")


def check_owner(ask: Ask) -> None:
    """Raises RestError 403 for an API key: it works in its account, and does not hand out access to it.

    Source: Twilio "API keys" (a standard key reaches everything but Accounts and Keys).
    """
    if ask.is_by_key:
        raise RestError(403, DENIED, "An API key may not manage accounts and keys: use the account's auth token")


def listing(ask: Ask, key: str, entries: Sequence[EntryT], show: Callable[[EntryT], Mapping[str, Any]]) -> Reply:
    """One page of them, in their order."""
    asked = asked_page(ask.form)
    cut, has_more = paged(entries, [each.sid for each in entries], asked)
    page = Page(
        key=key, rows=[show(each) for each in cut], sids=[each.sid for each in cut], has_more=has_more, asked=asked
    )
    return Reply(resource=page)


def uri_of(account_sid: str, path: str) -> str:
    """Without its suffix."""
    return f"{ROOT}/Accounts/{account_sid}/{path}"
