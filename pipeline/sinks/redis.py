"""Redis or Valkey streams: one XADD per entry, many in a pipeline.

```toml
[sinks.redis]
type = "redis"
address = "redis://redis"   # port 6379; rediss:// for TLS, or unix:///run/redis.sock
user = "dockline"           # an ACL user; without it, password alone
password = "${REDIS_PASSWORD}"
stream = "logs:{container.project}"
max_length = 1_000_000
```

- **Streams** are named by the template `stream`, with the placeholders of the stage `set`. In their
  values, characters other than letters, digits, `_`, `.` and `-` become `_`, and so does an empty
  value.
- **An entry** of a stream has two fields: `event.id`, and `json` with the entry as ECS JSON. With
  `format = "fields"` it has `event.id`, and a field for each ECS name (`container.name`,
  `event.sequence`) and each parsed field, which takes more memory.
- **Ids** are assigned by the server (`*`), since they must increase. Docker's times do not: several
  containers share a stream, and stdout and stderr of one differ by microseconds. Ids made of them
  would be refused as too small. To detect duplicates there is the field `event.id`: container,
  source, route, time, sequence and part, the same whenever an entry is sent. A consumer that must
  see each entry once remembers the last few thousand. XADD's own IDMP needs Redis 8.6, and is not
  used.
- **Delivery**: an entry counts as delivered when the server has answered its XADD with an id, and,
  with `replicas`, when WAIT reports that many replicas have it too. When a connection breaks, up to
  `pipeline` entries without an answer are sent again, and may be stored twice. What survives a
  crash of the server depends on its `appendfsync`: with `always`, everything that was answered.
- **Trimming**: `max_length` limits the number of entries (MAXLEN), `max_age` their age (MINID, by
  the times of the entries). Redis removes whole nodes of a hundred entries unless `trim = "exact"`.
- **Errors** are per entry; entries that were taken are not sent again. An entry for a key that is
  not a stream (WRONGTYPE) is refused if `stream` is a template, and may go to `dead_letter`; so is
  one with another error (ERR) if the server took others of the same pipeline. All other errors are
  the server's (OOM, READONLY, LOADING, MISCONF, MOVED, NOAUTH, NOPERM and so on): everything waits,
  and nothing is lost.
- **Sentinel**: with `address = ["redis://s1:26379", "redis://s2:26379"]` and
  `sentinel = { master = "mymaster" }` each new connection asks them for the master.
- **ACL**: the user needs `+ping +xadd` on the streams' keys (`~logs:*`), `+select` for a
  `database`, and `+wait` for `replicas`.
- **Cluster**: a stream is on one node. Give that node's address, and a `stream` without
  placeholders. Tested with Redis 8.0.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import msgspec

from pipeline.encode.plain_name import plain_name
from pipeline.encode.redis import Commands, RedisEncoder, Trimming
from pipeline.expression import compile_template, has_placeholders
from pipeline.model.address_form import AddressForm
from pipeline.model.batch import Batch
from pipeline.model.component import (
    Duration,
    Payload,
    Secret,
    SharedQueue,
    Sink,
    SinkConfig,
    SinkContext,
    TLSConfig,
)
from pipeline.model.errors import ConfigError, Unavailable, at
from pipeline.transport.net.address import Address, parse
from pipeline.transport.net.errors import printable
from pipeline.transport.net.tls import tls_of
from pipeline.transport.redis.connection import Login, RedisConnection, master, refusal
from pipeline.transport.redis.resp import Error, Reply, command

PORTS = {"redis": 6379, "rediss": 6379, "unix": None}
SENTINEL_PORTS = {"redis": 26379, "rediss": 26379}


class SentinelConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The Sentinels that know the address of the master."""

    master: Annotated[str, msgspec.Meta(min_length=1, examples=["mymaster"])]
    """Name of the master, as configured in the Sentinels."""
    user: Annotated[str | None, msgspec.Meta(examples=["dockline"])] = None
    """ACL user at the Sentinels."""
    password: Annotated[Secret | None, msgspec.Meta(examples=["${file:/run/secrets/sentinel}"])] = (
        None
    )
    """Password at the Sentinels, which have their own."""


