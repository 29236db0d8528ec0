"""What became of every entry: double-entry book-keeping, per container, route and sink.

For each route that a container's entries take, and for each sink of it:

    read + made by each stage = filtered by each stage + held back by stages + routed to the sink
    routed  = known + delivered + dropped for each reason + dead-lettered + left on disk + buffered

Both sides are counted by different hands: what comes in by the lane, what goes out by the delivery,
the buffer's policy and the spool, and what is buffered by looking into the buffers. An entry that
somebody forgets shows as a difference, for as long as the process lives.

Lines that a stage has joined to others leave one entry, and count as filtered by it but for that
one; those that it may yet join are held back. Of the entries that a stage has split one into, all
but one count as made by it. What a route hands on to further routes is to each of
them what was read, and to itself as if each were one more sink.

Nothing here knows an entry; everything is added to once per batch. Counts by name are plain
dictionaries: the garbage collector does not look at one that has numbers alone, as it does at every
`Counter`, and ten thousand containers have a hundred thousand of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

MOST_PAGES = 10_000
"""Containers with an account of their own, those that are removed and have entries in a buffer
included. Further ones share one."""
FEW = 4
"""Pages that are looked at with each container that is removed: more than come, and no more, since
of thousands whose entries wait for a sink none can be closed."""


def add(counts: dict[str, int], name: str, count: int) -> None:
    """Adds to one of several counts."""
    counts[name] = counts.get(name, 0) + count


def add_all(counts: dict[str, int], others: Mapping[str, int]) -> None:
    """Adds several counts to those of the same names."""
    for name, count in others.items():
        add(counts, name, count)


class SinkAccount:
    """One sink's part in what one route takes from one container."""

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
        """Came from the spool, written by an earlier run of the agent."""
        self.known = 0
        """Read again after a restart, and the sink had them."""
        self.missed = 0
        """Came over the route while it did not lead to the sink."""
        self.left = 0
        """On the disk of a sink that was removed from the configuration."""
        self.delivered = 0
        self.dropped: dict[str, int] = {}
        """Lost, by reason (see `drop`)."""
        self.dead_lettered = 0
        self.waiting = 0
        """For room in the buffer."""

    @property
    def came(self) -> int:
        return self.routed + self.letters + self.carried

    @property
    def went(self) -> int:
        done = self.known + self.delivered + self.dead_lettered
        return done + sum(self.dropped.values()) + self.left

    @property
    def open(self) -> int:
        """What must be in the buffer, or wait for room in it."""
        return self.came - self.went

    def add(self, other: SinkAccount) -> None:
        """Takes over another's figures."""
        for name in (
            "routed", "letters", "carried", "known", "delivered", "dead_lettered", "left",
        ):  # fmt: skip
            setattr(self, name, getattr(self, name) + getattr(other, name))
        add_all(self.dropped, other.dropped)

    def drop(self, entries: int, reason: str) -> None:
        """So many are lost."""
        add(self.dropped, reason, entries)

    def beside(self, sink: str) -> SinkAccount:
        """The same container's and route's, at another sink: where dead letters go."""
        return self.route_account.sink(sink)


class FedRoute:
    """What one route hands on to another one, of one container."""

    def __init__(self, to: RouteAccount) -> None:
        self.to = to
        self.handed = 0
        self.missed = 0
        """What it would have handed on before the other one took the container."""
        self.bound = False
        """The other one takes the container now."""


