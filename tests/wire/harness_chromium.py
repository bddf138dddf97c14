"""Chromium with the unmodified Voice SDK from npm as a peer: pages on a TLS server of ours, steered from the test.

A page keeps what the SDK tells it in ``log``; tests wait for entries there. What the page needs from elsewhere (sounds,
statistics) is refused, so that nothing leaves the machine.
"""

import asyncio
import base64
import datetime
import hashlib
import ipaddress
import shutil
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from playwright.async_api import Page, async_playwright

from tests.wire.harness_npm import fetch_once

SDK_VERSION = "2.18.5"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WAIT_S = 10.0

_PAGE = """<!doctype html><meta charset="utf-8"><title>voice sdk</title><script src="/twilio.min.js"></script>
<script>
const log = [];
const note = (name, detail) => log.push({name, ...(detail || {})});
const devices = {}, calls = {};
function watch(call, as) {
  calls[as] = call;
  for (const name of ['accept', 'cancel', 'disconnect', 'reject', 'ringing', 'reconnecting', 'reconnected'])
    call.on(name, () => note(as + '.' + name, {sid: call.parameters.CallSid}));
  call.on('sample', sample => { call.spoken = sample.codecName; });
  call.on('error', error => note(as + '.error', {code: error.code, message: error.message}));
  call.on('messageReceived', message => note(as + '.message', {content: message.content, sid: message.voiceEventSid}));
  call.on('messageSent', message => note(as + '.sent', {content: message.content}));
}
function make(token, options) {
  const sounds = Object.fromEntries(['incoming', 'outgoing', 'disconnect', 'dtmfs', 'dtmfh',
    ...Array.from({length: 10}, (_, n) => 'dtmf' + n)].map(name => [name, '/silence.wav']));
  const device = new Twilio.Device(token, {chunderw: location.host, sounds, ...options});
  devices.main = device;
  for (const name of ['registered', 'registering', 'unregistered', 'tokenWillExpire'])
    device.on(name, () => note(name, {identity: device.identity}));
  device.on('error', error => note('error', {code: error.code, message: error.message}));
  device.on('incoming', call => {
    watch(call, 'in');
    note('incoming', {parameters: call.parameters, custom: Object.fromEntries(call.customParameters)});
  });
}
async function hears(as) {
  const context = new AudioContext(), analyser = context.createAnalyser();
  analyser.fftSize = 8192;
  context.createMediaStreamSource(calls[as].getRemoteStream()).connect(analyser);
  const bins = new Float32Array(analyser.frequencyBinCount);
  await new Promise(done => setTimeout(done, 700));
  analyser.getFloatFrequencyData(bins);
  const top = bins.indexOf(Math.max(...bins));
  const found = {hz: top * context.sampleRate / analyser.fftSize, db: bins[top]};
  await context.close();
  return found;
}
async function connect(params) { watch(await devices.main.connect({params}), 'out'); }
</script>"""


@dataclass(frozen=True)
class Certificate:
    """Self-signed, for 127.0.0.1. path: key and certificate. fingerprint: of the public key, for Chromium to trust."""

    path: Path
    context: ssl.SSLContext
    fingerprint: str


def make_certificate(directory: Path) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=7))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = directory / "page.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return Certificate(path, context, base64.b64encode(hashlib.sha256(public).digest()).decode())


def find_sdk(cache: Path) -> Path:
    """The SDK's bundle, from npm once and then from the cache; skips the test where it cannot be had."""
    version = cache / SDK_VERSION
    version.mkdir(exist_ok=True)
    bundle = version / "node_modules/@twilio/voice-sdk/dist/twilio.min.js"
    return fetch_once(bundle, cache=version, packages=[f"@twilio/voice-sdk@{SDK_VERSION}"])


class Tab:
    """One page with the SDK."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.asked_outside: list[str] = []

    async def make_device(self, token: str, **options: Any) -> None:
        await self.page.evaluate("([token, options]) => make(token, options)", [token, options])

    async def register(self, token: str, **options: Any) -> None:
        await self.make_device(token, **options)
        await self.do("devices.main.register()")
        await self.wait_for("registered")

    async def do(self, script: str) -> Any:
        return await self.page.evaluate(script)

    async def log(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = await self.page.evaluate("log")
        return entries

    async def wait_for(self, name: str, *, count: int = 1, within_s: float = WAIT_S) -> dict[str, Any]:
        """The entry of that name, the count-th one."""
        try:
            await self.page.wait_for_function(
                "([name, count]) => log.filter(entry => entry.name === name).length >= count",
                arg=[name, count],
                timeout=within_s * 1000,
            )
        except Exception as error:
            raise AssertionError(f"no {name} ({count}) in {await self.log()}") from error
        return [entry for entry in await self.log() if entry["name"] == name][count - 1]


class Browser:
    """A running Chromium. Every tab is on the page of the server."""

    def __init__(self, context: Any, url: str) -> None:
        self._context = context
        self._url = url

    async def page(self, url: str) -> Page:
        """A page of somebody else's."""
        page: Page = await self._context.new_page()
        await page.goto(url)
        return page

    async def tab(self) -> Tab:
        page = await self._context.new_page()
        tab = Tab(page)

        async def refuse(route: Any) -> None:
            tab.asked_outside.append(route.request.url)
            await route.abort()

        await page.route(lambda url: not url.startswith(self._url), refuse)
        await page.goto(self._url)
        return tab


