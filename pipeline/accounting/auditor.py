"""Makes the ledger's report while the agent works, some containers in each turn of the event loop.

What was counted and what is found in the buffers have to be of one moment. That holds for each
container by itself, since no entry goes from one container's account to another's. So they need
not all be of the same moment:

1. The counts of all containers are noted, in many turns.
2. All batches in the buffers are listed, in one turn, and the list is gone through in many.
3. Each container is copied, in any turn. If its counts are as they were noted, none of its entries
   came or went in between, and those that were listed are still those in the buffers.
4. With containers that have changed, this is done again. Those that change all the time are copied
   together with another list, some hundred in one turn.

The report has the containers that there are when the audit begins, each once. `(removed)` is copied
first, in the turn in which it begins. A container that is closed later is copied just before its
counts are added to `(removed)` (see `Ledger.walk`). So nothing is in the sum twice, and nothing is
missing. What a container that appears meanwhile has is in the next report.
"""

from __future__ import annotations

import asyncio
from array import array
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple, TypeAlias

import msgspec

from pipeline.accounting.audit import AuditReport, ContainerPart, RoutePart, SinkPart, SourcePart
from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import ContainerAccount, Ledger, RouteAccount, SinkAccount
from pipeline.model import plain
from pipeline.support.selector import Pause

PIECE = 2000
"""Batches of the buffers that are looked at between two pauses: 0.2 ms."""
PASSES = 3
"""How often containers are copied that must not change meanwhile. Of 10,000 with a line a second
each, a quarter changes during the first time, and 2 % during the second."""
COPYING = 0.002
"""Seconds in one turn of the event loop for copying containers that change all the time: some
100."""

Take: TypeAlias = Callable[[int, ContainerPart], object]
"""Takes a container's part, with its place in the report. Each is called once, in any order."""
Chosen: TypeAlias = Callable[[ContainerAccount], bool]
"""Whether a container is to be in the report."""

_counts_of = attrgetter(
    "routed", "letters", "carried", "known", "delivered", "dead_lettered", "left", "waiting"
)


class BufferSnapshot(NamedTuple):
    """What is in the sinks' buffers at one moment."""

    envelopes: list[Envelope]
    """All batches in memory. Whoever asked for it may change the list."""
    on_disk: Sequence[Mapping[SinkAccount, int]]
    """Entries on disk by account, for each spool. They go on changing, so read them at once."""


def everything(container_account: ContainerAccount) -> bool:
    """Chooses every container."""
    return True


class Auditor:
    """Makes reports. Several may be made at the same time."""

    def __init__(
        self,
        ledger: Ledger,
        snapshot: Callable[[], BufferSnapshot],
        carried: Callable[[], Mapping[str, int]] = dict,
        sources: Callable[[], Sequence[SourcePart]] = tuple,
    ) -> None:
        """`snapshot` lists what is in all buffers. `carried`: by sink, entries on disk from an
        earlier run. `sources`: the configured sources."""
        self.ledger = ledger
        self.snapshot = snapshot
        self._carried = carried
        self._sources = sources

    async def audit(self, take: Take, chosen: Chosen = everything) -> AuditReport:
        """Goes through the ledger; lets the event loop run every few milliseconds.

        `take` gets the parts of the chosen containers. The report that is returned has everything
        else, and no containers. It says whether those and the sources balance.
        """
        walk = _Walk(self, take, chosen)
        sources = list(self._sources())
        carried = {sink: count for sink, count in self._carried().items() if count}
        await walk.run()
        balanced = walk.balanced and not any(source.unaccounted for source in sources)
        return AuditReport(balanced, [], carried, sources)


class _Copy(NamedTuple):
    """A container as it was at one moment."""

    place: int
    part: ContainerPart
    accounts: list[SinkAccount]
    """Those of the part's sinks, in order."""

    @classmethod
    def of(cls, container_account: ContainerAccount, place: int) -> _Copy:
        """A copy as of now."""
        return cls(place, part_of(container_account), list(container_account.accounts))

    def with_buffered(self, found: Mapping[SinkAccount, int]) -> ContainerPart:
        """The part, to which the entries are added that were found in the buffers."""
        accounts = iter(self.accounts)
        for route in self.part.routes:
            sinks = route.sinks
            for place, (sink, account) in enumerate(zip(sinks, accounts, strict=False)):
                if count := found.get(account):
                    sinks[place] = msgspec.structs.replace(
                        sink, buffered=sink.buffered + count, unaccounted=sink.unaccounted - count
                    )
        return self.part


