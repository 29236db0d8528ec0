"""A connection to one of several NATS servers, for sinks and sources alike.

nats-py speaks the protocol. It is told to reconnect to nothing and to buffer nothing by itself:
whoever has a connection learns that it is lost, and opens another one.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

from pipeline.component import Secret, TLSConfig
from pipeline.errors import ConfigError, Unavailable, untraced
from pipeline.extras import needed, overridden
from pipeline.transport.address import Address, parse
from pipeline.transport.tls import client_context
from pipeline.transport.trouble import sentence

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

PORTS: Final = {"nats": 4222, "tls": 4222}

UNREADABLE: Final = ":unreadable"
"""Among a message's headers where they make no sense. No header can be called so."""
CLOSING: Final = 2.0
"""Seconds that nats-py may take to end its tasks."""
_PING: Final = 30
"""Seconds between looks at whether an idle connection is still there; the third that is not
answered ends it."""


class NatsAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who we are to the NATS servers: one of these ways."""

    user: Annotated[str, msgspec.Meta(examples=["agent"])] = ""
    """Name of a user, with `password`."""
    password: Annotated[Secret, msgspec.Meta(examples=["${file:/run/secrets/nats}"])] = Secret("")
    """The user's password."""
    token: Annotated[Secret, msgspec.Meta(examples=["${NATS_TOKEN}"])] = Secret("")
    """A token that the servers know."""
    nkey: Annotated[str | None, msgspec.Meta(examples=["/run/secrets/agent.nk"])] = None
    """File with the seed of an NKey (`SU…`)."""
    credentials: Annotated[str | None, msgspec.Meta(examples=["/run/secrets/agent.creds"])] = None
    """File with a user's JWT and the seed of its NKey, as `nsc` writes it."""


