"""A call's media streams as resources: started on a live call, stopped by sid or name.

The same streams as those of <Start>, of which any may be stopped here; one that is over is no resource any more.
Source: rest-api.md 3 of the specification; Twilio Stream resource.
"""

import re
from typing import Any, Final

from gateway.beside import STREAM, Beside, NameTaken, NotStarted
from gateway.parameters import rfc2822
from gateway.rest.call_form import BAD_CALLBACK, BAD_METHOD, BAD_URL
from gateway.rest.calls import WRONG_STATE
from gateway.rest.dispatch import ROOT, Ask, Reply, Resource
from gateway.rest.errors import RestError, not_found
from gateway.rest.form import INVALID_PARAMETER, Form, bad_parameter
from gateway.rest.live import LiveParties
from gateway.rest.owned import CONFLICT
from gateway.session import CallSession
from gateway.streams.stream import MAX_PARAMETER, TRACKS, MediaStream, StreamOrder
from gateway.twiml.urls import socket_complaint
from gateway.twiml.values import StreamTrack

BAD_TRACK: Final = 31941
TOO_MANY: Final = 20429
MAX_NAME: Final = 255
_PARAMETER: Final = re.compile(r"Parameter([1-9][0-9]?)\.(Name|Value)")


class StreamsApi:
    def __init__(self, *, parties: LiveParties, beside: Beside) -> None:
        self._parties = parties
        self._beside = beside

    def resources(self) -> list[Resource]:
        return [
            Resource("Calls/{call_sid}/Streams", {"POST": self._create}),
            Resource("Calls/{call_sid}/Streams/{stream}", {"POST": self._update}),
        ]

    async def _create(self, ask: Ask) -> Reply:
        call = await self._parties.session(ask)
        order = stream_order(ask.form)
        if call is None:
            raise bad_parameter(WRONG_STATE, "The call is not in progress: its sound cannot be streamed")
        stream = MediaStream(call, order)
        try:
            key = order.name or stream.sid
            self._beside.start(call, STREAM, key, stream.run(), name=order.name, sid=stream.sid)
        except NameTaken:
            raise RestError(409, CONFLICT, f"A stream named {order.name!r} is running already") from None
        except NotStarted as error:
            raise RestError(429, TOO_MANY, f"Stream not started: {error}") from None
        return Reply(resource=_resource(call, stream.sid, order.name, "in-progress"), name="Stream", status=201)

    async def _update(self, ask: Ask) -> Reply:
        call = await self._parties.session(ask)
        if ask.form.choice("Status", ("stopped",), default=None) is None:
            raise bad_parameter(INVALID_PARAMETER, "Status is required")
        found = None if call is None else self._beside.find(call, STREAM, ask.parts["stream"])
        if call is None or found is None:
            raise not_found(ask.path)
        self._beside.stop(call, STREAM, found.key)
        return Reply(resource=_resource(call, found.sid, found.name, "stopped"), name="Stream")


def stream_order(form: Form) -> StreamOrder:
    """Pure. Raises RestError."""
    url = form.required("Url", code=BAD_URL).strip()
    complaint = socket_complaint(url)
    if complaint is not None:
        raise bad_parameter(BAD_URL, f"Url: {complaint} expected, found {url[:200]!r}")
    words = [track.value for track in StreamTrack]
    track = form.choice("Track", words, default=StreamTrack.INBOUND.value, code=BAD_TRACK)
    return StreamOrder(
        url=url,
        tracks=TRACKS[StreamTrack(track)],
        name=form.text("Name", longest=MAX_NAME) or "",
        status_url=form.url("StatusCallback", code=BAD_CALLBACK, callback=True),
        status_method=form.method("StatusCallbackMethod", code=BAD_METHOD),
        parameters=_custom_parameters(form),
    )


def _custom_parameters(form: Form) -> dict[str, str]:
    """``Parameter1.Name`` and ``Parameter1.Value`` to 99, in the order of their numbers."""
    numbered: dict[int, dict[str, str]] = {}
    for name in form.names():
        found = _PARAMETER.fullmatch(name)
        if found is not None:
            numbered.setdefault(int(found[1]), {})[found[2]] = form.text(name) or ""
    parameters = {}
    for number, pair in sorted(numbered.items()):
        name, value = pair.get("Name", ""), pair.get("Value", "")
        if not name:
            raise bad_parameter(INVALID_PARAMETER, f"Parameter{number}.Value: Parameter{number}.Name is required")
        if len(name) + len(value) >= MAX_PARAMETER:
            raise bad_parameter(
                INVALID_PARAMETER, f"Parameter{number}: name and value under {MAX_PARAMETER} characters expected"
            )
        parameters[name] = value
    return parameters


def _resource(call: CallSession, sid: str, name: str, status: str) -> dict[str, Any]:
    facts = call.facts
    return {
        "sid": sid,
        "account_sid": facts.account_sid,
        "call_sid": facts.sid,
        "name": name or None,
        "status": status,
        "date_updated": rfc2822(call.services.now()),
        "uri": f"{ROOT}/Accounts/{facts.account_sid}/Calls/{facts.sid}/Streams/{sid}.json",
    }
