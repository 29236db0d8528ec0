"""The ledger: what became of every entry, by container, route and sink.

It is double-entry book-keeping. For each route that takes a container's entries, and for each sink
of the route:

    read + made by each stage = filtered by each stage + held back by stages + routed to the sink
    routed  = known + delivered + dropped for each reason + dead-lettered + left on disk + buffered

The two sides are counted in different places. Lanes count what comes in; the delivery, the buffer's
policy and the spool count what goes out; what is buffered is counted by looking into the buffers.
So an entry that is forgotten anywhere shows as a difference for as long as the process lives.

When a stage joins lines, one entry goes on and the others count as filtered by it. Lines that it
may still join count as held back. When a stage splits an entry, all of its parts but one count as
made by it. What a route hands on to other routes counts as read for each of these, and for the
route itself as if each of them was another sink.

The ledger has no record of single entries; every count is updated once per batch. Counts by name
are plain dictionaries. The garbage collector skips a dictionary that has only numbers and strings,
but not a `Counter`, and ten thousand containers have a hundred thousand of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice

MOST_CONTAINERS = 10_000
"""Containers that have their own account, including removed ones that still have entries in a
buffer. Further containers share one account."""
FEW = 4
"""How many removed containers are checked whenever another one is removed. It is more than are
added. It is no more than that, since thousands of them may be waiting for a sink, and none of those
can be closed."""


def add(counts: dict[str, int], name: str, count: int) -> None:
    """Adds `count` to the count called `name`."""
    counts[name] = counts.get(name, 0) + count


def add_all(counts: dict[str, int], others: Mapping[str, int]) -> None:
    """Adds several counts, each to the count of the same name."""
    for name, count in others.items():
        add(counts, name, count)


class SinkAccount:
    """What one sink got of one container over one route, and what became of it. All counts are
    entries."""

    __slots__ = (
        "carried", "dead_lettered", "delivered", "dropped", "known", "left", "letters", "missed",
        "route_account", "routed", "sink", "waiting",
    )  # fmt: skip

    def __init__(self, route_account: RouteAccount, sink: str) -> None:
        self.route_account = route_account
        self.sink = sink
        self.routed = 0
        """Came over the route."""
        self.letters = 0
        """Came as dead letters of another sink."""
        self.carried = 0
        """Came from the spool, where an earlier run of the agent wrote them."""
        self.known = 0
        """Read again after a restart, and the sink had them already."""
        self.missed = 0
        """Went through the route while it didn't lead to this sink."""
        self.left = 0
        """Still on disk, for a sink that was removed from the configuration."""
        self.delivered = 0
        self.dropped: dict[str, int] = {}
        """Lost, by reason (see `drop`)."""
        self.dead_lettered = 0
        self.waiting = 0
        """Waiting for room in the buffer."""

    @property
    def came(self) -> int:
        """Everything that came to the sink: over the route, as dead letters, and from the spool."""
        return self.routed + self.letters + self.carried

    @property
    def went(self) -> int:
        """Everything that the sink is done with, delivered or not."""
        done = self.known + self.delivered + self.dead_lettered
        return done + sum(self.dropped.values()) + self.left

    @property
    def open(self) -> int:
        """What must be in the buffer or waiting for room in it: `came - went`."""
        return self.came - self.went

    def unaccounted(self, found: int) -> int:
        """Entries that came to the sink and are missing. 0 if all is well; below 0 if some are
        counted twice. `found`: entries that are in the sink's buffer at this moment."""
        return self.open - self.waiting - found

    def add(self, other: SinkAccount) -> None:
        """Adds the counts of another account to this one."""
        for name in (
            "routed", "letters", "carried", "known", "delivered", "dead_lettered", "left",
        ):  # fmt: skip
            setattr(self, name, getattr(self, name) + getattr(other, name))
        add_all(self.dropped, other.dropped)

    def drop(self, entries: int, reason: str) -> None:
        """Counts `entries` as lost. `reason`: a label of `dockline_dropped_entries_total`."""
        add(self.dropped, reason, entries)

    def beside(self, sink: str) -> SinkAccount:
        """The account of another sink for the same container and route. Dead letters go there."""
        return self.route_account.sink(sink)