class Nats:
    """One connection at a time. Not for two tasks at once."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        auth: NatsAuth | None = None,
        tls: TLSConfig | None = None,
        timeout: float = 10.0,
        name: str = "dockline",
    ) -> None:
        """`timeout` in seconds is for each server; `name` is how the servers list us. A `tls://`
        URL or a `tls` table insists on TLS; without them it is used where the server asks for it.

        Raises `ConfigError`.
        """
        needed("nats", "nats")
        _see_what_is_overridden()
        self._addresses = [_address(url) for url in urls]
        if not self._addresses:
            raise ConfigError("name a server at least", path="urls")
        self._auth = _checked(auth or NatsAuth())
        if tls is not None and tls.key and not tls.cert:
            raise ConfigError("a key has no meaning without its certificate, cert", path="tls.key")
        self._insists = tls is not None or any(it.scheme == "tls" for it in self._addresses)
        self._tls = tls or TLSConfig()
        self._timeout = timeout
        self._name = name
        self._client: Client | None = None
        self._address: Address | None = None
        self.on_trouble: Callable[[], object] = lambda: None
        """Called when there is `trouble`."""
        self.trouble: Unavailable | None = None
        """Why the connection that was opened last should not be used any more: it is lost, or the
        server does not permit something."""

    @property
    def client(self) -> Client:
        """The connection. Raises `Unavailable` where there is none."""
        if self.trouble is not None:
            raise Unavailable(str(self.trouble))
        if self._client is None:
            raise Unavailable(f"{self._addresses[0]} is not connected")
        return self._client

    @property
    def address(self) -> Address:
        """Of the server that was reached last."""
        return self._address or self._addresses[0]

    def reached(self) -> str:
        """Whom `open` has reached: `nats://queue:4222, nats-server 2.10.27, TLSv1.3`."""
        client = self._client
        if client is None or self._address is None:
            return str(self._addresses[0])
        parts = [str(self._address), f"nats-server {plain(client._server_info.get('version'))}"]
        writer = _writer(client)
        tls = writer.get_extra_info("ssl_object") if writer is not None else None
        return ", ".join(parts + ([tls.version()] if tls is not None else []))

    async def open(self) -> Client:
        """Connects to the first of the servers that can be used, tried in any order. Drops the
        connection that was open before. Raises `Unavailable`."""
        await self.close()
        options = await asyncio.to_thread(self._options)
        problems: dict[str, None] = {}
        for address in random.sample(self._addresses, len(self._addresses)):
            try:
                self._client, self._address = await self._connect(address, options), address
                return self._client
            except Unavailable as error:
                problems[str(error)] = None
        raise Unavailable("; ".join(problems))

    async def close(self) -> None:
        """At once, whatever still waits to be sent. Never raises."""
        client, self._client, self.trouble = self._client, None, None
        if client is not None:
            await _let_go(client)

    # ---------------------------------------------------------------------------- connecting

    def _options(self) -> dict[str, Any]:
        """Reads files, so it blocks."""
        from nats.aio.client import RawCredentials

        auth = self._auth
        options: dict[str, Any] = {"tls": client_context(self._tls)}
        if self._tls.server_name:
            options["tls_hostname"] = self._tls.server_name
        if auth.user:
            options |= {"user": auth.user, "password": str(auth.password)}
        if auth.token:
            options["token"] = str(auth.token)
        if auth.nkey is not None:
            options["nkeys_seed_str"] = _seed(auth.nkey)
        if auth.credentials is not None:
            options["user_credentials"] = RawCredentials(_credentials(auth.credentials))
        return options

    async def _connect(self, address: Address, options: dict[str, Any]) -> Client:
        client = _make(self._insists)
        connected = False

        async def failed(error: Exception) -> None:
            if not connected:
                try:
                    raise error  # or nats-py would try the same server sixty times
                finally:
                    del error  # else it has this frame, and the frame it
            if client is self._client and "permissions violation" in str(error).lower():
                self._in_trouble(f"{address} does not permit it: {plain(error)}; check its users")

        async def closed() -> None:
            if client is self._client:
                why = client.last_error
                ended = why is None or isinstance(why, OSError) or "EOF" in str(why)
                said = "" if ended else f" ({plain(why)})"
                self._in_trouble(f"{address} closed the connection{said}; its own log may say why")

        try:
            async with asyncio.timeout(self._timeout):
                await client.connect(
                    [f"nats://{str(address).partition('://')[2]}"],
                    error_cb=failed,
                    closed_cb=closed,
                    name=self._name,
                    allow_reconnect=False,
                    connect_timeout=max(1, int(self._timeout)),
                    ping_interval=_PING,
                    pending_size=0,  # no waiting for room inside of it, which cannot be cancelled
                    **options,
                )
            if not client.is_connected:
                raise ConnectionResetError
        except Unavailable:
            await _let_go(client)
            raise
        except Exception as error:
            await _let_go(client)
            said = _sentence(address, error)
            raise Unavailable(f"{address} {said}") from untraced(error)
        except BaseException:
            await _let_go(client)
            raise
        connected = True
        return client

    def _in_trouble(self, message: str) -> None:
        self.trouble = self.trouble or Unavailable(message)
        self.on_trouble()


def _see_what_is_overridden() -> None:
    from nats.aio.client import Client
    from nats.protocol import parser

    overridden(
        "nats-py",
        "nats",
        Client,
        _process_info=("self", "info", "initial_connection"),
        _process_headers=("self", "headers"),
        _build_message=("self", "sid", "subject", "reply", "data", "headers"),
    )
    overridden("nats-py", "nats", parser, MSG_RE=None, HMSG_RE=None)


def _make(insists: bool) -> Client:
    """A client that does not trust the server's first words: they come before TLS. Nor does it
    trust those who publish: nats-py reads no more, or closes the connection, at a subject that is
    not UTF-8 or has a form feed in it, or at headers that are none; the server passes all of that
    on, and again after each reconnection (nats-py 2.16.0, nats-server 2.10.27)."""
    from nats.aio.client import Client
    from nats.protocol import parser

    parser.MSG_RE, parser.HMSG_RE = _MSG, _HMSG
    logging.getLogger("nats").setLevel(logging.CRITICAL)  # what is wrong is said by us, once

    class Checked(Client):
        async def _process_info(
            self, info: dict[str, Any], initial_connection: bool = False
        ) -> None:
            if initial_connection:
                if insists and not info.get("tls_required"):
                    raise _NoTLS
                if type(info.get("max_payload")) is not int:
                    raise ValueError("no max_payload")
            await super()._process_info(info, initial_connection)

        async def _process_headers(self, headers: bytes | None) -> dict[str, str] | None:
            try:
                return await super()._process_headers(headers)
            except Exception:  # it indexes and decodes whatever there is
                return {UNREADABLE: ""}

        def _build_message(
            self,
            sid: int,
            subject: bytes,
            reply: bytes,
            data: bytes,
            headers: dict[str, str] | None,
        ) -> Msg:
            known = subject.decode("utf-8", "backslashreplace").encode()
            return super()._build_message(sid, known, reply, data, headers)  # type: ignore[no-any-return]

    return Checked()


_MSG: Final = re.compile(
    rb"\AMSG[ \t]+([^ \t\r\n]+)[ \t]+([^ \t\r\n]+)[ \t]+(([^ \t\r\n]+)[ \t]+)?(\d+)\r\n"
)
_HMSG: Final = re.compile(
    rb"\AHMSG[ \t]+([^ \t\r\n]+)[ \t]+([^ \t\r\n]+)[ \t]+(([^ \t\r\n]+)[ \t]+)?(\d+)[ \t]+(\d+)\r\n"
)
"""As the server divides its lines. nats-py does so at all that Python calls white space, which may
be in a subject."""


class _NoTLS(Exception):
    """The server does not offer it, or somebody on the way has seen to that."""


async def _let_go(client: Client) -> None:
    """Closes a connection, without waiting for a peer that does not read. Never raises."""
    client._pending.clear()
    client._pending_data_size = 0
    writer = _writer(client)
    if writer is not None:
        writer.transport.abort()
        client._transport = None  # it would wait for the end of what was aborted, in vain
    with suppress(Exception):
        async with asyncio.timeout(CLOSING):
            await client.close()


def _writer(client: Client) -> asyncio.StreamWriter | None:
    writer: asyncio.StreamWriter | None = getattr(client._transport, "_io_writer", None)
    return writer


# ------------------------------------------------------------------------------- configuration


def _address(url: str) -> Address:
    if "@" in url:  # and what stands before it is not to be shown
        message = "a URL here has no user in it; write user, password or token into auth"
        raise ConfigError(message, path="urls")
    try:
        return parse(url, PORTS, "nats")
    except ConfigError as error:
        raise ConfigError(error.message, path="urls") from None


def _checked(auth: NatsAuth) -> NatsAuth:
    ways = [name for name in ("user", "token", "nkey", "credentials") if getattr(auth, name)]
    if len(ways) > 1:
        raise ConfigError(f"{ways[0]} and {ways[1]} exclude each other", path=f"auth.{ways[1]}")
    if auth.password and not auth.user:
        raise ConfigError("a password has no meaning without its user", path="auth.password")
    if ways and ways[0] in ("nkey", "credentials"):
        try:
            needed("nkeys", "nats", f"auth.{ways[0]}")
        except ConfigError as error:
            raise ConfigError(error.message, path=f"auth.{ways[0]}") from None
    return auth


def _seed(path: str) -> str:
    seed = _read(path, "nkey").strip()
    if not seed.startswith("SU"):
        raise Unavailable(f"auth.nkey: {path} has no seed of a user in it, which begins with SU")
    return seed


def _credentials(path: str) -> str:
    text = _read(path, "credentials")
    if "BEGIN NATS USER JWT" not in text or "BEGIN USER NKEY SEED" not in text:
        raise Unavailable(f"auth.credentials: {path} is not a file as nsc writes it")
    return text


def _read(path: str, key: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise Unavailable(f"auth.{key}: {path} cannot be read: {why}") from error


# -------------------------------------------------------------------------------------- trouble


def _sentence(address: Address, error: Exception) -> str:
    """Goes on after the address."""
    text = str(error).lower()
    if isinstance(error, _NoTLS):
        return "does not offer TLS; set it up there, or use nats:// and no tls if that is intended"
    if "authorization violation" in text or "authentication" in text:
        return "does not know us; check auth, and the server's users"
    if "maximum connections" in text:
        return "has as many connections as it takes (max_connections)"
    if isinstance(error, OSError):  # also TLS and time outs
        return sentence(address, error)
    if text.startswith("nats: '"):
        return f"refused the connection: {plain(error)[6:]}"
    return "does not speak NATS; check the address and its port"


def plain(value: object) -> str:
    """What a server has said, on one line and not endless."""
    return "".join(c if c.isprintable() else " " for c in str(value))[:200]
