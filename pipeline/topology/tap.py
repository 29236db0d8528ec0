"""Entries on their way, copied out for whoever looks: `dockline tap`.

Where entries pass or are lost, one line looks whether anybody does, once per batch:

    if self._tap.tappers:
        self._tap.passed(batch, sink)

Nothing else is done while nobody looks. While somebody does, he is shown so many entries and bytes
in each stretch of time and no more: of what is more he is shown every so manyeth, and told so. What
he does not read in time he loses.
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
from typing import Any, Final

from pipeline.encode.json import JsonEncoder
from pipeline.model.batch import Batch
from pipeline.model.container import Container
from pipeline.model.dumps import dumps
from pipeline.model.errors import DocklineError

log = logging.getLogger(__name__)

MOST_TAPPERS = 5
"""At once."""
WINDOW: Final = 0.25
"""Seconds in which a tapper is shown the following."""
ENTRIES: Final = 250
BYTES: Final = 1 << 19
"""As they are sent; one batch may go beyond."""
WAITING: Final = 1 << 20
"""Bytes that wait for one tapper to read them; those that come then are lost to him."""
LONG: Final = 16 << 10
"""Bytes of a message that are shown, and beyond which its fields are not."""
SHORT: Final = 500
"""Characters of a reason that are shown."""
REPORT_EVERY: Final = 1.0
"""Seconds between two lines that say what was left out."""


@dataclass(frozen=True)
class Choice:
    """What a tapper wants to see. Patterns are those of a shell (`*`, `?`, `[…]`); one of several
    has to fit, and where there are none, everything does."""

    routes: Sequence[str] = ()
    sinks: Sequence[str] = ()
    containers: Sequence[str] = ()
    """Of names; or the first six digits of an id, or more."""
    dropped: bool = False
    """What is filtered or lost, instead of what goes to the sinks."""
    _route: re.Pattern[str] = field(init=False, repr=False)
    _sink: re.Pattern[str] = field(init=False, repr=False)
    _container: re.Pattern[str] = field(init=False, repr=False)
    _ids: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_route", any_of(self.routes))
        object.__setattr__(self, "_sink", any_of(self.sinks))
        object.__setattr__(self, "_container", any_of(self.containers))
        object.__setattr__(self, "_ids", tuple(one for one in self.containers if len(one) >= 6))

    def takes(self, container: Container, route: str, sinks: Collection[str]) -> bool:
        """`sinks`: those that the entries were to reach; one of them has to fit."""
        if not self._route.match(route) or (self.sinks and not any(map(self._sink.match, sinks))):
            return False
        if self._container.match(container.name):
            return True
        return container.id.startswith(self._ids)


def any_of(patterns: Sequence[str]) -> re.Pattern[str]:
    """What matches a name that fits one of these; any, where there are none."""
    return re.compile("|".join(map(translate, patterns)))


class Tap:
    """Knows who looks, and tells them. Whoever calls `passed`, `filtered`, `dropped` or `lost`
    has seen that `tappers` is not empty. None of these ever raises."""

    def __init__(self) -> None:
        self.tappers: tuple[Tapper, ...] = ()
        self.routes: Collection[str] = ()
        """Names of all there are, for those who choose one."""
        self.sinks: Collection[str] = ()

    def open(self, choice: Choice) -> Tapper:
        """Raises `DocklineError` where too many look already."""
        if len(self.tappers) >= MOST_TAPPERS:
            raise DocklineError(f"{MOST_TAPPERS} look at the entries already; end one of them")
        tapper = Tapper(choice)
        self.tappers += (tapper,)
        return tapper

    def leave(self, tapper: Tapper) -> None:
        """He looks no more; one who has left already is no error."""
        self.tappers = tuple(one for one in self.tappers if one is not tapper)
        tapper.close()

    def close(self) -> None:
        """Nobody looks any more."""
        for tapper in self.tappers:
            self.leave(tapper)

    # ------------------------------------------------------------------- what is told of

    def passed(self, batch: Batch, sink: str) -> None:
        """A batch goes into a sink's buffer."""
        about = {"route": batch.route, "sink": sink}
        self._show(batch, batch.route, (sink,), about, dropped=False)

    def filtered(
        self, before: Batch, after: Batch | None, route: str, stage: str, sinks: Collection[str]
    ) -> None:
        """A stage has left fewer entries of a batch."""
        about = {"route": route, "stage": stage, "dropped": "filtered"}
        left = 0 if after is None else len(after)

        def gone() -> Sequence[int]:
            kept = frozenset(after.identities if after is not None else ())
            return [i for i, identity in enumerate(before.identities) if identity not in kept]

        self._show(before, route, sinks, about, dropped=True, count=len(before) - left, which=gone)

    def dropped(self, batch: Batch, sink: str, reason: str, because: str = "") -> None:
        """A batch is lost to a sink. `because`: what else is known of why."""
        about = {"route": batch.route, "sink": sink, "dropped": reason}
        if because:
            about["because"] = because[:SHORT]
        self._show(batch, batch.route, (sink,), about, dropped=True)

    def lost(self, sink: str, entries: int, reason: str, route: str = "") -> None:
        """Entries are lost to a sink that nobody has at hand, such as those on a disk."""
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
        """`count` entries, those at the indexes that `which` gives; without it, all of them."""
        for tapper in self.tappers:
            choice = tapper.choice
            try:
                if choice.dropped is not dropped or not choice.takes(batch.container, route, sinks):
                    continue
                chosen: Sequence[int] = tapper.choose(len(batch) if count is None else count)
                if chosen and which is not None:
                    all_ = which()
                    chosen = [all_[place] for place in chosen if place < len(all_)]
                if chosen:
                    tapper.show(batch.pick(chosen), about)
            except Exception:  # a bug here must not be the agent's
                log.exception("looking at entries failed; it is ended")
                self.leave(tapper)


