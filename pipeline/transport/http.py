"""HTTP requests to one destination, and what each answer means for the entries that were sent.

| answer                                  | means                                                 |
|-----------------------------------------|-------------------------------------------------------|
| 2xx                                     | taken; a web page instead of a store's answer is not  |
| 408, 425, 429, or nobody there          | `Unavailable`; `Retry-After` is heeded                |
| 5xx, or none                            | `RequestFailed`, `ServerFault` for 500: it may be the |
|                                         | server's own trouble, or one bad entry's              |
| 1xx, 3xx, 401, 403, 404, 405, 407, 415  | `RequestFailed`: probably the configuration is wrong  |
| 413                                     | `TooLarge`: fewer entries at once may do              |
| every other 4xx                         | `Rejected`: some or all of the entries are bad, or the|
|                                         | configuration is wrong                                |

What each means for the entries is decided in `pipeline.transport.parts`, by what others are
answered.
RFC 9110, https://www.rfc-editor.org/rfc/rfc9110#section-15. Redirects are not followed: a POST that
becomes a GET elsewhere delivers nothing.
"""

from __future__ import annotations

import asyncio
import base64
import io
import re
import ssl
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Annotated, Literal

import aiohttp
import msgspec
from yarl import URL

from pipeline.component import Data, Duration, Secret, Sink, SinkConfig, TLSConfig
from pipeline.errors import ConfigError, Refused, Unavailable, untraced
from pipeline.extras import needed
from pipeline.transport.address import Address
from pipeline.transport.tls import client_context
from pipeline.transport.trouble import SHOWN, sentence
from pipeline.transport.trouble import printable as printable

LARGEST_ANSWER = 2**24
"""Bytes of an answer that are read. Elasticsearch's, of ten thousand items, has some megabytes."""
LONGEST_STATUS = 2**16
"""Bytes of an answer that are looked at for why a request was not taken."""
ASIDE = 30.0
"""Seconds for which a node that failed is asked only where no other is left."""
IN_THREAD = 2**15
"""Bytes from which on compressing is left to a thread; it takes half a millisecond."""
_PRODUCT = f"dockline/{version('dockline')}"

_NO_SUCH_PATH = b"unsupported path requested"
"""What VictoriaLogs and VictoriaMetrics say for a path that they do not have, with 400."""

_NOT_TO_BE_SET: Mapping[str, str] = {
    "content-encoding": "follows from `compression`",
    "content-length": "follows from the body",
    "transfer-encoding": "follows from the body",
    "accept-encoding": "is what answers can be read in",
    "connection": "is for the connection, which is kept open",
    "keep-alive": "is for the connection, which is kept open",
    "te": "is for the connection, which is kept open",
    "trailer": "is for the connection, which is kept open",
    "upgrade": "is for the connection, which is kept open",
    "expect": "is for the connection, which is kept open",
    "proxy-connection": "is for the connection, which is kept open",
    "proxy-authorization": "is for a proxy: put its password into the proxy's address",
}
"""Headers that a configuration cannot have, and why."""

_CONFIGURATION: Mapping[int, str] = {
    401: "check `auth`",
    403: "check what `auth` may do there",
    404: "check the path in `url`",
    405: "check the path in `url`",
    407: "a proxy wants a password: put it into the proxy's address",
    415: "check which `compression` it takes",
}


class AuthConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who sends: either `user` and `password` (RFC 7617), or `bearer` (RFC 6750)."""

    user: Annotated[str | None, msgspec.Meta(examples=["dockline"])] = None
    """Name, for basic authentication."""
    password: Annotated[Secret | None, msgspec.Meta(examples=["${file:/run/secrets/logs}"])] = None
    """Password that goes with it."""
    bearer: Annotated[Secret | None, msgspec.Meta(examples=["${TOKEN}"])] = None
    """Token."""

    def header(self) -> str:
        """The value of `Authorization`. Raises `ConfigError`."""
        if (self.user is None) == (self.bearer is None):
            raise ConfigError("write either user and password, or bearer", "auth")
        if self.bearer is None:
            pair = f"{self.user}:{self.password!s}" if self.password else f"{self.user}:"
            return "Basic " + base64.b64encode(pair.encode()).decode()
        if self.password is not None:
            raise ConfigError("a password has no meaning without user", "auth.password")
        return f"Bearer {self.bearer!s}"


class HttpSinkConfig(SinkConfig, frozen=True, kw_only=True):
    """What every sink over HTTP may be told, beside its address."""

    auth: AuthConfig | None = None
    """Basic authentication, or a bearer token."""
    headers: dict[str, Secret] = msgspec.field(default_factory=dict)
    """Further headers of each request. Their values are never shown. Those that follow from other
    settings, such as `Content-Encoding`, cannot be set."""
    compression: Literal["none", "gzip", "zstd"] = "gzip"
    """How bodies are compressed; `zstd` is the quickest, where the destination takes it."""
    tls: TLSConfig | None = None
    """Certificates, for `https://`."""
    timeout: Annotated[Duration, msgspec.Meta(gt=0)] = Duration(30)
    """For a whole request, from connecting to the end of the answer."""


class Rejected(Refused):
    """The destination calls the entries of a request bad. `status` and `body` are the answer's."""

    certain = False
    """Whether no configuration can be the cause."""

    def __init__(self, message: str, status: int, body: bytes = b"") -> None:
        super().__init__(message)
        self.status = status
        self.body = body


