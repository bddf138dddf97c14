"""The pages: softphone and console, their files as they lie here, with headers that let nothing else run in them.

Owns the lists of files, so that no path from outside ever reaches the disk. The softphone speaks to ``/token`` and
``/signal`` of the same host, the console to ``/console/…``, and both to nobody else.
Source: W3C Content Security Policy Level 3; Permissions Policy; reliability check S-24 (clickjacking).
"""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

STATIC: Final = Path(__file__).parent / "static"
CONSOLE: Final = Path(__file__).parent / "console"
PAGE: Final = "index.html"
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FILES: Final = (
    PAGE,
    "style.css",
    "icon.svg",
    "account.js",
    "app.js",
    "audio.js",
    "call.js",
    "parameters.js",
    "phone.js",
    "problems.js",
    "signal.js",
    "view.js",
)
CONSOLE_FILES: Final = (
    PAGE,
    "style.css",
    "api.js",
    "app.js",
    "call.js",
    "calls.js",
    "dom.js",
    "ladder.js",
    "live.js",
    "login.js",
    "page.js",
    "presence.js",
    "quality.js",
    "recordings.js",
    "text.js",
    "timeline.js",
    "wave.js",
    "webhooks.js",
)
_HOST = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?").fullmatch
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'{sockets}; "
    "media-src 'self' blob: mediastream:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_CONSOLE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; media-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS: Final = {
    hdrs.CACHE_CONTROL: "no-cache",
    hdrs.X_CONTENT_TYPE_OPTIONS: "nosniff",
    hdrs.X_FRAME_OPTIONS: "DENY",
    hdrs.REFERRER_POLICY: "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), speaker-selection=(self), camera=(), geolocation=(), payment=(), usb=()",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def web_routes(prefix: str = "") -> web.RouteTableDef:
    """``/`` and the files it loads. prefix: a path before it, without a slash at the end."""
    routes = web.RouteTableDef()
    for name in FILES:
        routes.get(f"{prefix}/{'' if name == PAGE else name}")(
            _serving(STATIC / name, policy=lambda request: _POLICY.format(sockets=_sockets(request)))
        )
    return routes


def console_routes() -> web.RouteTableDef:
    """``/console`` and the files it loads, which lie below it."""
    routes = web.RouteTableDef()
    for name in CONSOLE_FILES:
        path = "/console" if name == PAGE else f"/console/{name}"
        routes.get(path)(_serving(CONSOLE / name, policy=lambda _request: _CONSOLE_POLICY))
    routes.get("/console/icon.svg")(_serving(STATIC / "icon.svg", policy=lambda _request: _CONSOLE_POLICY))

    @routes.get("/console/")
    async def without_slash(_request: web.Request) -> web.StreamResponse:
        raise web.HTTPMovedPermanently("../console")

    return routes


def _serving(path: Path, *, policy: Callable[[web.Request], str]) -> Handler:
    content_type = _TYPES[path.suffix]

    async def serve(request: web.Request) -> web.StreamResponse:
        headers = {
            **_HEADERS,
            hdrs.CONTENT_TYPE: content_type,
            hdrs.CONTENT_SECURITY_POLICY: policy(request),
        }
        return web.FileResponse(path, headers=headers)

    return serve


def _sockets(request: web.Request) -> str:
    """The WebSocket of the host that was asked: not every browser counts it to 'self'."""
    host = request.host
    return f" ws://{host} wss://{host}" if _HOST(host) else ""