_NOBODY = Container("", "", "")


class Tapper:
    """One who looks: what waits for him, and how much he may be shown."""

    def __init__(self, choice: Choice, clock: Callable[[], float] = time.monotonic) -> None:
        self.choice = choice
        self.closed = False
        self._clock = clock
        self._encoder = JsonEncoder()
        self._waiting: deque[bytes] = deque()
        self._bytes = self._lost = 0
        """Of what waits; entries for which there was no room."""
        self._came = asyncio.Event()
        self._until = self._report_at = 0.0
        self._one_in, self._next = 1, 0
        """Every so manyeth is shown; after how many more."""
        self._seen = self._shown = self._size = 0
        """In this window: entries there were, entries and bytes shown."""
        self._seen_before = self._shown_before = 0
        """In those before it, and not reported yet."""

    def choose(self, count: int) -> Sequence[int]:
        """Which of so many entries he is shown."""
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
        """A window, in which as many entries are expected as in the one before; after a pause,
        few."""
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
        head = dumps(about)[:-1] + b',"entry":'
        for line in self._lines(batch):
            self._size += len(line)
            self.add(head + line + b"}\n")

    def _lines(self, batch: Batch) -> Iterator[bytes]:
        """As a JSON sink would write them, long ones cut."""
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
        if self._bytes + len(line) > WAITING:
            self._lost += 1
            return
        self._bytes += len(line)
        self._waiting.append(line)
        self._came.set()

    def close(self) -> None:
        """Nothing more will come."""
        self.closed = True
        self._came.set()

    # ----------------------------------------------------------------------- who reads

    async def wait(self, seconds: float) -> None:
        """Until something has come, it is closed, or the time is over."""
        try:
            async with asyncio.timeout(seconds):
                await self._came.wait()
        except TimeoutError:
            pass

    def read(self) -> bytes:
        """The lines that have come since, and what there is to be said of those that have not."""
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
        if self._lost:
            yield control("lost", entries=self._lost)
            self._lost = 0


def control(kind: str, **figures: Any) -> bytes:
    """A line that is about the stream."""
    return dumps({"control": kind, **figures}) + b"\n"
