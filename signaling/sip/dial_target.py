"""Whom ``SipAgent.dial`` calls: made by the registrar for a binding, by trunks for a number, by the agent for a URI.

Pure. Owns DialTarget and Credentials.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from signaling.sip.transport import Flow


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """A login at somebody else's server.

    realm: the only realm it is given to; empty takes the realm of the first challenge, still only from ``hosts`` of the
    target itself (see uac.py).
    """

    username: str
    password: str = field(repr=False)
    realm: str = ""


@dataclass(frozen=True, kw_only=True)
class DialTarget:
    """One place to send an INVITE to.

    request_uri: as it goes on the wire (a binding's Contact, ``sip:+15550100@carrier.example``).
    to_uri: what To shows; empty is the Request-URI. device: for records and logs (``sip:alice@192.0.2.7``).
    flow, identity: where a registered device is reached, and whose it is; without a flow ``next_hop`` (or the
    Request-URI) is looked up.
    route: proxies on the way, as Route values (RFC 3327).
    credentials: for this target's own servers, never for anybody else.
    permits: whether a numeric address may be called for this target; every address may without it.
    """

    request_uri: str
    device: str
    to_uri: str = ""
    flow: "Flow | None" = None
    identity: str = ""
    route: tuple[str, ...] = ()
    next_hop: str = ""
    credentials: Credentials | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    permits: Callable[[str], bool] | None = None
