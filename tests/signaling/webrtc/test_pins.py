"""What of aiortc and aioice is used although it is private: a new version that moves it fails here first."""

import asyncio
import inspect
import re
import socket

import pytest
from aioice import Connection
from aioice.ice import StunProtocol
from aioice.stun import Message
from aiortc import RTCCertificate, RTCDtlsTransport
from aiortc.rtcdtlstransport import SRTP_PROFILES
from pylibsrtp import Session

from signaling.webrtc.connection import Certificates
from signaling.webrtc.ice_socket import IceSocket
from tests.media.phone import until
from tests.signaling.webrtc.conftest import Desk


def parameters(function: object) -> list[str]:
    assert callable(function)
    return list(inspect.signature(function).parameters)


def test_pins_aioice_methods_that_are_overridden_or_called() -> None:
    assert parameters(StunProtocol.datagram_received) == ["self", "data", "addr"]
    assert parameters(StunProtocol.connection_lost) == ["self", "exc"]
    assert parameters(Connection.request_received) == ["self", "message", "addr", "protocol"]
    assert parameters(Connection.data_received) == ["self", "data", "component"]
    assert parameters(Connection._valid_username) == ["self", "username"]
    assert parameters(Message.check_message_integrity) == ["self", "key"]


async def test_pins_aioice_fields_that_are_set_or_read() -> None:
    connection = Connection(ice_controlling=True)
    assert connection._protocols == [] and connection._local_candidates == []
    assert connection._local_candidates_start is connection._local_candidates_end is False
    assert connection._nominated == {} and connection._closing is False
    assert connection._queue.qsize() == 0
    assert connection.remote_is_lite is False
    assert StunProtocol(connection).transactions == {}
    # Without a pair in its list and without the end of the peer's candidates it waits for checks.
    connection.remote_username, connection.remote_password = "abcd", "a" * 22
    connection._local_candidates_start = connection._local_candidates_end = True
    connecting = asyncio.create_task(connection.connect())
    await asyncio.wait([connecting], timeout=0.1)
    assert not connecting.done()
    await connection.close()
    with pytest.raises(ConnectionError):
        await connecting


async def test_pins_aioice_nominates_one_pair_only_if_the_peer_were_lite(desk: Desk) -> None:
    """Browsers of several interfaces check from each; were all nominated, ours and theirs might differ."""
    source = inspect.getsource(Connection.check_start)
    assert "nominate = self.ice_controlling and not self.remote_is_lite" in source
    assert "pair.component not in self._nominating" in source


def test_pins_aiortc_transport_wants_these_of_ice_and_certificate() -> None:
    assert parameters(RTCDtlsTransport.__init__) == ["self", "transport", "certificates"]
    assert parameters(RTCDtlsTransport._set_role) == ["self", "role"]
    assert parameters(RTCCertificate._create_ssl_context) == ["self", "srtp_profiles"]
    source = inspect.getsource(RTCDtlsTransport)
    assert set(re.findall(r"self\.transport\.(\w+)", source)) == {"role", "_recv", "_send"}


async def test_pins_aiortc_keys_are_sessions_of_libsrtp(desk: Desk) -> None:
    call, browser = desk.call(), desk.browser()
    await browser.take_answer(await call.media.answer(await browser.offer()))
    await until(lambda: browser.transport.state == "connected")
    assert isinstance(browser.transport._rx_srtp, Session) and isinstance(browser.transport._tx_srtp, Session)


def test_pins_certificates_are_two_for_all_until_they_are_renewed() -> None:
    now = [0.0]
    certificates = Certificates(clock=lambda: now[0])
    first = certificates.other_than(None)
    second = certificates.other_than(first)
    now[0] = 6 * 86_400.0
    assert second is not first and certificates.other_than(second) is certificates.other_than(None) is first
    now[0] = 8 * 86_400.0
    assert certificates.other_than(None) not in (first, second)
    assert first._create_ssl_context(SRTP_PROFILES) is first._create_ssl_context(SRTP_PROFILES)


async def test_pins_ice_socket_says_goodbye_after_the_engine_closed_its_descriptor() -> None:
    ours, theirs = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    for sock in (ours, theirs):
        sock.bind(("127.0.0.1", 0))
    theirs.setblocking(False)
    closed = asyncio.Event()
    transport = IceSocket(ours)
    transport.start(lambda octets, sender: None, closed.set)
    transport.hand_over()
    ours.close()
    transport.sendto(b"goodbye", theirs.getsockname())
    async with asyncio.timeout(2):
        assert await asyncio.get_running_loop().sock_recv(theirs, 100) == b"goodbye"
    transport.close()
    transport.close()
    transport.sendto(b"too late", theirs.getsockname())
    await closed.wait()
    theirs.close()
