"""A stream of NATS JetStream: reads what agents have published, as a hub.

```toml
[engine]
enabled = false

[sources.queue]
type = "nats"
urls = ["nats://nats-1:4222", "nats://nats-2:4222", "nats://nats-3:4222"]
auth = { user = "hub", password = "${NATS_PASSWORD}" }
```

Agents publish with the `nats` sink. Any number of processes with this source, the hubs, share the
stream. Each entry keeps its container, time, `event.sequence` and fields.

- **Acknowledged end to end**: a message is acknowledged when every sink of every route has settled
  its entries: delivered, refused and counted, or stored in a disk buffer. While sinks are slow, the
  hub reports progress to the server (`+WPI`, every quarter of `ack_wait`), and requests no more
  than `in_flight` allows. When a hub stops, it returns messages that it has not acknowledged
  (`-NAK`); when it dies, the server redelivers them after `ack_wait`. So after a kill of a hub, or
  of the server, entries may be duplicated and none is missing. They keep the agents' sequence
  numbers, by which sinks with deterministic ids detect duplicates.
- **In order**: all entries of a container are in one of `partitions`, by a hash of its id. Each
  partition has a consumer (`durable`, a dash, its number), which one hub at a time reads. Hubs
  agree on who reads which partition with leases, in a small stream `durable-leases`. A new hub gets
  its share when the others have finished with those partitions. The partitions of a hub that died
  are taken over after two and a half times `ack_wait`, when the server redelivers its
  unacknowledged messages before all later ones. `partitions` is also the most hubs that can share
  the work; it must be the same in the sinks, and must not be changed while the stream has messages.
  The sink that creates a stream stores the number in its `metadata` (NATS 2.10); a hub with fewer
  partitions reads nothing and logs the reason. (A `max_ack_pending` of 1 would also keep the order,
  with only one message at a time.)
- **Without order**: with `ordered = false` every hub reads every partition, without leases.
- **Any other message** becomes an entry too: its body is the message, its subject the container's
  name, and its sequence in the stream `event.sequence`; `event.dataset` is `nats.logs`. For a
  stream of other publishers, set a `subject` without `{partition}`: there is one consumer then,
  named `durable`. One hub reads it, and others stand by, unless `ordered = false`.
- **The stream** must exist, created by the first agent or by you; a missing consumer is created. If
  either is removed while a hub runs, the hub logs it, and continues when the stream exists again.
- **Messages that cannot be read** are terminated (`+TERM`) and counted in
  `dockline_source_refused_messages_total`; at most one in ten seconds is logged. So are columns of
  more than 32 MiB before compression, or that would take more than 128 MiB of memory, and entries
  of a container with a name of more than 4096 characters, or more than 256 KiB of metadata.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from typing import Annotated, Final

import msgspec

from pipeline.intake.received import Received
from pipeline.model.batch import Batch
from pipeline.model.component import (
    Duration,
    Intake,
    Share,
    SharedStream,
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
from pipeline.transport.nats.owners import host_of, owner_of
from pipeline.transport.nats.pull import Delivered, Puller
from pipeline.transport.nats.streams import partitions_of, stream_info
from pipeline.transport.nats.unacknowledged import Unacknowledged
from pipeline.transport.net.errors import printable

log = logging.getLogger(__name__)

PARTITION: Final = "{partition}"
"""The placeholder for the number of a partition in `subject`."""
LEASE: Final = 1.5
"""Length of a lease that is not renewed, in multiples of `ack_wait`."""
SLACK: Final = 1.1
"""Multiple of `ack_wait` after which the server has noticed that it has passed."""
CATCH_UP: Final = 2.0
"""Seconds for a stream's new leader to catch up with the other replicas."""
PATIENCE: Final = 3.0
"""Multiple of `ack_wait` in which the server must have redelivered what other hubs had."""
SMALLEST_PULL: Final = 1 << 18
"""Least bytes of a pull request."""
ANOTHER: Final = "another hub"
"""What a hub is called whose name isn't known."""
PAUSE: Final = 0.02
"""Seconds to wait after a pull without messages, which the server may answer at once."""


