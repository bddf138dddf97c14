"""The console's routes below ``/console``: login, lists, the story of a call, recordings, and what happens live.

Owns who may read: a session by cookie, an account's own things only. Answers are JSON, errors are sentences. Login is
guarded like the SIP registrar's; a request that changes something must come from a page of this server.
Source: OWASP Cross-Site Request Forgery Prevention (SameSite, Origin); W3C Fetch Metadata; WHATWG server-sent events.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from aiohttp import hdrs, web
from soundfile import LibsndfileError

from gateway.console.live import Audience, Listener
from gateway.console.rows import Row, call_row, recording_row
from gateway.console.sessions import Session, Sessions
from gateway.console.story import Stories
from gateway.rest.auth import Principal
from gateway.rest.errors import RestError
from gateway.rest.ranges import Readable, send_file
from gateway.rest.shelf import RecordingShelf
from gateway.rest.sound import SoundFormat
from gateway.sids import is_sid
from gateway.store import StorageUnavailable, Store
from gateway.store.records import CallRecord, RecordingRecord
from gateway.store.search import CallSearch, Place, RecordingSearch

_log = structlog.get_logger()

ROOT: Final = "/console"
COOKIE: Final = "ringfork_console"
PAGE: Final = 50
MOST_LOGIN: Final = 4096
BEAT_S: Final = 15.0
WRITE_S: Final = 10.0
_REFUSED: Final = {
    401: "This SID and secret do not belong together.",
    403: "This account is not active.",
    429: "There were too many wrong logins. Wait a few minutes, then try again.",
}
_HEADERS: Final = {
    hdrs.CACHE_CONTROL: "no-store",
    hdrs.X_CONTENT_TYPE_OPTIONS: "nosniff",
    hdrs.REFERRER_POLICY: "no-referrer",
    hdrs.CONTENT_SECURITY_POLICY: "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    hdrs.VARY: "Cookie",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
RunningCalls = Callable[[str], tuple[Sequence[CallRecord], int]]
"""The newest calls of an account that are not over, and how many there are."""
ForSession = Callable[[web.Request, Session], Awaitable[web.StreamResponse]]


class Refusal(Exception):
    """Ends a request; message: a sentence for its reader."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Console:
    """log_in(source, user, secret): Credentials.log_in. presence: rows of an account.

    public_url: how browsers reach us, for requests that a proxy renamed.
    """

    def __init__(
        self,
        *,
        store: Store,
        stories: Stories,
        shelf: RecordingShelf,
        running: RunningCalls,
        presence: Callable[[str], Sequence[Row]],
        audience: Audience,
        sessions: Sessions,
        log_in: Callable[[str, str, str], Principal],
        public_url: str,
    ) -> None:
        self._store = store
        self._stories = stories
        self._shelf = shelf
        self._running_calls = running
        self._presence = presence
        self._audience = audience
        self._sessions = sessions
        self._principal = log_in
        self._public_host = urlsplit(public_url).netloc.lower()

    def routes(self) -> web.RouteTableDef:
        table = web.RouteTableDef()
        table.post(f"{ROOT}/session")(_answering(self._log_in))
        table.delete(f"{ROOT}/session")(_answering(self._log_out))
        table.get(f"{ROOT}/session")(_answering(self._who))
        for path, handler in (
            ("calls", self._calls),
            ("calls/running", self._running),
            ("calls/{sid}", self._call),
            ("calls/{sid}/download", self._download),
            ("presence", self._present),
            ("recordings", self._recordings),
            ("recordings/{sid}/sound", self._sound),
            ("recordings/{sid}/outline", self._outline),
            ("live", self._live),
        ):
            table.get(f"{ROOT}/{path}")(_answering(self._within_session(handler)))
        return table

    # Who

    async def _log_in(self, request: web.Request) -> web.StreamResponse:
        self._require_own_page(request)
        user, secret = await _login_of(request)
        source = request.remote or ""
        try:
            account_sid = self._principal(source, user, secret).account_sid
        except RestError as error:
            _log.info("console login refused", source=source, status=error.status)
            raise Refusal(error.status, _REFUSED[error.status]) from None
        self._sessions.end(request.cookies.get(COOKIE))
        cookie = self._sessions.begin(account_sid=account_sid, user=user, secret=secret)
        response = _json({"account_sid": account_sid, "user": user})
        response.set_cookie(
            COOKIE, cookie, path=ROOT, httponly=True, samesite="Strict", secure=request.scheme == "https"
        )
        return response

    async def _log_out(self, request: web.Request) -> web.StreamResponse:
        self._require_own_page(request)
        self._sessions.end(request.cookies.get(COOKIE))
        response = web.Response(status=204, headers=_HEADERS)
        response.del_cookie(COOKIE, path=ROOT, httponly=True, samesite="Strict", secure=request.scheme == "https")
        return response

    def _require_own_page(self, request: web.Request) -> None:
        """Browsers say which page asks; programs, which carry no cookie of somebody else, say nothing."""
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            raise Refusal(403, "This request came from a page of another site.")
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and urlsplit(origin).netloc.lower() not in (request.host.lower(), self._public_host):
            raise Refusal(403, "This request came from a page of another site.")

    def _within_session(self, handler: ForSession) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            session = self._sessions.find(request.cookies.get(COOKIE))
            if session is None:
                raise Refusal(401, "You are not logged in, or your session is over.")
            return await handler(request, session)

        return guarded

    async def _who(self, request: web.Request) -> web.StreamResponse:
        """For a page that has just been opened: null is nobody, and no error."""
        session = self._sessions.find(request.cookies.get(COOKIE))
        if session is None:
            return _json({"account_sid": None, "user": None})
        return _json({"account_sid": session.account_sid, "user": session.user})

    # What

    async def _calls(self, request: web.Request, session: Session) -> web.StreamResponse:
        search = CallSearch(account_sid=session.account_sid, parent_call_sid=None)
        found, has_more = await self._store.search_calls(search, _place(request, "CA"))
        return _json({"calls": [call_row(each) for each in found], "has_more": has_more})

    async def _running(self, _request: web.Request, session: Session) -> web.StreamResponse:
        newest, count = self._running_calls(session.account_sid)
        legs = self._stories.running([each.sid for each in newest])
        return _json({"calls": [call_row(each) for each in newest], "count": count, "legs": legs})

    async def _call(self, request: web.Request, session: Session) -> web.StreamResponse:
        return _json(await asyncio.to_thread(json.dumps, await self._story(request, session)))

    async def _download(self, request: web.Request, session: Session) -> web.StreamResponse:
        story = await self._story(request, session)
        response = _json(await asyncio.to_thread(json.dumps, story, indent=2))
        response.headers[hdrs.CONTENT_DISPOSITION] = f'attachment; filename="{story["call"]["sid"]}.json"'
        return response

    async def _story(self, request: web.Request, session: Session) -> dict[str, Any]:
        sid = request.match_info["sid"]
        story = await self._stories.story(session.account_sid, sid) if is_sid("CA", sid) else None
        if story is None:
            raise Refusal(404, "There is no such call.")
        return story

    async def _present(self, _request: web.Request, session: Session) -> web.StreamResponse:
        return _json({"devices": self._presence(session.account_sid)})

    async def _recordings(self, request: web.Request, session: Session) -> web.StreamResponse:
        search = RecordingSearch(account_sid=session.account_sid)
        found, has_more = await self._store.search_recordings(search, _place(request, "RE"))
        return _json({"recordings": [recording_row(each) for each in found], "has_more": has_more})

    # Sound

    async def _sound(self, request: web.Request, session: Session) -> web.StreamResponse:
        record = await self._recording(request, session)
        try:
            file = await self._shelf.open(record.sid, SoundFormat.WAV, is_mixed=False)
        except OSError as error:
            raise _no_sound(record, error) from error
        return await _send(request, file, content_type=SoundFormat.WAV.content_type)

    async def _outline(self, request: web.Request, session: Session) -> web.StreamResponse:
        record = await self._recording(request, session)
        try:
            file = await self._shelf.open_outline(record.sid)
        except (OSError, LibsndfileError) as error:
            raise _no_sound(record, error) from error
        return await _send(request, file, content_type="application/json")

    async def _recording(self, request: web.Request, session: Session) -> RecordingRecord:
        sid = request.match_info["sid"]
        record = await self._store.recording(sid) if is_sid("RE", sid) else None
        if record is None or record.account_sid != session.account_sid or record.status != "completed":
            raise Refusal(404, "There is no such recording, or it is not finished.")
        return record

    # Live

    async def _live(self, request: web.Request, session: Session) -> web.StreamResponse:
        call_sid = request.query.get("call")
        listener = Listener(session.account_sid, None, cut=lambda: _cut(request))
        if call_sid is not None:
            children = (
                await self._stories.children_of(session.account_sid, call_sid) if is_sid("CA", call_sid) else None
            )
            if children is None:
                raise Refusal(404, "There is no such call.")
            listener.call_sid, listener.children = call_sid, set(children)
        if not self._audience.join(listener):
            raise Refusal(503, "Too many consoles are open. Close one, or wait a little.")
        try:
            response = web.StreamResponse(headers={**_HEADERS, hdrs.CONTENT_TYPE: "text/event-stream"})
            response.headers["X-Accel-Buffering"] = "no"
            await response.prepare(request)
            await self._stream(request, response, listener)
        finally:
            self._audience.leave(listener)
        return response

    async def _stream(self, request: web.Request, response: web.StreamResponse, listener: Listener) -> None:
        """Until the reader is gone or too slow, the session is over, or the daemon stops."""
        message: bytes | None = b"retry: 2000\nevent: ready\ndata: {}\n\n"
        while message is not None:
            try:
                async with asyncio.timeout(WRITE_S):
                    await response.write(message)
            except (TimeoutError, ConnectionError):
                _cut(request)
                return
            try:
                async with asyncio.timeout(BEAT_S):
                    message = await listener.queue.get()
            except TimeoutError:
                message = b": still there\n\n"
            # To listen is no use of a session: a forgotten page is logged out as well.
            if self._sessions.find(request.cookies.get(COOKIE), is_use=False) is None:
                return


