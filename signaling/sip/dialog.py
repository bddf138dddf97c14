"""A dialog: who talks to whom, along which route, and which request comes next.

Pure. Built from the request and response that create it; makes the requests inside it and judges those that come. Knows
no transaction and no media. Header values of the peer are kept and echoed as written.
Source: RFC 3261 12; RFC 3262 4 (PRACK is an ordinary request of an early dialog); RFC 5057 for what ends a dialog.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from signaling.sip.headers import Headers
from signaling.sip.message import Request, Response
from signaling.sip.values import SipParseError, parse_address, uri_text_of

MAX_FORWARDS = "70"


@dataclass(frozen=True)
class DialogId:
    """Tags from our point of view. Source: RFC 3261 12."""

    call_id: str
    local_tag: str
    remote_tag: str


class Dialog:
    """One dialog, early until ``confirmed`` is set by its owner."""

    __slots__ = (
        "confirmed",
        "id",
        "local_contact",
        "local_party",
        "local_sequence",
        "remote_party",
        "remote_sequence",
        "remote_target",
        "route_set",
    )

    def __init__(
        self,
        *,
        dialog_id: DialogId,
        local_party: str,
        remote_party: str,
        remote_target: str,
        route_set: tuple[str, ...],
        local_contact: str,
        local_sequence: int,
        remote_sequence: int | None,
    ) -> None:
        self.id = dialog_id
        self.local_party = local_party
        self.remote_party = remote_party
        self.remote_target = remote_target
        self.route_set = route_set
        self.local_contact = local_contact
        self.local_sequence = local_sequence
        self.remote_sequence = remote_sequence
        self.confirmed = False

    @staticmethod
    def of_request(request: Request, *, local_tag: str, local_contact: str) -> "Dialog":
        """The called side's dialog. Raises SipParseError without a usable Contact. Source: RFC 3261 12.1.1."""
        return Dialog(
            dialog_id=DialogId(request.call_id, local_tag, request.from_tag),
            local_party=f"{request.headers.get('To')};tag={local_tag}",
            remote_party=request.headers.get("From") or "",
            remote_target=_contact_of(request),
            route_set=tuple(_routes(request)),
            local_contact=local_contact,
            local_sequence=0,
            remote_sequence=request.cseq.sequence,
        )

    @staticmethod
    def of_response(request: Request, response: Response, *, local_contact: str) -> "Dialog":
        """The calling side's dialog, one for each To tag. Source: RFC 3261 12.1.2.

        Without a usable Contact the Request-URI, which led there, stays the target. Raises SipParseError for a route
        that cannot be read.
        """
        try:
            target = _contact_of(response)
        except SipParseError:
            target = request.uri_text
        return Dialog(
            dialog_id=DialogId(request.call_id, request.from_tag, response.to_tag),
            local_party=request.headers.get("From") or "",
            remote_party=response.headers.get("To") or "",
            remote_target=target,
            route_set=tuple(reversed(_routes(response))),
            local_contact=local_contact,
            local_sequence=request.cseq.sequence,
            remote_sequence=None,
        )

    @property
    def next_hop(self) -> str:
        """URI the next request is sent towards."""
        return uri_text_of(self.route_set[0]) if self.route_set else self.remote_target

    def request(
        self,
        method: str,
        *,
        fields: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        content_type: str = "application/sdp",
    ) -> Request:
        """The next request inside the dialog, without its Via; takes the next CSeq number."""
        self.local_sequence += 1
        return self._make(method, self.local_sequence, fields=fields, body=body, content_type=content_type)

    def acknowledge(self, sequence: int, *, body: bytes = b"") -> Request:
        """ACK for the 2xx to the INVITE of that CSeq number, without its Via. Source: RFC 3261 13.2.2.4."""
        return self._make("ACK", sequence, fields=(), body=body, content_type="application/sdp")

    def take(self, request: Request) -> None:
        """A request of the peer inside the dialog comes. Raises SipParseError (500) if it is out of order.

        Source: RFC 3261 12.2.2. ACK and CANCEL carry the number of their INVITE and are not judged.
        """
        if request.method in ("ACK", "CANCEL"):
            return
        sequence = request.cseq.sequence
        if self.remote_sequence is not None and sequence <= self.remote_sequence:
            raise SipParseError(
                f"expected a CSeq above {self.remote_sequence}, found {sequence}", status=500, request=request
            )
        self.remote_sequence = sequence

    def refresh_target(self, message: Request | Response) -> None:
        """A re-INVITE, UPDATE or the success to one names a new Contact. Source: RFC 3261 12.2; RFC 3311 5.1."""
        if message.headers.get("Contact"):
            self.remote_target = _contact_of(message)

    def refresh_route(self, response: Response) -> None:
        """The success decides the route of an early dialog anew. Source: RFC 3261 13.2.2.4."""
        self.route_set = tuple(reversed(_routes(response)))

    def _make(
        self, method: str, sequence: int, *, fields: Iterable[tuple[str, str]], body: bytes, content_type: str
    ) -> Request:
        headers = Headers()
        # Room for the Via, which goes first and is known when the flow is.
        headers.setlist("Via", [])
        headers.set("Max-Forwards", MAX_FORWARDS)
        headers.set("From", self.local_party)
        headers.set("To", self.remote_party)
        headers.set("Call-ID", self.id.call_id)
        headers.set("CSeq", f"{sequence} {method}")
        uri, routes = self.remote_target, self.route_set
        if routes:
            first = parse_address(routes[0])
            if "lr" not in first.uri.parameters:
                # A strict router wants itself in the Request-URI. Source: RFC 3261 12.2.1.1.
                uri, routes = uri_text_of(routes[0]), (*routes[1:], f"<{uri}>")
            headers.setlist("Route", list(routes))
        if method not in ("ACK", "BYE", "PRACK", "INFO", "OPTIONS"):
            headers.set("Contact", self.local_contact)
        for name, value in fields:
            headers.add(name, value)
        if body:
            headers.set("Content-Type", content_type)
        return Request(method, uri, headers=headers, body=body)


def _routes(message: Request | Response) -> list[str]:
    routes = message.values("Record-Route")
    for route in routes:
        parse_address(route)
    return routes


def _contact_of(message: Request | Response) -> str:
    """URI text of the one Contact a dialog needs."""
    contacts = message.values("Contact")
    if not contacts or not contacts[0]:
        raise SipParseError("expected a Contact, found none")
    address = parse_address(contacts[0])
    if address.uri.scheme not in ("sip", "sips"):
        raise SipParseError(f"expected a SIP URI as Contact, found {contacts[0][:60]!r}")
    return uri_text_of(contacts[0])
