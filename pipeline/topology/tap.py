"""Copies of entries on their way, for those who watch them with `dockline tap`.

Where entries pass or are lost, one check per batch tells whether anybody watches:

    if self._tap.tappers:
        self._tap.passed(batch, sink)

Nothing else is done while nobody watches. A tapper is shown at most `ENTRIES` and `BYTES` per
`WINDOW`. Beyond that it gets a sample, one entry in so many, and is told the rate. It loses what it
doesn't read in time. Of a message, `LONG` bytes are shown; the fields of a longer one are left out.

A tapper that searches is shown what matches, and a sample of that if need be.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from pipeline.encode.json import JsonEncoder
from pipeline.model.batch import Batch
from pipeline.model.container import Container
from pipeline.model.dumps import dumps
from pipeline.model.errors import DocklineError

if TYPE_CHECKING:
    from pipeline.topology.tap_search import Search, Searcher

log = logging.getLogger(__name__)

MOST_TAPPERS = 5
"""Tappers at the same time at most."""
WINDOW: Final = 0.25
"""Seconds of a window, in which a tapper is shown at most `ENTRIES` and `BYTES`."""
ENTRIES: Final = 250
BYTES: Final = 1 << 19
"""Bytes as sent; the last batch of a window may exceed them."""
WAITING: Final = 1 << 20
"""Bytes that may wait for a tapper to read them. What comes then is lost to it."""
LONG: Final = 16 << 10
"""Bytes of a message that are shown, and searched. In what is cut, fields are found only where a
stage has parsed them."""
SHORT: Final = 500
"""Characters of a reason that are shown."""
REPORT_EVERY: Final = 1.0
"""Seconds between two lines that say what was left out."""


@dataclass(frozen=True)
class Choice:
    """What a tapper wants to see.

    Patterns are shell patterns (`*`, `?`, `[…]`). One of several has to match; without any,
    everything does.
    """

    routes: Sequence[str] = ()
    sinks: Sequence[str] = ()
    containers: Sequence[str] = ()
    """Patterns of container names. A text of six or more characters may also begin a container's
    id."""
    dropped: bool = False
    """Shows what is filtered or dropped, instead of what goes to the sinks."""
    search: Search | None = None
    """What an entry has to have, besides; None for anything."""
    _route: re.Pattern[str] = field(init=False, repr=False)
    _sink: re.Pattern[str] = field(init=False, repr=False)
    _container: re.Pattern[str] = field(init=False, repr=False)
    _ids: tuple[str, ...] = field(init=False, repr=False)
    _chosen: WeakKeyDictionary[Container, bool] = field(init=False, repr=False, compare=False)
    """Whether containers were chosen: hundreds of patterns are too many for each batch."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_route", any_of(self.routes))
        object.__setattr__(self, "_sink", any_of(self.sinks))
        object.__setattr__(self, "_container", any_of(self.containers))
        object.__setattr__(self, "_ids", tuple(one for one in self.containers if len(one) >= 6))
        object.__setattr__(self, "_chosen", WeakKeyDictionary())

    def takes(self, container: Container, route: str, sinks: Collection[str]) -> bool:
        """Whether entries of the container on that route are chosen. `sinks`: names of those that
        the entries would reach; one has to match."""
        if not self._route.match(route) or (self.sinks and not any(map(self._sink.match, sinks))):
            return False
        if not self.containers:
            return True
        chosen = self._chosen.get(container)
        if chosen is None:
            chosen = bool(self._container.match(container.name))
            chosen = self._chosen[container] = chosen or container.id.startswith(self._ids)
        return chosen


def any_of(patterns: Sequence[str]) -> re.Pattern[str]:
    """A pattern that matches names which match one of these shell patterns; any name if there are
    none."""
    return re.compile("|".join(map(translate, patterns)))