class TooLarge(Rejected):
    """A request is too large; fewer entries at once may not be."""


class RequestFailed(Unavailable):
    """The destination has not taken a request, be it for its contents or for anything else."""

    PATIENCE, LONG = 3, 10
    """How often a payload may fail so before others are tried, and how often where the destination
    asks for a pause each time."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after)
        self.doubts = self.PATIENCE if retry_after is None else self.LONG


class Misdirected(RequestFailed):
    """The destination answers that it is another one, or that it does not know who asks."""

    wants_mending = True


class ServerFault(RequestFailed):
    """The destination has failed at a request with 500, be it for its contents or not."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of 2xx."""

    status: int
    headers: Mapping[str, str]
    """Names in any case."""
    body: bytes
    """At most `LARGEST_ANSWER`."""
    where: str
    """The origin that gave it, for messages."""


class Http:
    """The connections to one destination, which may be several equal nodes."""

    def __init__(
        self,
        urls: Sequence[str],
        config: HttpSinkConfig,
        *,
        key: str = "url",
        probe: str = "",
        pages: bool = True,
        own: Iterable[str] = ("Content-Type",),
        said: Callable[[bytes, str], str] = lambda body, kind: body.decode("utf-8", "replace"),
    ) -> None:
        """`urls` are those of the nodes, each with the path that all others are relative to; `key`
        names them in messages; `probe` is a path to ask for when it is opened. Without `pages` a
        web page is no success, such as that of a login with 200. `own` are the headers that
        requests are posted with, which the configuration cannot have. `said` makes words of the
        beginning of an answer that is no success, and of its `Content-Type`.

        Raises `ConfigError`.
        """
        if not urls:
            raise ConfigError("at least one address is needed", key)
        self._nodes = _Nodes([_url(text, key) for text in urls])
        self._tls = config.tls
        self._timeout = float(config.timeout)
        self._probe = probe
        self._pages = pages
        self._encoding = config.compression
        self._compress = _compressor(config.compression)
        self._headers = _headers(config, own)
        self._said = said
        self._session: aiohttp.ClientSession | None = None
        self._reached = ""
        self._opened: Answer | None = None
        """What was answered then."""
        secure = any(url.scheme == "https" for url in self._nodes.all)
        if config.tls is not None and not secure:
            raise ConfigError("http:// is not encrypted, so a tls table has no meaning", "tls")
        if config.tls is not None and config.tls.key and not config.tls.cert:
            raise ConfigError("a key has no meaning without its certificate, cert", "tls.key")
        self._secure = secure

    # ------------------------------------------------------------------- opening and closing

    async def open(self) -> None:
        """Makes new connections, and sees that somebody answers there, whatever it says.

        Raises `Unavailable`.
        """
        await self.close()
        context = None
        if self._secure:
            context = await asyncio.to_thread(client_context, self._tls or TLSConfig())
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context if context is not None else True, limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._timeout, sock_connect=min(self._timeout, 10)),
            auto_decompress=False,
        )
        try:
            await self._somebody_answers()
        except BaseException:
            await self.close()
            raise

    async def _somebody_answers(self) -> None:
        for node in (order := self._nodes.order()):
            try:
                answer = await self._ask("GET", node, self._probe, None, {})
            except Unavailable:
                self._nodes.failed(node)
                if node is order[-1]:
                    raise
            else:
                self._nodes.works(node)
                server = answer.headers.get("Server", "")
                kind = f" ({printable(server)})" if server else ""
                self._reached = f"{answer.where}{kind}"
                self._opened = answer
                return

    def reached(self) -> str:
        """Who answered when it was opened."""
        return self._reached

    async def probe(
        self,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        compressed: bool = True,
    ) -> None:
        """Posts a request without entries: what is wrong with an address or a password shows by it.

        Raises `Unavailable` where `post` would for any request. What a server says of a request in
        which nothing is, does not matter."""
        with suppress(Rejected, ServerFault):
            await self.post(path, body, headers, compressed=compressed)

    def probe_by_get(self) -> None:
        """Where a request without entries might be taken for one with some: goes by the answer to
        GET when it was opened. Raises `Unavailable` for a password that is wrong."""
        if self._opened is not None and self.status in (401, 407):
            self._check(self._opened)

    @property
    def status(self) -> int:
        """What GET was answered with when it was opened; 0 before."""
        return self._opened.status if self._opened is not None else 0

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    # ------------------------------------------------------------------------------ requests

    async def post(
        self,
        path: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "POST",
        compressed: bool = True,
    ) -> Answer:
        """Sends `body`, compressed as configured unless it is not to be, to the next of the nodes
        that takes it. `path` may have a query.

        Raises what the table says; every message begins with the address.
        """
        more = dict(headers or {})
        if compressed and self._encoding != "none":
            body = await self._compressed(body)
            more["Content-Encoding"] = self._encoding
        for node in (order := self._nodes.order()):
            try:
                answer = await self._ask(method, node, path, body, more)
                self._check(answer)
                if not self._pages:
                    _check_for_page(answer)
            except ServerFault:
                self._nodes.works(node)
                raise
            except Unavailable:
                self._nodes.failed(node)
                if node is order[-1]:
                    raise
            else:
                self._nodes.works(node)
                return answer
        raise AssertionError("there is at least one node")

    def _check(self, answer: Answer) -> None:
        body, kind = answer.body[:LONGEST_STATUS], answer.headers.get("Content-Type", "")
        _check(answer, "" if 200 <= answer.status < 300 else self._said(body, kind))

    async def _compressed(self, body: bytes) -> bytes:
        if len(body) < IN_THREAD:
            return self._compress(body)
        return await asyncio.to_thread(self._compress, body)

    async def _ask(
        self, method: str, node: URL, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        """Any answer at all. Raises `Unavailable` where there is none."""
        where = _address(node)
        if self._session is None:
            raise Unavailable(f"{where} is not open")
        try:
            async with self._session.request(
                method,
                _joined(node, path),
                data=None if body is None else io.BytesIO(body),  # written in pieces
                headers={**self._headers, **headers},
                allow_redirects=False,
                server_hostname=self._tls.server_name if self._tls else None,
                proxy=_proxy(node),
            ) as answer:
                said = await _bounded(answer)
                return Answer(answer.status, answer.headers, said, str(where))
        except (aiohttp.ClientError, OSError, ssl.SSLError) as error:
            kind = RequestFailed if _ended_at_it(error) else Unavailable
            problem = _sentence(where, error, self._timeout)
            raise kind(f"{where} {problem}") from untraced(error)
        except ValueError as error:  # such as a header of a megabyte, or a location that is none
            problem = f"{where} gave an answer that is no HTTP: {error}"
            raise Unavailable(problem) from untraced(error)


class OverHttp(Sink[Data]):
    """A sink over HTTP, but for what it encodes and sends."""

    _http: Http
    """Made by whoever derives from it."""

    async def open(self) -> None:
        await self._http.open()

    def reached(self) -> str:
        return self._http.reached()

    async def close(self) -> None:
        await self._http.close()


# ------------------------------------------------------------------------------------ answers


def _check(answer: Answer, words: str) -> None:
    """Raises what the table above says of any answer but 2xx."""
    status = answer.status
    if 200 <= status < 300:
        return
    message = f"{answer.where} answers {status}{_after_colon(words)}"
    if status == 400 and _NO_SUCH_PATH in answer.body:
        status = 404
    if status == 413:
        raise TooLarge(message, status, answer.body)
    if status == 500:
        raise ServerFault(message, retry_after(answer.headers))
    if status in _CONFIGURATION:
        raise Misdirected(f"{message}; {_CONFIGURATION[status]}", retry_after(answer.headers))
    if 300 <= status < 400:
        location = printable(answer.headers.get("Location", "nowhere"))
        raise Misdirected(f"{message}, a redirect to {location}; write that address if it is right")
    if status in (408, 425, 429):
        raise Unavailable(message, retry_after(answer.headers))
    if not 400 <= status < 500:
        raise RequestFailed(message, retry_after(answer.headers))
    raise Rejected(message, status, answer.body)


def _check_for_page(answer: Answer) -> None:
    kind = answer.headers.get("Content-Type", "").lower()
    words = answer.body[: 4 * SHOWN].decode("utf-8", "replace")
    if kind.startswith("text/html") and answer.body.lstrip().startswith(b"<"):
        raise Misdirected(
            f"{answer.where} answers {answer.status} with a web page, which is no store's answer"
            f"{_after_colon(words)}; check the address, and what stands before the store"
        )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that `Retry-After` asks for, as a number or a date; None where it does not."""
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", text):
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError, TypeError):
        return None


def _after_colon(words: str) -> str:
    text = printable(words[: 4 * SHOWN])
    return f": {text}" if text else ""


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    """The rest of what is too long is not read: the connection is closed instead."""
    pieces, left = [], LARGEST_ANSWER
    while left > 0 and (piece := await answer.content.read(left)):
        pieces.append(piece)
        left -= len(piece)
    if left <= 0:
        answer.close()
    return b"".join(pieces)


def _ended_at_it(error: BaseException) -> bool:
    """Whether a server that was there has closed the connection in place of an answer, or has been
    silent for too long: what a request holds may be the cause."""
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError):
        return True
    return isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ConnectionTimeoutError)


def _sentence(where: Address, error: BaseException, timeout: float) -> str:
    """Goes on after the address."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        error = error.certificate_error
    elif isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
    if isinstance(error, TimeoutError):
        return f"does not answer within {timeout:g} s; check the address, and what it is busy with"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError):
        return "closed the connection before it had answered; its own log may say why"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"cannot be reached through the proxy, which answers {error.status}"
    if isinstance(error, aiohttp.ClientResponseError):
        return f"gave an answer that is no HTTP ({printable(error.message)}); check the port"
    return sentence(where, error)


