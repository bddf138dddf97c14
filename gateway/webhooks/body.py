"""An answer's body, read with a hard bound on what it may grow to.

Owns decompression: a server may send ten gigabytes in ten kilobytes, so nothing is inflated beyond the limit.
Source: RFC 9110 8.4 (content codings); verbs.md 3 of the specification (64 kB a document).
"""

import zlib
from typing import Final

from aiohttp import ClientResponse

ACCEPT_ENCODING: Final = "gzip, deflate"

_GZIP: Final = 16 + zlib.MAX_WBITS
_RAW_ALLOWANCE: Final = 4_096


class BodyTooLarge(Exception):
    """More than the limit, decompressed or on the wire."""


class BodyMalformed(Exception):
    """Not what its Content-Encoding says, or cut short."""


async def read_body(response: ClientResponse, *, limit: int) -> bytes:
    """The decompressed body of at most ``limit`` bytes; what comes after the limit is never asked for.

    The session must not decompress by itself. Raises BodyTooLarge, BodyMalformed, and what aiohttp raises.
    """
    inflater = _inflater(response.headers.get("Content-Encoding", ""))
    if inflater is None and (response.content_length or 0) > limit:
        raise BodyTooLarge
    body = bytearray()
    received = 0
    async for chunk in response.content.iter_any():
        received += len(chunk)
        if received > limit + _RAW_ALLOWANCE:
            raise BodyTooLarge
        body += chunk if inflater is None else inflater.inflate(chunk, room=limit + 1 - len(body))
        if len(body) > limit:
            raise BodyTooLarge
    if inflater is not None and received and not inflater.is_complete:
        raise BodyMalformed("the compressed body is cut short")
    return bytes(body)


class _Inflater:
    """gzip (one or more members) or deflate, in zlib's frame or raw as some servers send it."""

    def __init__(self, window_bits: int) -> None:
        self._window_bits = window_bits
        self._stream = zlib.decompressobj(window_bits)
        self._untouched = True

    @property
    def is_complete(self) -> bool:
        return self._stream.eof

    def inflate(self, chunk: bytes, *, room: int) -> bytes:
        """At most ``room`` bytes; when there would be more, the rest of the body is of no interest any more."""
        inflated = b""
        while chunk and len(inflated) < room:
            if self._stream.eof:
                self._stream = zlib.decompressobj(self._window_bits)
            inflated += self._step(chunk, room - len(inflated))
            chunk = self._stream.unused_data
        return inflated

    def _step(self, chunk: bytes, room: int) -> bytes:
        try:
            return self._stream.decompress(chunk, room)
        except zlib.error as error:
            if self._window_bits == zlib.MAX_WBITS and self._untouched:
                self._window_bits = -zlib.MAX_WBITS
                self._stream = zlib.decompressobj(self._window_bits)
                return self._step(chunk, room)
            raise BodyMalformed(f"expected a compressed body, found {error}") from error
        finally:
            self._untouched = False


def _inflater(content_encoding: str) -> _Inflater | None:
    match content_encoding.strip().lower():
        case "" | "identity":
            return None
        case "gzip" | "x-gzip":
            return _Inflater(_GZIP)
        case "deflate":
            return _Inflater(zlib.MAX_WBITS)
        case other:
            raise BodyMalformed(f"expected gzip or deflate, which were offered, found {other:.40}")
