"""The console's files over real HTTP: all of them, nothing else, and under a policy that lets nothing else run."""

import re
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from gateway.web.routes import CONSOLE, CONSOLE_FILES, STATIC, console_routes, web_routes


@pytest.fixture
async def url() -> AsyncIterator[str]:
    application = web.Application()
    application.add_routes(web_routes())
    application.add_routes(console_routes())
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def test_console_routes_name_every_file_that_is_there() -> None:
    assert sorted(CONSOLE_FILES) == sorted(path.name for path in CONSOLE.iterdir())


def test_console_files_put_in_text_only_and_load_nothing_from_elsewhere() -> None:
    for path in CONSOLE.iterdir():
        text = path.read_text(encoding="utf-8")
        addresses = re.findall(r"(?:https?|wss?)://[^\s'\"<)]+", text)
        assert set(addresses) <= {"http://www.w3.org/2000/svg"}, path.name
        for way_in in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "srcdoc",
            "new Function",
        ):
            assert way_in not in text, f"{path.name}: {way_in}"
    page = (CONSOLE / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"\son\w+=|\sstyle=|<style|javascript:", page)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page))


def test_console_modules_import_files_that_are_served() -> None:
    for path in CONSOLE.glob("*.js"):
        for name in re.findall(r"from '([^']+)'", path.read_text(encoding="utf-8")):
            assert (path.parent / name).exists() or (STATIC / name.removeprefix("../")).exists(), f"{path.name}: {name}"


@pytest.mark.parametrize("name", [*CONSOLE_FILES, "icon.svg"])
async def test_console_file_is_served_with_its_policy(url: str, name: str) -> None:
    path = "/console" if name == "index.html" else f"/console/{name}"
    async with aiohttp.ClientSession() as session, session.get(url + path) as response:
        assert response.status == 200
        kind = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
        assert response.content_type == kind[name.rpartition(".")[2]]
        policy = dict(
            part.strip().partition(" ")[::2] for part in response.headers["Content-Security-Policy"].split(";")
        )
        assert policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'"
        own = ("script-src", "style-src", "img-src", "connect-src", "media-src")
        assert {policy[each] for each in own} == {"'self'"}
        assert policy["require-trusted-types-for"] == "'script'"
        assert response.headers["X-Frame-Options"] == "DENY"
        assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_console_with_a_slash_leads_to_the_page(url: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(url + "/console/") as response:
        assert response.status == 200 and response.url.path == "/console"


@pytest.mark.parametrize(
    "path", ["/console/../routes.py", "/console/%2e%2e/routes.py", "/console/style.css/", "/console/x"]
)
async def test_console_no_other_file_is_served(url: str, path: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(url + path) as response:
        assert response.status in (400, 404)
