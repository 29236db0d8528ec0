"""A connection to one of several NATS servers.

nats-py speaks the protocol. It is told to reconnect to nothing and to buffer nothing by itself:
whoever has a connection learns that it is lost, and opens another one.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from pipeline.model.component import TLSConfig
from pipeline.model.errors import ConfigError, Unavailable, untraced
from pipeline.model.extras import needed
from pipeline.transport.nats.auth import NatsAuth, checked, connect_options
from pipeline.transport.nats.client import (
    NoTLS,
    abort,
    check_overridden,
    make_client,
    writer_of,
)
from pipeline.transport.net.address import Address, parse
from pipeline.transport.net.errors import printable, sentence
from pipeline.transport.net.tls import check_key, client_context

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

PORTS: Final = {"nats": 4222, "tls": 4222}

_PING: Final = 30
"""Seconds between looks at whether an idle connection is still there; the third that is not
answered ends it."""


class NatsConnection:
    """One connection at a time. Many tasks may publish and subscribe over it."""

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
        check_overridden()
        self._addresses = [_address(url) for url in urls]
        if not self._addresses:
            raise ConfigError("name a server at least", path="urls")
        self._auth = checked(auth or NatsAuth())
        check_key(tls)
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
        """The server that was reached last; before that, the first of those that were
        configured."""
        return self._address or self._addresses[0]

    def reached(self) -> str:
        """Whom `open` has reached: `nats://queue:4222, nats-server 2.10.27, TLSv1.3`."""
        client = self._client
        if client is None or self._address is None:
            return str(self._addresses[0])
        parts = [str(self._address), f"nats-server {self.version_said}"]
        writer = writer_of(client)
        tls = writer.get_extra_info("ssl_object") if writer is not None else None
        return ", ".join(parts + ([tls.version()] if tls is not None else []))

    @property
    def version_said(self) -> str:
        """The version of the server that is connected, in its own words."""
        said = self._client._server_info.get("version") if self._client is not None else None
        return printable(str(said))

    @property
    def version(self) -> tuple[int, int] | None:
        """Major and minor; None if the server says nothing of the kind."""
        found = re.match(r"v?([0-9]{1,4})\.([0-9]{1,4})\b", self.version_said)
        return (int(found[1]), int(found[2])) if found else None

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
            await abort(client)

    # ------------------------------------------------------------------------------ messages

    async def publish(
        self, subject: str, body: bytes, reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Sends one message; that it has come is not known. `reply` is the subject where an answer
        is to come. Raises `Unavailable`."""
        from nats.errors import Error

        try:
            await self.client.publish(subject, body, reply, headers)
        except (Error, OSError) as error:
            raise self._unwritable(error) from error

    async def write(self, commands: bytes) -> None:
        """Sends what is written in the protocol already, such as many messages. Raises
        `Unavailable`."""
        from nats.errors import Error

        client = self.client
        try:
            await client._send_command(commands)
            await client._flush_pending()
        except (Error, OSError) as error:
            raise self._unwritable(error) from error

    async def subscribe(self, subject: str, received: Callable[[Msg], object]) -> Subscription:
        """Has `received` called for each message of that subject, in order, as it is read. It must
        neither raise nor block. Raises `Unavailable`."""
        from nats.errors import Error

        messages: Any = _Messages(received)
        try:
            return await self.client.subscribe(subject, future=messages)
        except (Error, OSError) as error:
            raise self._unwritable(error) from error

    async def unsubscribe(self, subscription: Subscription) -> None:
        """Ends what `subscribe` has begun. Raises `Unavailable`."""
        from nats.errors import Error

        try:
            await subscription.unsubscribe()
        except (Error, OSError) as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: Exception) -> Unavailable:
        message = f"{self.address} cannot be written to any more: {error}"
        return self.trouble or Unavailable(message)

    # ---------------------------------------------------------------------------- connecting

    def _options(self) -> dict[str, Any]:
        """Reads files, so it blocks."""
        options = connect_options(self._auth) | {"tls": client_context(self._tls)}
        if self._tls.server_name:
            options["tls_hostname"] = self._tls.server_name
        return options

    async def _connect(self, address: Address, options: dict[str, Any]) -> Client:
        client = make_client(self._insists)
        connected = False

        async def failed(error: Exception) -> None:
            if not connected:
                try:
                    raise error  # or nats-py would try the same server sixty times
                finally:
                    del error  # else it has this frame, and the frame it
            if client is self._client and "permissions violation" in str(error).lower():
                self._in_trouble(
                    f"{address} does not permit it: {printable(str(error))}; check its users"
                )

        async def closed() -> None:
            if client is self._client:
                why = client.last_error
                ended = why is None or isinstance(why, OSError) or "EOF" in str(why)
                said = "" if ended else f" ({printable(str(why))})"
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
            await abort(client)
            raise
        except Exception as error:
            await abort(client)
            said = _sentence(address, error)
            raise Unavailable(f"{address} {said}") from untraced(error)
        except BaseException:
            await abort(client)
            raise
        connected = True
        return client

    def _in_trouble(self, message: str) -> None:
        self.trouble = self.trouble or Unavailable(message)
        self.on_trouble()


class _Messages:
    """What nats-py takes for the future of a subscription: called for each message at once, where
    a callback would cost a queue and a task switch."""

    def __init__(self, received: Callable[[Msg], object]) -> None:
        self.set_result = received

    def cancelled(self) -> bool:
        return False


def _address(url: str) -> Address:
    if "@" in url:  # and what stands before it is not to be shown
        message = "a URL here has no user in it; write user, password or token into auth"
        raise ConfigError(message, path="urls")
    try:
        return parse(url, PORTS, "nats")
    except ConfigError as error:
        raise ConfigError(error.message, path="urls") from None


def _sentence(address: Address, error: Exception) -> str:
    """Goes on after the address."""
    text = str(error).lower()
    if isinstance(error, NoTLS):
        return "does not offer TLS; set it up there, or use nats:// and no tls if that is intended"
    if "authorization violation" in text or "authentication" in text:
        return "does not know us; check auth, and the server's users"
    if "maximum connections" in text:
        return "has as many connections as it takes (max_connections)"
    if isinstance(error, OSError):  # also TLS and time outs
        return sentence(address, error)
    if text.startswith("nats: '"):
        return f"refused the connection: {printable(str(error))[6:]}"
    return "does not speak NATS; check the address and its port"
