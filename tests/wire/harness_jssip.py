"""JsSIP from npm in Chromium: an independent browser phone that speaks SIP over WebSocket."""

import json
from pathlib import Path

from aiohttp import web

from tests.wire.harness_npm import fetch_once

JSSIP_VERSION = "3.13.8"
ESBUILD_VERSION = "0.25.12"
_PAGE = """<!doctype html><meta charset="utf-8"><title>jssip</title><script src="/jssip.js"></script>
<script>
const log = [], sessions = {};
const note = (name, detail) => log.push({name, ...(detail || {})});
let ua;
function make(identity, password, options, domain = 'ringfork.test', origin = location.origin) {
  const socket = new JsSIP.WebSocketInterface(origin.replace('http', 'ws') + '/sip');
  ua = new JsSIP.UA({sockets: [socket], uri: `sip:${identity}@${domain}`, password, session_timers: false,
    ...options});
  for (const name of ['connected', 'disconnected', 'registered', 'unregistered'])
    ua.on(name, () => note(name));
  ua.on('registrationFailed', ({cause}) => note('registrationFailed', {cause}));
  ua.on('newRTCSession', ({originator, session, request}) => {
    if (originator === 'remote') watch(session, 'in');
    note('session', {originator, from: request.from.uri.user});
  });
  ua.start();
}
function watch(session, as) {
  sessions[as] = session;
  for (const name of ['progress', 'accepted', 'confirmed', 'ended', 'failed'])
    session.on(name, data => note(as + '.' + name, {cause: data && data.cause, code: data?.message?.status_code}));
}
async function hears(as) {
  const context = new AudioContext(), analyser = context.createAnalyser();
  analyser.fftSize = 8192;
  const tracks = sessions[as].connection.getReceivers().map(receiver => receiver.track);
  context.createMediaStreamSource(new MediaStream(tracks)).connect(analyser);
  // Chromium gives the sound of a connection to nobody else before an element plays it.
  const element = new Audio();
  element.srcObject = new MediaStream(tracks);
  await element.play();
  const bins = new Float32Array(analyser.frequencyBinCount);
  await new Promise(done => setTimeout(done, 700));
  analyser.getFloatFrequencyData(bins);
  const top = bins.indexOf(Math.max(...bins));
  const found = {hz: top * context.sampleRate / analyser.fftSize, db: bins[top]};
  await context.close();
  return found;
}
function call(target) {
  watch(ua.call(target, {mediaConstraints: {audio: true, video: false}}), 'out');
}
</script>"""


def find_jssip(cache: Path) -> Path:
    """JsSIP as one file, from npm once and then from the cache; skips the test where it cannot be had."""
    bundle = cache / f"jssip-{JSSIP_VERSION}.js"
    entry = cache / "entry.js"
    entry.write_text("module.exports = require('jssip');")
    (cache / "package.json").write_text(json.dumps({"private": True}))
    bundling = [str(cache / "node_modules/.bin/esbuild"), str(entry)]
    bundling += ["--bundle", "--format=iife", "--global-name=JsSIP", f"--outfile={bundle}"]
    packages = [f"jssip@{JSSIP_VERSION}", f"esbuild@{ESBUILD_VERSION}"]
    return fetch_once(bundle, cache=cache, packages=packages, then=[bundling])


def jssip_routes(bundle: Path) -> web.RouteTableDef:
    routes = web.RouteTableDef()
    script = bundle.read_bytes()

    @routes.get("/")
    async def _page(_: web.Request) -> web.Response:
        return web.Response(text=_PAGE, content_type="text/html")

    @routes.get("/jssip.js")
    async def _script(_: web.Request) -> web.Response:
        return web.Response(body=script, content_type="text/javascript")

    return routes
