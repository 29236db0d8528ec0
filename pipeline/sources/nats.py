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
  partition has a consumer (`durable`, a dash, its number), which the server gives to one hub at a
  time: it is pinned, which needs NATS 2.11 on all servers. Hubs tell each other once a second that
  they are there (on the subject `dockline-hubs.STREAM.DURABLE`), and each reads as many
  partitions as the others, or one more. A new hub gets its share when the others have finished with
  those partitions. The partitions of a hub that died are taken over after twice `ack_wait`, and its
  unacknowledged messages come before all later ones. `partitions` is also the most hubs that can
  share the work; it must be the same in the sinks, and must not be changed while the stream has
  messages. The sink that creates a stream stores the number in its `metadata`; a hub with fewer
  partitions reads nothing and logs the reason. (A `max_ack_pending` of 1 would also keep the order,
  with only one message at a time.)
- **Without order**: with `ordered = false` every hub reads every partition. This works with older
  servers, too.
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
from pipeline.transport.nats.auth import NatsAuth
from pipeline.transport.nats.client import UNREADABLE
from pipeline.transport.nats.connection import NatsConnection
from pipeline.transport.nats.consumers import Wanted
from pipeline.transport.nats.durables import PARTITION, Durables
from pipeline.transport.nats.jetstream import JetStream
from pipeline.transport.nats.members import EVERY, Members
from pipeline.transport.nats.partition import Partition
from pipeline.transport.nats.pull import EXPIRES, Delivered
from pipeline.transport.nats.unacknowledged import Unacknowledged
from pipeline.transport.net.errors import printable