def page_routes(sdk: Path) -> web.RouteTableDef:
    """The page, the bundle as it came from npm, and a tenth of a second of silence for its sounds."""
    routes = web.RouteTableDef()
    bundle = sdk.read_bytes()
    silence = b"\0" * 1600
    header = b"RIFF" + (36 + len(silence)).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    header += b"\1\0\1\0" + (8000).to_bytes(4, "little") + (16000).to_bytes(4, "little") + b"\2\0\x10\0data"
    wave = header + len(silence).to_bytes(4, "little") + silence

    @routes.get("/")
    async def _page(_: web.Request) -> web.Response:
        return web.Response(text=_PAGE, content_type="text/html")

    @routes.get("/twilio.min.js")
    async def _bundle(_: web.Request) -> web.Response:
        return web.Response(body=bundle, content_type="text/javascript")

    @routes.get("/silence.wav")
    async def _silence(_: web.Request) -> web.Response:
        return web.Response(body=wave, content_type="audio/wav")

    return routes


@asynccontextmanager
async def serving(tables: list[web.RouteTableDef], certificate: Certificate, *, port: int = 0) -> AsyncIterator[str]:
    """The URL of a TLS server with these routes."""
    application = web.Application()
    for table in tables:
        application.add_routes(table)
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=certificate.context).start()
    address = runner.addresses[0]
    try:
        yield f"https://127.0.0.1:{address[1]}"
    finally:
        await runner.cleanup()
        # Browsers connect ahead of need and say nothing; the server learns of a connection only after its handshake.
        transports: Mapping[int, asyncio.Transport] = asyncio.get_running_loop()._transports  # type: ignore[attr-defined]
        for transport in list(transports.values()):
            if transport.get_extra_info("sockname") == address:
                transport.abort()
        await asyncio.sleep(0)


def _flags(certificate: Certificate, microphone: Path | None) -> list[str]:
    return [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        "--autoplay-policy=no-user-gesture-required",
        f"--ignore-certificate-errors-spki-list={certificate.fingerprint}",
        *([f"--use-file-for-fake-audio-capture={microphone}"] if microphone else []),
    ]


@contextmanager
def chromium_process(certificate: Certificate, directory: Path, *, microphone: Path | None = None) -> Iterator[str]:
    """A headless Chromium for many tests; the address of its debugger, for ``visiting``. Blocking."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian package chromium)")
    told = directory / "DevToolsActivePort"
    command = [CHROMIUM, "--headless=new", "--remote-debugging-port=0", f"--user-data-dir={directory}"]
    process = subprocess.Popen(
        [*command, *_flags(certificate, microphone), "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            if told.exists() and told.read_text().count("\n"):
                break
            assert process.poll() is None, f"Chromium ended with {process.returncode}"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{told.read_text().split()[0]}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@asynccontextmanager
async def visiting(debugger: str, url: str) -> AsyncIterator[Browser]:
    """A fresh profile in a running Chromium, gone afterwards with all its tabs."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.connect_over_cdp(debugger)
        context = await browser.new_context(permissions=["microphone", "camera"], ignore_https_errors=True)
        try:
            yield Browser(context, url)
        finally:
            await context.close()
    # The driver's transport closes in the background.
    await asyncio.sleep(0)


@asynccontextmanager
async def chromium(
    url: str, certificate: Certificate, directory: Path, *, microphone: Path | None = None
) -> AsyncIterator[Browser]:
    """A headless Chromium with a microphone that beeps, or says what is in a WAV file. Skips where there is none."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian package chromium)")
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            str(directory),
            executable_path=CHROMIUM,
            headless=True,
            permissions=["microphone"],
            args=_flags(certificate, microphone),
        )
        try:
            yield Browser(context, url)
        finally:
            await context.close()
    # The driver's transport closes in the background.
    await asyncio.sleep(0)