class Config(SinkConfig, frozen=True, kw_only=True):
    """The server's address, and the names and format of the streams."""

    address_forms: ClassVar[tuple[AddressForm, ...]] = (
        AddressForm(
            schemes={"": "redis://", "+tls": "rediss://", "rediss": "rediss://"},
            to="address",
            path=("stream",),
            number="database",
            login=("user", "password"),
            example="redis://redis:6379/logs",
        ),
        AddressForm(
            schemes={"+unix": "unix://"},
            to="address",
            local=True,
            example="redis+unix:///run/redis/redis.sock",
        ),
    )

    address: Annotated[
        str | list[str],
        msgspec.Meta(examples=["redis://redis:6379", "unix:///run/redis/redis.sock"]),
    ]
    """`redis://host:port`, `rediss://` for TLS, or `unix://` and a path. With `sentinel`, the
    addresses of the Sentinels."""
    sentinel: SentinelConfig | None = None
    """Asks the Sentinels at `address` for the master."""
    user: Annotated[str | None, msgspec.Meta(examples=["dockline"])] = None
    """ACL user, for Redis 6 and newer."""
    password: Annotated[Secret | None, msgspec.Meta(examples=["${REDIS_PASSWORD}"])] = None
    """The user's password, or else the server's (`requirepass`)."""
    database: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Number of the database."""
    stream: Annotated[str, msgspec.Meta(min_length=1, examples=["logs:{container.project}"])] = (
        "dockline"
    )
    """Key of the stream; may be a template."""
    format: Literal["json", "fields"] = "json"
    """`json` is one field with ECS JSON, `fields` is a field for each name."""
    max_length: Annotated[int | None, msgspec.Meta(ge=1, examples=[1_000_000])] = None
    """Most entries of a stream; older ones are removed."""
    max_age: Annotated[Duration | None, msgspec.Meta(gt=0, examples=["7d"])] = None
    """Age at which a stream's entries are removed."""
    trim: Literal["approximate", "exact"] = "approximate"
    """`exact` keeps no entry beyond the limit, at some cost for the server."""
    pipeline: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1000
    """Entries that are sent before waiting for their answers."""
    replicas: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Replicas that must have an entry before it counts as delivered (WAIT)."""
    tls: TLSConfig | None = None
    """Certificates, for `rediss://`. If the Sentinels use TLS, so does the master."""
    timeout: Annotated[Duration, msgspec.Meta(gt=0)] = Duration(10)
    """Time limit for connecting, for the TLS handshake, and for the answers to one pipeline, with
    those of replicas."""

    def publishes(self) -> SharedQueue:
        return SharedQueue(self.stream)


@dataclass(slots=True)
class Entries:
    """The data of a payload: its commands, and which of them are still to be sent."""

    commands: Commands
    """One XADD per entry, encoded in RESP."""
    left: Sequence[int]
    """Indexes of the commands that the server has not taken yet, in order."""
    batches: Sequence[Batch]
    """The batches that the commands are made of, without empty ones."""

    def place(self, index: int) -> tuple[Batch, int]:
        """The batch of the entry of a command, and the entry's index in it.

        Raises `IndexError` for an index that no command has.
        """
        for batch in self.batches:
            if index < len(batch):
                return batch, index
            index -= len(batch)
        raise IndexError(index)


class Redis(Sink[Entries]):
    """Sends up to `pipeline` commands at a time, and waits for their answers before the next."""

    def __init__(self, config: Config, context: SinkContext) -> None:
        self._config = config
        self._login = Login(config.user, config.password, config.database)
        if config.user is not None and config.password is None:
            raise ConfigError("a user needs a password, too", path="password")
        self._connect = _way(config, self._login)
        self._connection: RedisConnection | None = None
        self._constant = not has_placeholders(config.stream)
        with at("stream"):
            streams = compile_template(config.stream, plain_name)
        self._encoder = RedisEncoder(
            streams,
            flat=config.format == "fields",
            trimming=_trimming(config),
            host=context.host,
        )

    async def open(self) -> None:
        await self.close()
        self._connection = connection = await self._connect()
        await connection.open()
        if connection.fact(b"mode") == "sentinel":
            raise Unavailable(f"{connection.address} is a Sentinel; set sentinel.master")
        if connection.fact(b"role") in ("slave", "replica"):
            raise refusal(connection.address, Error("READONLY it says so of itself"))
        if self._config.replicas:
            await self._replicated(connection, b"", 0)

    def reached(self) -> str:
        return self._connection.reached() if self._connection is not None else ""

    def encode(self, batches: Sequence[Batch]) -> Payload[Entries]:
        commands = self._encoder.encode(batches)
        count = len(commands)
        entries = Entries(commands, range(count), [batch for batch in batches if len(batch)])
        return Payload(entries, count, commands.size)

    async def send(self, payload: Payload[Entries]) -> None:
        if (connection := self._connection) is None:
            raise Unavailable("there is no connection")
        sent = payload.data
        while sent.left:
            window = sent.left[: self._config.pipeline]
            commands = sent.commands.run(window)
            if self._config.replicas:
                replies = await self._replicated(connection, commands, len(window))
            else:
                replies = await connection.ask(commands, len(window))
            self._settle(payload, window, replies, connection.address)

    def _settle(
        self,
        payload: Payload[Entries],
        window: Sequence[int],
        replies: list[Reply],
        address: Address,
    ) -> None:
        """Removes what was taken, refuses entries at fault; raises `Unavailable` if any is left."""
        sent, rest = payload.data, payload.data.left[len(window) :]
        if not any(type(reply) is not bytes for reply in replies):
            sent.left = rest
            return
        taken = any(type(reply) is bytes for reply in replies)
        again: list[int] = []
        trouble: Error | None = None
        for index, reply in zip(window, replies, strict=True):
            if type(reply) is bytes:
                continue
            error = reply if isinstance(reply, Error) else Error(f"ERR no id but {reply!r:.50}")
            if self._is_to_blame(error, taken):
                payload.refuse(*sent.place(index), f"{address} answers {printable(error.text)}")
            else:
                again.append(index)
                trouble = trouble or error
        sent.left = [*again, *rest]
        if trouble is not None:
            raise refusal(address, trouble)

    def _is_to_blame(self, error: Error, taken: bool) -> bool:
        """Whether the entry, rather than the server or the configuration, caused the error.

        `taken`: whether the server took other entries of the same pipeline.
        """
        if error.code == "WRONGTYPE":
            return not self._constant
        return error.code == "ERR" and taken

    async def _replicated(
        self, connection: RedisConnection, commands: bytes, count: int
    ) -> list[Reply]:
        """Sends commands followed by WAIT; raises `Unavailable` if too few replicas have them.

        With no commands it only checks that there are enough replicas, so that entries are not
        sent again and again to a master without any.
        """
        wanted, patience = self._config.replicas, int(self._config.timeout * 500) or 1
        wait = command(b"WAIT", b"%d" % wanted, b"%d" % (patience if count else 1))
        *replies, have = await connection.ask(commands + wait, count + 1)
        if isinstance(have, Error):
            raise refusal(connection.address, have)
        if not isinstance(have, int) or have < wanted:
            what = "has the entries on" if count else "has"
            raise Unavailable(
                f"{connection.address} {what} {have!r} replicas; `replicas` wants {wanted}"
            )
        return replies

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


def _way(config: Config, login: Login) -> Callable[[], Awaitable[RedisConnection]]:
    """A function that makes a connection to the server. Raises `ConfigError`."""
    timeout = float(config.timeout)
    written = [config.address] if isinstance(config.address, str) else config.address
    asked = config.sentinel
    addresses = [_parsed(one, SENTINEL_PORTS if asked else PORTS) for one in written]
    if not addresses or (asked is None and len(addresses) > 1):
        raise ConfigError("one address is needed, or those of Sentinels and `sentinel`", "address")
    (tls, *_) = [tls_of(address, config.tls) for address in addresses]
    if asked is None:
        connection = RedisConnection(addresses[0], tls, login, timeout=timeout)

        async def known() -> RedisConnection:
            return connection

        return known
    name, to_them = asked.master, Login(asked.user, asked.password)

    async def found() -> RedisConnection:
        host, port = await master(addresses, name, tls, to_them, timeout=timeout)
        return RedisConnection(
            Address(addresses[0].scheme, host, port), tls, login, timeout=timeout
        )

    return found


def _parsed(text: str, ports: Mapping[str, int | None]) -> Address:
    if "@" in text:
        message = "user and password have keys of their own: `user` and `password`"
        raise ConfigError(message, path="address")
    if not text.startswith("unix:") and re.search(r"[^/]/\d+$", text):
        raise ConfigError("the database has a key of its own: `database`", path="address")
    return parse(text, ports, "redis")


def _trimming(config: Config) -> Trimming | None:
    if config.max_length is not None and config.max_age is not None:
        raise ConfigError("Redis trims by one or the other: max_length or max_age", path="max_age")
    if config.max_length is None and config.max_age is None:
        return None
    return Trimming(config.max_length, config.max_age, config.trim == "exact")