# ---------------------------------------------------------------------------------- addresses


class _Nodes:
    """Equal nodes in turn; those that failed a moment ago come last."""

    def __init__(self, urls: list[URL]) -> None:
        self.all = urls
        self._turn = 0
        self._aside: dict[URL, float] = {}

    def order(self) -> list[URL]:
        """All of them, in the order in which to try them."""
        if len(self.all) == 1:
            return self.all
        self._turn = (self._turn + 1) % len(self.all)
        turned = self.all[self._turn :] + self.all[: self._turn]
        now = time.monotonic()
        return sorted(turned, key=lambda url: max(0.0, self._aside.get(url, 0.0) - now))

    def failed(self, url: URL) -> None:
        self._aside[url] = time.monotonic() + ASIDE

    def works(self, url: URL) -> None:
        self._aside.pop(url, None)


def _url(text: str, key: str) -> URL:
    try:
        url = URL(text)
        usable = url.scheme in ("http", "https") and url.host and url.port
    except ValueError:
        usable = False
    if not usable:
        message = f'"{printable(text)}" is not a URL; write it like "https://logs.example.com"'
        raise ConfigError(message, key)
    if url.user or url.password:
        raise ConfigError("a password does not belong into an address; use `auth`", key)
    if url.fragment:
        raise ConfigError("an address has no #fragment", key)
    return url


