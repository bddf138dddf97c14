"""The daemon's HTTP server: health, readiness, metrics and the recordings.

Owns the aiohttp application and its listener. Every answer carries headers that keep browsers from guessing.
Source: Prometheus exposition format; Kubernetes probes (healthz, readyz).
"""

import ssl
from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from gateway.config import Configuration
from gateway.proxies import TrustedProxies
from signaling.errors import GatewayError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ListenError(GatewayError):
    """The address of ``server.listen`` cannot be had."""


class HttpServer:
    """is_ready: whether new calls are taken. routes: further route tables."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        registry: CollectorRegistry,
        is_ready: Callable[[], bool],
        routes: tuple[web.RouteTableDef, ...] = (),
    ) -> None:
        self._configuration = configuration
        self._registry = registry
        self._is_ready = is_ready
        proxies = TrustedProxies(configuration.server.trusted_proxies)
        application = web.Application(middlewares=[proxies.middleware(), _plain_headers], client_max_size=64 * 1024)
        application.router.add_get("/healthz", self._health)
        application.router.add_get("/readyz", self._readiness)
        application.router.add_get("/metrics", self._metrics)
        for table in routes:
            application.add_routes(table)
        self._runner = web.AppRunner(
            application, access_log=None, handle_signals=False, keepalive_timeout=30, shutdown_timeout=5.0
        )
        self.port = 0

    async def start(self) -> None:
        """Listen; raises ListenError. ``port`` then holds the port that was bound."""
        server = self._configuration.server
        await self._runner.setup()
        site = web.TCPSite(self._runner, server.host, server.port, ssl_context=self._tls())
        try:
            await site.start()
        except OSError as error:
            raise ListenError(f"server.listen: {server.listen}: {error.strerror or error}") from None
        self.port = int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        await self._runner.cleanup()

    def _tls(self) -> ssl.SSLContext | None:
        server = self._configuration.server
        if not server.tls_certificate:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(server.tls_certificate, server.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise ListenError(f"server.tls_certificate: {error}") from None
        return context

    async def _health(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _readiness(self, _request: web.Request) -> web.Response:
        is_ready = self._is_ready()
        return web.json_response({"ready": is_ready}, status=200 if is_ready else 503)

    async def _metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._registry), headers={"Content-Type": content_type})


@web.middleware
async def _plain_headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    response = await handler(request)
    if not response.prepared:
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Cache-Control", "no-store")
    return response
