"""All containers that one source takes entries from, as many as are in use."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable

from pipeline.intake.feed import Feed
from pipeline.model.container import Container
from pipeline.model.metrics import Metrics
from pipeline.topology import Router

MOST = 10_000
"""Most containers with lanes at a time. Beyond that, those idle longest lose their lanes and get
new ones when they come again. So a hub may see any number of containers."""
MOST_FACTS = 32 << 20
"""Most bytes of container facts. Ten thousand ordinary containers have at most 20 MB."""
IDLE = 3600.0
"""Seconds without an entry after which a container loses its lanes."""
MANY = 1000
IDLE_OF_MANY = 300.0
"""Seconds without an entry after which a container loses its lanes where there are more than `MANY`
containers. A client may make up a hundred per minute, and the garbage collector looks at all their
objects, thirty each, in one iteration of the event loop."""
FEW = 4
"""How many of those lose their lanes with each new container: more than arrive."""
LOOK = 100
"""How many of the longest idle containers are checked for one that can lose its lanes."""
MOST_SERIES = 1000
"""Most containers with metrics of their own. Entries of others are counted together, as
`(others)`."""
OTHERS = "(others)"


class Feeds:
    """The feeds of one source by container id, in order of their last use.

    `len` is their number; `in` tells whether a container id has one.
    """

    def __init__(self, router: Router, origin: str, metrics: Metrics, most: int = MOST) -> None:
        """`origin`: the source's name in the configuration. `most`: containers with lanes at a
        time."""
        self._router = router
        self._origin = origin
        self._metrics = metrics
        self._most = most
        self._feeds: OrderedDict[str, Feed] = OrderedDict()
        self._facts = 0
        """Bytes of all containers' facts."""
        self._names: Counter[str] = Counter()
        """Number of containers by name: those of several hosts may have the same name."""
        self._named: set[str] = set()
        """Names of containers with metrics of their own."""
        self._on_bug: Callable[[], object] = metrics.source_errors.labels("bug").inc

    def __len__(self) -> int:
        return len(self._feeds)

    def __contains__(self, container_id: str) -> bool:
        return container_id in self._feeds

    def containers(self) -> list[Container]:
        """All containers in use."""
        return [feed.container for feed in self._feeds.values()]

    def all(self) -> list[Feed]:
        """The feeds of all containers."""
        return list(self._feeds.values())

    def known(self, container_id: str) -> Container | None:
        """The container with that id, if it is in use."""
        feed = self._feeds.get(container_id)
        return feed.container if feed is not None else None

    def of(self, container: Container) -> Feed:
        """The feed of a container; makes one if needed, and adopts facts that have changed."""
        feed = self._feeds.get(container.id)
        if feed is None:
            feed = Feed(container, self._router, self._origin, self._on_bug)
            self._feeds[container.id] = feed
            self._names[container.name] += 1
            self._facts += size_of(container)
            self._make_room(feed)
        else:
            self._feeds.move_to_end(container.id)
            if feed.container is not container and not are_same(feed.container, container):
                self._forget_name(feed.container.name)
                self._names[container.name] += 1
                self._facts += size_of(container) - size_of(feed.container)
                feed.change(container)
                self._make_room(feed)
        feed.used = asyncio.get_running_loop().time()
        return feed

    def count(self, feed: Feed, entries: int, size: int) -> None:
        """Counts entries and their bytes in the container's metrics."""
        name = feed.container.name
        if name not in self._named:
            if len(self._named) < MOST_SERIES:
                self._named.add(name)
            else:
                name = OTHERS
        self._metrics.received.labels(name).inc(entries)
        self._metrics.received_bytes.labels(name).inc(size)

    def rebind(self) -> None:
        """Binds the lanes of all containers again after the routes have changed."""
        for feed in self._feeds.values():
            feed.rebind()

    def sweep(self) -> None:
        """Removes containers that nothing has come from for `IDLE` seconds."""
        before = asyncio.get_running_loop().time() - IDLE
        for feed in [one for one in self._feeds.values() if one.used < before and not one.busy]:
            self._let_go(feed)

    def end(self) -> None:
        """Removes all containers."""
        for feed in list(self._feeds.values()):
            self._let_go(feed)

    def _make_room(self, new: Feed) -> None:
        """Removes idle containers beyond the limits. Busy ones stay: `in_flight` limits what they
        hold."""
        while len(self._feeds) > self._most or self._facts > MOST_FACTS:
            if (feed := self._idle(new)) is None:
                return
            self._let_go(feed)
        before = asyncio.get_running_loop().time() - IDLE_OF_MANY
        for _ in range(FEW):
            if len(self._feeds) <= MANY or (feed := self._idle(new)) is None or feed.used > before:
                return
            self._let_go(feed)

    def _idle(self, new: Feed) -> Feed | None:
        """The container without entries for the longest time, except busy ones and the new one."""
        oldest = (feed for feed, _ in zip(self._feeds.values(), range(LOOK), strict=False))
        return next((one for one in oldest if not one.busy and one is not new), None)

    def _let_go(self, feed: Feed) -> None:
        del self._feeds[feed.container.id]
        feed.end()
        self._facts -= size_of(feed.container)
        self._forget_name(feed.container.name)

    def _forget_name(self, name: str) -> None:
        self._names[name] -= 1
        if not self._names[name]:
            del self._names[name]
            self._named.discard(name)
            self._metrics.forget_container(name)


def size_of(container: Container) -> int:
    """Bytes of a container's facts, approximately."""
    it = container
    return len(it.name) + len(it.image) + len(it.host) + it.label_size


def are_same(one: Container, other: Container) -> bool:
    """Whether two containers have the same facts."""
    facts, others = ((it.name, it.image, it.host, it.tty, it.module) for it in (one, other))
    if facts != others:
        return False
    return dict(one.labels) == dict(other.labels)
