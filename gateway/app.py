"""The composition root: the one place that names concrete classes and puts them together.

Owns the process's parts and the order in which they start and stop; what is started later may use what was started
earlier. All else is somebody else's.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import structlog
from aiohttp import web
from yarl import URL

from gateway.accounts.allowance import Allowance
from gateway.accounts.directory import Directory
from gateway.accounts.ledger import Ledger
from gateway.accounts.vault import Vault
from gateway.archive import Archive
from gateway.assembly import kept_for, mailer_of, registrar_settings, sealing_secrets, sip_settings, trunks_of
from gateway.background import Background
from gateway.beside import Beside
from gateway.config import Configuration
from gateway.console.live import Audience
from gateway.console.presence import Presence
from gateway.console.routes import Console
from gateway.console.running import Running
from gateway.console.sessions import Sessions
from gateway.console.story import Stories
from gateway.console.trace import Trace
from gateway.dialled_calls import DialledCalls
from gateway.http import HttpServer
from gateway.interpreter import Interpreter
from gateway.live_calls import LiveCalls
from gateway.metrics import DaemonCollector, Snapshot, registry_of
from gateway.reception import Reception
from gateway.recordings import Recordings
from gateway.recovery import Heartbeat, end_unfinished_calls, end_unfinished_conferences
from gateway.rest.auth import Credentials
from gateway.rest.auth_tokens import AuthTokensApi
from gateway.rest.dispatch import Resource, RestApi
from gateway.rest.recordings import RecordingApi
from gateway.rest.shelf import RecordingShelf
from gateway.rest.sound import RecordingFiles
from gateway.rest.table import resources_of
from gateway.rest.token import TokenApi
from gateway.retention import Retention
from gateway.rooms.conferences import Conferences
from gateway.rooms.queues import Queues
from gateway.routing import Router
from gateway.s3 import S3
from gateway.services import Services
from gateway.sids import new_sid
from gateway.sounds import Sounds
from gateway.speech.speaker import Speaker
from gateway.store import StorageUnavailable, Store
from gateway.tokens import TokenIssuer, verifier_of
from gateway.transcription import Transcriber
from gateway.twimlets.routes import Twimlets
from gateway.verbs.table import VERBS
from gateway.web.routes import console_routes, web_routes
from gateway.webhooks.client import Request, WebhookClient
from gateway.webhooks.guard import Guard, permits
from gateway.webhooks.outbox import Outbox
from media.engine import Engine, EngineSettings
from media.music import hold_music
from media.recognition.sphinx import SphinxRecognizer
from media.speech.cache import SpeechFiles
from media.speech.engine import Synthesizer
from media.speech.espeak import EspeakSynthesizer
from media.speech.piper import NoPiper, PiperSynthesizer, check_piper
from media.speech.speech import Speech
from media.speech.voices import Engine as SpeechEngine
from signaling.errors import Fault, GatewayError
from signaling.leg import Leg, OutboundCall
from signaling.location import Location
from signaling.sip.agent import SipAgent
from signaling.sip.auth import DigestAuthenticator
from signaling.sip.dial_target import DialTarget
from signaling.sip.leg import SipLeg
from signaling.sip.limits import GuessGuard, GuessLimits
from signaling.sip.outside import OutsideUris
from signaling.sip.registrar import Registrar
from signaling.sip.resolver import Resolver
from signaling.sip.trunk import Trunks
from signaling.sip.websocket import SipWebSocketServer
from signaling.voice_sdk.agent import VoiceSdkAgent
from signaling.voice_sdk.server import VoiceSdkServer
from signaling.voice_sdk.settings import VoiceSdkSettings
from signaling.webrtc import WebRtc, WebRtcSettings

log = structlog.get_logger(__name__)

BACKGROUND_S = 15.0
LONGEST_QUEUE_S = 600.0


class StartError(GatewayError):
    """The daemon cannot start; the message says what the operator can do about it."""

    fault = Fault.CLIENT


class Gateway:
    """The daemon. start() once, stop() at the end, both on the loop it lives on.

    progress: (step, done, total), called from a worker thread while the media engine is compiled.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        progress: Callable[[str, int, int], None] | None = None,
        is_development: bool = False,
    ) -> None:
        self._configuration = configuration
        self._directory = Directory.of(configuration, since=_now())
        self._router = Router(configuration, self._directory)
        self._background = Background()
        self._stack = AsyncExitStack()
        self._audience = Audience()
        self._is_development = is_development
        self._calls = LiveCalls()
        allowance = Allowance(
            self._directory,
            self._calls,
            most=configuration.calls.maximum,
            per_second=configuration.calls.per_second,
            longest_wait_s=LONGEST_QUEUE_S,
        )
        self._reception = Reception(
            directory=self._directory,
            router=self._router,
            allowance=allowance,
            calls=self._calls,
            background=self._background,
            monotonic=time.monotonic,
        )
        self._http: HttpServer | None = None
        self._is_started = False
        self._guess_blocks = 0
        media = configuration.media
        self._engine = Engine(
            EngineSettings(address=media.address, port_range=media.port_range, capacity=media.capacity),
            progress=progress,
        )

    async def start(self) -> None:
        """Bring up storage, sound, SIP and HTTP; finish what a killed process left. Raises StartError."""
        try:
            await self._start()
        except (StorageUnavailable, GatewayError, OSError) as error:
            raise StartError(str(error)) from error

    async def _start(self) -> None:
        configuration, stack = self._configuration, self._stack
        directory = Path(configuration.recordings.directory)
        await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
        self._store = await Store.open(configuration.storage.url)
        stack.push_async_callback(self._store.close)
        secret, former = sealing_secrets(configuration)
        vault = await asyncio.to_thread(Vault, secret, previous=former)
        self._ledger = Ledger(self._directory, store=self._store, vault=vault)
        await self._ledger.load()
        self._store.listen_written(self._audience.written)
        self._trace = Trace(write=self._store.write_soon, now=_now, monotonic=time.monotonic)
        stack.push_async_callback(self._engine.stop)
        await self._engine.start()
        self._music = await asyncio.to_thread(hold_music)
        self._webrtc = WebRtc(self._engine, WebRtcSettings(advertised_address=configuration.media.advertised_address))
        stack.push_async_callback(self._webrtc.stop)
        # Stopped behind all that runs calls: their recordings are still asked for.
        stack.push_async_callback(self._stop_http)
        self._webhooks = WebhookClient(
            token_of=self._directory.signing_token,
            guard=Guard(configuration.webhooks.allow, own=[(configuration.server.host, configuration.server.port)]),
            on_exchange=self._trace.exchanged if configuration.console.keep_webhooks else None,
        )
        stack.push_async_callback(self._webhooks.close)
        self._speech = await self._make_speech()
        stack.push_async_callback(self._speech.close)
        self._recognizer = SphinxRecognizer(at_once=configuration.speech.listeners)
        stack.push_async_callback(self._recognizer.close)
        files = RecordingFiles(directory)
        self._archive = await self._make_archive(files)
        self._shelf = RecordingShelf(files, self._archive)
        self._recordings = Recordings(
            directory=directory,
            public_url=configuration.public_url,
            engine=self._engine,
            store=self._store,
            background=self._background,
            transcribe=Transcriber(recognizer=self._recognizer, store=self._store, now=_now).settle,
            settled=self._archive.keep if self._archive is not None else lambda _sid: None,
            now=_now,
            monotonic=time.monotonic,
        )
        heartbeat = Heartbeat(directory)
        calls = await end_unfinished_calls(
            self._store, died_at=await heartbeat.last(), recording_url=self._recordings.url, now=_now
        )
        await end_unfinished_conferences(self._store, now=_now)
        recordings = await self._recordings.recover()
        if calls or recordings:
            log.warning("finished what a killed process left", calls=calls, recordings=recordings)
        self._retention = Retention(
            store=self._store,
            calls_for=kept_for(configuration.retention.calls_days),
            recordings_for=kept_for(configuration.retention.recordings_days),
            shelf=self._shelf,
            now=_now,
        )
        self._retention.start()
        stack.push_async_callback(self._retention.stop)
        heartbeat.start()
        stack.push_async_callback(heartbeat.stop)
        self._credentials = Credentials(self._directory, guard=self._guess_guard("rest"))
        self._recording_api = RecordingApi(
            store=self._store,
            files=self._shelf,
            credentials=self._credentials,
            public_url=configuration.public_url,
        )
        self._outbox = Outbox(
            store=self._store,
            sender=self._webhooks,
            recording_ready=self._recording_api.is_readable,
            now=_now,
        )
        stack.push_async_callback(self._outbox.close)
        stack.push_async_callback(self._close_background)
        await self._start_sip()
        await self._start_http()
        # Last: a callback names URLs that have to answer.
        await self._outbox.start()
        self._is_started = True

    def _guess_guard(self, door: str) -> GuessGuard:
        """One for each way in: a phone with an old password does not shut out the application server beside it."""

        def on_block(source: str, block_s: float) -> None:
            self._guess_blocks += 1
            log.warning("wrong passwords, address blocked", door=door, source=source, block_s=block_s)

        return GuessGuard(GuessLimits(), clock=time.monotonic, on_block=on_block)

    async def _make_archive(self, files: RecordingFiles) -> Archive | None:
        """Where recordings go in the end, if not the directory; it moves at once what a former process left there."""
        url = self._configuration.recordings.url
        if not url:
            return None
        archive = Archive(
            await asyncio.to_thread(S3, url),
            directory=files.directory,
            store=self._store,
            remove_local=files.remove,
            now=_now,
        )
        archive.start()
        self._stack.push_async_callback(archive.close)
        return archive

    async def _make_speech(self) -> Speech:
        speech = self._configuration.speech
        engines: dict[SpeechEngine, Synthesizer] = {SpeechEngine.ESPEAK: EspeakSynthesizer()}
        if speech.piper:
            try:
                library = await asyncio.to_thread(check_piper, speech.piper)
            except NoPiper as error:
                raise StartError(str(error)) from error
            engines[SpeechEngine.PIPER] = PiperSynthesizer(library)
        return Speech(engines, SpeechFiles(Path(speech.cache_directory), capacity=speech.cache_mb * 2**20))

    async def _start_sip(self) -> None:
        configuration = self._configuration
        sip = configuration.sip
        authenticator = DigestAuthenticator(
            realm=sip.domain,
            secret=secrets.token_bytes(32),
            clock=time.monotonic,
            credentials=self._directory.password,
            guard=self._guess_guard("sip"),
        )
        trunks = Trunks(trunks_of(configuration), dial=self._dial)
        self._registrar = Registrar(
            settings=registrar_settings(configuration),
            authenticator=authenticator,
            dial=self._dial,
            account_of_host=self._directory.account_of_host,
            on_change=lambda _binding, _change: self._audience.presence_changed(),
        )
        self._registrar.start()
        self._stack.callback(self._registrar.stop)
        self._agent = SipAgent(
            engine=self._engine,
            settings=sip_settings(configuration),
            authenticator=authenticator,
            registrar=self._registrar,
            trunks=trunks,
            resolver=Resolver(),
            on_call=self._reception.on_call,
            make_peer_media=self._webrtc,
            account_of_host=self._directory.account_of_host,
            witness=self._trace.witness if configuration.console.keep_sip else None,
        )
        self._browsers = VoiceSdkAgent(
            settings=VoiceSdkSettings(origins=configuration.voice_sdk.origins, edge=configuration.voice_sdk.edge),
            verifier=verifier_of(self._directory, clock=time.time),
            make_media=self._webrtc,
            on_call=self._reception.on_device_call,
            new_call_sid=lambda: new_sid("CA"),
            scope=self._directory.scope,
            on_presence=self._audience.presence_changed,
        )
        location = Location(
            sources=[self._registrar, self._browsers],
            numbers=trunks,
            uris=OutsideUris(
                dial=self._dial,
                permits=permits(configuration.webhooks.allow if sip.allow is None else sip.allow),
            ),
            scope=self._directory.scope,
        )
        self._services = Services(
            configuration=configuration,
            router=self._router,
            location=location,
            webhooks=self._webhooks,
            store=self._store,
            recordings=self._recordings,
            interpreter=Interpreter(VERBS),
            listen=self._engine.listen,
            open_feed=self._engine.open_feed,
            beside=Beside(),
            dialled=DialledCalls(),
            launch=self._reception.launch,
            conferences=Conferences(open_mix=self._engine.open_mix, music=self._music),
            queues=Queues(store=self._store, music=self._music, now=_now),
            speaker=Speaker(self._speech, configuration.speech.choice),
            sounds=Sounds(self._webhooks),
            recognizer=self._recognizer,
            now=_now,
            monotonic=time.monotonic,
        )
        self._reception.open(services=self._services, store=self._store, trace=self._trace)
        self._stack.push_async_callback(self._agent.stop)
        try:
            await self._agent.start()
        except OSError as error:
            raise StartError(f"sip.listen {' '.join(sip.listen)}: {error.strerror or error}") from error

    async def _start_http(self) -> None:
        configuration = self._configuration
        collector = DaemonCollector(engine=self._engine.statistics, daemon=self.snapshot)
        self._http = HttpServer(
            configuration,
            registry=registry_of(collector),
            is_ready=lambda: self._is_started and not self._reception.is_draining,
            routes=tuple(self._routes()),
        )
        await self._http.start()
        # Stopped first: the sockets of browsers say goodbye while the server still stands.
        self._stack.callback(self._browsers.stop)
        self._stack.callback(self._audience.close)

    def _routes(self) -> Iterator[web.RouteTableDef]:
        configuration = self._configuration
        origins = configuration.voice_sdk.origins
        yield web_routes()
        if configuration.console.enabled:
            yield console_routes()
            yield self._console().routes()
        own_origin = str(URL(configuration.public_url).origin())
        yield VoiceSdkServer(self._browsers, own_origin=own_origin).routes()
        yield SipWebSocketServer(self._agent.transports, origins=origins, own_origin=own_origin).routes()
        issuer = TokenIssuer(self._directory, clock=time.time)
        yield TokenApi(issuer, self._credentials, is_open=self._is_development).routes()
        yield self._twimlets().routes()
        yield self._recording_api.routes()
        resources = resources_of(
            self._services,
            calls=self._calls,
            ledger=self._ledger,
            shelf=self._shelf,
            place=self._reception.place,
            now=_now,
        )
        yield AuthTokensApi(self._ledger, self._credentials, public_url=configuration.public_url, now=_now).routes()
        self._rest = RestApi(resources, credentials=self._credentials)
        yield self._rest.routes()

    def _console(self) -> Console:
        configuration = self._configuration
        credentials = Credentials(self._directory, guard=self._guess_guard("console"))
        presence = Presence(
            account_of=self._directory.account_of, registrar=self._registrar, browsers=self._browsers, now=_now
        )
        running = Running(calls=self._calls, dialled=self._services.dialled, legs=self._running_legs)
        return Console(
            store=self._store,
            stories=Stories(
                store=self._store,
                legs_of=running.legs_of,
                now=_now,
                keeps_webhooks=configuration.console.keep_webhooks,
                keeps_sip=configuration.console.keep_sip,
            ),
            shelf=self._shelf,
            running=running.calls,
            presence=presence.rows,
            audience=self._audience,
            sessions=Sessions(
                clock=time.monotonic, still_holds=lambda session: credentials.holds(session.user, session.proof)
            ),
            log_in=credentials.log_in,
            public_url=configuration.public_url,
        )

    def _running_legs(self) -> Iterator[tuple[str, Leg]]:
        """With the sid of their call."""
        for leg in self._agent.legs:
            if (sid := self._trace.call_sid_of(leg.facts.call_id)) is not None:
                yield sid, leg
        for device_leg in self._browsers.legs:
            yield device_leg.call_sid, device_leg

    def _twimlets(self) -> Twimlets:
        configuration = self._configuration

        async def fetch(url: str) -> str:
            return (await self._webhooks.fetch(Request(url=url, method="GET", params=()))).body.decode(
                "utf-8", "replace"
            )

        return Twimlets(
            auth_token=configuration.account.auth_token.get_secret_value(),
            public_url=configuration.public_url,
            fetch=fetch,
            mailer=mailer_of(configuration),
        )

    async def _stop_http(self) -> None:
        if self._http is not None:
            await self._http.stop()

    async def stop(self) -> None:
        """End what still runs, close recordings, write and tell what became of it. Idempotent."""
        self.drain()
        self._is_started = False
        await self._stack.aclose()

    def drain(self) -> None:
        """No new calls from now on; those that run go on."""
        self._reception.is_draining = True
        if self._is_started:
            self._agent.drain()
            self._browsers.drain()

    async def wait_idle(self) -> None:
        await self._calls.wait_idle()

    @property
    def rest_resources(self) -> Sequence[Resource]:
        """What the REST API serves beside the sound of recordings."""
        return self._rest.resources

    @property
    def live_calls(self) -> int:
        return len(self._calls)

    @property
    def http_url(self) -> str:
        server = self._configuration.server
        scheme = "https" if server.tls_certificate else "http"
        port = server.port if self._http is None else self._http.port
        return f"{scheme}://{server.host}:{port}"

    @property
    def sip_urls(self) -> list[str]:
        return [
            f"{url.partition(':')[0]}:{host}:{port}"
            for url, (host, port) in zip(self._configuration.sip.listen, self._agent.addresses, strict=True)
        ]

    def snapshot(self) -> Snapshot:
        return Snapshot(
            live_calls=len(self._calls),
            accepted_calls=self._reception.accepted,
            refused_calls=self._reception.refused,
            registrations=len(self._registrar.identities),
            callbacks_owed=self._outbox.waiting,
            guess_blocks=self._guess_blocks,
            calls_forgotten=self._retention.forgotten.calls,
            recordings_forgotten=self._retention.forgotten.recordings,
            recordings_moved=self._archive.moved if self._archive is not None else 0,
            archive_failures=self._archive.failures if self._archive is not None else 0,
            is_draining=self._reception.is_draining,
        )

    def _dial(self, target: DialTarget, request: OutboundCall) -> SipLeg:
        """Registrar and trunks dial through the agent, which in turn is made with them."""
        leg = self._agent.dial(target, request)
        self._trace.claim(leg.facts.call_id, call_sid=request.call_sid, events=leg.events)
        return leg

    async def _close_background(self) -> None:
        """Calls end when their legs do; their recordings are completed before anything below is closed."""
        self._reception.hang_up()
        await self._background.close(timeout_s=BACKGROUND_S)
        await self._store.flush()


def _now() -> datetime:
    return datetime.now(UTC)
