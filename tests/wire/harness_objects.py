"""An object store that can be made to stop in the middle of an upload: a front of moto's S3 server.

Owns moto's thread and the front's socket. What is asked is passed on unread, so that it is moto that answers.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import boto3
from aiohttp import web
from moto.server import ThreadedMotoServer

BUCKET = "ringfork-test"
_HOP = ("Host", "Connection", "Transfer-Encoding", "Content-Length", "Content-Encoding")


class Objects:
    """url: of the server, for ``AWS_ENDPOINT_URL``. uploads: how many began, by key.

    ``stall`` before an upload: it is read to its first octets and goes no further; ``stalled`` tells when.
    """

    def __init__(self, moto: str, session: aiohttp.ClientSession) -> None:
        self._moto = moto
        self._client: Any = boto3.client(
            "s3", endpoint_url=moto, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
        self._session = session
        self._is_stalling = False
        self.stalled = asyncio.Event()
        self.uploads: Counter[str] = Counter()
        self.url = ""

    @staticmethod
    @asynccontextmanager
    async def served() -> AsyncIterator["Objects"]:
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        await asyncio.to_thread(server.start)
        try:
            async with aiohttp.ClientSession(auto_decompress=False) as session:
                objects = Objects(f"http://127.0.0.1:{server.get_host_and_port()[1]}", session)
                await asyncio.to_thread(objects._client.create_bucket, Bucket=BUCKET)
                app = web.Application(client_max_size=1 << 28)
                app.router.add_route("*", "/{key:.*}", objects._pass_on)
                runner = web.AppRunner(app, access_log=None, shutdown_timeout=1, handler_cancellation=True)
                await runner.setup()
                try:
                    await web.TCPSite(runner, "127.0.0.1", 0).start()
                    objects.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
                    yield objects
                finally:
                    await runner.cleanup()
                    objects._client.close()
        finally:
            await asyncio.to_thread(server.stop)

    def stall(self, is_stalling: bool) -> None:
        self._is_stalling = is_stalling

    async def digest(self, key: str) -> str:
        """SHA-256 of an object, asked by another client than the daemon's. Raises when there is none."""
        return await asyncio.to_thread(self._digest, key)

    def _digest(self, key: str) -> str:
        found = self._client.get_object(Bucket=BUCKET, Key=key)["Body"]
        try:
            return hashlib.sha256(found.read()).hexdigest()
        finally:
            found.close()

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        if request.method == "PUT":
            self.uploads[request.match_info["key"].removeprefix(f"{BUCKET}/")] += 1
            if self._is_stalling:
                await request.content.readany()
                self.stalled.set()
                # Until whoever uploads is gone, which cancels this.
                await asyncio.Event().wait()
        headers = {name: value for name, value in request.headers.items() if name not in _HOP}
        body = await request.read()
        url = f"{self._moto}{request.raw_path}"
        async with self._session.request(request.method, url, headers=headers, data=body or None) as answer:
            told = {name: value for name, value in answer.headers.items() if name not in _HOP}
            if request.method == "HEAD":
                told["Content-Length"] = answer.headers["Content-Length"]
            return web.Response(status=answer.status, headers=told, body=await answer.read() or None)
