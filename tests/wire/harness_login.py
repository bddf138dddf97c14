"""Answers to a digest challenge for peers that cannot make them.

SIPp 3.6 takes the first challenge of a 401 and gives up on SHA-256, which ours names first (RFC 8760 2.4); it is
handed an answer made here, to a challenge fetched just before.
"""

import asyncio
import re
import secrets

from signaling.sip.auth import answer_challenge

LOGIN_S = 5.0


async def digest_answer(address: str, *, method: str, uri: str, identity: str, password: str) -> str:
    """Value of an Authorization header, good for one request. address: ``host:port`` of the daemon."""
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    reply: asyncio.Future[str] = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(lambda: _One(reply), remote_addr=(host, int(port)))
    try:
        here = transport.get_extra_info("sockname")
        transport.sendto(
            f"REGISTER sip:{address} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {here[0]}:{here[1]};branch=z9hG4bK{secrets.token_hex(8)};rport\r\n"
            f"From: <sip:{identity}@{host}>;tag={secrets.token_hex(4)}\r\nTo: <sip:{identity}@{host}>\r\n"
            f"Call-ID: {secrets.token_hex(8)}\r\nCSeq: 1 REGISTER\r\n"
            "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n".encode()
        )
        async with asyncio.timeout(LOGIN_S):
            challenges = re.findall(r"^WWW-Authenticate: (.+?)\r?$", await reply, re.MULTILINE)
    finally:
        transport.close()
    return answer_challenge(challenges, method=method, uri=uri, username=identity, password=password)


class _One(asyncio.DatagramProtocol):
    def __init__(self, reply: "asyncio.Future[str]") -> None:
        self._reply = reply

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        if not self._reply.done():
            self._reply.set_result(data.decode())