class RouteAccount:
    """What one route takes from one container."""

    def __init__(self, container_account: ContainerAccount, source: str, route: str) -> None:
        self.container_account = container_account
        self.source = source
        self.route = route
        self.missed = 0
        """Read before the route took the container (it was renamed)."""
        self.bound = False
        """The route takes the container now."""
        self.filtered: dict[str, int] = {}
        """By stage: entries that came to it, less those that went on."""
        self.made: dict[str, int] = {}
        """By stage: entries that went on from it, less those that came."""
        self.held = 0
        """In stages that wait for what comes next."""
        self.taken = 0
        self.sinks: tuple[str, ...] = ()
        """Those that the route leads to."""
        self.accounts: dict[str, SinkAccount] = {}
        self.feeds: dict[str, FedRoute] = {}
        """By the route that is handed something."""
        self.fed: int | None = None
        """Handed to it by other routes; None where it takes what is read."""

    def bind(self, sinks: tuple[str, ...], *, fed: bool = False) -> None:
        """The route takes the container from now on: what is read, or what it is handed."""
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
        """The sink misses what has passed so far and it was not given, but for that many."""
        account = self.sink(sink)
        account.missed = self.passed - account.routed - unaccounted

    def passed_late(self, entries: int, sinks: Collection[str]) -> None:
        """Entries that went to the sinks of an earlier binding: the others never see them."""
        for sink in self.sinks:
            if sink not in sinks:
                self.sink(sink).missed += entries

    def bind_feeds(self, routes: Collection[RouteAccount]) -> None:
        """The routes that are handed what is left, from now on."""
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
        """To these routes, which may be others than those that are bound by now."""
        for name, feed in self.feeds.items():
            if name in routes:
                feed.handed += entries
                feed.to.take_late(entries)
            else:
                feed.missed += entries

    def take_late(self, entries: int) -> None:
        """Is handed entries, or takes what is read though others hand it entries by now."""
        if self.fed is not None:
            self.fed += entries
        else:
            self.missed -= entries

    def sink(self, sink: str) -> SinkAccount:
        if sink not in self.accounts:
            self.accounts[sink] = SinkAccount(self, sink)
        return self.accounts[sink]

    @property
    def came(self) -> int:
        """What was read while the route took the container, or handed to it."""
        if self.fed is not None:
            return self.fed
        if not self.bound:
            return self.taken
        return self.container_account.read.get(self.source, 0) - self.missed

    @property
    def passed(self) -> int:
        """What came or was made, and no stage has."""
        made, filtered = sum(self.made.values()), sum(self.filtered.values())
        return self.came + made - filtered - self.held

    @property
    def unaccounted(self) -> int:
        """Entries that came, and neither a stage nor a sink has; 0 where the account balances."""
        parts = [self._owed(sink) for sink in self.sinks]
        feeds = (feed for feed in self.feeds.values() if feed.bound)
        parts += [self.passed - feed.missed - feed.handed for feed in feeds]
        return max(parts or [self.came - self.taken], key=abs)

    def _owed(self, sink: str) -> int:
        if sink not in self.sinks:
            return 0
        account = self.accounts[sink]
        return self.passed - account.routed - account.missed

    def add(self, other: RouteAccount) -> None:
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
    """One container's account."""

    def __init__(self, container_id: str, name: str, *, shared: bool = False) -> None:
        """`shared` by containers of which some are taken by a route and some are not."""
        self.id = container_id
        self.name = name
        self.shared = shared
        self.read: dict[str, int] = {}
        """Entries by source: `logs`, `events`, `stats`."""
        self.routes: dict[tuple[str, str], RouteAccount] = {}
        """By source and route."""
        self.binding = 0
        """How often its routes were bound."""
        self.followed = False
        """Its container is read."""

    def route(self, source: str, route: str) -> RouteAccount:
        key = source, route
        if key not in self.routes:
            self.routes[key] = RouteAccount(self, source, route)
        return self.routes[key]

    def unbind(self) -> None:
        """No route takes the container, until it is bound anew."""
        self.binding += 1
        for route_account in self.routes.values():
            route_account.bound = False

    def read_late(self, source: str, entries: int, routes: Collection[str]) -> None:
        """Entries that are taken by the routes of an earlier binding: the others never see them."""
        for (of, route), route_account in self.routes.items():
            if of != source:
                continue
            if route not in routes and route_account.bound:
                route_account.missed += entries
            elif route in routes and route_account.fed is not None:
                route_account.take_late(entries)

    @property
    def accounts(self) -> Iterator[SinkAccount]:
        for route_account in self.routes.values():
            yield from route_account.accounts.values()

    @property
    def open(self) -> bool:
        """Something is still on its way to a sink."""
        held = any(route_account.held for route_account in self.routes.values())
        return held or any(account.open for account in self.accounts)

    def close(self) -> None:
        """Nothing will be added to it any more. What has a page for its page would otherwise wait
        for the garbage collector."""
        for route_account in self.routes.values():
            route_account.accounts.clear()
            route_account.feeds.clear()
        self.routes.clear()

    def add(self, other: ContainerAccount) -> None:
        add_all(self.read, other.read)
        for (source, route), route_account in other.routes.items():
            self.route(source, route).add(route_account)


class Balance(NamedTuple):
    """One sink's part, complete: what `dockline audit` shows."""

    account: SinkAccount
    buffered: int
    """What was found in the sink's buffer, or waiting for room in it."""

    @property
    def unaccounted(self) -> int:
        """Entries that came and are nowhere; below 0, that are in two places. 0 where all is
        well."""
        return self.account.open - self.buffered


class Ledger:
    """All pages."""

    def __init__(self, most: int = MOST_PAGES) -> None:
        self.containers: dict[str, ContainerAccount] = {}
        """By the container's id."""
        self.removed = ContainerAccount("", "(removed)", shared=True)
        """Of containers that are gone, together."""
        self._others = ContainerAccount("", "(others)", shared=True)
        self._most = most
        self._gone: dict[str, None] = {}

    def __iter__(self) -> Iterator[ContainerAccount]:
        yield from self.containers.values()
        for container_account in (self.removed, self._others):
            if container_account.routes or container_account.read:
                yield container_account

    def container(self, container_id: str, name: str) -> ContainerAccount:
        """The page of a container, from the first time that it is asked for."""
        container_account = self.containers.get(container_id)
        if container_account is None:
            if len(self.containers) >= self._most:
                return self._others
            container_account = self.containers[container_id] = ContainerAccount(container_id, name)
        container_account.name = name
        return container_account

    def forget(self, container_id: str) -> None:
        """The container is removed: its figures stay, among those of all that are, from when
        nothing of it is buffered any more."""
        if container_id in self.containers:
            self.containers[container_id].followed = False
            self._gone[container_id] = None
        self.fold(FEW)

    def spooled(self, container_id: str, name: str) -> ContainerAccount:
        """The page of a container of which entries come from a disk. It may be long gone."""
        container_account = self.container(container_id, name)
        if container_id and not container_account.followed:
            self._gone[container_id] = None
        return container_account

    def fold(self, most: int = 100) -> None:
        """Closes the pages of so many removed containers, if they can be."""
        for gone in list(islice(self._gone, most)):
            del self._gone[gone]
            container_account = self.containers.get(gone)
            if container_account is None or container_account.followed:
                continue
            if container_account.open:
                self._gone[gone] = None  # looked at again, after the others
            else:
                self.removed.add(self.containers.pop(gone))
                container_account.close()

    def accounts(self) -> Iterator[SinkAccount]:
        for container_account in self:
            yield from container_account.accounts

    def lines(self, buffered: Mapping[SinkAccount, int]) -> list[Balance]:
        """Every tally with what was found of it in the buffers just now."""
        return [
            Balance(account, buffered.get(account, 0) + account.waiting)
            for account in self.accounts()
        ]


NOBODY = SinkAccount(RouteAccount(ContainerAccount("", "(nobody)"), "", ""), "")
"""For entries that no ledger is kept of."""