PINS: Final = (2, 11)
"""The first version of NATS whose server can pin a consumer."""
SMALLEST_PULL: Final = 1 << 18
"""Least bytes of a pull request."""
PULLS: Final = 100
"""Pull requests a second of a hub to whom no messages come, whatever the number of partitions, if
`ack_wait` is long enough."""


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
    """Whether a partition is read by one process at a time. Needs NATS 2.11."""
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
    """Reads this process's partitions.

    Unacknowledged messages are remembered over reconnections: one that is redelivered is not taken
    again.
    """

    def __init__(self, config: Config, context: SourceContext) -> None:
        self._config = config
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
        self._received = Received()
        self._unacknowledged = Unacknowledged(self._nats)
        wanted = Wanted(
            config.stream, config.durable, config.subject, config.ordered,
            float(config.ack_wait), config.max_ack_pending,
        )  # fmt: skip
        self._durables = Durables(self._jetstream, wanted, config.partitions)
        self._ack_wait = float(config.ack_wait)
        self._partitions: dict[int, Partition] = {}
        """Those that this process reads, or has not finished with."""
        self._pins: dict[int, str] = {}
        """What the server called this process when it was last connected, for each partition."""
        self._members: Members | None = None
        if config.ordered:
            self._members = Members(
                self._nats,
                f"dockline-hubs.{config.stream}.{config.durable}",
                context.host,
                self._durables.partitions,
                self._has,
            )

    # ------------------------------------------------------------------ opening and closing

    async def open(self) -> None:
        await self.close()
        await self._jetstream.open()
        version = self._nats.version
        if self._members is not None and version is not None and version < PINS:
            raise Unavailable(
                f"keeping the order needs NATS {PINS[0]}.{PINS[1]} or newer, and "
                f"{self._nats.address} is {self._nats.version_said}; update it, or set "
                "ordered = false"
            )
        await self._durables.look_at_stream()
        self._ack_wait = (await self._durables.look(0)).ack_wait
        if self._members is not None:
            await self._members.open()

    def reached(self) -> str:
        return f"{self._nats.reached()}, stream {self._config.stream}"

    def shared(self) -> SharedStream:
        others = self._members.others if self._members is not None else []
        hosts = [one.host for one in others[: self._durables.partitions]]
        return SharedStream(
            self._config.stream,
            ", ".join(self._config.urls),
            self._config.ordered,
            [self._host, *filter(None, hosts)],
            [self._share_of(number) for number in range(self._durables.partitions)],
        )

    def _share_of(self, number: int) -> Share:
        partition = self._partitions.get(number)
        if partition is not None and not partition.standing_by:
            return Share(number, self._host, True, partition.pending)
        other = self._members.other_with(number) if self._members is not None else None
        return Share(number, other.host if other is not None else None, False, None)

    def _has(self) -> set[int]:
        """The partitions that this process reads, or has messages of."""
        reads = {n for n, partition in self._partitions.items() if not partition.standing_by}
        return reads.union(self._unacknowledged.partitions)

    async def close(self) -> None:
        for number, partition in self._partitions.items():
            self._pins[number] = partition.pin
        self._partitions.clear()
        self._unacknowledged.forget_waiting()
        if self._members is not None:
            self._members.forget()
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
                tasks.create_task(self._keep_pins(), name="nats pins"),
            ]
            if self._members is not None:
                helpers.append(tasks.create_task(self._members.run(), name="nats members"))
            self._unacknowledged.reconnected()
            async with intake.taking():
                await self._read(intake)
            await self._finish()
            for helper in helpers:
                helper.cancel()

    async def _read(self, intake: Intake) -> None:
        """Reads the partitions that this process is to read, as long as it is to."""
        members = self._members
        async with asyncio.TaskGroup() as tasks:
            reading: dict[int, asyncio.Task[None]] = {}

            def begin(number: int) -> None:
                partition = self._partitions[number] = self._partition(number, intake)
                name = f"nats partition {number}"
                reading[number] = tasks.create_task(partition.run(), name=name)

            if members is None:
                for number in range(self._durables.partitions):
                    begin(number)
                self._spread_pulls()
                return
            await asyncio.sleep(EVERY)  # others answer at once
            while True:
                for number in [n for n, task in reading.items() if task.done()]:
                    del reading[number], self._partitions[number]
                mine = members.mine()
                for number, partition in self._partitions.items():
                    partition.wanted = number in mine
                for number in mine.difference(self._partitions):
                    begin(number)
                self._spread_pulls()
                members.changed.clear()
                try:
                    async with asyncio.timeout(EVERY):
                        await members.changed.wait()
                except TimeoutError:
                    continue

    def _partition(self, number: int, intake: Intake) -> Partition:
        async def place(delivered: Delivered) -> None:
            await self._place(delivered, intake)

        members = self._members
        return Partition(
            number,
            self._durables,
            self._unacknowledged,
            place,
            ordered=members is not None,
            batch=self._config.batch,
            in_flight=int(self._config.in_flight),
            size=self._size_of_pull,
            claimed=lambda one: members is not None and members.other_with(one) is not None,
            pin=self._pins.pop(number, ""),
        )

    def _size_of_pull(self) -> int:
        return max(
            SMALLEST_PULL, int(self._config.in_flight) // (2 * max(1, len(self._partitions)))
        )

    def _spread_pulls(self) -> None:
        """Has pulls wait longer where there are many. They also keep the pin, see `_keep_pins`."""
        expires = min(max(EXPIRES, len(self._partitions) / PULLS), self._ack_wait / 2)
        for partition in self._partitions.values():
            partition.expires = expires

    async def _keep_pins(self) -> None:
        """Keeps the partitions whose messages wait for slow sinks, until it is cancelled."""
        while True:
            await asyncio.sleep(self._ack_wait / 4)
            for partition in list(self._partitions.values()):
                await partition.keep_pin(self._ack_wait / 2)

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
        if (found := self._received.message(headers, body)) is not None:
            return found
        stream, subject = self._config.stream, delivered.subject
        time, place = delivered.time, delivered.sequence
        return [self._received.foreign(body, stream, subject, time, place)], len(body)

    async def _finish(self) -> None:
        """Ends the pulls, returns messages that still arrive, and acknowledges what was taken."""
        if self._members is not None:
            self._members.stop_taking()
            await self._members.say()
        for partition in self._partitions.values():
            await partition.over()
        await self._unacknowledged.finish()
        await self._jetstream.request(f"STREAM.INFO.{self._config.stream}")  # so all was read
        async with asyncio.TaskGroup() as tasks:
            for number, partition in self._partitions.items():
                tasks.create_task(partition.release(), name=f"nats partition {number}")
        self._partitions.clear()
        if self._members is not None:
            await self._members.say()
            await self._jetstream.request(f"STREAM.INFO.{self._config.stream}")  # so it was sent
