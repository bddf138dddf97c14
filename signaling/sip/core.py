"""What the parts of the call side share: settings, the transaction layer, the open dialogs and legs.

Owned by SipAgent; legs, sessions and set-ups hold a reference. Decides which flow a request takes and what our Contact
and capabilities look like. Knows no call.
Source: RFC 3261 8.1.2, 12.2.1.1 (where a request goes), 20.5 (Allow); RFC 5626 for devices behind NAT.
"""

import ipaddress
import typing
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from media.engine import Engine
from signaling.sip.dialog import Dialog, DialogId
from signaling.sip.flow import PROTOCOLS, Flow, Protocol, default_port
from signaling.sip.message import Request
from signaling.sip.scheduler import Scheduler
from signaling.sip.session_timer import DEFAULT_INTERVAL_S
from signaling.sip.transaction_layer import TransactionLayer
from signaling.sip.transport import TlsSettings
from signaling.sip.values import SipParseError, parse_uri

if TYPE_CHECKING:
    from signaling.sip.leg import SipLeg

METHODS = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "UPDATE", "PRACK", "INFO", "REFER", "NOTIFY", "REGISTER")
ALLOW = ("Allow", ", ".join(METHODS))
SUPPORTED = ("Supported", "100rel, timer")
ACCEPT = ("Accept", "application/sdp, application/dtmf-relay, application/dtmf")
UNDERSTOOD_OPTIONS = frozenset({"100rel", "timer"})


@dataclass(frozen=True, kw_only=True)
class SipSettings:
    """listen: ``udp:127.0.0.1:5060`` …. domain: of our identities, and the digest realm.

    calls: legs at once, over which new ones get 503. session_interval_s: RFC 4028. retry_after_s: told with a 503.
    codec_names: what is spoken with phones and trunks; their order counts where the gateway offers first.
    advertised_media_address, advertised_address: IPv4 at which phones reach the engine, and us, if those addresses are
    not the ones we are bound to: behind 1:1 NAT. goodbye_s: how long ``stop`` waits for its last requests to be
    answered.
    """

    listen: tuple[str, ...]
    domain: str
    user_agent: str = "Ringfork"
    calls: int = 4000
    session_interval_s: int = DEFAULT_INTERVAL_S
    retry_after_s: int = 10
    goodbye_s: float = 2.0
    tls: TlsSettings | None = None
    codec_names: tuple[str, ...] = ("PCMU", "PCMA", "G722", "OPUS")
    advertised_media_address: str = ""
    advertised_address: str = ""


class InDialog(typing.Protocol):
    """Whoever runs a dialog."""

    def on_request(self, request: Request, flow: Flow) -> None: ...


@dataclass
class SipCore:
    """flow_to: an open or new flow to an address. is_open: whether a flow can still be used. spawn: runs a task.

    callers: Call-ID and From tag of each inbound call, with the CSeq number of its INVITE.
    """

    settings: SipSettings
    engine: Engine
    layer: TransactionLayer
    scheduler: Scheduler
    flow_to: Callable[[Protocol, str, int], Flow]
    is_open: Callable[[Flow], bool]
    spawn: Callable[[Coroutine[Any, Any, None]], None]
    dialogs: dict[DialogId, InDialog] = field(default_factory=dict)
    callers: dict[tuple[str, str], int] = field(default_factory=dict)
    legs: "set[SipLeg]" = field(default_factory=set)

    @property
    def identification(self) -> tuple[str, str]:
        return ("Server", self.settings.user_agent)

    @property
    def user_agent(self) -> tuple[str, str]:
        return ("User-Agent", self.settings.user_agent)

    def contact(self, flow: Flow) -> str:
        """Our Contact towards whoever is at the other end of the flow."""
        host, port = flow.local
        host = self.settings.advertised_address or host
        shown = f"[{host}]" if ":" in host else host
        transport = f";transport={flow.transport_parameter}" if flow.transport_parameter else ""
        return f"<sip:{shown}:{port}{transport}>"

    def flow_of(self, dialog: Dialog, known: Flow, *, pinned: bool) -> Flow:
        """The flow for the next request of a dialog.

        pinned: the peer is a registered device, reached only the way it registered. Otherwise the first route or the
        Contact decides if it is an address; a name, or a private address told from a public one, leaves it as it was.
        """
        if pinned and (not known.reliable or self.is_open(known)):
            return known
        try:
            uri = parse_uri(dialog.next_hop)
            address = ipaddress.ip_address(uri.host.strip("[]"))
        except (SipParseError, ValueError):
            return known
        host = str(address)
        transport = (uri.parameters.get("transport") or ("tls" if uri.scheme == "sips" else "udp")).lower()
        port = uri.port or default_port(transport)
        protocol = next((known for known in PROTOCOLS if known == transport), None)
        if protocol is None or address.is_multicast or address.is_unspecified:
            return known
        if known.is_web or known.protocol == transport and known.remote == (host, port):
            return known
        if known.reliable and known.source == host and self.is_open(known):
            return known
        if address.is_private and not ipaddress.ip_address(known.source).is_private:
            return known
        return self.flow_to(protocol, host, port)