def _joined(node: URL, path: str) -> URL:
    """`path` behind the node's own; its query beside the node's own."""
    if not path:
        return node
    more = URL(path)
    return node.with_path(node.path.rstrip("/") + more.path, encoded=False).with_query(
        [*node.query.items(), *more.query.items()]
    )


def _address(url: URL) -> Address:
    return Address(url.scheme, url.host or "", url.port or 0)


def _proxy(url: URL) -> str | None:
    """What `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` say, as for most programs."""
    proxies = urllib.request.getproxies_environment()
    if not proxies or urllib.request.proxy_bypass(url.host or ""):
        return None
    return proxies.get(url.scheme)


def _headers(config: HttpSinkConfig, own: Iterable[str]) -> dict[str, str]:
    """Of every request; those of the configuration in place of the usual ones."""
    taken = {name.lower(): "follows from other settings of this sink" for name in own}
    if config.auth is not None:
        taken["authorization"] = "follows from `auth`: write either"
    taken |= _NOT_TO_BE_SET
    headers = {"User-Agent": _PRODUCT, "Accept-Encoding": "identity"}
    if config.auth is not None:
        headers["Authorization"] = config.auth.header()
    for name, value in config.headers.items():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise ConfigError(f'"{name}" is not the name of a header', "headers")
        if not re.fullmatch(r"[\t\x20-\x7e\x80-\xff]*", value):
            raise ConfigError("a header's value is one line of Latin-1", f"headers.{name}")
        if why := taken.get(name.lower()):
            raise ConfigError(f"{name} cannot be set: it {why}", f"headers.{name}")
        taken[name.lower()] = "is there twice, as case does not matter"
        headers = {known: it for known, it in headers.items() if known.lower() != name.lower()}
        headers[name] = str(value)
    return headers


def _compressor(compression: str) -> Callable[[bytes], bytes]:
    if compression == "gzip":
        return lambda body: zlib.compress(body, 1, wbits=31)
    if compression == "zstd":
        zstd = needed("cramjam", "http", 'compression = "zstd"').zstd
        return lambda body: bytes(zstd.compress(body, 3))
    return lambda body: body
