"""The demo's call: a daemon, an application, a phone that calls, a browser and two phones that ring, all real processes
on loopback.

Decides who does what when, and gathers what the checks need. Owns everything it starts and ends it, however it ends.
"""

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from gateway.demo.application import APPLICATION_PATHS, Request, SampleApplication
from gateway.demo.daemon import Daemon, DaemonError, Secrets, basic_authorization, loopback_configuration
from gateway.demo.timeline import Timeline
from signaling.endpoints.events import Event, EventName
from signaling.endpoints.options import EndpointOptions, Incoming, SipEndpointOptions, WebRtcEndpointOptions
from signaling.endpoints.process import Phone, PhoneError

CALLER, ANSWERER, RINGERS = "alice", "bob", ("carol", "dave")
CALLED = (ANSWERER, *RINGERS)
BROWSERS = (ANSWERER,)
TARGET = "sales"
# Without a common divisor with the sampling rate: what mu-law adds to such a tone lies on no line of its own.
CALLER_HZ, ANSWERER_HZ = 619, 1013
RING_S = 3.5
TALK_S = 5.0
CALLBACK_S = 8.0
SIGNAL_S = 10.0


class SceneError(Exception):
    """The call could not be played to its end."""


@dataclass(frozen=True)
class Played:
    """What is left of the call for the checks. Times: seconds of the monotonic clock."""

    requests: tuple[Request, ...]
    ringing_at_s: float
    answered_at_s: float
    ended_at_s: float
    ended: dict[str, Event]
    recording: Path
    recording_status_without_credentials: int
    heard_by_caller: Path
    heard_by_answerer: Path


async def play(timeline: Timeline, *, directory: Path, work: Path) -> Played:
    """Play the call. directory: what is to be kept; work: the daemon's own files.

    Raises SceneError, DaemonError, PhoneError.
    """
    async with AsyncExitStack() as stack:
        account = Secrets()
        application = await stack.enter_async_context(
            SampleApplication(CALLED, account.auth_token, on_request=timeline.application)
        )
        passwords = {identity: secrets.token_urlsafe(12) for identity in (CALLER, *CALLED) if identity not in BROWSERS}
        configuration = loopback_configuration(
            directory=work, secrets_=account, voice_url=application.voice_url, clients=passwords
        )
        daemon = Daemon(configuration, work / "ringfork.toml", directory / "daemon.log")
        stack.push_async_callback(asyncio.to_thread, daemon.stop)
        timeline.add("daemon", "starts (the very first start compiles the audio engine, once)")
        daemon.start()
        with timeline.console.status("waiting for the daemon"):
            await asyncio.to_thread(daemon.wait_ready)
        timeline.add("daemon", f"is ready at {daemon.sip_servers[0]} and {daemon.http_url}")
        phones = await _start(
            stack,
            [_phone(identity, daemon, password, directory) for identity, password in passwords.items()]
            + [_browser(identity, daemon, account, directory) for identity in BROWSERS],
            timeline,
        )
        try:
            return await _call(phones, application, account, directory)
        except DaemonError:
            raise
        except Exception as error:
            if not daemon.is_running:
                raise SceneError(f"the daemon died: {error}{daemon.last_words()}") from error
            raise


async def _start(stack: AsyncExitStack, wanted: Sequence[EndpointOptions], timeline: Timeline) -> dict[str, Phone]:
    """All at once, each in its own process; returns when all are registered."""

    async def start(options: EndpointOptions) -> Phone:
        device = "browser" if isinstance(options, WebRtcEndpointOptions) else "SIP phone"
        phone = await stack.enter_async_context(Phone(options, timeline.phone(options.identity, device)))
        await phone.registered(SIGNAL_S)
        return phone

    try:
        async with asyncio.TaskGroup() as group:
            starting = {options.identity: group.create_task(start(options)) for options in wanted}
    except* PhoneError as problems:
        raise problems.exceptions[0] from None
    return {identity: task.result() for identity, task in starting.items()}


def _phone(identity: str, daemon: Daemon, password: str, directory: Path) -> EndpointOptions:
    return SipEndpointOptions(
        identity=identity,
        server=daemon.sip_servers[0],
        password=password,
        play=f"tone:{CALLER_HZ}" if identity == CALLER else "",
        record=_record(identity, directory) if identity == CALLER else "",
    )


def _browser(identity: str, daemon: Daemon, account: Secrets, directory: Path) -> EndpointOptions:
    """The one that answers."""
    return WebRtcEndpointOptions(
        identity=identity,
        server=daemon.http_url,
        account=account.account_sid,
        password=account.auth_token,
        incoming=Incoming.ANSWER,
        answer_after_s=RING_S,
        hangup_after_s=TALK_S,
        play=f"tone:{ANSWERER_HZ}",
        record=_record(identity, directory),
    )


def _record(identity: str, directory: Path) -> str:
    return str(directory / f"heard-by-{identity}.wav")


async def _call(phones: dict[str, Phone], application: SampleApplication, account: Secrets, directory: Path) -> Played:
    caller, answerer = phones[CALLER], phones[ANSWERER]
    await caller.dial(TARGET)
    for identity in CALLED:
        await phones[identity].wait(EventName.RINGING, timeout_s=SIGNAL_S)
    ringing_at_s = min(phones[identity].seen(EventName.RINGING)[0].t for identity in CALLED)
    answered = await answerer.wait(EventName.ANSWERED, timeout_s=RING_S + SIGNAL_S)
    ended = {identity: await phones[identity].wait(EventName.ENDED, timeout_s=SIGNAL_S) for identity in RINGERS}
    for identity in (ANSWERER, CALLER):
        ended[identity] = await phones[identity].wait(EventName.ENDED, timeout_s=TALK_S + SIGNAL_S)
        await phones[identity].wait(EventName.RECORDED, timeout_s=SIGNAL_S)
    is_complete = await application.wait("/recording", RecordingStatus="completed", timeout_s=CALLBACK_S)
    if not is_complete:
        came = ", ".join(path for path in APPLICATION_PATHS if application.of(path)) or "nothing"
        raise SceneError(f"no callback of a completed recording within {CALLBACK_S:g} s; requests came for: {came}")
    # One for each final status; what does not come is found missing by the checks.
    await application.wait("/status", CallStatus="completed", timeout_s=CALLBACK_S)
    await application.wait("/status", count=len(RINGERS), CallStatus="canceled", timeout_s=CALLBACK_S)
    url = application.of("/recording", RecordingStatus="completed")[0].params.get("RecordingUrl", "")
    recording = directory / "recording.wav"
    status = await _fetch(url, account, recording)
    return Played(
        requests=tuple(application.requests),
        ringing_at_s=ringing_at_s,
        answered_at_s=answered.t,
        ended_at_s=ended[ANSWERER].t,
        ended=ended,
        recording=recording,
        recording_status_without_credentials=status,
        heard_by_caller=Path(_record(CALLER, directory)),
        heard_by_answerer=Path(_record(ANSWERER, directory)),
    )


async def _fetch(url: str, account: Secrets, path: Path) -> int:
    """Get the recording as its owner. Returns the status that a stranger is answered with."""
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SIGNAL_S)) as session:
            async with session.get(url) as refused:
                status = refused.status
            owner = basic_authorization(account.account_sid, account.auth_token)
            async with session.get(url, headers=owner) as answer:
                if answer.status != 200:
                    raise SceneError(f"the recording at {url} was answered with {answer.status}")
                content = await answer.read()
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise SceneError(f"the recording at {url!r} could not be fetched: {error}") from error
    await asyncio.to_thread(path.write_bytes, content)
    return status
