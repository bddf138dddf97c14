"""Where a request goes: one reading of a URL, made before anything else looks at it.

Pure. Everything after this (signature, guard, request line, Host) uses the same parsed form, so that no two parts can
read a URL differently. What browsers would repair in a host is refused: a name that has to be guessed is not a name.
Source: RFC 3986 3; WHATWG URL for what is percent-encoded in a path.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Final
from urllib.parse import quote, unquote, urlencode, urljoin

from yarl import URL

from gateway.webhooks.errors import FetchCode, FetchError

MAX_URL: Final = 8_000
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?]*)(?P<path>[^?]*)(?P<query>\??.*)", re.DOTALL
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# Reserved and unreserved characters of RFC 3986, and "%": what is encoded already stays as it is.
_SAFE: Final = "!$%&'()*+,-./:;=?@[]_~|^"


@dataclass(frozen=True)
class Target:
    """A URL that may be requested. host: ASCII, lower case, no brackets. port: None for the scheme's own.

    resource: path and query as they stand in the request line.
    """

    scheme: str
    host: str
    port: int | None
    resource: str
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.effective_port

    @property
    def effective_port(self) -> int:
        return self.port or _DEFAULT_PORTS[self.scheme]

    @property
    def url(self) -> str:
        """As requested and signed: no user, no password, no fragment."""
        return f"{self.scheme}://{self._authority}{self.resource}"

    @property
    def base_url(self) -> str:
        """For relative URLs of the document: keeps user and password. Not for logs."""
        if not self.username and not self.password:
            return self.url
        user, password = quote(self.username, safe=""), quote(self.password, safe="")
        return f"{self.scheme}://{user}:{password}@{self._authority}{self.resource}"

    @property
    def _authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    def request_url(self) -> URL:
        return URL(self.url, encoded=True)

    def with_params(self, params: tuple[tuple[str, str], ...]) -> "Target":
        """The same with these parameters appended to the query."""
        if not params:
            return self
        joint = "&" if "?" in self.resource else "?"
        resource = f"{self.resource}{joint}{form(params)}"
        return Target(self.scheme, self.host, self.port, resource, self.username, self.password)

    def redirected(self, location: str) -> "Target":
        """Where a Location leads. User and password go along within the same origin only. Raises FetchError."""
        location = location.strip()
        # urljoin repairs "http:///x" into something on our own host; what names a scheme stands by itself.
        found = parse_target(location if _SCHEME.match(location) else urljoin(self.url, location))
        if found.username or found.password or found.origin != self.origin:
            return found
        return Target(found.scheme, found.host, found.port, found.resource, self.username, self.password)


def form(params: tuple[tuple[str, str], ...]) -> str:
    """``application/x-www-form-urlencoded`` in UTF-8; text that is no Unicode loses what is not."""
    return urlencode(params, encoding="utf-8", errors="replace")


@lru_cache(maxsize=256)
def parse_target(url: str) -> Target:
    """Raises FetchError: 11100 for what is not a plain http or https URL, 11210 for a host that cannot be one."""
    # What is no Unicode becomes U+FFFD; a "?" in its place would end the path.
    text = url.strip().encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    match = _URL.fullmatch(text.partition("#")[0])
    if match is None or len(text) > MAX_URL:
        raise FetchError(FetchCode.INVALID_URL, text[:200], "expected an absolute http or https URL")
    scheme = match["scheme"].lower()
    if scheme not in _DEFAULT_PORTS:
        raise FetchError(FetchCode.INVALID_URL, text[:200], f"expected http or https, found {scheme}")
    authority = match["authority"]
    if _CONTROL.search(text) or " " in authority or "\\" in authority:
        raise FetchError(FetchCode.INVALID_URL, text[:200], "expected no control character and a plain host")
    userinfo, at, hostport = authority.rpartition("@")
    if "@" in userinfo:
        raise FetchError(FetchCode.INVALID_URL, text[:200], "expected one @ at most before the host")
    username, _, password = userinfo.partition(":")
    host, port = _host_and_port(hostport, text)
    query = match["query"]
    resource = quote(match["path"] or "/", safe=_SAFE, errors="replace")
    if len(query) > 1:
        resource += quote(query, safe=_SAFE, errors="replace")
    return Target(
        scheme,
        host,
        None if port == _DEFAULT_PORTS[scheme] else port,
        resource,
        unquote(username) if at else "",
        unquote(password) if at else "",
    )


def _host_and_port(text: str, url: str) -> tuple[str, int | None]:
    if text.startswith("["):
        literal, bracket, rest = text[1:].partition("]")
        host = _ipv6(literal, url) if bracket else ""
        colon, digits = rest[:1], rest[1:]
    else:
        name, colon, digits = text.partition(":")
        host = _name(name, url)
    if not host or colon not in ("", ":") or (digits and not (digits.isascii() and digits.isdigit())):
        raise FetchError(FetchCode.INVALID_URL, url[:200], f"expected a host and port, found {text[:80]!r}")
    port = int(digits[:6]) if digits else None
    if port is not None and not 0 < port < 65536:
        raise FetchError(FetchCode.INVALID_URL, url[:200], f"expected a port up to 65535, found {digits[:6]}")
    return host, port


def _ipv6(literal: str, url: str) -> str:
    try:
        address = IPv6Address(literal)
    except AddressValueError:
        raise FetchError(FetchCode.INVALID_URL, url[:200], "expected an IPv6 address in brackets") from None
    if address.scope_id:
        raise FetchError(FetchCode.INVALID_URL, url[:200], "expected an IPv6 address without a zone")
    return address.compressed


def _name(name: str, url: str) -> str:
    """ASCII form of a host name. Full-width letters and ideographic dots become what they stand for."""
    try:
        host = (URL.build(scheme="http", host=name, path="/").raw_host or "") if name else ""
    except ValueError:
        host = ""
    host = host.lower()
    if _NAME.fullmatch(host) is None:
        raise FetchError(FetchCode.BAD_HOST_NAME, url[:200], f"expected a host name, found {name[:80]!r}")
    return host
