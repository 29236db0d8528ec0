"""The client: connections to one destination, requests, and what went wrong where none answered."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache

import aiohttp
from yarl import URL

from pipeline.model.component import TLSConfig
from pipeline.model.errors import ConfigError, Unavailable, untraced
from pipeline.model.pieces import Pieces, size_of
from pipeline.transport.http.answers import (
    LARGEST_ANSWER,
    Answer,
    Rejected,
    RequestFailed,
    ServerFault,
    check,
    check_for_page,
)
from pipeline.transport.http.body import Body
from pipeline.transport.http.config import (
    Compression,
    HttpOptions,
    HttpSinkConfig,
    compressor,
    request_headers,
)
from pipeline.transport.http.nodes import Nodes, address_of, http_url, joined, proxy_for
from pipeline.transport.net.address import Address
from pipeline.transport.net.errors import printable, sentence
from pipeline.transport.net.tls import check_key, client_context

LONGEST_STATUS = 2**16
"""Bytes of an answer that are looked at for why a request was not taken."""
REST = 5.0
"""Seconds for the rest of an answer whose status says all that is needed."""
IN_THREAD = 2**15
"""Bytes from which on compressing is left to a thread; it takes half a millisecond."""


class HttpClient:
    """The connections to one destination, which may be several equal nodes."""

    def __init__(
        self,
        urls: Sequence[str],
        config: HttpOptions,
        *,
        compression: Compression | None = None,
        key: str = "url",
        probe: str = "",
        probe_method: str = "GET",
        longest: int = LARGEST_ANSWER,
        whole: bool = True,
        pages: bool = True,
        own: Iterable[str] = ("Content-Type",),
        said: Callable[[bytes, str], str] = lambda body, kind: body.decode("utf-8", "replace"),
    ) -> None:
        """`urls` are those of the nodes, each with the path that all others are relative to; `key`
        names them in messages; `compression` is that of `config` unless it is given. `probe` is a
        path to ask for, with `probe_method`, when it is opened. Of an answer `longest` bytes are
        read; and where it is not needed `whole`, 2xx is a success even if its end does not come.
        Without `pages` a web page is no success, such as that of a login with 200. `own` are the
        headers that requests are posted with, which the configuration cannot have. `said` makes
        words of the beginning of an answer that is no success, and of its `Content-Type`.

        Raises `ConfigError`.
        """
        if not urls:
            raise ConfigError("at least one address is needed", key)
        self._nodes = Nodes([http_url(text, key) for text in urls])
        self._tls = config.tls
        self._timeout = float(config.timeout)
        self._probe = probe_method, probe
        self._longest, self._whole = longest, whole
        self._pages = pages
        if compression is None:
            compression = config.compression if isinstance(config, HttpSinkConfig) else "none"
        self._encoding = compression
        self._compress = compressor(compression)
        self._headers = request_headers(config, own)
        self._said = said
        self._session: aiohttp.ClientSession | None = None
        self._proxy_for = cache(proxy_for)
        """Of each node. The environment is looked at anew when it is opened again."""
        self._reached = ""
        self._opened: Answer | None = None
        """What was answered then."""
        self._answered = False
        """Whether the last request was answered, with no success."""
        secure = any(url.scheme == "https" for url in self._nodes.all)
        if config.tls is not None and not secure:
            raise ConfigError("http:// is not encrypted, so a tls table has no meaning", "tls")
        check_key(config.tls)
        self._secure = secure

    # ------------------------------------------------------------------- opening and closing

    async def open(self) -> None:
        """Makes new connections, and sees that somebody answers there, whatever it says. After an
        answer that was no success it knows, and does not ask: that might count as a request, where
        there may be few.

        Raises `Unavailable`.
        """
        await self.close()
        knows, self._answered = self._answered, False
        context = None
        if self._secure:
            context = await asyncio.to_thread(client_context, self._tls or TLSConfig())
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context if context is not None else True, limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._timeout, sock_connect=min(self._timeout, 10)),
            auto_decompress=False,
        )
        self._proxy_for = cache(proxy_for)
        if knows:
            return
        try:
            await self._somebody_answers()
        except BaseException:
            await self.close()
            raise

    async def _somebody_answers(self) -> None:
        method, path = self._probe
        for node in (order := self._nodes.order()):
            try:
                answer = await self._ask(method, node, path, None, {})
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
        """The address that answered when it was opened, with the `Server` that it calls itself."""
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
        """Ends all connections. Without `open`, or a second time, it does nothing."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    # ------------------------------------------------------------------------------ requests

    async def post(
        self,
        path: str,
        body: Pieces,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "POST",
        compressed: bool = True,
    ) -> Answer:
        """Sends `body`, compressed as configured unless it is not to be, to the next of the nodes
        that takes it. `path` may have a query.

        Raises what the table of `answers` says; every message begins with the address.
        """
        more = dict(headers or {})
        if compressed and self._encoding != "none":
            body = await self._compressed(body)
            more["Content-Encoding"] = self._encoding
        for node in (order := self._nodes.order()):
            try:
                self._answered = False
                answer = await self._ask(method, node, path, body, more)
                self._answered = True
                self._check(answer)
                if not self._pages:
                    check_for_page(answer)
            except ServerFault:
                self._nodes.works(node)
                raise
            except Unavailable:
                self._nodes.failed(node)
                if node is order[-1]:
                    raise
            else:
                self._answered = False
                self._nodes.works(node)
                return answer
        raise AssertionError("there is at least one node")

    def _check(self, answer: Answer) -> None:
        body, kind = answer.body[:LONGEST_STATUS], answer.headers.get("Content-Type", "")
        check(answer, "" if 200 <= answer.status < 300 else self._said(body, kind))

    async def _compressed(self, body: Pieces) -> bytes:
        if size_of(body) < IN_THREAD:
            return self._compress(body)
        return await asyncio.to_thread(self._compress, body)

    async def _ask(
        self, method: str, node: URL, path: str, body: Pieces | None, headers: Mapping[str, str]
    ) -> Answer:
        """Any answer at all. Raises `Unavailable` where there is none."""
        where = address_of(node)
        if self._session is None:
            raise Unavailable(f"{where} is not open")
        try:
            async with self._session.request(
                method,
                joined(node, path),
                data=None if body is None else Body(body),
                headers={**self._headers, **headers},
                allow_redirects=False,
                server_hostname=self._tls.server_name if self._tls else None,
                proxy=self._proxy_for(node),
            ) as answer:
                said = await self._body(answer)
                return Answer(answer.status, answer.headers, said, str(where))
        except (aiohttp.ClientError, OSError, ssl.SSLError) as error:
            kind = RequestFailed if _ended_at_it(error) else Unavailable
            problem = _sentence(where, error, self._timeout)
            raise kind(f"{where} {problem}") from untraced(error)
        except ValueError as error:  # such as a header of a megabyte, or a location that is none
            problem = f"{where} gave an answer that is no HTTP: {error}"
            raise Unavailable(problem) from untraced(error)

    async def _body(self, answer: aiohttp.ClientResponse) -> bytes:
        if self._whole or not 200 <= answer.status < 300:
            return await _bounded(answer, self._longest)
        try:
            async with asyncio.timeout(REST):
                return await _bounded(answer, self._longest)
        except (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError, TimeoutError) as error:
            untraced(error)
            answer.close()
            return b""


async def _bounded(answer: aiohttp.ClientResponse, most: int) -> bytes:
    """The rest of what is too long is not read: the connection is closed instead."""
    pieces, left = [], most
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
