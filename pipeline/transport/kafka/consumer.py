"""Reads topics as a member of a consumer group: what it has been given, from where it was read up
to.

aiokafka's consumer is not used. It takes all partitions from all members with each change of the
group, where here only those stop that move. It decompresses whatever a batch expands to, and a
batch that it cannot read ends it, again and again. Its connections, requests and records are used.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Final

from aiokafka import errors  # type: ignore[import-untyped]

from pipeline.model.errors import Unavailable
from pipeline.support.plural import plural
from pipeline.transport.kafka.assignment import Assignment, Partition
from pipeline.transport.kafka.cluster import Cluster, described
from pipeline.transport.kafka.fetch import EARLIEST, LATEST, Fetched, fetch, offsets
from pipeline.transport.kafka.group import Group, Standing
from pipeline.transport.kafka.progress import Progress
from pipeline.transport.kafka.reading import Reading
from pipeline.transport.kafka.record_batches import LARGEST, stored

log = logging.getLogger(__name__)

COMMIT: Final = 1.0
"""Seconds between two reports of how far partitions are settled."""
BEAT: Final = 1.0
"""Seconds between two signs of life, or a fifth of the session, if that is less."""
REFRESH: Final = 15.0
"""Seconds after which topics and partitions are looked for again."""
WAIT: Final = 0.5
"""Seconds that a broker waits for records where there are none."""
BRIEFLY: Final = 0.05
"""The same, while other partitions of the broker are still being read."""
BACKOFF: Final = 1.0
"""Seconds before a broker is asked again that has not answered, or answered with an error."""
LEAST: Final = 1 << 16
MOST: Final = 1 << 20
"""Bytes of one partition that are fetched at a time, at least and at most."""
MOST_AT_ONCE: Final = 1 << 24
"""Bytes that one answer may have, beyond what a single large batch has."""

_MOVED: Final = frozenset(
    {
        errors.UnknownTopicOrPartitionError.errno,
        errors.LeaderNotAvailableError.errno,
        errors.NotLeaderForPartitionError.errno,
        errors.ReplicaNotAvailableError.errno,
        56,  # KAFKA_STORAGE_ERROR
        74,  # FENCED_LEADER_EPOCH
        75,  # UNKNOWN_LEADER_EPOCH
        78,  # OFFSET_NOT_AVAILABLE
        100,  # UNKNOWN_TOPIC_ID
    }
)
"""Another broker has the partition now, or will: it is found out which."""
_OUT_OF_RANGE: Final = errors.OffsetOutOfRangeError.errno
_UNAUTHORIZED: Final = errors.TopicAuthorizationFailedError.errno


class Consumer:
    """Reads what the group gives to this process. It outlasts connections: after `close` and `open`
    it has what it had, and reads on where it was, unless the group has given that to others.

    `keep` and `fetch` run side by side, and raise `Unavailable`. Whoever reads takes batches from
    `readings`, and waits for `changed` to see which there are.
    """

    def __init__(
        self,
        cluster: Cluster,
        group: Group,
        *,
        topics: Collection[str] = (),
        pattern: str | None = None,
        from_end: bool = False,
        hand_over: float = 30.0,
        session: float = 10.0,
        room: int = 32 << 20,
        name: str = "",
    ) -> None:
        """Reads `topics`, or those whose whole name matches `pattern`.

        `from_end`: whether a partition that the group has not read yet is read from its end. A
        partition that is to move is given up after `hand_over` seconds, if what was taken of it
        isn't settled before. `room`: bytes that may be fetched and not read. `name`: in the log.
        """
        self._cluster = cluster
        self._group = group
        self._wanted = frozenset(topics)
        self._pattern = re.compile(pattern) if pattern is not None else None
        self._start = LATEST if from_end else EARLIEST
        self._hand_over = hand_over
        self._beat = min(BEAT, session / 5)
        self._room = room
        self._name = name
        self.readings: dict[Partition, Reading] = {}
        """What this process reads, until it has been given up."""
        self.changed = asyncio.Event()
        """Set when `readings` has changed, or one of them is to stop or to go on."""
        self.topics: dict[str, int] = {}
        """The topics that there are, with the number of their partitions."""
        self.assigned = Assignment(frozenset(), {}, ())
        self._lost: dict[Partition, Reading] = {}
        """What it had when the group forgot it: it may be given it again."""
        self._shared: dict[str, int] = {}
        """`topics` when it joined."""
        self._rejoin = True
        self._news = asyncio.Event()
        self._wish = asyncio.Event()
        self._answered = asyncio.Event()
        self._stale = False
        self._problems: dict[tuple[str, object], str] = {}
        self.report: Callable[[str | None], object] = lambda problem: None
        """Is told what lasts, and None when it is over."""
        self.gone: Callable[[int, str], object] = lambda count, why: None
        """Is told how many records were removed before anybody read them."""
        self.unreadable: Callable[[str], object] = lambda why: None
        """Is told of a batch that is skipped."""

    # -------------------------------------------------------------------- opening and closing

    async def open(self) -> None:
        """Connects, and sees what there is to read."""
        for reading in self.readings.values():
            reading.again()
        await self._cluster.open()
        await self._look()
        await self._group.open()

    async def close(self) -> None:
        """Closes connections. Never raises."""
        self._problems.clear()
        await self._cluster.close()
        await self._group.close()

    def reached(self) -> str:
        """Who answered."""
        return self._cluster.reached()

    async def _look(self) -> None:
        """Looks which topics there are, and who leads their partitions. Raises `Unavailable` where
        there is nothing to read."""
        self._stale = False
        pattern = self._pattern
        found, codes = await self._cluster.look(self._wanted if pattern is None else None)
        if pattern is not None:
            found = {
                topic: count
                for topic, count in found.items()
                if pattern.fullmatch(topic) and not topic.startswith("__")
            }
            if not found:
                raise Unavailable(f"no topic matches topic_pattern = {pattern.pattern!r} yet")
        for topic, code in codes.items():
            if topic in self._wanted and code == _UNAUTHORIZED:
                raise Unavailable(
                    f'the topic "{topic}" may not be read by this user; an ACL needs Read and '
                    "Describe on it"
                )
        missing = sorted(self._wanted - found.keys())
        if missing and not found:
            raise Unavailable(
                f'there is no topic "{missing[0]}" yet; the first agent that publishes creates it, '
                "if the brokers are to do that (auto.create.topics.enable)"
            )
        self._problem("topics", "", f'there is no topic "{missing[0]}" yet' if missing else None)
        self.topics = found
        if found != self._shared:
            self._rejoin = True
            self._news.set()

    def _problem(self, what: str, which: object, problem: str | None) -> None:
        """Notes what is wrong with something, or that nothing is."""
        key = what, which
        if self._problems.get(key) == problem:
            return
        if problem is None:
            del self._problems[key]
        else:
            self._problems[key] = problem
        self.tell()

    def tell(self) -> None:
        """Reports what lasts now."""
        self.report("; ".join(dict.fromkeys(self._problems.values())) or None)

    def _only(self, what: str, those: Collection[object]) -> None:
        """Forgets the problems of all others of a kind."""
        for kind, which in list(self._problems):
            if kind == what and which not in those:
                self._problem(kind, which, None)

    # ------------------------------------------------------------------------------ the group

    async def keep(self) -> None:
        """Is a member of the group, tells it how far partitions are settled, and gives up those
        that others are to have, until it is cancelled."""
        loop = asyncio.get_running_loop()
        beat = commit = loop.time()
        if self._group.joined:  # before the connection was lost
            self._rejoin = False
        while True:
            self._news.clear()
            if self._rejoin or not self._group.joined:
                await self._join()
            else:
                now = loop.time()
                await self._give_up(now)
                if now >= commit:
                    await self.commit()
                    commit = now + COMMIT
                    self._retake()
                if now >= beat and self._group.joined:
                    self._stands(await self._group.heartbeat())
                    beat = now + self._beat
            if not self._rejoin:
                await self._hear(min(beat, commit) - loop.time())

    async def _hear(self, within: float) -> None:
        try:
            async with asyncio.timeout(max(0.01, within)):
                await self._news.wait()
        except TimeoutError:
            pass

    def _stands(self, standing: Standing) -> None:
        if standing is Standing.REBALANCING:
            self._rejoin = True
        elif standing is Standing.OUT:
            self._lose()

    async def _join(self) -> None:
        topics, self._rejoin = dict(self.topics), False
        given = await self._group.join(topics, self.readings.keys())
        if given is None:
            if self.readings and not self._group.joined:
                self._lose()
            self._rejoin = True
            await asyncio.sleep(0.05)
            return
        self._shared = topics
        new = given.partitions - self.readings.keys()
        committed = await self._group.committed(new)
        self.assigned = given
        for partition in sorted(new):
            self.readings[partition] = self._reading(partition, committed.get(partition))
        self._lost.clear()
        until = asyncio.get_running_loop().time() + self._hand_over
        for partition, reading in self.readings.items():
            if partition in given.partitions:
                reading.leaving = None
            elif reading.leaving is None:
                reading.leave(until)
        self._has_changed()

    def _reading(self, partition: Partition, committed: int | None) -> Reading:
        """Where to read a partition from: where the group is, or where this process was, if nobody
        has read it since the group has forgotten this one."""
        known = self._lost.pop(partition, None)
        if known is not None and (it := known.progress) is not None:
            others = committed is not None and (it.committed is None or committed > it.committed)
            if not others:
                it.committed = committed
                known.again()
                return known
        return Reading(partition, None if committed is None else Progress(committed, committed))

    def _lose(self) -> None:
        """The group has given to others what this process had, or will."""
        if self.readings:
            log.warning(
                "source %s: the group took this hub for dead and has shared out its %d %s anew; "
                "others may repeat what it was given last",
                *(self._name, len(self.readings)),
                plural(len(self.readings), "partition"),
            )
        for reading in self.readings.values():
            reading.leave(0.0)
        self._lost = self.readings
        self.readings = {}
        self._rejoin = True
        self._has_changed()

    async def _give_up(self, now: float) -> None:
        """Gives up what others are to have, once all of it is settled."""
        leaving = [
            one
            for one in self.readings.values()
            if one.leaving is not None and (one.idle or now >= one.leaving)
        ]
        if not leaving:
            return
        await self.commit()
        for reading in leaving:
            if self.readings.get(reading.partition) is not reading:
                return  # the group has forgotten this member
            if not reading.idle:
                log.warning(
                    "source %s: what was taken of %s was not settled within %g s; the hub that is "
                    "given it repeats that",
                    *(self._name, reading, self._hand_over),
                )
            del self.readings[reading.partition]
        self._rejoin = True
        self._has_changed()

    def _retake(self) -> None:
        """Reads again what was given up for lack of memory, and all that came after it."""
        for partition, reading in self.readings.items():
            it = reading.progress
            if it is not None and it.given_up and reading.leaving is None:
                reading.leave(0.0)
                self.readings[partition] = Reading(partition, Progress(it.settled, it.committed))
                self._has_changed()

    def _has_changed(self) -> None:
        self._only("partition", self.readings)
        self.changed.set()
        self._wish.set()

    async def commit(self) -> None:
        """Tells the group how far partitions are settled."""
        told = {
            partition: it.settled
            for partition, reading in self.readings.items()
            if (it := reading.progress) is not None and it.settled != it.committed
        }
        if not told or not self._group.joined:
            return
        standing, noted = await self._group.commit(told)
        for partition in noted:
            reading = self.readings.get(partition)
            if reading is not None and reading.progress is not None:
                reading.progress.committed = told[partition]
        self._stands(standing)

    async def finished(self) -> None:
        """Waits until all that was taken is settled or given up."""
        while any(one.progress is not None and one.progress.waiting for one in self._all()):
            self._answered.clear()
            await self._answered.wait()

    def _all(self) -> list[Reading]:
        return [*self.readings.values(), *self._lost.values()]

    async def leave(self) -> None:
        """Tells the group how far partitions are settled, and leaves it: others are given what this
        process had. To be called when `keep` has ended."""
        await self.commit()
        await self._group.leave()
        self.readings = {}
        self._rejoin = True

    # ------------------------------------------------------------------------------- fetching

    def wish(self) -> None:
        """Looks whether there is room for more. To be called when something was read."""
        self._wish.set()

    def settled(self, reading: Reading) -> None:
        """To be called when something was settled or given up: the partition may be one to let go
        of."""
        self._answered.set()
        if reading.leaving is not None and reading.idle:
            self._news.set()

    async def fetch(self) -> None:
        """Fetches what there is room for, from all brokers at once, until it is cancelled."""
        loop = asyncio.get_running_loop()
        refresh = loop.time() + REFRESH
        async with asyncio.TaskGroup() as tasks:
            running: dict[int, asyncio.Task[None]] = {}

            def over(node: int, _: object) -> None:
                del running[node]
                self._wish.set()

            while True:
                self._wish.clear()
                if self._stale or loop.time() >= refresh:
                    await self._look()
                    refresh = loop.time() + REFRESH
                for node, (wanted, all_of_it) in self._by_broker().items():
                    if node not in running:
                        wait = WAIT if all_of_it else BRIEFLY
                        work = self._fetch(node, wanted, wait)
                        running[node] = tasks.create_task(work, name=f"kafka broker {node}")
                        running[node].add_done_callback(partial(over, node))
                try:
                    async with asyncio.timeout_at(
                        loop.time() + BACKOFF if self._stale else refresh
                    ):
                        await self._wish.wait()
                except TimeoutError:
                    pass

    def _share(self) -> int:
        """Bytes of one partition that are fetched at a time."""
        return min(MOST, max(LEAST, self._room // (2 * max(1, len(self.readings)))))

    def _by_broker(self) -> dict[int, tuple[list[Reading], bool]]:
        """Readings with room, by the broker that has their records, and whether these are all that
        it has."""
        full = self._share() // 2
        nodes: dict[int, list[Reading]] = defaultdict(list)
        busy = set()
        for reading in self.readings.values():
            if reading.leaving is not None:
                continue
            try:
                node = self._cluster.leader(*reading.partition)
            except Unavailable as error:
                self._problem("partition", reading.partition, str(error))
                self._stale = True
                continue
            if reading.buffered > full:
                busy.add(node)
            else:
                nodes[node].append(reading)
        self._only("broker", {*nodes, *busy})
        return {node: (those, node not in busy) for node, those in nodes.items()}

    async def _fetch(self, node: int, wanted: list[Reading], wait: float) -> None:
        try:
            await self._begin(node, [one for one in wanted if one.progress is None])
            ready = [one for one in wanted if one.progress is not None]
            failed = await self._fetch_from(node, ready, wait)
            self._problem("broker", node, None)
        except Unavailable as error:
            self._problem("broker", node, str(error))
            self._cluster.forget(node)
            failed = True
        if failed:
            await asyncio.sleep(BACKOFF)
            self._stale = True

    async def _begin(self, node: int, new: Sequence[Reading]) -> None:
        """Finds where to begin with partitions that the group has not read yet."""
        if not new:
            return
        found = await offsets(self._cluster, node, [one.partition for one in new], self._start)
        for reading in new:
            code, offset = found.get(reading.partition, (_OUT_OF_RANGE, 0))
            if code:
                self._wrong(reading, code)
            else:
                reading.begin(offset)

    async def _fetch_from(self, node: int, readings: list[Reading], wait: float) -> bool:
        """Fetches once. Whether something was wrong."""
        if not readings:
            return True
        share = self._share()
        readings.sort(key=lambda one: (-one.starved, one.buffered))
        asked = {one.partition: one.position for one in readings}
        answer = await fetch(
            self._cluster,
            node,
            [(one.partition, one.position, max(share, one.starved)) for one in readings],
            wait=wait,
            most=min(MOST_AT_ONCE, max(share, self._room // 2)),
        )
        failed = False
        for reading in readings:
            fetched = answer.get(reading.partition)
            if fetched is None or reading.position != asked[reading.partition]:
                continue  # it was begun anew meanwhile
            if fetched.code == _OUT_OF_RANGE:
                await self._reset(node, reading)
            elif fetched.code:
                self._wrong(reading, fetched.code)
                failed = True
            else:
                failed |= self._came(reading, fetched)
        return failed

    def _came(self, reading: Reading, fetched: Fetched) -> bool:
        """Takes what was fetched of a partition. Whether something was wrong."""
        reading.end = fetched.end
        try:
            batches, cut = stored(fetched.data)
        except ValueError as error:
            self._problem("partition", reading.partition, f"{reading}: {error}")
            return True
        self._problem("partition", reading.partition, None)
        reading.starved = cut.size if cut is not None and not batches else 0
        if reading.starved > LARGEST:
            assert cut is not None
            self.unreadable(f"{reading} at {reading.position}: a batch of {cut.size} bytes")
            reading.position, reading.starved = cut.until, 0
        if batches:
            reading.came(batches)
        return False

    def _wrong(self, reading: Reading, code: int) -> None:
        """Notes why a partition can't be read now."""
        self._stale = self._stale or code in _MOVED
        if code == _UNAUTHORIZED:
            problem = f"{reading} may not be read by this user; an ACL needs Read on the topic"
        else:
            problem = f"{reading} cannot be read: {described(code)}"
        self._problem("partition", reading.partition, problem)

    async def _reset(self, node: int, reading: Reading) -> None:
        """Begins anew where the offset to read next is not there."""
        at, one = reading.position, reading.partition
        first = (await offsets(self._cluster, node, [one], EARLIEST)).get(one)
        last = (await offsets(self._cluster, node, [one], LATEST)).get(one)
        if first is None or last is None or first[0] or last[0]:
            self._wrong(reading, (first or last or (0,))[0] or (last or (0,))[0])
            return
        if self.readings.get(one) is not reading or reading.position != at:
            return
        if first[1] <= at <= last[1]:
            self._wrong(reading, _OUT_OF_RANGE)
            self._stale = True
        elif at < first[1]:
            self.gone(
                first[1] - at,
                f"{reading}: the records from {at} to {first[1] - 1} were removed before this hub "
                "read them; the topic's retention is too short",
            )
            reading.position = first[1]
            if not reading.buffered and reading.progress is not None:
                reading.progress.skip(first[1])
        else:
            to = (last if self._start == LATEST else first)[1]
            log.warning(
                "source %s: %s ends at %d and this hub was at %d: the topic was cut short, or "
                "deleted and made anew; it is read from %d",
                *(self._name, reading, last[1], at, to),
            )
            committed = reading.progress.committed if reading.progress is not None else None
            reading.leave(0.0)
            self.readings[one] = Reading(one, Progress(to, committed))
            self._has_changed()
