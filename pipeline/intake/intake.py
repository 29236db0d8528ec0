"""Where one source hands in its messages."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from pipeline.intake.feeds import Feeds
from pipeline.intake.message import PeerMessage
from pipeline.intake.taking import Takers
from pipeline.model import plain
from pipeline.model.batch import Batch
from pipeline.model.container import DOCKER, Container, EntryKind
from pipeline.model.metrics import Metrics
from pipeline.model.records import Fields
from pipeline.support.rate_limit import RateLimit, Trouble
from pipeline.topology import Router

log = logging.getLogger(__name__)

_ID = re.compile(r"[0-9a-f]{64}")


class Intake:
    """Implements `pipeline.model.source.Intake` for one source, and serves its runner.

    Set `tasks` before anything is taken.
    """

    def __init__(self, name: str, limit: int, router: Router, metrics: Metrics) -> None:
        """`limit`: bytes of messages that may be taken and not settled. `router` binds lanes for
        the containers."""
        self.name = name
        self.limit = limit
        self.tasks: asyncio.TaskGroup
        self._trouble = Trouble(log, f"source {name}")
        self.taken = self.settled = self.given_up = 0
        """Messages."""
        self.entries = 0
        self.refused: dict[str, int] = {}
        """Messages by reason."""
        self.bytes = 0
        """Bytes of the messages that are taken and not settled."""
        self.feeds = Feeds(router, name, metrics)
        self._open: dict[PeerMessage, None] = {}
        self._room = asyncio.Event()
        self._placing: set[asyncio.Task[None]] = set()
        self._takers = Takers()
        self._said: dict[str, RateLimit] = {}
        self._entries = metrics.source_entries.labels(name)
        self._bytes = metrics.source_bytes.labels(name)
        self._messages = metrics.source_messages.labels(name)
        self._settled = metrics.source_settled.labels(name)
        self._refused = metrics.source_refused

    # ------------------------------------------------------------------------ for the source

    @property
    def problem(self) -> str | None:
        """What is wrong with the source, in a few words; None if nothing is."""
        return self._trouble.problem

    @property
    def stopping(self) -> bool:
        """Whether nothing more is to be taken."""
        return self._takers.stopping

    def taking(self, finish: Callable[[], None] | None = None) -> AbstractAsyncContextManager[None]:
        """A context for code that waits for peers or reads from them.

        When the source is to stop, the code inside is cancelled, and the block ends as if it were
        complete. `finish` is called just before, while messages may still be taken.
        """
        return self._takers.taking(finish)

    def container(
        self,
        container_id: str,
        name: str,
        image: str = "",
        labels: Mapping[str, str] | None = None,
        host: str = "",
        module: str = DOCKER,
    ) -> Container:
        """A container by its facts; the same object as long as they stay the same and it is in use.

        `container_id`: 64 hexadecimal digits; any other text becomes a hash of it and of the
        source's name. `module`: the source's type, if this is no container.
        """
        if not _ID.fullmatch(container_id):
            own = f"{self.name}\0{container_id}".encode("utf-8", "surrogatepass")
            container_id = hashlib.sha256(own).hexdigest()
        facts = plain.name(name), plain.name(image), plain.labels(labels or {}), plain.name(host)
        known = self.feeds.known(container_id)
        if known is not None and (*facts, module) == (
            known.name, known.image, known.labels, known.host, known.module,
        ):  # fmt: skip
            return known
        return Container(container_id, *facts, module=module)

    def batch(
        self,
        container: Container,
        lines: list[bytes],
        times: list[bytes],
        streams: bytes,
        *,
        fields: list[Fields] | None = None,
        truncated: Sequence[int] = (),
        source: EntryKind = "logs",
    ) -> Batch:
        """A batch of entries that have no numbers of their own: they get the container's next ones.

        Columns are as in `Batch`. `times`: RFC 3339 with nanoseconds, 30 bytes each. `truncated`:
        indexes of entries that were cut.
        """
        feed = self.feeds.of(container)
        first = feed.number + 1
        feed.number += len(lines)
        return Batch(
            feed.container,
            lines,
            times,
            streams,
            range(first, first + len(lines)),
            source=source,
            fields=fields,
            flags={first + index: "truncated" for index in truncated} if truncated else None,
        )

    def take(self, batches: Sequence[Batch], size: int) -> PeerMessage:
        """Takes the batches of one message of `size` bytes, without waiting.

        Entries of one container keep the order in which they are taken. Returns the message, to
        await its settlement. After `stop` it is given up at once.
        """
        message = PeerMessage(size, self.room, self._ended)
        self._open[message] = None
        self.bytes += size
        self.taken += 1
        self._messages.inc()
        if self.stopping:
            message.give_up()
            return message
        for batch in batches:
            if len(batch):
                self._take(batch, message)
        message.settle()
        return message

    def _take(self, batch: Batch, message: PeerMessage) -> None:
        feed = self.feeds.of(batch.container)
        count, size = len(batch), sum(map(len, batch.lines))
        self.entries += count
        self._entries.inc(count)
        self._bytes.inc(size)
        self.feeds.count(feed, count, size)
        rest = feed.take(batch, message)
        if rest is not None:
            task = self.tasks.create_task(rest, name=f"source {self.name} puts")
            self._placing.add(task)
            task.add_done_callback(self._placing.discard)

    async def room(self) -> None:
        """Waits until fewer than `limit` bytes are taken and not settled."""
        while self.bytes >= self.limit:
            self._room.clear()
            await self._room.wait()

    def _ended(self, message: PeerMessage) -> None:
        del self._open[message]
        self.bytes -= message.size
        self._room.set()
        if message.is_settled:
            self.settled += 1
            self._settled.inc()
        else:
            self.given_up += 1

    def refuse(self, reason: str, why: str = "", count: int = 1) -> None:
        """Counts messages or connections that are refused, and logs it from time to time.

        `reason`: a word or two, for a metric's label. `why`: a sentence for the log.
        """
        self.refused[reason] = self.refused.get(reason, 0) + count
        self._refused.labels(self.name, reason).inc(count)
        if times := self._said.setdefault(reason, RateLimit())(count):
            log.warning("source %s: %d refused: %s", self.name, times, why or reason)

    def trouble(self, problem: str | None) -> None:
        """Reports what is wrong with the source, in a few words; None when it is over."""
        self._trouble(problem)

    # ----------------------------------------------------------------------- for the runner

    @property
    def unsettled(self) -> int:
        """Messages that are taken and not settled."""
        return len(self._open)

    def stop(self) -> None:
        """Makes the source stop taking messages: ends all blocks of `taking`."""
        self._takers.stop()

    async def placed(self) -> None:
        """Waits until everything that was taken is in the sinks' buffers."""
        while self._placing:
            await asyncio.wait(self._placing)

    def give_up(self) -> None:
        """Gives up messages that aren't settled yet: peers have to send them again."""
        for task in self._placing:
            task.cancel()
        for message in list(self._open):
            message.give_up()
