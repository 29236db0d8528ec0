"""Decides which HTTP requests the agent answers.

`/metrics`, `/healthz` and `/readyz` are open to everybody. Everything else needs the agent's token,
even from a loopback address: a proxy on the same host asks from there for anybody. Only the files
of the page don't, which hold no data, and users that a trusted proxy has let in. Pages of another
site can't ask either, nor can they by DNS rebinding.
"""

from __future__ import annotations

import hmac
import math
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Literal
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from pipeline.observe.trusted_proxy import USER, TrustedProxy
from pipeline.observe.wrong_tokens import WrongTokens

Access = Literal["all", "local", "off"]
Reason = Literal["token", "limit", "host", "page"]
"""Why a request is refused: its token is missing or wrong (`token`), its address sent too many
wrong ones (`limit`), it names another host (`host`), or a page of another site sent it (`page`)."""

INDEX, METRICS = "/", "/metrics"
PAGE_FILES = "/page/{name}"
"""Route of the page's files."""
PUBLIC = frozenset((METRICS, "/healthz", "/readyz"))
"""Paths that need neither token nor host name."""
_EMPTY = frozenset((INDEX, PAGE_FILES))
"""Paths that need no token: what they answer is the same for every agent."""

_PASSED_ON = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
"""Headers that a proxy adds. Behind one, the peer's address doesn't tell who asks."""

_NO_OTHER = ("none", "same-origin")
"""Values of `Sec-Fetch-Site` of requests that no other site has a part in."""
_HOST = re.compile(r"(\[[^\]\s]+\]|[^\[\]:/?#@\\\s]+)(:\d+)?")
"""A host and a port, as in `Host`, and not with a user or a path as in a URL."""

_NO_TOKEN = (
    "this needs the agent's token, as `Authorization: Bearer …`: it is in the file `token` of its "
    "state directory, or what http.token sets"
)
_WRONG_TOKEN = "that is not this agent's token: see the file `token` of its state directory"
_TOO_MANY = "too many wrong tokens came from this address: wait a minute, or use the right one"
_CLOSED = "this agent has no token, so nobody can use this: its log says why"
_WRONG_HOST = "this agent does not have that host name: http.hosts lists those that it has"
_OTHER_PAGE = "pages of other sites may not use this agent"


@dataclass(frozen=True)
class Refusal:
    """An answer that refuses a request."""

    status: int
    reason: Reason
    text: str
    wait: float = 0.0
    """Seconds after which the client may ask again; 0 says nothing about it."""

    def response(self) -> web.Response:
        """The answer, with a `WWW-Authenticate` header if a token is missing."""
        response = web.Response(status=self.status, text=self.text + "\n")
        if self.status == 401:
            response.headers[hdrs.WWW_AUTHENTICATE] = 'Bearer realm="dockline"'
        if self.wait:
            response.headers[hdrs.RETRY_AFTER] = str(math.ceil(self.wait))
        return response


