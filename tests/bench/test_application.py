"""The bench's webhook application over a real connection."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from lxml import etree

from tests.bench.application import Application


@pytest.fixture
async def application() -> AsyncIterator[Application]:
    application = Application(phones=3, dial_attributes='record="record-from-answer-dual"', noun_attributes="")
    yield application
    await application.close()


async def ask(port: int, *requests: bytes) -> list[tuple[bytes, bytes]]:
    """Requests on one connection, the answers' heads and bodies."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers = []
    for request in requests:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        answers.append((head, await reader.readexactly(length)))
    writer.close()
    await writer.wait_closed()
    return answers


def post(path: str, body: bytes) -> bytes:
    return b"POST %s HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n%s" % (path.encode(), len(body), body)


async def test_application_dials_the_phone_of_the_caller_and_notes_when(application: Application) -> None:
    before = time.time_ns()
    port = await application.start()
    body = b"CallSid=CA1&From=%2B155501000004&To=%2B15550100"
    first, second = await ask(port, post("/voice", body), post("/status", b"CallStatus=ringing"))
    document = etree.fromstring(first[1])
    assert document.findtext("Dial/Client") == "p1"
    assert document.xpath("string(Dial/@record)") == "record-from-answer-dual"
    assert second[1] == b""
    times = application.handlers()["times"]({})
    assert [entry[0] for entry in times] == [4]
    assert before <= times[0][1] <= times[0][2] <= time.time_ns()
    assert application.handlers()["counts"]({}) == {"/voice": 1, "/status": 1}
