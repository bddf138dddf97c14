"""Byte ranges of a file, and sending a file in one piece, one range or two.

The file is read by threads and sent in small pieces: a slow reader costs one piece of memory. More than two ranges are
refused (S-37): they are no player's wish.
Source: RFC 9110 13.1 (preconditions), 14 (ranges), 15.3.7; 15.5.17.
"""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from secrets import token_hex
from typing import Final, Protocol

from aiohttp import hdrs, web

MAX_RANGES: Final = 2
PIECE: Final = 128 * 1024

Span = tuple[int, int]
"""First and last byte, both included."""


class Unsatisfiable(Exception):
    """No range of the request lies within the file, or there are too many."""


class Readable(Protocol):
    """Sound that can be read from any place, in octets. Whoever opened it closes it."""

    @property
    def size(self) -> int: ...

    @property
    def modified_ns(self) -> int: ...

    async def read(self, start: int, count: int) -> bytes:
        """Raises OSError. Fewer octets than asked for are fine, none are not."""

    def close(self) -> None: ...


@dataclass(frozen=True)
class OpenFile:
    """A regular file, open for reading; whoever opened it closes the descriptor."""

    descriptor: int
    size: int
    modified_ns: int

    async def read(self, start: int, count: int) -> bytes:
        wanted = min(PIECE, count)
        return await asyncio.get_running_loop().run_in_executor(None, os.pread, self.descriptor, wanted, start)

    def close(self) -> None:
        os.close(self.descriptor)


def etag_of(file: Readable) -> str:
    return f'"{file.modified_ns:x}-{file.size:x}"'


def last_modified_of(file: Readable) -> str:
    return format_datetime(datetime.fromtimestamp(file.modified_ns // 10**9, UTC), usegmt=True)


def parse_ranges(header: str, size: int) -> list[Span]:
    """Spans of a Range header; empty when it is to be ignored. Raises Unsatisfiable.

    Source: RFC 9110 14.1.2: a suffix longer than the file is the whole file, an unknown unit is ignored.
    """
    unit, equals, text = header.partition("=")
    if unit.strip().lower() != "bytes" or not equals:
        return []
    found: list[Span] = []
    for number, part in enumerate(text.split(",")):
        if number >= MAX_RANGES:
            raise Unsatisfiable
        first, dash, last = part.strip().partition("-")
        if not dash or not (_is_number(first) or _is_number(last)) or (first and not _is_number(first)):
            return []
        if last and not _is_number(last):
            return []
        if not first:
            start, end = max(0, size - int(last)), size - 1
        else:
            start, end = int(first), min(int(last), size - 1) if last else size - 1
            if last and int(last) < start:
                return []
        if start <= end:
            found.append((start, end))
    if not found:
        raise Unsatisfiable
    return found


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 16


async def send_file(request: web.Request, file: Readable, *, content_type: str) -> web.StreamResponse:
    """Answer a GET or HEAD with the file, or with the part of it that was asked for."""
    headers = {
        hdrs.ACCEPT_RANGES: "bytes",
        hdrs.ETAG: etag_of(file),
        hdrs.LAST_MODIFIED: last_modified_of(file),
        hdrs.CACHE_CONTROL: "private, no-cache",
        "X-Content-Type-Options": "nosniff",
    }
    if _is_unchanged(request, file):
        return web.Response(status=304, headers=headers)
    try:
        spans = parse_ranges(request.headers.get(hdrs.RANGE, ""), file.size) if _ranges_apply(request, file) else []
    except Unsatisfiable:
        return web.Response(status=416, headers={**headers, hdrs.CONTENT_RANGE: f"bytes */{file.size}"})
    response = web.StreamResponse(status=206 if spans else 200, headers=headers)
    parts: list[tuple[bytes, Span]]
    tail = b""
    if len(spans) > 1:
        boundary = token_hex(12)
        response.headers[hdrs.CONTENT_TYPE] = f"multipart/byteranges; boundary={boundary}"
        parts = [(_part_header(boundary, content_type, span, file.size), span) for span in spans]
        tail = f"\r\n--{boundary}--\r\n".encode()
    else:
        response.headers[hdrs.CONTENT_TYPE] = content_type
        if spans:
            response.headers[hdrs.CONTENT_RANGE] = _content_range(spans[0], file.size)
        parts = [(b"", spans[0] if spans else (0, file.size - 1))]
    response.content_length = sum(len(head) + end - start + 1 for head, (start, end) in parts) + len(tail)
    await response.prepare(request)
    if request.method != hdrs.METH_HEAD:
        await _write(response, file, parts)
        await response.write(tail)
    await response.write_eof()
    return response


async def _write(response: web.StreamResponse, file: Readable, parts: Sequence[tuple[bytes, Span]]) -> None:
    for head, (start, end) in parts:
        if head:
            await response.write(head)
        while start <= end:
            try:
                piece = await file.read(start, end - start + 1)
            except OSError as error:
                raise ConnectionResetError("the sound could not be read to its end") from error
            if not piece:
                raise ConnectionResetError("the file became shorter while it was sent")
            await response.write(piece)
            start += len(piece)


def _part_header(boundary: str, content_type: str, span: Span, size: int) -> bytes:
    return (
        f"\r\n--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: {_content_range(span, size)}\r\n\r\n"
    ).encode()


def _content_range(span: Span, size: int) -> str:
    return f"bytes {span[0]}-{span[1]}/{size}"


def _is_unchanged(request: web.Request, file: Readable) -> bool:
    """Source: RFC 9110 13.2.2: If-None-Match before If-Modified-Since."""
    etags = request.headers.get(hdrs.IF_NONE_MATCH)
    if etags is not None:
        return etags.strip() == "*" or etag_of(file) in (tag.strip().removeprefix("W/") for tag in etags.split(","))
    since = _date(request.headers.get(hdrs.IF_MODIFIED_SINCE))
    return since is not None and file.modified_ns // 10**9 <= since


def _ranges_apply(request: web.Request, file: Readable) -> bool:
    """Source: RFC 9110 13.1.5: with an If-Range that no longer holds the Range is ignored."""
    condition = request.headers.get(hdrs.IF_RANGE)
    return condition is None or condition.strip() in (etag_of(file), last_modified_of(file))


def _date(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (ValueError, TypeError, OverflowError):
        return None
