"""How long a browser is waited for, and how much of it is taken. Pure values, each with its reason."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class VoiceSdkSettings:
    """Times in seconds.

    origins: pages that may connect (``https://app.example.com``); empty: all, since the token is what admits.
    edge, home: what ``connected`` names. The SDK sends its statistics, and the token with them, to
    ``eventgw.<home>.twilio.com``; the default leads nowhere (RFC 2606), so that our tokens never reach anybody else.
    beat_s: the SDK gives up after 15 s without a frame. silent_s: looked at with each
    beat, so that three missing echoes mean gone within 15 s.
    ring_s: longer than any <Dial timeout>. grace_s: how long a talking device may be without its socket.
    connect_s: until the sound path is up, or is up again; media_s: how long a lost one may stay lost.
    refused_idle_s: how long a socket with a wrong token may wait for a right one.
    pending_per_address: sockets without a login from one address.
    call_messages_per_s: what a page sends to its application, which is told by a request each.
    """

    origins: tuple[str, ...] = ()
    edge: str = "roaming"
    home: str = "invalid/?h="
    login_s: float = 10.0
    beat_s: float = 5.0
    silent_s: float = 14.0
    ring_s: float = 90.0
    return_s: float = 1.0
    grace_s: float = 30.0
    connect_s: float = 20.0
    media_s: float = 5.0
    refused_idle_s: float = 60.0
    connections: int = 10_000
    pending_per_address: int = 100
    connections_per_identity: int = 20
    calls_per_connection: int = 8
    messages_per_s: float = 20.0
    message_burst: int = 100
    call_messages_per_s: float = 5.0
    call_message_burst: int = 50
    restarts_per_minute: int = 10
