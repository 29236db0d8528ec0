"""The consumers of a stream that its hubs share, one for each partition."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from pipeline.model.errors import Unavailable
from pipeline.support.rate_limit import RateLimit
from pipeline.transport.nats import consumers
from pipeline.transport.nats.consumers import Consumer, Wanted, number
from pipeline.transport.nats.jetstream import JetStream
from pipeline.transport.nats.streams import partitions_of, stream_info

log = logging.getLogger(__name__)

PARTITION: Final = "{partition}"
"""The placeholder for the number of a partition in a subject."""
CATCH_UP: Final = 2.0
"""Seconds for a stream's new leader to catch up with the other replicas."""
AT_ONCE: Final = 32
"""Consumers that are looked at at the same time, whatever the number of partitions."""


class Durables:
    """Those of one stream. Many tasks may use them at once."""

    def __init__(
        self,
        jetstream: JetStream,
        wanted: Wanted,
        partitions: int,
    ) -> None:
        """`wanted` is what each is like: its subject may have `{partition}` in it. If not, there is
        one consumer, and one partition."""
        self.partitioned = PARTITION in wanted.subject
        self.partitions = partitions if self.partitioned else 1
        self.jetstream = jetstream
        self._wanted = wanted
        self._replicas = 1
        self._seen: set[str] = set()
        """Names of those that have existed."""
        self._remade = RateLimit()
        self._interruptions = RateLimit()
        self._room = asyncio.Semaphore(AT_ONCE)

    def wanted(self, partition: int) -> Wanted:
        """What the consumer of a partition is like."""
        name, subject = self._wanted.name, self._wanted.subject
        if not self.partitioned:
            return self._wanted
        return self._wanted._replace(
            name=f"{name}-{partition}", subject=subject.replace(PARTITION, str(partition))
        )

    async def look_at_stream(self) -> int:
        """The stream's last sequence. Raises `Unavailable`, also where it has more partitions."""
        stream = self._wanted.stream
        info = await stream_info(self.jetstream, stream)
        if info is None:
            hint = "the first agent that publishes creates it"
            raise Unavailable(f"there is no stream {stream}; {hint}")
        theirs = partitions_of(info.config)
        if self.partitioned and theirs is not None and theirs > self.partitions:
            raise Unavailable(
                f"stream {stream} has {theirs} partitions, and with {self.partitions} nobody would "
                f"read the rest; set partitions = {theirs}, as in the sinks"
            )
        self._replicas = max(1, number(info.config, "num_replicas"))
        return number(info.state, "last_seq")

    async def look(self, partition: int) -> Consumer:
        """The consumer of a partition, made if it is not there. Raises `Unavailable`."""
        wanted = self.wanted(partition)
        async with self._room:
            consumer = await consumers.ensure(self.jetstream, wanted)
        if consumer.made and wanted.name in self._seen and self._remade():
            log.warning(
                "consumer %s of stream %s was removed, perhaps with the stream; it is created "
                "again and delivers everything in the stream",
                *(wanted.name, wanted.stream),
            )
        self._seen.add(wanted.name)
        return consumer

    async def within_the_stream(self, partition: int) -> Consumer:
        """The same, created again if it is ahead of the stream.

        A server that was killed may come back with a stream that counts from 1 again, and consumers
        that keep their position: they would deliver nothing until the stream is as long as before
        (seen with 2.10.27 and an empty stream, about once in three hundred kills; 2.15.1 mends
        such consumers itself).
        """
        consumer = await self.look(partition)
        last = await self._last()
        if consumer.delivered > last and self._replicas > 1:
            await asyncio.sleep(CATCH_UP)
            last = await self._last()
        if consumer.delivered <= last:
            return consumer
        wanted = self.wanted(partition)
        log.warning(
            "stream %s of %s ends at %d and consumer %s was at %d: the server has lost its "
            "position; the consumer is created again and delivers everything in the stream",
            *(wanted.stream, self.jetstream.nats.address, last, wanted.name, consumer.delivered),
        )
        await consumers.remove(self.jetstream, wanted)
        self._seen.discard(wanted.name)
        return await self.look(partition)

    async def _last(self) -> int:
        async with self._room:
            return await self.look_at_stream()

    def interrupted(self, why: str) -> None:
        """Says in the log, once in a while, that a consumer has to be looked at anew."""
        if self._interruptions():
            log.info("%s; it is looked at again", why)

    async def unpin(self, partition: int) -> None:
        """Lets another process that pulls have the messages of a partition. Raises
        `Unavailable`."""
        async with self._room:
            await consumers.unpin(self.jetstream, self.wanted(partition))
