"""Entries out of a stream of NATS JetStream: what makes processes of dockline a hub.

```toml
[engine]
enabled = false

[sources.queue]
type = "nats"
urls = ["nats://nats-1:4222", "nats://nats-2:4222", "nats://nats-3:4222"]
auth = { user = "hub", password = "${NATS_PASSWORD}" }
```

Agents publish with the `nats` sink; any number of processes with this source share what they have
published, each entry with its container, time, `event.sequence` and fields.

- **Acknowledged end to end**: a message is acknowledged when every sink of every route has settled
  its entries: delivered, refused and counted, or safe in a spool. While sinks are slow, the server
  is told that the work goes on (`+WPI`, every quarter of `ack_wait`), and no more is asked for than
  `in_flight` allows. What a hub has not acknowledged when it stops is given back (`-NAK`); when it
  dies, the server delivers it again after `ack_wait`. So after a kill of a hub, or of the server,
  entries may come twice and none is missing; their numbers are those of the agents, by which sinks
  with deterministic ids know them.
- **In order**: all entries of a container are in one of `partitions`, by a hash of its id, and each
  partition has a consumer of its own (`durable`, a dash, its number), which is read by one hub at a
  time. Who reads which is agreed on with leases, in a small stream `durable-leases`: a hub that
  comes takes its part when others have finished with it, and what one that died had is taken over
  after two and a half times `ack_wait`, when the server delivers again what it had not
  acknowledged, before all that came later. `partitions` is also how many hubs can share the work;
  it is the same in the sinks, and not to be changed while there is something in the stream. The
  sink that makes a stream notes its number there (`metadata`, NATS 2.10); a hub that has fewer
  reads nothing and says so. (A `max_ack_pending` of 1 would keep the order with less, and pass one
  message at a time.)
- `ordered = false` has every hub read every partition, with no leases: for where order does not
  matter.
- **Any other message** is an entry as well: its body is the message, its subject the container's
  name, and `event.sequence` its place in the stream; `event.dataset` is `nats.logs`. For a stream
  of others, `subject` without `{partition}` means one consumer, called as `durable`; of several
  hubs one reads it, and others wait to take its place, unless `ordered = false`.
- The stream has to be there, made by the first agent or by you; a consumer is made where there is
  none. Where somebody removes either while a hub runs, it says so, and goes on when the stream is
  there again.
- **Messages that cannot be read** are ended (`+TERM`), counted in
  `dockline_source_refused_messages_total`, and one in ten seconds is said in the log. So are
  columns of more than 32 MiB before compression, or that would take more than 128 MiB of memory;
  and entries of a container whose name is longer than 4096 characters, or its facts than 256 KiB.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from pipeline.intake.received import Received
from pipeline.model.batch import Batch
from pipeline.model.component import (
    Duration,
    Intake,
    Source,
    SourceConfig,
    SourceContext,
    TLSConfig,
)
from pipeline.model.errors import ConfigError, Unavailable
from pipeline.support.plural import plural
from pipeline.support.rate_limit import RateLimit
from pipeline.transport.nats.auth import NatsAuth
from pipeline.transport.nats.client import UNREADABLE
from pipeline.transport.nats.connection import NatsConnection
from pipeline.transport.nats.consumers import Consumer, ensure, number, remove
from pipeline.transport.nats.jetstream import JetStream
from pipeline.transport.nats.leases import Leases
from pipeline.transport.nats.pull import Delivered, Puller
from pipeline.transport.nats.streams import partitions_of, stream_info
from pipeline.transport.nats.unacknowledged import Unacknowledged
from pipeline.transport.net.errors import printable

log = logging.getLogger(__name__)

PARTITION: Final = "{partition}"
LEASE: Final = 1.5
"""Times `ack_wait` that a partition is somebody's who is not heard of."""
SLACK: Final = 1.1
"""Times `ack_wait` after which the server has seen that it is over."""
CATCH_UP: Final = 2.0
"""Seconds in which the leader of a stream has what its other replicas have."""
PATIENCE: Final = 3.0
"""Times `ack_wait` in which the server has to deliver again what others had."""
SMALLEST_PULL: Final = 1 << 18
"""Bytes."""
PAUSE: Final = 0.02
"""Seconds after a pull that brought nothing: the server may say so at once."""


