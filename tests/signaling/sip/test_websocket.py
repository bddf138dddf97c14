"""SIP over WebSocket on loopback: browsers register and call; hostile peers achieve nothing (S-03, S-20)."""

import asyncio
import struct
from collections.abc import Callable
from typing import cast

import aiohttp
import pytest
from aiohttp import WSMsgType

from signaling.leg import Ended, HangupCause
from signaling.sip.flow import Flow
from signaling.sip.leg import SipLeg
from signaling.sip.limits import SourceLimits
from signaling.sip.message import Request, Response
from signaling.sip.stream_pool import StreamLimits
from signaling.sip.transport import TransportLimits
from signaling.sip.websocket import MAX_FRAME
from tests.signaling.sip.peers import description, ended, outbound, settled
from tests.signaling.sip.test_transport import options
from tests.signaling.sip.web_peers import DOMAIN, WebRig, web_rig
from tests.signaling.voice_sdk.test_server import close_code, eventually, frame, raw_close_code

WEBRTC_OFFER = (
    b"v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\n"
    b"a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdef01234567\r\na=setup:actpass\r\na=rtcp-mux\r\na=mid:0\r\n"
)


async def raw(at: WebRig) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """An upgraded connection on which the test writes frames itself."""
    reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
    writer.write(
        b"GET /sip HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Protocol: sip\r\n\r\n"
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101"), head
    return reader, writer


async def test_websocket_browser_registers_and_is_called_over_the_same_socket() -> None:
    async with web_rig() as at, at.browser() as browser:
        [binding] = at.registrar.bindings("alice")
        assert binding.flow.protocol == "ws"
        assert binding.contact == browser.contact.strip("<>")
        leg = cast(SipLeg, at.registrar.devices("alice")[0].dial(outbound()))
        invite = await browser.request("INVITE")
        assert invite.uri_text == browser.contact.strip("<>")
        assert (invite.headers.get("Via") or "").startswith("SIP/2.0/WS 127.0.0.1:")
        assert "transport=ws" in invite.values("Contact")[0]
        browser.answer(invite, 200, body=description(4000))
        await browser.request("ACK")
        leg.hangup()
        bye = await browser.request("BYE")
        assert bye.uri_text == browser.contact.strip("<>")
        browser.answer(bye, 200)
        assert isinstance(await ended(leg), Ended)
        await settled(at)


async def test_websocket_browser_calls_and_hangs_up() -> None:
    async with web_rig() as at, at.browser() as browser:
        invite = browser.make("INVITE", body=description(4000))
        asking = asyncio.get_running_loop().create_task(browser.ask(invite))
        leg = await at.incoming()
        assert leg.caller.address == f"sip:alice@{DOMAIN}"
        await leg.answer()
        answer = await asking
        assert answer.code == 200
        browser.say(browser.inside("ACK", answer, sequence=answer.cseq.sequence))
        browser.say(browser.inside("BYE", answer))
        assert (await browser.response(200, "BYE")).code == 200
        assert (await ended(leg)).cause is HangupCause.NORMAL
        await settled(at)


async def test_websocket_description_for_webrtc_is_not_acceptable_without_its_media() -> None:
    async with web_rig() as at, at.browser() as browser:
        assert (await browser.ask(browser.make("INVITE", body=WEBRTC_OFFER))).code == 488
        await settled(at)


async def test_websocket_from_a_trunks_address_is_no_trunk() -> None:
    """All browsers may come through one proxy, and that may stand where a trunk is."""
    async with web_rig(trunks={"127.0.0.1": "carrier"}) as at, at.browser(register=False) as browser:
        browser.say(browser.make("INVITE", body=description(4000)))
        await browser.response(401)


async def test_websocket_lost_socket_takes_its_binding_along() -> None:
    async with web_rig() as at, at.browser() as browser:
        connection = browser._socket._response.connection
        assert connection is not None and connection.transport is not None
        connection.transport.abort()
        await eventually(lambda: not at.registrar.bindings("alice"))


async def test_websocket_two_tabs_of_one_identity_are_two_devices() -> None:
    async with web_rig() as at, at.browser(), at.browser(tab="9x3"):
        flows = {binding.flow for binding in at.registrar.bindings("alice")}
        assert len(flows) == 2


async def test_websocket_silent_browser_is_gone_soon() -> None:
    async with web_rig(beat_s=0.1) as at:
        reader, writer = await raw(at)
        try:
            # Pings are read by nobody here, so none is answered.
            async with asyncio.timeout(2):
                await reader.read()
            await eventually(lambda: len(at.agent.transports._pool) == 0)
        finally:
            writer.close()


async def test_websocket_keep_alives_are_answered() -> None:
    async with web_rig() as at, at.socket() as socket:
        await socket.send_str("\r\n\r\n")
        message = await socket.receive(timeout=2)
        assert (message.type, message.data) == (WSMsgType.TEXT, "\r\n")
        await socket.send_str("\r\n")
        await socket.ping(b"are you there")
        await socket.send_bytes(options("WS", "df7jal23ls0d.invalid"))
        message = await socket.receive(timeout=2)
        assert message.data.startswith("SIP/2.0 200")


async def test_websocket_stop_says_going_away() -> None:
    async with web_rig() as at, at.socket() as socket:
        await socket.send_str("\r\n\r\n")
        await socket.receive(timeout=2)
        stopping = asyncio.get_running_loop().create_task(at.agent.stop())
        assert await close_code(socket) == 1001
        await stopping


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 101),
        ("https://app.example.com", 101),
        ("http://127.0.0.1:8080", 101),
        ("https://app.example.com.evil.example", 403),
        ("null", 403),
        ("", 403),
    ],
)
async def test_websocket_origin_is_on_the_list_or_refused(origin: str | None, status: int) -> None:
    headers = {} if origin is None else {"Origin": origin}
    async with web_rig(origins=("https://app.example.com/",), own_origin="http://127.0.0.1:8080") as at:
        if status == 101:
            async with at.socket(headers=headers):
                return
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with at.socket(headers=headers):
                pass
        assert refused.value.status == status


