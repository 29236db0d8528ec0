"""All containers whose entries one source takes: as many as are in use, and no more."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable

from pipeline.intake.feed import Feed
from pipeline.model.container import Container
from pipeline.model.metrics import Metrics
from pipeline.topology import Router

MOST = 10_000
"""Containers with lanes of their own at a time: beyond, those are let go of which nothing came for
the longest time, and get new ones when they come again. So a hub may see any number of them."""
MOST_FACTS = 32 << 20
"""Bytes of their facts: ten thousand have 20 MB or less, and sinks keep what they make of them."""
IDLE = 3600.0
"""Seconds after which one is let go of which nothing comes."""
MANY = 1000
IDLE_OF_MANY = 300.0
"""Seconds likewise, where there are more than so many: a client may make up a hundred a minute, and
the garbage collector looks at the thirty objects of each in one turn of the event loop."""
FEW = 4
"""Of those, how many are let go with each that is new: more than come."""
LOOK = 100
"""Of those that nothing came of for the longest time, how many are looked at for one to let go."""
MOST_SERIES = 1000
"""Containers with series of their own; the entries of others are counted together."""
OTHERS = "(others)"


class Feeds:
    """By the container's id, those used last at the end."""

    def __init__(self, router: Router, origin: str, metrics: Metrics, most: int = MOST) -> None:
        self._router = router
        self._origin = origin
        self._metrics = metrics
        self._most = most
        self._feeds: OrderedDict[str, Feed] = OrderedDict()
        self._facts = 0
        """Bytes, of all of them."""
        self._names: Counter[str] = Counter()
        """How many containers have it: of several hosts, they may have the same."""
        self._named: set[str] = set()
        """Names with series of their own."""
        self._on_bug: Callable[[], object] = metrics.source_errors.labels("bug").inc

    def __len__(self) -> int:
        return len(self._feeds)

    def __contains__(self, container_id: str) -> bool:
        return container_id in self._feeds

    def known(self, container_id: str) -> Container | None:
        feed = self._feeds.get(container_id)
        return feed.container if feed is not None else None

    def of(self, container: Container) -> Feed:
        """That of a container, which is in use."""
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
        """Entries of it have come."""
        name = feed.container.name
        if name not in self._named:
            if len(self._named) < MOST_SERIES:
                self._named.add(name)
            else:
                name = OTHERS
        self._metrics.received.labels(name).inc(entries)
        self._metrics.received_bytes.labels(name).inc(size)

    def rebind(self) -> None:
        for feed in self._feeds.values():
            feed.rebind()

    def sweep(self) -> None:
        """Lets go of those of which nothing comes any more."""
        before = asyncio.get_running_loop().time() - IDLE
        for feed in [one for one in self._feeds.values() if one.used < before and not one.busy]:
            self._let_go(feed)

    def end(self) -> None:
        """Lets go of all."""
        for feed in list(self._feeds.values()):
            self._let_go(feed)

    def _make_room(self, new: Feed) -> None:
        """Those that are busy stay, beyond the limit: what they are busy with is limited itself."""
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
        """The one of which nothing came for the longest time."""
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
    """Bytes of its facts, near enough."""
    it = container
    return len(it.name) + len(it.image) + len(it.host) + it.label_size


def are_same(one: Container, other: Container) -> bool:
    """Whether all their facts are."""
    facts, others = ((it.name, it.image, it.host, it.tty, it.module) for it in (one, other))
    if facts != others:
        return False
    return dict(one.labels) == dict(other.labels)