class Config(SourceConfig, frozen=True, kw_only=True):
    """Which servers, which stream, and how it is shared."""

    urls: Annotated[
        list[str], msgspec.Meta(min_length=1, examples=[["nats://nats-1:4222", "tls://nats-2"]])
    ]
    """`nats://host:4222` or `tls://host:4222`; of several, any that can be used."""
    stream: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = "DOCKLINE"
    """Name of the stream."""
    subject: Annotated[str, msgspec.Meta(pattern=r"^[^\s]{1,512}$")] = "dockline.{partition}.>"
    """What is read of it, with `*` for any one token and `>` for all that follow."""
    partitions: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 16
    """How many there are, as in the sinks."""
    durable: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = "hub"
    """What those who share have in common: the name of their consumers."""
    ordered: bool = True
    """Whether a partition is read by one process at a time."""
    ack_wait: Annotated[Duration, msgspec.Meta(ge=1)] = Duration(10)
    """How long the server waits for a sign of life before it delivers a message again. What a
    consumer has that is there already counts for more."""
    batch: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 100
    """Messages that are asked for at a time, of each partition."""
    max_ack_pending: Annotated[int, msgspec.Meta(ge=1)] = 1000
    """Messages of a partition that may be unacknowledged, for a consumer that is made."""
    auth: NatsAuth | None = None
    """Who we are."""
    tls: TLSConfig | None = None
    """Certificates, for TLS."""
    domain: Annotated[str | None, msgspec.Meta(examples=["hub"], pattern=r"^[A-Za-z0-9_-]+$")] = (
        None
    )
    """JetStream domain, for a stream beyond a leaf node."""
    timeout: Duration = Duration(10)
    """For connecting to each server, and for each answer."""