class Config(SourceConfig, frozen=True, kw_only=True):
    """The servers, the stream, and how hubs share it."""

    urls: Annotated[
        list[str], msgspec.Meta(min_length=1, examples=[["nats://nats-1:4222", "tls://nats-2"]])
    ]
    """`nats://host:4222` or `tls://host:4222`; of several, any that is available."""
    stream: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = "DOCKLINE"
    """Name of the stream."""
    subject: Annotated[str, msgspec.Meta(pattern=r"^[^\s]{1,512}$")] = "dockline.{partition}.>"
    """Subjects to read, with `*` for any one token and `>` for all that follow."""
    partitions: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 16
    """Number of partitions; must be the same as in the sinks."""
    durable: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = "hub"
    """Name of the consumers; the same for all hubs that share the stream."""
    ordered: bool = True
    """Whether a partition is read by one process at a time."""
    ack_wait: Annotated[Duration, msgspec.Meta(ge=1)] = Duration(10)
    """How long the server waits for an acknowledgement or progress before it redelivers a message.
    An existing consumer keeps its own value."""
    batch: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 100
    """Messages of a partition that are requested at a time."""
    max_ack_pending: Annotated[int, msgspec.Meta(ge=1)] = 1000
    """Messages of a partition that may be unacknowledged, for a consumer that is created."""
    auth: NatsAuth | None = None
    """Credentials for the servers."""
    tls: TLSConfig | None = None
    """Certificates, for TLS."""
    domain: Annotated[str | None, msgspec.Meta(examples=["hub"], pattern=r"^[A-Za-z0-9_-]+$")] = (
        None
    )
    """JetStream domain, for a stream beyond a leaf node."""
    timeout: Duration = Duration(10)
    """Time limit for connecting to each server, and for each answer."""


