"""What is known of a browser's call from its first moment on. Pure values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from signaling.leg import Direction, Party


@dataclass(frozen=True, kw_only=True)
class LegFacts:
    """What stays the same about a leg.

    device_sid: the device's own name for a call it makes. application_sid: whose voice URL a call from the device goes
    to; None for a call to it. parameters: what the device passed to ``connect``, its token's own over them; or, for a
    call to it, what it shows as ``call.parameters``.
    """

    direction: Direction
    call_sid: str
    account_sid: str
    identity: str
    caller: Party
    callee: Party
    device: str
    device_sid: str = ""
    application_sid: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    diversion: str | None = None