class Tap:
    """The tappers, and what is shown to them.

    Call `passed`, `filtered`, `dropped` and `lost` only while `tappers` isn't empty. They never
    raise.
    """

    def __init__(self) -> None:
        self.tappers: tuple[Tapper, ...] = ()
        self.routes: Collection[str] = ()
        """Names of all routes, and below of all sinks, for messages about a choice that matches
        none."""
        self.sinks: Collection[str] = ()

    def open(self, choice: Choice) -> Tapper:
        """Adds a tapper; `leave` removes it. Raises `DocklineError` if there are `MOST_TAPPERS`
        already."""
        if len(self.tappers) >= MOST_TAPPERS:
            raise DocklineError(f"{MOST_TAPPERS} are watching already; end one of them")
        tapper = Tapper(choice)
        self.tappers += (tapper,)
        return tapper

    def leave(self, tapper: Tapper) -> None:
        """Removes and closes a tapper. May be called twice."""
        self.tappers = tuple(one for one in self.tappers if one is not tapper)
        tapper.close()

    def close(self) -> None:
        """Removes and closes all tappers."""
        for tapper in self.tappers:
            self.leave(tapper)

    # --------------------------------------------------------------------- what is shown

    def passed(self, batch: Batch, sink: str) -> None:
        """Shows a batch that goes into a sink's buffer."""
        about = {"route": batch.route, "sink": sink}
        self._show(batch, batch.route, (sink,), about, dropped=False)

    def filtered(
        self, before: Batch, after: Batch | None, route: str, stage: str, sinks: Collection[str]
    ) -> None:
        """Shows the entries that a stage filtered out: those in `before` and not in `after`.

        `sinks`: names of those that they would have reached.
        """
        about = {"route": route, "stage": stage, "dropped": "filtered"}
        left = 0 if after is None else len(after)

        def gone() -> Sequence[int]:
            kept = frozenset(after.identities if after is not None else ())
            return [i for i, identity in enumerate(before.identities) if identity not in kept]

        self._show(before, route, sinks, about, dropped=True, count=len(before) - left, which=gone)

    def dropped(self, batch: Batch, sink: str, reason: str, because: str = "") -> None:
        """Shows a batch that is dropped at a sink. `because`: details of the reason, such as the
        answer."""
        about = {"route": batch.route, "sink": sink, "dropped": reason}
        if because:
            about["because"] = because[:SHORT]
        self._show(batch, batch.route, (sink,), about, dropped=True)

    def lost(self, sink: str, entries: int, reason: str, route: str = "") -> None:
        """Shows how many entries a sink lost that can't be shown themselves, such as entries on
        disk."""
        way = {"route": route} if route else {}
        line = dumps({**way, "sink": sink, "dropped": reason, "entries": entries}) + b"\n"
        for tapper in self.tappers:
            choice = tapper.choice
            if choice.dropped and choice.takes(_NOBODY, route, (sink,)):
                tapper.add(line)

    def _show(
        self,
        batch: Batch,
        route: str,
        sinks: Collection[str],
        about: dict[str, str],
        *,
        dropped: bool,
        count: int | None = None,
        which: Callable[[], Sequence[int]] | None = None,
    ) -> None:
        """Shows a batch to the tappers that chose it.

        `count`: how many of its entries; `which` returns their indexes. Without them, all.
        """
        count = len(batch) if count is None else count
        for tapper in self.tappers:
            choice = tapper.choice
            try:
                if choice.dropped is not dropped or not choice.takes(batch.container, route, sinks):
                    continue
                if tapper.searcher is not None:
                    self._show_found(tapper.searcher, tapper, batch, about, count, which)
                    continue
                chosen: Sequence[int] = tapper.choose(count)
                if chosen and which is not None:
                    all_ = which()
                    chosen = [all_[place] for place in chosen if place < len(all_)]
                if chosen:
                    tapper.show(batch.pick(chosen), about)
            except Exception:  # a bug here must not stop a lane
                log.exception("showing entries to a tapper failed; it is closed")
                self.leave(tapper)

    def _show_found(
        self,
        searcher: Searcher,
        tapper: Tapper,
        batch: Batch,
        about: dict[str, str],
        count: int,
        which: Callable[[], Sequence[int]] | None,
    ) -> None:
        """Shows a tapper the entries that its search finds, or a sample of these."""

        def entries() -> Batch:
            return batch if which is None else batch.pick(which())

        searchers = sum([one.searcher is not None for one in self.tappers])
        searched, found = searcher.find(count, entries, searchers)
        if searched is not None and found:
            chosen = tapper.choose(len(found))
            if chosen:
                tapper.show(searched.pick([found[place] for place in chosen]), about)


_NOBODY = Container("", "", "")