class NatsSource(Source):
    """Reads the partitions that this process holds a lease of.

    Unacknowledged messages are remembered over reconnections: one that is redelivered is not taken
    again.
    """

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
        self._host = context.host
        self._owner = owner_of(context.host)
        self._received = Received()
        self._unacknowledged = Unacknowledged(self._nats)
        self._ack_wait = float(config.ack_wait)
        self._replicas = 1
        self._leases: Leases | None = None
        self._leaving: set[int] = set()
        """Partitions that other hubs will get: nothing more of them is requested."""
        self._pullers: dict[int, Puller] = {}
        self._seen: set[str] = set()
        """Names of the consumers that have existed."""
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
        """The stream's number of replicas and last sequence. Raises `Unavailable`."""
        stream = self._config.stream
        info = await stream_info(self._jetstream, stream)
        if info is None:
            hint = "the first agent that publishes creates it"
            raise Unavailable(f"there is no stream {stream}; {hint}")
        theirs = partitions_of(info.config)
        if self._partitioned and theirs is not None and theirs > self._shares:
            raise Unavailable(
                f"stream {stream} has {theirs} partitions, and with {self._shares} nobody would "
                f"read the rest; set partitions = {theirs}, as in the sinks"
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
                "consumer %s of stream %s was removed, perhaps with the stream; it is created "
                "again and delivers everything in the stream",
                *(name, stream),
            )
        self._seen.add(name)
        return consumer

    def _consumer(self, partition: int) -> str:
        durable = self._config.durable
        return f"{durable}-{partition}" if self._partitioned else durable

    def reached(self) -> str:
        return f"{self._nats.reached()}, stream {self._config.stream}"

    def shared(self) -> SharedStream:
        owners = self._leases.others if self._leases is not None else []
        others = [host_of(owner) for owner in owners[: self._shares]]
        return SharedStream(
            self._config.stream,
            ", ".join(self._config.urls),
            self._config.ordered,
            [self._host, *filter(None, others)],
            self._partitions(others[0] if len(others) == 1 else ""),
        )

    def _partitions(self, other: str) -> list[Share]:
        """The state of each partition. `other`: the host of the only other hub, if there is only
        one: leases say which partitions others have, and not who has which."""
        held, taken = self._held_and_taken()
        shares = []
        for partition in range(self._shares):
            here, puller = partition in held, self._pullers.get(partition)
            reader = self._host if here else (other or ANOTHER) if partition in taken else None
            pending = puller.pending if puller is not None else None
            shares.append(Share(partition, reader, here, pending))
        return shares

    def _held_and_taken(self) -> tuple[Collection[int], Collection[int]]:
        """Partitions that this hub reads, and that others read, as far as it is known."""
        if not self._config.ordered:
            return self._pullers.keys(), ()
        if self._leases is None or self._leases.lost:
            return (), ()
        return self._leases.held.keys(), self._leases.taken

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
        """Reads the partitions that this process holds, for as long as it holds them."""
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
        """Releases partitions beyond this hub's share, once all their messages are acknowledged.

        Until then the hub keeps them, and requests nothing more of them.
        """
        staying = sorted(leases.held.keys() - self._leaving)
        self._leaving.update(staying[leases.part :])
        busy = {one.partition for one in self._unacknowledged}
        for partition in sorted(self._leaving - busy):
            reader = readers.get(partition)
            if reader is None or reader.done():
                await self._forget(partition, readers.pop(partition, None))
                await leases.release(self._jetstream, partition)

    async def _forget(self, partition: int, reader: asyncio.Task[None] | None) -> None:
        """Stops reading a partition that this hub lost. What was taken of it is still delivered."""
        if reader is not None:
            reader.cancel()
            await asyncio.wait([reader])
        self._leaving.discard(partition)
        if (puller := self._pullers.pop(partition, None)) is not None:
            await puller.close()
        self._unacknowledged.forget_waiting(partition)

    async def _read(self, partition: int, intake: Intake) -> None:
        """Reads one partition until it is to be released."""
        consumer = await self._within_the_stream(partition)
        left_behind = self._leases is not None and partition not in self._leases.clean
        if left_behind and consumer.pending:
            # Another hub died with them, or they were lost with the connection. Once they are due
            # for redelivery they come first; until then, later messages would. Ours may be among
            # them, but their number is unknown: a server that was killed forgets some deliveries.
            await asyncio.sleep(SLACK * consumer.ack_wait)
        puller = Puller(
            self._jetstream,
            self._config.stream,
            self._consumer(partition),
            lambda delivered: self._unacknowledged.came(delivered, partition),
        )
        await puller.open()
        puller.pending = consumer.waiting
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
        """The partition's consumer, created again if it is ahead of the stream.

        A server that was killed may come back with a stream that counts from 1 again, and consumers
        that keep their position: they would deliver nothing until the stream is as long as before
        (seen with 2.10.27 and an empty stream, about once in three hundred kills).
        """
        consumer = await self._ensure(partition)
        _, last = await self._stream()
        if consumer.delivered > last and self._replicas > 1:
            await asyncio.sleep(CATCH_UP)
            _, last = await self._stream()
        if consumer.delivered <= last:
            return consumer
        name, stream = self._consumer(partition), self._config.stream
        log.warning(
            "stream %s of %s ends at %d and consumer %s was at %d: the server has lost its "
            "position; the consumer is created again and delivers everything in the stream",
            *(stream, self._nats.address, last, name, consumer.delivered),
        )
        await remove(self._jetstream, stream, name)
        self._seen.discard(name)
        return await self._ensure(partition)

    async def _pull(self, puller: Puller) -> None:
        # A message larger than a pull's limit in bytes needs a pull of one message, without limit.
        batch = 1 if puller.too_large else self._config.batch
        size = int(self._config.in_flight) // (2 * max(1, len(self._pullers)))
        await puller.pull(batch, max(SMALLEST_PULL, size))

    async def _others_have(self, partition: int) -> bool:
        """Whether the server waits for more acknowledgements of a partition than this hub owes."""
        consumer = await self._ensure(partition)
        return consumer.pending > self._unacknowledged.count(partition)

    async def _gather(self, puller: Puller, partition: int, *, more: bool) -> list[Delivered]:
        """Messages that other hubs have not acknowledged, and new ones in between, in order.

        The server redelivers each when its acknowledgement is overdue. Stops after `PATIENCE`, or
        when `in_flight` bytes have come. `more`: try at least once, whatever the server counts.
        """
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
        """A message's batches, and the bytes to account for. Raises `ValueError` if malformed."""
        headers, body = delivered.headers, delivered.body
        if UNREADABLE in headers:
            raise ValueError("its headers are malformed")
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
        """Ends the pulls, returns messages that still arrive, and acknowledges what was taken."""
        for puller in self._pullers.values():
            await puller.over()
        await self._unacknowledged.finish()
        await self._jetstream.request(f"STREAM.INFO.{self._config.stream}")  # so all was read
        if self._leases is not None:
            await self._leases.leave(self._jetstream)


def _number(headers: Mapping[str, str], name: str) -> int:
    value = headers.get(name, "")
    if not value.isdecimal() or len(value) > 12:
        raise ValueError(f"its header {name} is not a number")
    return int(value)
