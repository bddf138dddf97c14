"""Connection overrides: what a webhook URL's fragment says about time-outs and retries.

Pure. ``https://app.example.com/voice?x=1#rc=2&rp=5xx,ct``: the fragment is never sent and never signed. A value out of
range is clamped, an unknown key is ignored; only a retry policy that cannot be read is an error (11243). ``sni`` and
``e`` (egress edges) are keys Twilio knows and mean nothing here.
Source: Twilio "Webhooks: Connection Overrides"; webhooks.md section 7 of the specification.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from gateway.webhooks.errors import FetchCode, FetchError, Retry


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """connect_s: TCP and TLS. read_s: first byte, and between packets. total_s: all attempts and redirects together."""

    connect_s: float = 5.0
    read_s: float = 15.0
    total_s: float = 15.0
    retries: int = 1
    retry_on: frozenset[Retry] = frozenset({Retry.CONNECT})

    @staticmethod
    def parse(url: str) -> "tuple[str, Overrides]":
        """The URL without its fragment, and what the fragment asks for.

        Raises FetchError(11243) for a retry policy nobody knows.
        """
        clean, _, fragment = url.partition("#")
        if not fragment:
            return clean, DEFAULT
        found: dict[str, str] = {}
        for pair in fragment.split("&"):
            key, equals, value = pair.partition("=")
            if equals:
                found[key] = unquote(value)
        return clean, Overrides(
            connect_s=_milliseconds(found.get("ct"), default=DEFAULT.connect_s, highest=10_000),
            read_s=_milliseconds(found.get("rt"), default=DEFAULT.read_s, highest=15_000),
            total_s=_milliseconds(found.get("tt"), default=DEFAULT.total_s, highest=15_000),
            retries=_clamped(found.get("rc"), default=DEFAULT.retries, lowest=0, highest=5),
            retry_on=_policy(found["rp"], clean) if "rp" in found else DEFAULT.retry_on,
        )


DEFAULT: Final = Overrides()
_LOWEST_MS: Final = 100


def _clamped(text: str | None, *, default: int, lowest: int, highest: int) -> int:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 9:
        return default
    return min(max(int(text), lowest), highest)


def _milliseconds(text: str | None, *, default: float, highest: int) -> float:
    return _clamped(text, default=round(default * 1000), lowest=_LOWEST_MS, highest=highest) / 1000


def _policy(text: str, url: str) -> frozenset[Retry]:
    policy: set[Retry] = set()
    for word in text.split(","):
        kinds = _KINDS.get(word.strip().lower())
        if kinds is None:
            raise FetchError(FetchCode.BAD_RETRY_POLICY, url, f"expected 4xx, 5xx, ct, rt or all in rp, found {word!r}")
        policy |= kinds
    return frozenset(policy)


_KINDS: Final = {kind.value: frozenset({kind}) for kind in Retry} | {"all": frozenset(Retry)}