class FedRoute:
    """What one route hands on to another route, for one container."""

    def __init__(self, to: RouteAccount) -> None:
        self.to = to
        self.handed = 0
        self.missed = 0
        """Entries that it would have handed on, from before the other route took the container."""
        self.bound = False
        """Whether the other route takes the container now."""


class RouteAccount:
    """What one route takes from one container, and what became of it. All counts are entries."""

    def __init__(self, container_account: ContainerAccount, source: str, route: str) -> None:
        self.container_account = container_account
        self.source = source
        self.route = route
        self.missed = 0
        """Read before the route took the container, as after a rename."""
        self.bound = False
        """Whether the route takes the container now."""
        self.filtered: dict[str, int] = {}
        """By stage: entries that came to it, minus those that went on."""
        self.made: dict[str, int] = {}
        """By stage: entries that went on from it, minus those that came to it."""
        self.held = 0
        """Entries in stages that wait for what comes next."""
        self.taken = 0
        """Entries that the route's lanes have taken."""
        self.sinks: tuple[str, ...] = ()
        """Names of the sinks that the route leads to."""
        self.accounts: dict[str, SinkAccount] = {}
        """The account of each sink, by its name. Sinks that the route no longer leads to are
        included."""
        self.feeds: dict[str, FedRoute] = {}
        """What is handed on to other routes, by route."""
        self.fed: int | None = None
        """Entries that other routes handed to this one; None for a route that takes what is read.
        """

    def bind(self, sinks: tuple[str, ...], *, fed: bool = False) -> None:
        """The route takes the container from now on, and leads to `sinks`.

        `fed`: it takes what other routes hand to it, instead of what is read.
        """
        if not fed:
            self.fed = None
        elif self.fed is None:
            self.fed = self.taken
        if not self.bound:
            self.missed = self.container_account.read.get(self.source, 0) - self.taken
        self.bound = not self.container_account.shared
        for sink in sinks:
            if sink not in self.sinks:
                self._lead_to(sink, 0)
        self.sinks = sinks

    def _lead_to(self, sink: str, unaccounted: int) -> None:
        """Counts what has passed and was not routed to `sink` as missed by it, except for
        `unaccounted` entries."""
        account = self.sink(sink)
        account.missed = self.passed - account.routed - unaccounted

    def passed_late(self, entries: int, sinks: Collection[str]) -> None:
        """Counts entries that went only to `sinks`, those of an earlier binding. The other sinks
        never get them."""
        for sink in self.sinks:
            if sink not in sinks:
                self.sink(sink).missed += entries

    def bind_feeds(self, routes: Collection[RouteAccount]) -> None:
        """Sets the routes that this one hands its entries to from now on."""
        before = {name for name, feed in self.feeds.items() if feed.bound}
        for feed in self.feeds.values():
            feed.bound = False
        for to in routes:
            if to.fed is None:
                to.fed = to.taken
            feed = self.feeds.setdefault(to.route, FedRoute(to))
            feed.bound = not self.container_account.shared
            if to.route not in before:
                feed.missed = self.passed - feed.handed

    def hand_on(self, entries: int, routes: Collection[str]) -> None:
        """Counts entries that were handed to these routes, which may be those of an earlier
        binding."""
        for name, feed in self.feeds.items():
            if name in routes:
                feed.handed += entries
                feed.to.take_late(entries)
            else:
                feed.missed += entries

    def take_late(self, entries: int) -> None:
        """Counts entries taken under an earlier binding: handed to the route, or read although
        other routes feed it now."""
        if self.fed is not None:
            self.fed += entries
        else:
            self.missed -= entries

    def sink(self, sink: str) -> SinkAccount:
        """The account of a sink, made when first asked for."""
        if sink not in self.accounts:
            self.accounts[sink] = SinkAccount(self, sink)
        return self.accounts[sink]

    @property
    def came(self) -> int:
        """Entries that were read while the route took the container, or that were handed to it."""
        if self.fed is not None:
            return self.fed
        if not self.bound:
            return self.taken
        return self.container_account.read.get(self.source, 0) - self.missed

    @property
    def passed(self) -> int:
        """Entries that went through all stages: those that came or were made, minus those filtered
        or held back."""
        made, filtered = sum(self.made.values()), sum(self.filtered.values())
        return self.came + made - filtered - self.held

    @property
    def unaccounted(self) -> int:
        """The largest difference at any sink or fed route; 0 if the account balances."""
        passed = self.passed
        ways = [self.accounts[sink] for sink in self.sinks]
        parts = [passed - account.routed - account.missed for account in ways]
        feeds = (feed for feed in self.feeds.values() if feed.bound)
        parts += [passed - feed.missed - feed.handed for feed in feeds]
        return max(parts or [self.came - self.taken], key=abs)

    def _owed(self, sink: str) -> int:
        """Entries that passed the stages and were neither routed to `sink` nor missed by it."""
        if sink not in self.sinks:
            return 0
        account = self.accounts[sink]
        return self.passed - account.routed - account.missed

    def add(self, other: RouteAccount) -> None:
        """Adds the counts of another container's account of this route to this one."""
        sinks = tuple(dict.fromkeys((*self.sinks, *other.sinks)))
        owed = {sink: self._owed(sink) + other._owed(sink) for sink in sinks}
        add_all(self.filtered, other.filtered)
        add_all(self.made, other.made)
        self.taken += other.taken
        if other.fed is not None:
            self.fed = (self.fed or 0) + other.fed
        for name, feed in other.feeds.items():
            to = self.container_account.route(self.source, name)
            self.feeds.setdefault(name, FedRoute(to)).handed += feed.handed
        self.sinks = sinks
        for sink, account in other.accounts.items():
            self.sink(sink).add(account)
        for sink in sinks:
            self._lead_to(sink, owed[sink])


