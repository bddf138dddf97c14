"""The softphone's files over real HTTP: all of them, nothing else, and under a strict policy."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web

from gateway.web.routes import FILES, STATIC, web_routes


@dataclass
class Site:
    session: aiohttp.ClientSession
    url: str


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    application = web.Application()
    application.add_routes(web_routes())
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as session:
        yield Site(session, f"http://127.0.0.1:{runner.addresses[0][1]}")
    await runner.cleanup()


def test_web_routes_name_every_file_that_is_there() -> None:
    assert sorted(FILES) == sorted(path.name for path in STATIC.iterdir())


def test_web_files_load_nothing_from_elsewhere_and_have_no_inline_code() -> None:
    for path in STATIC.iterdir():
        text = path.read_text(encoding="utf-8")
        addresses = re.findall(r"(?:https?|wss?)://[^\s'\"<)]+", text)
        assert set(addresses) <= {"http://www.w3.org/2000/svg"}, path.name
        assert "innerHTML" not in text
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"\son\w+=|\sstyle=|<style|javascript:", page)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page))


@pytest.mark.parametrize("name", FILES)
async def test_web_file_is_served_with_its_type_and_policy(site: Site, name: str) -> None:
    path = "/" if name == "index.html" else f"/{name}"
    async with site.session.get(site.url + path) as response:
        assert response.status == 200
        assert await response.read() == (STATIC / name).read_bytes()
        kind = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
        assert response.content_type == kind[name.rpartition(".")[2]]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["X-Frame-Options"] == "DENY"
        assert response.headers["Cache-Control"] == "no-cache"
        directives = dict(
            part.strip().partition(" ")[::2] for part in response.headers["Content-Security-Policy"].split(";")
        )
        host = site.url.removeprefix("http://")
        assert directives["default-src"] == "'none'"
        assert directives["script-src"] == directives["style-src"] == "'self'"
        assert directives["connect-src"] == f"'self' ws://{host} wss://{host}"
        assert directives["frame-ancestors"] == "'none'"
        assert "unsafe" not in response.headers["Content-Security-Policy"]
        tag = response.headers["ETag"]
    async with site.session.get(site.url + path, headers={"If-None-Match": tag}) as response:
        assert response.status == 304


@pytest.mark.parametrize("host", ["evil.example; script-src *", "a b", "x" * 300, "'unsafe-inline'"])
async def test_web_policy_takes_nothing_strange_from_the_host(site: Site, host: str) -> None:
    async with site.session.get(site.url, headers={"Host": host}) as response:
        if response.status == 200:
            assert "connect-src 'self';" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path",
    ["/../routes.py", "/%2e%2e/routes.py", "/routes.py", "/static/app.js", "/app.js/", "/app.js%00"],
)
async def test_web_no_other_file_is_served(site: Site, path: str) -> None:
    async with site.session.get(site.url + path) as response:
        assert response.status in (400, 404)


async def test_web_routes_may_stand_below_a_path() -> None:
    paths = [route.path for route in web_routes("/phone") if isinstance(route, web.RouteDef)]
    assert "/phone/" in paths and "/phone/app.js" in paths
