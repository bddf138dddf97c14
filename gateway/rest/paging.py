"""Pages of a list: which part of it is asked for, and the envelope it comes in.

Pure. Lists run newest first, and sids sort by time; so a page begins behind a sid, whatever is added meanwhile, and a
page deep in a long list costs what the first one does. A PageToken is that sid, forwards (PA) or backwards (PB).
Source: rest-api.md 2 of the specification (the helpers find the list as the one key that is none of the envelope's).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from gateway.rest.errors import RestError
from gateway.rest.form import Form

RowT = TypeVar("RowT")

DEFAULT_SIZE: Final = 50
MAX_SIZE: Final = 1000
BAD_TOKEN: Final = 21481
_TOKEN = re.compile(r"P([AB])([A-Za-z0-9]{2}[0-9a-fA-F]{32})")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """after: the page holds what comes behind this sid, newest first; before: what comes ahead of it. One of them."""

    size: int
    number: int
    after: str | None = None
    before: str | None = None


def asked_page(form: Form) -> Asked:
    """Sizes beyond the limit are cut: the helpers ask for as much as they want. Raises RestError 21481."""
    size = form.integer("PageSize", default=DEFAULT_SIZE, lowest=0, highest=10**9) or 1
    number = form.integer("Page", default=0, lowest=0, highest=10**9) or 0
    token = form.text("PageToken")
    if token is None:
        return Asked(size=min(size, MAX_SIZE), number=0)
    found = _TOKEN.fullmatch(token)
    if found is None:
        raise RestError(400, BAD_TOKEN, "The PageToken is none of ours")
    side, sid = found.groups()
    return Asked(
        size=min(size, MAX_SIZE),
        number=number,
        after=sid if side == "A" else None,
        before=sid if side == "B" else None,
    )


def paged(rows: Sequence[RowT], sids: Sequence[str], asked: Asked) -> tuple[list[RowT], bool]:
    """The page of a list that is in memory: its rows, and whether there are more in the direction asked for.

    A sid that is in the list no more begins the page at its end.
    """
    if asked.before is not None:
        end = sids.index(asked.before) if asked.before in sids else len(rows)
        start = max(0, end - asked.size)
        return list(rows[start:end]), start > 0
    start = 0
    if asked.after is not None:
        start = sids.index(asked.after) + 1 if asked.after in sids else len(rows)
    return list(rows[start : start + asked.size]), start + asked.size < len(rows)


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page of resources. key: the list's name. sids: of the rows, as many as there are; one more than the page's
    size was looked for, so that it is known whether there is a next page.
    """

    key: str
    rows: Sequence[Mapping[str, Any]]
    sids: Sequence[str]
    has_more: bool
    asked: Asked

    def envelope(self, path: str, form: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """path: of the list, with its suffix. form: the query as it came; filters are kept in the pages' addresses."""
        asked = self.asked
        filters = [(name, value) for name, value in form if name not in ("PageSize", "Page", "PageToken")]

        def uri(number: int, token: str | None) -> str:
            place = [("PageSize", str(asked.size)), ("Page", str(number))]
            if token is not None:
                place.append(("PageToken", token))
            return f"{path}?{urlencode([*filters, *place])}"

        # Going back, "more" lies ahead of the page; what it came from lies behind.
        is_back = asked.before is not None
        has_next = bool(self.rows) and (is_back or self.has_more)
        has_previous = bool(self.rows) and asked.number > 0
        start = asked.number * asked.size
        own = asked.after and f"PA{asked.after}" or asked.before and f"PB{asked.before}" or None
        return {
            "page": asked.number,
            "page_size": asked.size,
            "start": start,
            "end": start + max(len(self.rows) - 1, 0),
            "uri": uri(asked.number, own),
            "first_page_uri": uri(0, None),
            "previous_page_uri": uri(asked.number - 1, f"PB{self.sids[0]}") if has_previous else None,
            "next_page_uri": uri(asked.number + 1, f"PA{self.sids[-1]}") if has_next else None,
            self.key: list(self.rows),
        }