class Tapper:
    """One reader of the tap: the lines that wait for it, and its sample."""

    def __init__(self, choice: Choice, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` returns seconds."""
        self.choice = choice
        self.searcher = choice.search.begin(clock) if choice.search else None
        """Searches what passes; None if it wants to see all of that."""
        self.closed = False
        self._clock = clock
        self._encoder = JsonEncoder()
        self._waiting: deque[bytes] = deque()
        self._bytes = self._lost = 0
        """Bytes that wait; entries that were lost for lack of room."""
        self._came = asyncio.Event()
        self._until = self._report_at = 0.0
        self._one_in, self._next = 1, 0
        """One entry in so many is shown, the next one after so many more."""
        self._seen = self._shown = self._size = 0
        """In this window: entries that passed, entries shown, bytes shown."""
        self._seen_before = self._shown_before = 0
        """In earlier windows, and not reported yet."""

    def choose(self, count: int) -> Sequence[int]:
        """Indexes of the entries to show, of a batch with `count` entries."""
        if (now := self._clock()) >= self._until:
            self._begin(now)
        self._seen += count
        chosen = range(self._next, count, self._one_in)
        self._next = (self._next - count) % self._one_in
        room = ENTRIES - self._shown if self._size < BYTES else 0
        chosen = chosen[: max(room, 0)]
        self._shown += len(chosen)
        return chosen

    def _begin(self, now: float) -> None:
        """Begins a window and sets the sample's rate by the one before; after a pause, shows
        everything at first."""
        quiet = now >= self._until + WINDOW
        share = 0.0 if quiet else self._seen / ENTRIES
        if self._shown and not quiet:
            share = max(share, self._seen * self._size / self._shown / BYTES)
        self._one_in = max(1, math.ceil(share))
        self._next %= self._one_in
        self._seen_before += self._seen
        self._shown_before += self._shown
        self._seen = self._shown = self._size = 0
        self._until = now + WINDOW

    def show(self, batch: Batch, about: dict[str, str]) -> None:
        """Adds the entries of a batch as lines. `about`: where they were met, as in
        `tap_stream`."""
        head = dumps(about)[:-1] + b',"entry":'
        for line in self._lines(batch):
            self._size += len(line)
            self.add(head + line + b"}\n")

    def _lines(self, batch: Batch) -> Iterator[bytes]:
        """The entries as the JSON encoder writes them, without line feeds; long messages are
        cut."""
        if max(map(len, batch.lines)) <= LONG:
            yield from self._encoder.encode([batch]).split(b"\n")[:-1]
            return
        for index, line in enumerate(batch.lines):
            one = batch.pick([index])
            if len(line) > LONG:
                cut = {batch.sequences[index]: "cut by tap"}
                one = one.replace(lines=[line[:LONG]], fields=None, flags=cut, bare=False)
            yield self._encoder.encode([one])[:-1]

    def add(self, line: bytes) -> None:
        """Adds a line for the reader. It is lost if too much waits already."""
        if self._bytes + len(line) > WAITING:
            self._lost += 1
            return
        self._bytes += len(line)
        self._waiting.append(line)
        self._came.set()

    def close(self) -> None:
        """Says that nothing more will come: `wait` returns at once from now on."""
        self.closed = True
        self._came.set()

    # ------------------------------------------------------------------ for the reader

    async def wait(self, seconds: float) -> None:
        """Waits until there is something to read, the tapper is closed, or `seconds` have
        passed."""
        try:
            async with asyncio.timeout(seconds):
                await self._came.wait()
        except TimeoutError:
            pass

    def read(self) -> bytes:
        """The lines since the last call, and control lines that tell how many were left out."""
        lines = [*self._waiting, *self._reports()]
        self._waiting.clear()
        self._bytes = 0
        if not self.closed:
            self._came.clear()
        return b"".join(lines)

    def _reports(self) -> Iterator[bytes]:
        now = self._clock()
        if now < self._report_at:
            return
        self._report_at = now + REPORT_EVERY
        if now >= self._until:
            self._begin(now)
        seen, shown = self._seen_before, self._shown_before
        self._seen_before = self._shown_before = 0
        if seen > shown:
            one_in = max(2, round(seen / max(shown, 1)))
            yield control("sampled", one_in=one_in, shown=shown, of=seen)
        if self.searcher is not None:
            yield control("searched", **self.searcher.take_counts())
        if self._lost:
            yield control("lost", entries=self._lost)
            self._lost = 0


def control(kind: str, **figures: Any) -> bytes:
    """A line about the stream itself, as JSON: `{"control": kind, …}`."""
    return dumps({"control": kind, **figures}) + b"\n"
