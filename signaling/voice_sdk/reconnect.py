"""Reconnect tokens: what lets a browser have its call back on another socket.

Pure. One object a call; who may present a token at all (same account, same identity) is the agent's decision.
Source: voice-sdk.md 5.3 of the specification; reliability check S-23.
"""

import hmac
import secrets

OCTETS = 24


class ReconnectToken:
    """The token a device holds. The one before it counts until the new one is used: the message that brought the new
    one may have been lost with its socket."""

    def __init__(self) -> None:
        self._current = secrets.token_urlsafe(OCTETS)
        self._previous: str | None = None

    @property
    def current(self) -> str:
        return self._current

    def use(self, presented: str) -> bool:
        """Whether it is one of ours. If so ``current`` is a new one, to be sent in the answer."""
        valid = [token for token in (self._current, self._previous) if token is not None and _same(token, presented)]
        if not valid:
            return False
        self._previous = valid[0]
        self._current = secrets.token_urlsafe(OCTETS)
        return True


def _same(ours: str, presented: str) -> bool:
    return hmac.compare_digest(ours.encode(), presented.encode("utf-8", "replace"))