class ContainerAccount:
    """What was read of one container, and the accounts of the routes that take it."""

    def __init__(self, container_id: str, name: str, *, shared: bool = False) -> None:
        """`shared`: whether several containers use this account. A route may take some of these and
        not others."""
        self.id = container_id
        self.name = name
        self.shared = shared
        self.read: dict[str, int] = {}
        """Entries read, by source: `logs`, `events`, `stats`."""
        self.routes: dict[tuple[str, str], RouteAccount] = {}
        """The account of each route, by source and route."""
        self.binding = 0
        """How often the container's routes were bound."""
        self.followed = False
        """Whether the container is being read."""

    def route(self, source: str, route: str) -> RouteAccount:
        """The account of a route for one source, made when first asked for."""
        key = source, route
        if key not in self.routes:
            self.routes[key] = RouteAccount(self, source, route)
        return self.routes[key]

    def unbind(self) -> None:
        """Marks that no route takes the container until it is bound again."""
        self.binding += 1
        for route_account in self.routes.values():
            route_account.bound = False

    def read_late(self, source: str, entries: int, routes: Collection[str]) -> None:
        """Counts entries that only `routes`, those of an earlier binding, take. The other routes
        never get them."""
        for (of, route), route_account in self.routes.items():
            if of != source:
                continue
            if route not in routes and route_account.bound:
                route_account.missed += entries
            elif route in routes and route_account.fed is not None:
                route_account.take_late(entries)

    @property
    def accounts(self) -> Iterator[SinkAccount]:
        """The accounts of all sinks, of all routes."""
        for route_account in self.routes.values():
            yield from route_account.accounts.values()

    @property
    def open(self) -> bool:
        """Whether any entry is still held back by a stage or on its way to a sink."""
        held = any(route_account.held for route_account in self.routes.values())
        return held or any(account.open for account in self.accounts)

    def close(self) -> None:
        """Clears the account; nothing may be added to it afterwards.

        Accounts refer to each other in cycles. Without this, the memory would be freed only when
        the garbage collector runs.
        """
        for route_account in self.routes.values():
            route_account.accounts.clear()
            route_account.feeds.clear()
        self.routes.clear()

    def add(self, other: ContainerAccount) -> None:
        """Adds the counts of another container's account to this one."""
        add_all(self.read, other.read)
        for (source, route), route_account in other.routes.items():
            self.route(source, route).add(route_account)


