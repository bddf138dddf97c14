"""The REST API's front: who asks, what for, in which format; then one handler, and its answer as it was asked for.

Owns the routes below ``/2010-04-01``. A resource is a row of a table (path, methods, handler); the suffix of the last
segment chooses the format: ``.json``, none or ``.xml`` for XML. Recordings, whose suffixes are those of their sound,
are served ahead of it (recordings.py).
Source: rest-api.md 1, 3 and 9 of the specification.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

from aiohttp import hdrs, web

from gateway.rest.auth import Credentials, Principal
from gateway.rest.errors import RestError, answering, inactive, method_not_allowed, not_found
from gateway.rest.form import Form
from gateway.rest.paging import Page
from gateway.rest.render import as_json, as_xml

ROOT: Final = "/2010-04-01"
MAX_FIELDS: Final = 1000
READING: Final = (hdrs.METH_GET, hdrs.METH_HEAD)
_PARAMETER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A request that may be made: its account is the caller's. parts: what stood for the path's parameters.

    account_sid: of the one named in the path, which the caller is or owns; without one there, the caller's own.
    form: the body's parameters, of a GET the query's. is_by_key: asked with an API key, not with the account's token.
    """

    account_sid: str
    parts: Mapping[str, str]
    form: Form
    path: str
    is_by_key: bool = False


@dataclass(frozen=True, kw_only=True)
class Reply:
    """name: of the resource's XML element. resource None: nothing to show (204)."""

    resource: Mapping[str, Any] | Page | None = None
    name: str = ""
    status: int = 200


Handler = Callable[[Ask], Awaitable[Reply]]


@dataclass(frozen=True)
class Resource:
    """path: below the account, without suffix; ``{name}`` stands for one segment. methods: by HTTP method.

    is_top: the path is below the API's root, as that of accounts themselves.
    """

    path: str
    methods: Mapping[str, Handler]
    is_top: bool = False
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", re.compile(_PARAMETER.sub(r"(?P<\1>[^/]+)", self.path)))


class RestApi:
    """resources: tried in order."""

    def __init__(self, resources: Sequence[Resource], *, credentials: Credentials) -> None:
        self._resources = tuple(each for each in resources if not each.is_top)
        self._tops = tuple(each for each in resources if each.is_top)
        self._credentials = credentials

    def routes(self) -> web.RouteTableDef:
        table = web.RouteTableDef()
        table.route("*", f"{ROOT}/Accounts/{{account_sid}}/{{path:.+}}")(answering(self._serve))
        table.route("*", f"{ROOT}/{{path:.*}}")(answering(self._serve_top))
        return table

    @property
    def resources(self) -> tuple[Resource, ...]:
        """All of them, those below the root first."""
        return (*self._tops, *self._resources)

    async def _serve_top(self, request: web.Request) -> web.StreamResponse:
        principal = self._credentials.require(request)
        return await self._answer(request, self._tops, principal, principal.account_sid)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        principal, account = self._credentials.require_for(request, request.match_info["account_sid"])
        if account.status != "active" and request.method not in READING:
            # Its main account may still look.
            raise inactive()
        return await self._answer(request, self._resources, principal, account.sid)

    async def _answer(
        self, request: web.Request, resources: Sequence[Resource], principal: Principal, account_sid: str
    ) -> web.StreamResponse:
        bare, suffix = _split(request.match_info["path"])
        for resource in resources:
            found = resource.pattern.fullmatch(bare)
            if found is not None and suffix is not None:
                break
        else:
            raise not_found(request.path)
        handler = resource.methods.get(request.method)
        if handler is None:
            raise method_not_allowed(", ".join(resource.methods))
        pairs = await _pairs(request)
        ask = Ask(
            account_sid=account_sid,
            parts=found.groupdict(),
            form=Form(pairs),
            path=request.path,
            is_by_key=principal.is_key,
        )
        return _respond(await handler(ask), request, pairs, suffix or "")


def _split(path: str) -> tuple[str, str | None]:
    """The path without its format, and the format: ``json``, ``xml`` or "" for none; None for an unknown suffix."""
    head, dot, suffix = path.rpartition(".")
    if not dot or "/" in suffix:
        return path, ""
    if suffix in ("json", "xml"):
        return head, suffix
    return path, "" if head.endswith("Twilio") else None


async def _pairs(request: web.Request) -> list[tuple[str, str]]:
    if request.method in (hdrs.METH_GET, hdrs.METH_DELETE, hdrs.METH_HEAD):
        text = request.query_string
    else:
        if request.can_read_body and request.content_type != "application/x-www-form-urlencoded":
            raise RestError(415, 20001, "expected a body of application/x-www-form-urlencoded")
        text = (await request.read()).decode("utf-8", "replace")
    try:
        return parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise RestError(400, 20001, f"expected at most {MAX_FIELDS} parameters") from None


def _respond(reply: Reply, request: web.Request, pairs: list[tuple[str, str]], suffix: str) -> web.Response:
    if reply.resource is None:
        return web.Response(status=204)
    if isinstance(reply.resource, Page):
        resource: Mapping[str, Any] = reply.resource.envelope(request.path, pairs)
    else:
        resource = reply.resource
    if suffix == "json":
        return web.Response(body=as_json(resource), status=reply.status, content_type="application/json")
    return web.Response(body=as_xml(reply.name, resource), status=reply.status, content_type="application/xml")