def _answering(handler: Handler) -> Handler:
    async def answered(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refusal as refusal:
            return _json({"error": refusal.message}, status=refusal.status)
        except StorageUnavailable as error:
            _log.warning("console not served", reason=str(error))
            return _json({"error": "The database does not answer just now."}, status=503)
        except (web.HTTPException, ConnectionError):
            raise
        except Exception:  # noqa: BLE001  # the edge of the process: a reader must never see our insides
            _log.exception("console request failed", path=request.path)
            return _json({"error": "The gateway failed to answer. Its log says why."}, status=500)

    return answered


def _json(value: object, *, status: int = 200) -> web.Response:
    """value: text is JSON already."""
    body = (value if isinstance(value, str) else json.dumps(value)).encode()
    return web.Response(body=body, status=status, content_type="application/json", charset="utf-8", headers=_HEADERS)


async def _login_of(request: web.Request) -> tuple[str, str]:
    # A form of another site cannot send this type.
    if request.content_type != "application/json":
        raise Refusal(415, "Expected a login as JSON.")
    if (request.content_length or 0) > MOST_LOGIN:
        raise Refusal(413, "That is too long for a login.")
    body = await request.read()
    try:
        login = json.loads(body) if len(body) <= MOST_LOGIN else None
    except (ValueError, RecursionError):
        login = None
    if not isinstance(login, dict):
        raise Refusal(400, "Expected user and secret.")
    user, secret = login.get("user"), login.get("secret")
    if not isinstance(user, str) or not isinstance(secret, str) or not user or not secret:
        raise Refusal(400, "Expected user and secret.")
    return user, secret


def _place(request: web.Request, prefix: str) -> Place:
    after = request.query.get("after")
    if after is not None and not is_sid(prefix, after):
        raise Refusal(400, "Expected a SID behind which the list goes on.")
    return Place(size=PAGE, after=after)


def _no_sound(record: RecordingRecord, error: Exception) -> Refusal:
    if isinstance(error, FileNotFoundError):
        return Refusal(404, "The file of this recording is not there.")
    _log.error("recording cannot be read", recording_sid=record.sid, reason=str(error))
    return Refusal(503, "The file of this recording cannot be read.")


async def _send(request: web.Request, file: Readable, *, content_type: str) -> web.StreamResponse:
    try:
        return await send_file(request, file, content_type=content_type)
    finally:
        file.close()


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