class _Walk:
    """See `Ledger.walk`. Two of them are never equal."""

    def __init__(self, ledger: Ledger, folding: Callable[[ContainerAccount], object]) -> None:
        self.left = {account: place for place, account in enumerate(ledger)}
        self.folding = folding


class Ledger:
    """The accounts of all containers. Iterating yields every account, shared ones last if they have
    any counts."""

    def __init__(self, most: int = MOST_CONTAINERS) -> None:
        """`most`: containers that have their own account."""
        self.containers: dict[str, ContainerAccount] = {}
        """Accounts by container id."""
        self.removed = ContainerAccount("", "(removed)", shared=True)
        """The sum of all removed containers."""
        self._others = ContainerAccount("", "(others)", shared=True)
        self._most = most
        self._gone: dict[str, None] = {}
        self._walks: list[_Walk] = []

    def __iter__(self) -> Iterator[ContainerAccount]:
        yield from self.containers.values()
        for container_account in (self.removed, self._others):
            if container_account.routes or container_account.read:
                yield container_account

    def container(self, container_id: str, name: str) -> ContainerAccount:
        """The account of a container, made when first asked for. Beyond the limit, the account that
        all further containers share."""
        container_account = self.containers.get(container_id)
        if container_account is None:
            if len(self.containers) >= self._most:
                return self._others
            container_account = self.containers[container_id] = ContainerAccount(container_id, name)
        container_account.name = name
        return container_account

    def forget(self, container_id: str) -> None:
        """Call this when a container is removed. Its counts are added to `removed` as soon as none
        of its entries are buffered."""
        if container_id in self.containers:
            self.containers[container_id].followed = False
            self._gone[container_id] = None
        self.fold(FEW)

    def spooled(self, container_id: str, name: str) -> ContainerAccount:
        """The account of a container whose entries come from disk. The container may have been
        removed long ago."""
        container_account = self.container(container_id, name)
        if container_id and not container_account.followed:
            self._gone[container_id] = None
        return container_account

    def fold(self, most: int = 100) -> None:
        """Checks up to `most` removed containers, and closes the accounts of those that have no
        entries left in a buffer."""
        for gone in list(islice(self._gone, most)):
            del self._gone[gone]
            container_account = self.containers.get(gone)
            if container_account is None or container_account.followed:
                continue
            if container_account.open:
                self._gone[gone] = None  # looked at again, after the others
            else:
                for walk in self._walks:
                    if container_account in walk.left:
                        walk.folding(container_account)
                self.removed.add(self.containers.pop(gone))
                container_account.close()

    @contextmanager
    def walk(
        self, folding: Callable[[ContainerAccount], object]
    ) -> Iterator[dict[ContainerAccount, int]]:
        """For going through all accounts while the event loop runs in between.

        Gives the accounts that there are now, each with its place in the order of iteration. The
        caller removes an account when it has looked at it. `folding` is called with an account that
        is still there and is about to be closed: it is the last chance to look at it. It must not
        raise.

        So no count is seen twice or missed where an account is closed and its counts are added to
        `removed`: look at `removed` before the event loop runs, and at each other account once.
        """
        walk = _Walk(self, folding)
        self._walks.append(walk)
        try:
            yield walk.left
        finally:
            self._walks.remove(walk)

    def accounts(self) -> Iterator[SinkAccount]:
        """The accounts of all sinks, of all containers."""
        for container_account in self:
            yield from container_account.accounts


NOBODY = SinkAccount(RouteAccount(ContainerAccount("", "(nobody)"), "", ""), "")
"""An account for entries that are not in any ledger."""
