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
function call(target, video = false) {
  watch(ua.call(target, {mediaConstraints: {audio: true, video}}), 'out');
}
// How many pictures were decoded so far, how bright and how varied the last one is, 0 to 255.
async function sees(as) {
  const connection = sessions[as].connection;
  const track = connection.getReceivers().map(receiver => receiver.track).find(track => track.kind === 'video');
  const stats = [...(await connection.getStats()).values()];
  const report = stats.find(entry => entry.type === 'inbound-rtp' && entry.kind === 'video');
  const sent = stats.find(entry => entry.type === 'outbound-rtp' && entry.kind === 'video');
  const found = {frames: report?.framesDecoded || 0, width: report?.frameWidth || 0, mean: 0, spread: 0,
    direction: connection.getTransceivers().map(each => each.currentDirection),
    asked: sent ? sent.pliCount + sent.firCount : 0, sent: sent?.packetsSent || 0};
  if (!track || !found.frames) return found;
  const element = document.createElement('video');
  element.muted = true;
  element.srcObject = new MediaStream([track]);
  await element.play();
  const canvas = document.createElement('canvas');
  canvas.width = element.videoWidth;
  canvas.height = element.videoHeight;
  const context = canvas.getContext('2d');
  context.drawImage(element, 0, 0);
  const octets = context.getImageData(0, 0, canvas.width, canvas.height).data;
  let sum = 0, squares = 0, count = 0;
  for (let at = 0; at < octets.length; at += 4) {
    const light = (octets[at] + octets[at + 1] + octets[at + 2]) / 3;
    sum += light;
    squares += light * light;
    count++;
  }
  found.mean = sum / count;
  found.spread = Math.sqrt(Math.max(squares / count - found.mean * found.mean, 0));
  return found;
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