@pytest.mark.parametrize("protocols", [(), ("xmpp",)])
async def test_websocket_without_the_subprotocol_is_refused(protocols: tuple[str, ...]) -> None:
    async with web_rig() as at:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with at.socket(protocols=protocols):
                pass
        assert refused.value.status == 426


async def test_websocket_plain_request_is_told_to_upgrade() -> None:
    async with web_rig() as at, at.session.get(at.url) as response:
        assert response.status == 426
        assert response.headers["Sec-WebSocket-Protocol"] == "sip"


async def test_websocket_too_many_from_one_address_are_refused_at_the_upgrade() -> None:
    limits = TransportLimits(streams=StreamLimits(per_source=2))
    async with web_rig(limits=limits) as at, at.socket(), at.socket():
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with at.socket():
                pass
        assert refused.value.status == 503
    assert len(at.agent.transports._pool) == 0


@pytest.mark.parametrize(
    ("attack", "codes"),
    [
        (lambda: frame(1, b"hello"), {1008}),
        (lambda: frame(2, b"\x00\xff" * 100), {1008}),
        (lambda: frame(1, b"\xff\xfe"), {1007}),
        (lambda: frame(1, b"x", rsv1=True), {1002}),
        (lambda: frame(3, b"x"), {1002}),
        (lambda: frame(0, b"x"), {1002}),
        (lambda: frame(1, b"x" * (MAX_FRAME + 1)), {1009}),
        (lambda: bytes([0x81, 0xFF]) + struct.pack("!Q", 100 * 1024 * 1024) + b"\0\0\0\0", {1009}),
        (lambda: b"".join(frame(9, b"ping") for _ in range(10_000)), {1008}),
        (lambda: b"".join(frame(1, b"\r\n\r\n") for _ in range(10_000)), {1008}),
    ],
    ids=["no SIP", "octets", "no UTF-8", "compressed", "reserved", "continuation", "large", "100 MB", "pings", "CRLFs"],
)
async def test_websocket_hostile_frames_close(attack: Callable[[], bytes], codes: set[int]) -> None:
    async with web_rig() as at:
        reader, writer = await raw(at)
        try:
            writer.write(attack())
            assert await raw_close_code(reader) in codes
        finally:
            writer.close()
        await eventually(lambda: len(at.agent.transports._pool) == 0)


async def test_websocket_bad_message_of_a_browser_that_logged_in_is_answered_and_forgotten() -> None:
    async with web_rig() as at, at.browser() as browser:
        bad = bytes(browser.make("OPTIONS")).replace(b"Max-Forwards: 70", b"Max-Forwards: many")
        browser.say(bad)
        await browser.response(400)
        browser.say(browser.make("OPTIONS"))
        await browser.response(200)


async def test_websocket_refused_too_often_is_cut_off() -> None:
    limits = TransportLimits(sources=SourceLimits(rate=1, burst=1, tolerated=3))
    async with web_rig(limits=limits) as at, at.socket() as socket:
        for number in range(8):
            asked = options("WS", "df7jal23ls0d.invalid").replace(b"Call-ID: 1", f"Call-ID: {number}".encode())
            await socket.send_bytes(asked)
        assert await close_code(socket) == 1008


async def test_websocket_flow_that_is_gone_is_not_connected_to() -> None:
    async with web_rig() as at:
        gone = Flow("ws", ("127.0.0.1", at.port), ("127.0.0.1", 9), 77, reply_to=("127.0.0.1", 9))
        at.agent.transports.send(b"SIP/2.0 200 OK\r\n\r\n", gone)
        await asyncio.sleep(0)
        assert len(at.agent.transports._pool) == 0


async def test_websocket_messages_are_one_a_frame() -> None:
    async with web_rig() as at, at.browser() as browser:
        for _ in range(3):
            browser.say(browser.make("OPTIONS"))
        answers = [await browser.hear() for _ in range(3)]
        assert [answer.code for answer in answers if isinstance(answer, Response)] == [200] * 3
        assert not any(isinstance(answer, Request) for answer in answers)
