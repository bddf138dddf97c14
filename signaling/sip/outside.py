"""SIP URIs outside of our domain: what ``<Sip>`` dials.

Pure. Source: Twilio <Sip>; RFC 3261 8.1.1 (the Request-URI is the URI that is called).
"""

from collections.abc import Callable

from signaling.leg import Leg, OutboundCall
from signaling.location import SipTarget
from signaling.sip.dial_target import Credentials, DialTarget
from signaling.sip.values import SipParseError, parse_uri


class OutsideUris:
    """dial: SipAgent.dial. permits: whether a numeric address may be called for an application."""

    def __init__(
        self, *, dial: Callable[[DialTarget, OutboundCall], Leg], permits: Callable[[str], bool] | None = None
    ) -> None:
        self._dial = dial
        self._permits = permits

    def dial_uri(self, target: SipTarget, request: OutboundCall) -> Leg:
        """A leg to the URI; one that cannot be read fails like one that cannot be reached."""
        credentials = None
        if target.username:
            credentials = Credentials(username=target.username, password=target.password)
        return self._dial(
            DialTarget(
                request_uri=target.uri,
                to_uri=_without_parameters(target.uri),
                device=_without_parameters(target.uri),
                credentials=credentials,
                headers=target.headers,
                permits=None if target.is_configured else self._permits,
            ),
            request,
        )


def _without_parameters(text: str) -> str:
    try:
        uri = parse_uri(text)
    except SipParseError:
        return text
    user = f"{uri.user}@" if uri.user else ""
    return f"{uri.scheme}:{user}{uri.host}"
