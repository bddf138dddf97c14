"""``/token``: an access token for an identity, so that a page can log in without a server of its own.

With the account's credentials from anywhere. Without them only where ``is_open`` (development mode), and then only to
pages and programs of this machine: the Host asked for and the page that asks must both be loopback, so that no web site
gets a token by a name that points here.
Source: README, "Development mode"; reliability check S-24.
"""

import ipaddress
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from gateway.rest.auth import Credentials
from gateway.rest.errors import RestError, answering
from gateway.tokens import NoSigningKey, TokenIssuer
from signaling.tokens import DEFAULT_LIFETIME_S, TokenRefused

PATH = "/token"
INVALID_PARAMETER = 20001
FORBIDDEN = 20003


class TokenApi:
    def __init__(self, issuer: TokenIssuer, credentials: Credentials, *, is_open: bool) -> None:
        self._issuer = issuer
        self._credentials = credentials
        self._is_open = is_open

    def routes(self) -> web.RouteTableDef:
        table = web.RouteTableDef()
        handler = answering(self._serve)
        table.get(PATH)(handler)
        table.post(PATH)(handler)
        return table

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        is_local = self._is_open and _is_of_this_machine(request)
        account_sid = "" if is_local else self._credentials.require(request).account_sid
        form = await request.post() if request.method == hdrs.METH_POST else {}
        identity = form.get("identity", request.query.get("identity", ""))
        lifetime = form.get("ttl", request.query.get("ttl", str(DEFAULT_LIFETIME_S)))
        try:
            lifetime_s = int(str(lifetime)[:8])
            token = self._issuer.issue(str(identity), account_sid=account_sid, lifetime_s=lifetime_s)
        except (ValueError, TokenRefused, NoSigningKey) as error:
            raise RestError(400, INVALID_PARAMETER, str(error)) from None
        response = web.json_response({"identity": identity, "token": token, "ttl": lifetime_s})
        origin = request.headers.get(hdrs.ORIGIN)
        if is_local and origin is not None:
            # A page of another port of this machine: the developer's own.
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
            response.headers[hdrs.VARY] = hdrs.ORIGIN
        return response


def _is_of_this_machine(request: web.Request) -> bool:
    """No proxy in between, asked by a name of this machine, and by no page from elsewhere."""
    if hdrs.X_FORWARDED_FOR in request.headers or hdrs.FORWARDED in request.headers:
        return False
    origin = request.headers.get(hdrs.ORIGIN)
    return (
        _is_loopback(request.remote or "")
        and _is_loopback(urlsplit(f"//{request.host}").hostname or "")
        and (origin is None or _is_loopback(urlsplit(origin).hostname or ""))
    )


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