class _Walk:
    """One way through the ledger."""

    def __init__(self, auditor: Auditor, take: Take, chosen: Chosen) -> None:
        self._ledger = auditor.ledger
        self._snapshot = auditor.snapshot
        self._take = take
        self._chosen = chosen
        self._pause = Pause()
        self._left: dict[ContainerAccount, int] = {}
        """Accounts that aren't copied yet, each with its place."""
        self._folded: list[tuple[int, ContainerPart]] = []
        self.balanced = True

    async def run(self) -> None:
        """Hands over the part of each account."""
        self._ledger.fold()
        with self._ledger.walk(self._folding) as self._left:
            removed = self._ledger.removed
            if removed in self._left:
                place = self._left.pop(removed)
                if self._chosen(removed):
                    self._hand_over(place, part_of(removed))
            await self._choose()
            for _ in range(PASSES):
                await self._copy_unchanged()
            await self._copy_changing()
        for place, part in self._folded:
            await self._pause()
            self._hand_over(place, part)

    def _hand_over(self, place: int, part: ContainerPart) -> None:
        for route in part.routes:
            if route.unaccounted or any(sink.unaccounted for sink in route.sinks):
                self.balanced = False
        self._take(place, part)

    def _folding(self, container_account: ContainerAccount) -> None:
        """Copies a container before it is closed. Nothing of it is open."""
        place = self._left.pop(container_account)
        if self._chosen(container_account):
            self._folded.append((place, part_of(container_account)))

    async def _choose(self) -> None:
        for container_account in list(self._left):
            await self._pause()
            if not self._chosen(container_account):
                self._left.pop(container_account, None)

    async def _copy_unchanged(self) -> None:
        """Hands over all containers of which no entry comes or goes meanwhile."""
        noted: dict[ContainerAccount, bytes] = {}
        for container_account in list(self._left):
            await self._pause()
            noted[container_account] = _noted(container_account)
        if not noted:
            return
        found = await self._found()
        while noted:
            await self._pause()
            container_account, counts = noted.popitem()
            if container_account in self._left and _noted(container_account) == counts:
                copy = _Copy.of(container_account, self._left.pop(container_account))
                self._hand_over(copy.place, copy.with_buffered(found))

    async def _found(self) -> Mapping[SinkAccount, int]:
        """Entries in the buffers, by account, at a moment during this call."""
        await asyncio.sleep(0)  # the list takes a turn of its own
        envelopes, on_disk = self._snapshot()
        found: Counter[SinkAccount] = Counter()
        for counts in on_disk:
            found.update(counts)
        while envelopes:
            for envelope in envelopes[-PIECE:]:
                found[envelope.account] += envelope.entries
            del envelopes[-PIECE:]  # a batch that is delivered meanwhile is let go
            await self._pause()
        return found

    async def _copy_changing(self) -> None:
        """Hands over the containers that are left."""
        todo = deque(self._left)
        while todo:
            await asyncio.sleep(0)  # the copies take a turn of their own
            copies, envelopes, found = self._copy(todo)
            while envelopes:
                for envelope in envelopes[-PIECE:]:
                    account = envelope.account
                    if account in found:
                        found[account] += envelope.entries
                del envelopes[-PIECE:]
                await self._pause()
            for copy in copies:
                await self._pause()
                self._hand_over(copy.place, copy.with_buffered(found))

    def _copy(
        self, todo: deque[ContainerAccount]
    ) -> tuple[list[_Copy], list[Envelope], dict[SinkAccount, int]]:
        """Copies some containers, and lists what is in the buffers at the same moment.

        Returns the copies, the batches in memory, and what is on disk of these containers.
        """
        now = asyncio.get_running_loop().time
        until = now() + COPYING
        copies: list[_Copy] = []
        while todo and (not copies or now() < until):
            container_account = todo.popleft()
            place = self._left.pop(container_account, None)
            if place is not None:
                copies.append(_Copy.of(container_account, place))
        envelopes, on_disk = self._snapshot()
        found = dict.fromkeys((account for copy in copies for account in copy.accounts), 0)
        for counts in on_disk:
            for account in found:
                found[account] += counts.get(account, 0)
        return copies, envelopes, found


def _noted(container_account: ContainerAccount) -> bytes:
    """Counts that change whenever an entry gets into a buffer or out of it.

    Bytes, since the garbage collector would look at ten thousand lists.
    """
    counts = array("q")
    for account in container_account.accounts:
        counts.extend(_counts_of(account))
        if account.dropped:
            counts.append(sum(account.dropped.values()))
    return counts.tobytes()


def part_of(container_account: ContainerAccount) -> ContainerPart:
    """A container as it is now, as if nothing of it were in the buffers but what waits for room."""
    return ContainerPart(
        container_account.id,
        plain.name(container_account.name),
        dict(container_account.read),
        [_route(route_account) for route_account in container_account.routes.values()],
    )


def _route(route_account: RouteAccount) -> RoutePart:
    return RoutePart(
        route_account.route,
        route_account.source,
        route_account.came,
        [_sink(account) for account in route_account.accounts.values()],
        {stage: count for stage, count in route_account.filtered.items() if count},
        route_account.unaccounted,
        route_account.fed is not None,
        {name: feed.handed for name, feed in route_account.feeds.items()},
        route_account.held,
        {stage: count for stage, count in route_account.made.items() if count},
    )


def _sink(account: SinkAccount) -> SinkPart:
    return SinkPart(
        account.sink,
        account.routed,
        account.letters,
        account.carried,
        account.known,
        account.delivered,
        {reason: count for reason, count in account.dropped.items() if count},
        account.dead_lettered,
        account.left,
        account.waiting,
        account.unaccounted(0),
    )
