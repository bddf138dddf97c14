"""A small switch the load can be tested against: registers phones with digest and joins each call to one of them.

A peer for tests, not a gateway: it copies SDP through, so that the two legs' RTP flows directly between them.
"""

import asyncio
from collections import Counter
from typing import cast

from signaling.sip.auth import DigestAuthenticator, Verified
from tests.bench import sip

_SECRET = bytes(32)


class Switch(asyncio.DatagramProtocol):
    """caller: Call-ID of the call that came in; the call that goes out has ``.b`` appended."""

    def __init__(self, *, passwords: dict[str, str], realm: str, clock_s: float = 1e9) -> None:
        self._authenticator = DigestAuthenticator(
            realm=realm, secret=_SECRET, clock=lambda: clock_s, credentials=passwords.get
        )
        self._transport: asyncio.DatagramTransport | None = None
        self._realm = realm
        self.contacts: dict[str, tuple[bytes, tuple[str, int]]] = {}
        self.received: Counter[bytes] = Counter()
        self.refuse: bytes = b""
        self._inbound: dict[bytes, tuple[sip.Message, tuple[str, int]]] = {}
        self._outbound: dict[bytes, tuple[sip.Dialog, tuple[str, int]]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    @property
    def address(self) -> tuple[str, int]:
        assert self._transport is not None
        host, port = self._transport.get_extra_info("sockname")
        return host, port

    def _send(self, message: bytes, to: tuple[str, int]) -> None:
        assert self._transport is not None
        self._transport.sendto(message, to)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        message = sip.read(data)
        assert message is not None, data
        if message.status:
            self._response(message)
            return
        self.received[message.method] += 1
        match message.method:
            case b"REGISTER":
                self._register(message, address)
            case b"INVITE":
                self._invite(message, address)
            case b"BYE":
                self._send(sip.response(message, b"200 OK"), address)
                dialog, phone = self._outbound[message.call_id + b".b"]
                self._send(dialog.request(b"BYE", 2, branch=message.call_id + b"bye"), phone)

    def _register(self, message: sip.Message, address: tuple[str, int]) -> None:
        head = message.raw.decode().split("\r\n")
        answers = [line.partition(": ")[2] for line in head if line.startswith("Authorization:")]
        verdict = self._authenticator.verify("REGISTER", answers, uri=f"sip:{self._realm}")
        if isinstance(verdict, Verified):
            self.contacts[verdict.username] = (message.contact_uri, address)
            self._send(sip.response(message, b"200 OK"), address)
            return
        challenges = "".join(f"WWW-Authenticate: {value}\r\n" for value in self._authenticator.challenge())
        refusal = sip.response(message, b"401 Unauthorized", tag=b"s")
        self._send(refusal.replace(b"Content-Length", challenges.encode() + b"Content-Length"), address)

    def _invite(self, message: sip.Message, address: tuple[str, int]) -> None:
        if self.refuse:
            self._send(sip.response(message, self.refuse, tag=b"s"), address)
            return
        self._send(sip.response(message, b"100 Trying"), address)
        self._inbound[message.call_id] = (message, address)
        contact, phone = self.contacts["p0"]
        host, port = self.address
        here = f"{host}:{port}".encode()
        dialog = sip.Dialog(
            message.call_id + b".b", message.sender, b"<%s>" % contact, contact, b"sip:switch@" + here, here
        )
        self._outbound[dialog.call_id] = (dialog, phone)
        body = message.raw.partition(b"\r\n\r\n")[2]
        self._send(dialog.request(b"INVITE", 1, branch=message.call_id, body=body), phone)

    def _response(self, message: sip.Message) -> None:
        if message.method != b"INVITE":
            return
        host, port = self.address
        dialog, phone = self._outbound[message.call_id]
        invite, caller = self._inbound[message.call_id.removesuffix(b".b")]
        if message.status == 200:
            answered = sip.Dialog(
                dialog.call_id, dialog.local, message.recipient, message.contact_uri, dialog.contact, dialog.via
            )
            self._outbound[message.call_id] = (answered, phone)
            self._send(answered.request(b"ACK", 1, branch=message.call_id + b"ack"), phone)
        status, body = message.raw[8:].partition(b"\r\n")[0], message.raw.partition(b"\r\n\r\n")[2]
        contact = f"sip:switch@{host}:{port}".encode()
        self._send(sip.response(invite, status, tag=b"s", contact=contact, body=body), caller)