class Gate:
    """Decides about each request before any handler sees it."""

    def __init__(
        self,
        token: str | None = None,
        hosts: Collection[str] = (),
        *,
        metrics: bool = True,
        proxy: TrustedProxy | None = None,
        refused: Callable[[Reason], object] = lambda reason: None,
    ) -> None:
        """`token`: without one, everything that needs it is refused; it may be set later. `hosts`:
        names of this host, besides loopback names and the address that the client reached.
        `metrics`: whether `/metrics` is open to everybody. `proxy`: whose users need no token.
        `refused` is called with the reason of each refusal."""
        self.token = token
        self._hosts = frozenset(host.lower() for host in hosts)
        self._public = PUBLIC if metrics else PUBLIC - {METRICS}
        self._proxy = proxy
        self._refused = refused
        self._wrong = WrongTokens()

    def refusal(self, request: web.Request) -> Refusal | None:
        """Why the request is refused; None if it may be answered."""
        resource = request.match_info.route.resource
        path = resource.canonical if resource is not None else None
        if path in self._public:
            return None
        if path not in _EMPTY and (refusal := self._without_token(request)):
            return refusal
        if path == METRICS:  # Prometheus may use any host name
            return None
        if not self._names_us(request):
            return Refusal(421, "host", _WRONG_HOST)
        if self._from_other_page(request, path):
            return Refusal(403, "page", _OTHER_PAGE)
        return None

    def _without_token(self, request: web.Request) -> Refusal | None:
        if self._proxy is not None and self._proxy.lets_in(request):
            return None
        if self.token is None:
            return Refusal(403, "token", _CLOSED)
        given = request.headers.getall(hdrs.AUTHORIZATION, [])
        scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        if scheme.lower() != "bearer":
            return Refusal(401, "token", _NO_TOKEN)
        told = token.strip().encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(told, self.token.encode()):
            return self._wrong_token(request)
        return None

    def _wrong_token(self, request: web.Request) -> Refusal:
        peer = request.transport and request.transport.get_extra_info("peername")
        if wait := self._wrong.add(peer[0] if peer else ""):
            return Refusal(429, "limit", _TOO_MANY, wait)
        return Refusal(401, "token", _WRONG_TOKEN)

    def _names_us(self, request: web.Request) -> bool:
        """Whether the request's `Host` is this host. A page in a browser may have a name of its own
        resolve to our address (DNS rebinding). Clients other than browsers may send no `Host`."""
        given = request.headers.getall(hdrs.HOST, [])
        return not given or (len(given) == 1 and self._is_ours(given[0], request))

    def _is_ours(self, host: str, request: web.Request) -> bool:
        name = _name(host)
        if name is None:
            return False
        if name == "localhost" or name in self._hosts or is_loopback(name):
            return True
        transport, address = request.transport, _address(name)
        if transport is None or address is None:
            return False
        return address == _address(transport.get_extra_info("sockname")[0])

    def _from_other_page(self, request: web.Request, path: str | None) -> bool:
        headers = request.headers
        if any(site not in _NO_OTHER for site in headers.getall("Sec-Fetch-Site", [])):
            # Following a link to the index is allowed.
            return path != INDEX or headers.get("Sec-Fetch-Mode") != "navigate"
        own = headers.get(hdrs.HOST, "").lower()
        hosts = [one.partition("://")[2].lower() for one in headers.getall(hdrs.ORIGIN, [])]
        return any(host != own and _name(host) not in self._hosts for host in hosts)


def guarded(gate: Gate) -> Middleware:
    """Makes the middleware that asks the gate about each request."""

    @web.middleware
    async def ask(request: web.Request, handler: Handler) -> web.StreamResponse:
        if refusal := gate.refusal(request):
            gate._refused(refusal.reason)
            return refusal.response()
        return await handler(request)

    return ask


@dataclass(frozen=True)
class Guard:
    """Whether those who have the token may use one endpoint, by its setting."""

    what: str
    """What the endpoint does, as the first word of a sentence: `tapping`."""
    setting: str
    """The setting that `access` is from, such as `http.tap`."""
    instead: str
    """What to do instead on another host, as part of a sentence: `run dockline tap …`."""
    access: Access = "all"

    def refusal(self, request: web.Request) -> str | None:
        """Why the client may not use the endpoint, in a sentence; None if it may."""
        what, setting = self.what, self.setting
        if self.access == "all":
            return None
        if self.access == "off":
            return f'{what} is off: {setting} = "all" in the configuration allows it'
        peer = request.transport and request.transport.get_extra_info("peername")
        if not peer or not is_loopback(peer[0]):
            return (
                f"{what} is only allowed from a loopback address: {self.instead}, "
                f'or set {setting} = "all"'
            )
        if USER in request or any(name in request.headers for name in _PASSED_ON):
            return f'{what} is not allowed through a proxy, unless {setting} = "all"'
        return None


def is_loopback(address: str) -> bool:
    """Whether the text is a loopback address (IPv4 or IPv6)."""
    ip = _address(address)
    return ip is not None and ip.is_loopback


def names_this_host(host: str) -> bool:
    """Whether a URL's host is this one: `localhost` or a loopback address. A port may follow it."""
    name = _name(host)
    return name is not None and (name == "localhost" or is_loopback(name))


def _name(host: str) -> str | None:
    """The host without its port, in lower case; None if it isn't a host."""
    if not _HOST.fullmatch(host):
        return None
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return None
    return name.removesuffix(".") if name else None


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        ip = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return ip.ipv4_mapped or ip if isinstance(ip, IPv6Address) else ip
