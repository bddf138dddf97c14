"""Recordings over HTTP: the sound and what is known about it, for whoever holds the account's credentials.

Owns the routes below ``/2010-04-01``. Sound is there once the recording is completed, 404 before. Files are opened
and converted on threads; a conversion that several ask for at once is made once.
Source: rest-api.md 3 and 5 of the specification; Twilio Recording resource, "Fetch a Recording media file".
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import structlog
from aiohttp import hdrs, web
from soundfile import LibsndfileError

from gateway.parameters import rfc2822, whole_seconds
from gateway.rest.auth import Credentials
from gateway.rest.dispatch import ROOT
from gateway.rest.errors import RestError, answering, method_not_allowed, not_found, unavailable
from gateway.rest.ranges import send_file
from gateway.rest.shelf import RecordingShelf
from gateway.rest.sound import SoundFormat, can_write_mp3
from gateway.sids import SID_LENGTH, is_sid
from gateway.store import Store
from gateway.store.records import FINAL_RECORDING_STATUSES, RecordingRecord

_log = structlog.get_logger()

NOT_AS_MANY_CHANNELS: Final = 16113
NOT_OVER: Final = 20009
_READING: Final = (hdrs.METH_GET, hdrs.METH_HEAD)
# Twilio shows a recording that is still made as "processing"; a failed one has no sound, as an absent one.
_SHOWN_STATUS: Final = {
    "in-progress": "processing",
    "paused": "processing",
    "stopped": "processing",
    "failed": "absent",
}


class RecordingApi:
    """public_url: how clients reach us, for the URLs in answers."""

    def __init__(self, *, store: Store, files: RecordingShelf, credentials: Credentials, public_url: str) -> None:
        self._store = store
        self._shelf = files
        self._credentials = credentials
        self._public_url = public_url.rstrip("/")

    def routes(self) -> web.RouteTableDef:
        """To be served ahead of the API's other resources: a recording's name carries the suffix of its format."""
        table = web.RouteTableDef()
        account = f"{ROOT}/Accounts/{{account_sid}}"
        table.route("*", account + "/Recordings/{name}")(answering(self._serve))
        return table

    async def is_readable(self, sid: str) -> bool:
        """Whether a GET of the recording's URL would give its sound now."""
        record = await self._store.recording(sid)
        if record is None or record.status != "completed":
            return False
        return await self._shelf.is_readable(sid)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        _, account = self._credentials.require_for(request, request.match_info["account_sid"])
        name = request.match_info["name"]
        sid, suffix = name[:SID_LENGTH], name[SID_LENGTH:]
        if not is_sid("RE", sid):
            raise not_found(request.path)
        is_deletion = request.method == hdrs.METH_DELETE and suffix in ("", ".json")
        if request.method not in _READING and not is_deletion:
            raise method_not_allowed("GET, HEAD, DELETE")
        record = await self._store.recording(sid)
        if record is None or record.status == "deleted" or record.account_sid != account.sid:
            raise not_found(request.path)
        if is_deletion:
            await delete_recording(record, store=self._store, files=self._shelf)
            return web.Response(status=204)
        match suffix:
            case ".json":
                return web.json_response(recording_resource(record, public_url=self._public_url))
            case "" | ".wav":
                return await self._sound(request, record, SoundFormat.WAV)
            case ".mp3" if can_write_mp3():
                return await self._sound(request, record, SoundFormat.MP3)
            case _:
                raise not_found(request.path)

    async def _sound(self, request: web.Request, record: RecordingRecord, made: SoundFormat) -> web.StreamResponse:
        if record.status != "completed":
            raise not_found(request.path)
        is_mixed = _wants_mixed(request.query.get("RequestedChannels"), record.channels)
        try:
            file = await self._shelf.open(record.sid, made, is_mixed=is_mixed)
        except FileNotFoundError:
            raise not_found(request.path) from None
        except (OSError, LibsndfileError) as error:
            _log.error("recording cannot be read", recording_sid=record.sid, reason=str(error))
            raise unavailable() from error
        try:
            return await send_file(request, file, content_type=made.content_type)
        finally:
            file.close()


async def delete_recording(record: RecordingRecord, *, store: Store, files: RecordingShelf) -> None:
    """The sound goes; what is known about it stays, with status deleted. Raises RestError while it is still made."""
    if record.status not in FINAL_RECORDING_STATUSES:
        raise RestError(400, NOT_OVER, "A recording can be deleted when it is completed")
    await files.owe_removal(record.sid)
    await store.write(replace(record, status="deleted", date_updated=datetime.now(UTC)))
    await files.remove(record.sid)


def _wants_mixed(requested: str | None, channels: int) -> bool:
    """Whether the recording's channels are to be mixed to one. Raises RestError 16113 for channels it does not have."""
    if requested is None or requested == str(channels):
        return False
    if requested == "1":
        return True
    message = f"The requested channels are not available: expected 1 or {channels}"
    raise RestError(400, NOT_AS_MANY_CHANNELS, message)


def recording_resource(record: RecordingRecord, *, public_url: str) -> dict[str, object]:
    """The Recording resource as Twilio's helpers read it: durations as text, dates RFC 2822, null for what is not."""
    uri = f"{ROOT}/Accounts/{record.account_sid}/Recordings/{record.sid}"
    return {
        "sid": record.sid,
        "account_sid": record.account_sid,
        "api_version": "2010-04-01",
        "call_sid": record.call_sid,
        "conference_sid": record.conference_sid,
        "date_created": rfc2822(record.date_created),
        "date_updated": rfc2822(record.date_updated),
        "start_time": rfc2822(record.start_time) if record.start_time is not None else None,
        "duration": str(whole_seconds(record.duration_s)) if record.duration_s is not None else None,
        "price": None,
        "price_unit": "USD",
        "status": _SHOWN_STATUS.get(record.status, record.status),
        "channels": record.channels,
        "source": record.source,
        "error_code": record.error_code,
        "encryption_details": None,
        "uri": f"{uri}.json",
        "subresource_uris": {
            "add_on_results": f"{uri}/AddOnResults.json",
            "transcriptions": f"{uri}/Transcriptions.json",
        },
        "media_url": f"{public_url}{uri}",
    }