class NatsSource(Source):
    """Reads the partitions that are ours. What is not acknowledged is known over reconnections: if
    it comes again, it is not taken again."""

    def __init__(self, config: Config, context: SourceContext) -> None:
        self._config = config
        self._partitioned = PARTITION in config.subject
        self._shares = config.partitions if self._partitioned else 1
        rest = config.subject.replace(PARTITION, "0")
        if "{" in rest or "" in rest.split(".") or rest.startswith("$"):
            message = 'a subject is like "dockline.{partition}.>"; there is no other placeholder'
            raise ConfigError(message, path="subject")
        self._nats = NatsConnection(
            config.urls,
            auth=config.auth,
            tls=config.tls,
            timeout=config.timeout,
            name=f"dockline {context.host} {context.name}",
        )
        self._jetstream = JetStream(self._nats, timeout=config.timeout, domain=config.domain)
        self._owner = secrets.token_hex(8)
        self._received = Received()
        self._unacknowledged = Unacknowledged(self._nats)
        self._ack_wait = float(config.ack_wait)
        self._replicas = 1
        self._leases: Leases | None = None
        self._leaving: set[int] = set()
        """Partitions of which nothing more is asked for, since others are to have them."""
        self._pullers: dict[int, Puller] = {}
        self._seen: set[str] = set()
        """Consumers that were there."""
        self._remade = RateLimit()

    # ------------------------------------------------------------------ opening and closing

    async def open(self) -> None:
        await self.close()
        await self._jetstream.open()
        self._replicas, _ = await self._stream()
        self._ack_wait = (await self._ensure(0)).ack_wait
        if not self._config.ordered:
            return
        if self._leases is not None:
            self._leases.clean.clear()
        else:
            length = LEASE * self._ack_wait
            self._leases = Leases(self._config.durable, self._owner, self._shares, length)
        await self._leases.ensure(self._jetstream, self._replicas)

    async def _stream(self) -> tuple[int, int]:
        """Its replicas, and its last place. Raises `Unavailable`."""
        stream = self._config.stream
        info = await stream_info(self._jetstream, stream)
        if info is None:
            hint = "the first agent that publishes makes it"
            raise Unavailable(f"there is no stream {stream}; {hint}")
        theirs = partitions_of(info.config)
        if self._partitioned and theirs is not None and theirs > self._shares:
            raise Unavailable(
                f"stream {stream} is shared out into {theirs} partitions, and of {self._shares} "
                f"nobody would read the rest; set partitions = {theirs}, as in the sinks"
            )
        return max(1, number(info.config, "num_replicas")), number(info.state, "last_seq")

    async def _ensure(self, partition: int) -> Consumer:
        name, stream = self._consumer(partition), self._config.stream
        consumer = await ensure(
            self._jetstream,
            stream,
            name,
            self._config.subject.replace(PARTITION, str(partition)),
            ack_wait=float(self._config.ack_wait),
            most=self._config.max_ack_pending,
        )
        if consumer.made and name in self._seen and self._remade():
            log.warning(
                "consumer %s of stream %s was removed, or all of them; it is made anew and "
                "delivers all that is there",
                *(name, stream),
            )
        self._seen.add(name)
        return consumer

    def _consumer(self, partition: int) -> str:
        durable = self._config.durable
        return f"{durable}-{partition}" if self._partitioned else durable

    def reached(self) -> str:
        return f"{self._nats.reached()}, stream {self._config.stream}"

    async def close(self) -> None:
        self._pullers.clear()
        self._leaving.clear()
        self._unacknowledged.forget_waiting()
        await self._nats.close()

    # ----------------------------------------------------------------------------- running

    async def run(self, intake: Intake) -> None:
        async with asyncio.TaskGroup() as tasks:
            helpers = [
                tasks.create_task(self._jetstream.until_lost(), name="nats connection"),
                tasks.create_task(self._unacknowledged.answer(), name="nats answers"),
                tasks.create_task(
                    self._unacknowledged.keep(self._ack_wait / 4), name="nats progress"
                ),
            ]
            self._unacknowledged.reconnected()
            async with intake.taking():
                await self._share(intake)
            await self._finish()
            for helper in helpers:
                helper.cancel()

    async def _share(self, intake: Intake) -> None:
        """Reads the partitions that are ours, for as long as they are."""
        async with asyncio.TaskGroup() as tasks:
            readers: dict[int, asyncio.Task[None]] = {}

            def begin(partition: int) -> None:
                if partition not in readers:
                    readers[partition] = tasks.create_task(
                        self._read(partition, intake), name=f"nats partition {partition}"
                    )

            if self._leases is None:
                for partition in range(self._shares):
                    begin(partition)
                return
            while True:
                if gone := await self._leases.renew(self._jetstream):
                    log.warning(
                        "source %s: %d %s not renewed in time: another process may read there",
                        *(intake.name, len(gone)),
                        plural(len(gone), "partition was", "partitions were"),
                    )
                for partition in gone:
                    await self._forget(partition, readers.pop(partition, None))
                await self._leases.claim(self._jetstream)
                for partition in self._leases.held:
                    begin(partition)
                await self._let_go(self._leases, readers)
                await asyncio.sleep(self._ack_wait / 4)

    async def _let_go(self, leases: Leases, readers: dict[int, asyncio.Task[None]]) -> None:
        """Of what is more than our part, when all of it is acknowledged. Meanwhile it stays ours,
        and nothing more is asked for."""
        staying = sorted(leases.held.keys() - self._leaving)
        self._leaving.update(staying[leases.part :])
        busy = {one.partition for one in self._unacknowledged}
        for partition in sorted(self._leaving - busy):
            reader = readers.get(partition)
            if reader is None or reader.done():
                await self._forget(partition, readers.pop(partition, None))
                await leases.release(self._jetstream, partition)

    async def _forget(self, partition: int, reader: asyncio.Task[None] | None) -> None:
        """It is not ours any more. What was taken of it goes on."""
        if reader is not None:
            reader.cancel()
            await asyncio.wait([reader])
        self._leaving.discard(partition)
        if (puller := self._pullers.pop(partition, None)) is not None:
            await puller.close()
        self._unacknowledged.forget_waiting(partition)

    async def _read(self, partition: int, intake: Intake) -> None:
        """One partition, until it is left."""
        consumer = await self._within_the_stream(partition)
        left_behind = self._leases is not None and partition not in self._leases.clean
        if left_behind and consumer.pending:
            # Somebody has died with them, or they were lost with the connection. When they are to
            # be delivered again, they come before all others; until then, others would. Ours may
            # be among them, but how many cannot be told: a server that was killed forgets of some
            # that it has delivered them.
            await asyncio.sleep(SLACK * consumer.ack_wait)
        puller = Puller(
            self._jetstream,
            self._config.stream,
            self._consumer(partition),
            lambda delivered: self._unacknowledged.came(delivered, partition),
        )
        await puller.open()
        self._pullers[partition] = puller
        if self._leases is not None:
            for old in await self._gather(puller, partition, more=left_behind):
                await self._place(old, intake)
        while partition not in self._leaving:
            await self._pull(puller)
            brought = 0
            while (delivered := await puller.next()) is not None:
                brought += 1
                await self._place(delivered, intake)
            if not brought and not puller.too_large:
                await asyncio.sleep(PAUSE)

    async def _within_the_stream(self, partition: int) -> Consumer:
        """Its consumer, made anew where it is further than the stream. A server that was killed may
        come back with a stream that counts from 1 again, and consumers that count on: they would
        deliver nothing until the stream is as long as it was (2.10.27, where the stream was just
        empty, about once in three hundred times)."""
        consumer = await self._ensure(partition)
        _, last = await self._stream()
        if consumer.delivered > last and self._replicas > 1:
            await asyncio.sleep(CATCH_UP)
            _, last = await self._stream()
        if consumer.delivered <= last:
            return consumer
        name, stream = self._consumer(partition), self._config.stream
        log.warning(
            "stream %s of %s ends at %d and consumer %s was at %d: the server has lost its place; "
            "the consumer is made anew and delivers all that is there",
            *(stream, self._nats.address, last, name, consumer.delivered),
        )
        await remove(self._jetstream, stream, name)
        self._seen.discard(name)
        return await self._ensure(partition)

    async def _pull(self, puller: Puller) -> None:
        # A message that is larger than a pull may be comes with one that has no such bound.
        batch = 1 if puller.too_large else self._config.batch
        size = int(self._config.in_flight) // (2 * max(1, len(self._pullers)))
        await puller.pull(batch, max(SMALLEST_PULL, size))

    async def _others_have(self, partition: int) -> bool:
        """Whether the server waits for more of it to be acknowledged than we have."""
        consumer = await self._ensure(partition)
        return consumer.pending > self._unacknowledged.count(partition)

    async def _gather(self, puller: Puller, partition: int, *, more: bool) -> list[Delivered]:
        """What others had, and had not acknowledged, and what came with it, in order: the server
        delivers it again as it misses one acknowledgement after the other, and what is new in
        between. Gives up in the end, where it does not. `more`: there may be some, whatever the
        server counts."""
        found: list[Delivered] = []
        size, until = 0, asyncio.get_running_loop().time() + PATIENCE * self._ack_wait
        while size < self._config.in_flight and asyncio.get_running_loop().time() < until:
            if not more and not await self._others_have(partition):
                break
            more = False
            await self._pull(puller)
            while (one := await puller.next()) is not None:
                found.append(one)
                size += len(one.body)
                more = more or one.attempts > 1
        return sorted(found, key=lambda one: one.sequence)

    # -------------------------------------------------------------------------- one message

    async def _place(self, delivered: Delivered, intake: Intake) -> None:
        one = self._unacknowledged.of(delivered)
        if one is None:
            return
        try:
            batches, size = self._batches(delivered)
        except ValueError as error:
            intake.refuse("malformed", printable(f"{delivered.subject:.100}: {error}"))
            self._unacknowledged.end(one)
            return
        taken = intake.take(batches, size)
        self._unacknowledged.take(one, taken)
        await taken.placed()

    def _batches(self, delivered: Delivered) -> tuple[list[Batch], int]:
        """And the bytes that they stand for. Raises `ValueError`."""
        headers, body = delivered.headers, delivered.body
        if UNREADABLE in headers:
            raise ValueError("its headers are none")
        form = headers.get("Dockline-Format")
        if form == "columns/1":
            length, entries = (
                _number(headers, "Dockline-Size"),
                _number(headers, "Dockline-Entries"),
            )
            return self._received.columns(body, length, entries)
        if form == "json/1":
            return [self._received.json(body)], len(body)
        if form is not None:
            raise ValueError(f"a format of a later version: {form:.50}")
        stream, subject = self._config.stream, delivered.subject
        time, place = delivered.time, delivered.sequence
        return [self._received.foreign(body, stream, subject, time, place)], len(body)

    async def _finish(self) -> None:
        """Nothing more is asked for: what is on its way comes and is given back, what was taken is
        answered."""
        for puller in self._pullers.values():
            await puller.over()
        await self._unacknowledged.finish()
        await self._jetstream.request(f"STREAM.INFO.{self._config.stream}")  # so all was read
        if self._leases is not None:
            await self._leases.leave(self._jetstream)


def _number(headers: Mapping[str, str], name: str) -> int:
    value = headers.get(name, "")
    if not value.isdecimal() or len(value) > 12:
        raise ValueError(f"its header {name} is no number")
    return int(value)
