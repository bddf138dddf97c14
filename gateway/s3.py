"""Amazon's S3 and what speaks its protocol, as an object store. The one place that imports obstore.

Requests, retries and signing run in the library's own threads, outside the GIL. Credentials come from where AWS's own
programs look for them: environment (AWS_ACCESS_KEY_ID …, AWS_REGION, AWS_ENDPOINT_URL for other servers), web identity
token, container or instance role. They are in no message of ours and none of the library's that is passed on.
Source: Amazon S3 API Reference (PutObject, HeadObject, GetObject, DeleteObject).
"""

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from gateway.archive import StoredObject
from signaling.errors import Fault, GatewayError

RETRIES: Final = 2
RETRYING: Final = timedelta(seconds=20)
CONNECT_S: Final = timedelta(seconds=5)
REQUEST_S: Final = timedelta(seconds=120)
FETCHED_AT_ONCE: Final = 1 << 20


class NoS3(GatewayError):
    """There is no library for it, or the URL is none of it."""

    fault = Fault.CLIENT


class S3:
    """url: ``s3://bucket/prefix``. Raises NoS3."""

    def __init__(self, url: str) -> None:
        try:
            import obstore
            from obstore.exceptions import BaseError
            from obstore.store import S3Store
        except ImportError:
            raise NoS3("recordings.url: an s3:// url needs the extra s3: pip install ringfork[s3]") from None
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
        more: dict[str, Any] = {"endpoint": endpoint} if endpoint else {}
        self._obstore: Any = obstore
        self._error = BaseError
        try:
            self._store = S3Store.from_url(
                url,
                client_options={
                    "allow_http": endpoint.startswith("http://"),
                    "timeout": REQUEST_S,
                    "connect_timeout": CONNECT_S,
                },
                retry_config={"max_retries": RETRIES, "retry_timeout": RETRYING},
                **more,
            )
        except (BaseError, ValueError) as error:
            raise NoS3(f"recordings.url: {_first_line(error)}") from None

    async def put(self, name: str, path: Path) -> None:
        await self._asked(self._obstore.put_async(self._store, name, path))

    async def head(self, name: str) -> StoredObject:
        found = await self._asked(self._obstore.head_async(self._store, name))
        return StoredObject(int(found["size"]), found["last_modified"])

    async def read(self, name: str, start: int, count: int) -> bytes:
        return bytes(await self._asked(self._obstore.get_range_async(self._store, name, start=start, length=count)))

    async def fetch(self, name: str, path: Path) -> None:
        size = (await self.head(name)).size
        with await asyncio.to_thread(path.open, "wb") as file:
            for start in range(0, size, FETCHED_AT_ONCE):
                piece = await self.read(name, start, min(FETCHED_AT_ONCE, size - start))
                await asyncio.to_thread(file.write, piece)

    async def delete(self, name: str) -> None:
        try:
            await self._asked(self._obstore.delete_async(self._store, name))
        except FileNotFoundError:
            return

    async def _asked(self, request: Any) -> Any:
        """Raises OSError, FileNotFoundError where there is no such object; in one line, without what was sent."""
        try:
            return await request
        except FileNotFoundError:
            raise FileNotFoundError("there is no such object") from None
        except self._error as error:
            raise OSError(_first_line(error)) from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
