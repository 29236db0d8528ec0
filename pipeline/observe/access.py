"""Whom the agent's HTTP endpoint answers.

`/metrics`, `/healthz` and `/readyz` are for everybody who reaches it. All else needs the agent's
token, over a loopback address as well: a proxy on the same host asks from there for anybody. And a
page in somebody's browser must not be able to ask, under a name of its own or from elsewhere.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Literal
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

Access = Literal["all", "local", "off"]
Reason = Literal["token", "host", "page"]
"""Why a request is refused: it has no token, or a wrong one; it asks for a host that is not this
one; a page of another site sent it."""

INDEX, METRICS = "/", "/metrics"
PUBLIC = frozenset((METRICS, "/healthz", "/readyz"))
"""What everybody is answered, whoever sends him."""

_PASSED_ON = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
"""Headers of a proxy, whose own address tells nothing about who asks."""

_NO_TOKEN = (
    "this needs the agent's token, as `Authorization: Bearer …`: it is in the file `token` of its "
    "state directory, or what http.token sets"
)
_WRONG_TOKEN = "that is not this agent's token: see the file `token` of its state directory"
_CLOSED = "this agent has no token, so nobody can be let in: its log says why"
_WRONG_HOST = "this agent is not asked under that name: http.hosts lists those that it has"
_OTHER_PAGE = "a page of another site may not ask this agent"


@dataclass(frozen=True)
class Refusal:
    status: int
    reason: Reason
    text: str

    def response(self) -> web.Response:
        response = web.Response(status=self.status, text=self.text + "\n")
        if self.status == 401:
            response.headers[hdrs.WWW_AUTHENTICATE] = 'Bearer realm="dockline"'
        return response


class Gate:
    """Decides over each request before anything else looks at it."""

    def __init__(
        self,
        token: str | None = None,
        hosts: Collection[str] = (),
        *,
        metrics: bool = True,
        refused: Callable[[Reason], object] = lambda reason: None,
    ) -> None:
        """`token`: None for nobody, until it is set. `hosts`: names that the agent has, beside
        loopback ones and the address at which it was reached. `metrics`: whether everybody may
        have `/metrics`. `refused` is told of each request that is."""
        self.token = token
        self._hosts = frozenset(host.lower() for host in hosts)
        self._public = PUBLIC if metrics else PUBLIC - {METRICS}
        self._refused = refused

    def refusal(self, request: web.Request) -> Refusal | None:
        """None for a request that is to be answered."""
        resource = request.match_info.route.resource
        path = resource.canonical if resource is not None else None
        if path in self._public:
            return None
        if path != INDEX and (refusal := self._without_token(request)):
            return refusal
        if path == METRICS:  # by whatever name Prometheus knows it
            return None
        if not self._names_us(request):
            return Refusal(421, "host", _WRONG_HOST)
        if self._from_other_page(request, path):
            return Refusal(403, "page", _OTHER_PAGE)
        return None

    def _without_token(self, request: web.Request) -> Refusal | None:
        if self.token is None:
            return Refusal(403, "token", _CLOSED)
        given = request.headers.getall(hdrs.AUTHORIZATION, [])
        scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        if scheme.lower() != "bearer":
            return Refusal(401, "token", _NO_TOKEN)
        told = token.strip().encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(told, self.token.encode()):
            return Refusal(401, "token", _WRONG_TOKEN)
        return None

    def _names_us(self, request: web.Request) -> bool:
        """A page in a browser can reach us under a name of its own (DNS rebinding). What is no
        browser may name nothing."""
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
        site = headers.get("Sec-Fetch-Site", "none")
        if site not in ("none", "same-origin"):
            # Somebody may follow a link to the index.
            return path != INDEX or headers.get("Sec-Fetch-Mode") != "navigate"
        origin = headers.get(hdrs.ORIGIN)
        if origin is None:
            return False
        host = origin.partition("://")[2].lower()
        return host != headers.get(hdrs.HOST, "").lower() and _name(host) not in self._hosts


def guarded(gate: Gate) -> Middleware:
    """The middleware that asks the gate."""

    @web.middleware
    async def ask(request: web.Request, handler: Handler) -> web.StreamResponse:
        if refusal := gate.refusal(request):
            gate._refused(refusal.reason)
            return refusal.response()
        return await handler(request)

    return ask


@dataclass(frozen=True)
class Guard:
    """Of one endpoint, for those who have the token."""

    what: str
    """What is asked for there, as a sentence begins: `tapping`."""
    setting: str
    """Where `access` is set: `http.tap`."""
    instead: str
    """What somebody may do who does not ask from this host: `run dockline tap …`."""
    access: Access = "all"

    def refusal(self, request: web.Request) -> str | None:
        """Why whoever asks gets no answer; None where he does."""
        what, setting = self.what, self.setting
        if self.access == "all":
            return None
        if self.access == "off":
            return f'{what} is off: {setting} = "all" in the configuration allows it'
        peer = request.transport and request.transport.get_extra_info("peername")
        if not peer or not is_loopback(peer[0]):
            return (
                f"{what} is for those only who ask over a loopback address: {self.instead}, "
                f'or set {setting} = "all"'
            )
        if any(name in request.headers for name in _PASSED_ON):
            return f'{what} does not go through a proxy, unless {setting} = "all"'
        return None


def is_loopback(address: str) -> bool:
    ip = _address(address)
    return ip is not None and ip.is_loopback


def names_this_host(host: str) -> bool:
    """Whether a host, as it stands in a URL, is this one: `localhost` or a loopback address."""
    name = _name(host)
    return name is not None and (name == "localhost" or is_loopback(name))


def _name(host: str) -> str | None:
    """Without the port, in small letters; None of what is no host."""
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
