"""Searches the entries that pass, for one who watches them.

The search runs in the event loop, with each batch, before the sample is taken: "1 in 12" is of what
matches. So it has a budget of CPU. What comes when the budget is used up isn't searched, and is
counted.

Nothing is changed in a batch: lanes and sinks share it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import compress
from typing import Any, Final

from pipeline.encode.level import LEVELS, UNKNOWN, severities, severity_of
from pipeline.expression import compile_predicate
from pipeline.expression.patterns import compile_pattern
from pipeline.model.batch import Batch, text_size
from pipeline.model.errors import ConfigError
from pipeline.parsing.auto import Auto
from pipeline.parsing.level import LevelInText
from pipeline.topology.tap import LONG

BUDGET: Final = 0.010
"""Seconds of CPU that searches may use per `WINDOW`, for all who search together. What one uses
beyond its share is taken from its next windows."""
WINDOW: Final = 0.125
"""Seconds of a window."""
SQUARE: Final = 2048
"""Bytes of a message up to which a pattern is tried whose steps may grow with the square of the
text. Longer messages count as skipped. The slowest pattern known takes 60 ms for as many."""
OF_TEXT: Final = 256 << 10
PORTION: Final = 16 << 10
"""Bytes of messages, and `OF_A_LINE` for each, that are searched before the clock is looked at: for
text alone, which takes 1 ms, and otherwise. Lines that are made to be slow take 10 ms then."""
OF_A_LINE: Final = 48
SQUARES: Final = 1 << 20
"""The same for a pattern whose steps may grow with the square of the text: the sum of the squared
lengths of the messages. They take 15 ms at worst."""

Clock = Callable[[], float]
Mask = Sequence[Any]


class Search:
    """What entries have to have. All that is given has to be true of an entry."""

    def __init__(self, match: str = "", regex: str = "", where: str = "", level: str = "") -> None:
        """`match`: text in the message; upper and lower case are the same unless the text has
        capitals. `regex`: a pattern found in the message, as in expressions. `where`: an expression
        as in a stage. `level`: the least severity, in any usual spelling. Empty ones are not asked.
        Fields and levels of entries that no stage has parsed are found as by `{ parse = "auto" }`
        and `{ level = "auto" }`.

        Raises `ConfigError` for a pattern or an expression that can't be used, and a level that is
        none.
        """
        self._text = _containing(match) if match else None
        pattern = compile_pattern(regex) if regex else None
        self._where = where_ = compile_predicate(where) if where else None
        self._level = _severity(level) if level else UNKNOWN
        self._find = pattern.search if pattern is not None else None
        self.is_linear = all(one.is_linear for one in (pattern, where_) if one is not None)
        """Whether all patterns are linear in the text. Otherwise messages of more than `SQUARE`
        bytes can't be searched."""
        self._parse = Auto().parse
        self._in_text = LevelInText()
        self.asks_fields = bool(level) or (where_ is not None and bool(where_.fields))
        """Whether it looks at fields."""
        self.is_text = pattern is None and where_ is None and not level
        """Whether it looks for text alone."""

    def begin(self, now: Clock = time.monotonic) -> Searcher:
        """Searches for one tapper from now on. `now` returns seconds."""
        return Searcher(self, now)

    def __bool__(self) -> bool:
        return bool(self._text or self._find or self._where or self._level != UNKNOWN)

    def __call__(self, batch: Batch) -> tuple[Sequence[int], int]:
        """Indexes of the entries that match, and how many could not be searched."""
        lines, skipped = _shown(batch), 0
        places: Sequence[int] = range(len(batch))
        if self._text is not None:
            places, lines = _kept(self._text(lines), places, lines)
        if not self.is_linear and lines:
            before = len(lines)
            places, lines = _kept([len(line) <= SQUARE for line in lines], places, lines)
            skipped = before - len(lines)
        if (find := self._find) is not None and lines:
            mask = [find(line.decode("utf-8", "replace")) is not None for line in lines]
            places, lines = _kept(mask, places, lines)
        if lines and (self.asks_fields or self._where is not None):
            whole = len(places) == len(batch)
            shown = (batch if whole else batch.pick(places)).replace(lines=lines)
            places, lines = _kept(self._by_fields(self._with_fields(shown)), places, lines)
        return places, skipped

    def _with_fields(self, shown: Batch) -> Batch:
        """The batch with the fields that its messages have, where no stage has parsed them."""
        if not self.asks_fields or shown.parsed is not None or shown.bare:
            return shown
        return shown.replace(fields=self._parse(shown.lines))

    def _by_fields(self, shown: Batch) -> Mask:
        mask: Mask = [True] * len(shown)
        if self._where is not None:
            mask = self._where(shown)
        if (least := self._level) != UNKNOWN:
            pairs = zip(mask, self._levels(shown), strict=True)
            mask = [is_true and level <= least for is_true, level in pairs]
        return mask

    def _levels(self, shown: Batch) -> Sequence[int]:
        """The severity of each entry, of its fields or else of its message."""
        levels = severities(shown) or bytes([UNKNOWN]) * len(shown)
        if shown.bare or UNKNOWN not in levels:
            return levels
        pairs, in_text = zip(levels, shown.lines, strict=True), self._in_text
        return [in_text(line) if level == UNKNOWN else level for level, line in pairs]


def _kept(
    mask: Mask, places: Sequence[int], lines: list[bytes]
) -> tuple[Sequence[int], list[bytes]]:
    """The places and the lines for which the mask is True."""
    if True not in mask:
        return (), []
    return list(compress(places, mask)), list(compress(lines, mask))


def _shown(batch: Batch) -> list[bytes]:
    """The messages as they are shown: a removed one is empty, a long one is cut."""
    lines = batch.lines
    if batch.bare:
        return [b""] * len(lines)
    if text_size(lines) > LONG:
        return [line[:LONG] for line in lines]
    return lines


def _containing(text: str) -> Callable[[list[bytes]], Mask]:
    """A function that says which messages contain a text."""
    wanted = text.encode("utf-8", "surrogatepass")
    if text != text.lower() or text == text.upper():
        return lambda lines: [wanted in line for line in lines]
    if text.isascii():
        return lambda lines: [wanted in line.lower() for line in lines]
    return lambda lines: [text in line.decode("utf-8", "replace").lower() for line in lines]


def _severity(level: str) -> int:
    severity = severity_of(level)
    if severity == UNKNOWN:
        raise ConfigError(f'there is no level "{level}"; there are: {", ".join(LEVELS)}')
    return severity


class Searcher:
    """Searches for one tapper, within its share of `BUDGET`, and counts."""

    def __init__(
        self, search: Search, now: Clock = time.monotonic, cpu: Clock = time.thread_time
    ) -> None:
        """`now` returns seconds; `cpu` returns seconds of CPU of the current thread."""
        self.matched = self.of = self.skipped = 0
        """Entries that matched, that passed, and that were not searched, since `take_counts`."""
        self._search = search
        self._now, self._cpu = now, cpu
        self._until = self._used = 0.0
        """When the window ends; seconds of CPU that are used up in it."""

    def find(
        self, count: int, entries: Callable[[], Batch], searchers: int = 1
    ) -> tuple[Batch | None, Sequence[int]]:
        """The entries of a batch that match: the batch, and their indexes in it.

        `count`: how many are to be searched. `entries` returns the batch that has these; it isn't
        called when the budget is used up, and then the batch is None. `searchers`: how many share
        the budget.
        """
        self.of += count
        share = BUDGET / max(searchers, 1)
        self._turn(share)
        if self._used >= share:
            self.skipped += count
            return None, ()
        began = self._cpu()
        batch = entries()
        found: list[int] = []
        start = 0
        for portion in _portions(batch, self._search):
            if self._used >= share:
                self.skipped += len(batch) - start
                break
            places, skipped = self._search(portion)
            found += [start + place for place in places] if start else places
            start += len(portion)
            self.skipped += skipped
            now = self._cpu()
            self._used += now - began
            began = now
        self._used += self._cpu() - began
        self.matched += len(found)
        return batch, found

    def _turn(self, share: float) -> None:
        """Begins a window, if the one before has ended. What was used beyond the share is left."""
        now = self._now()
        if now < self._until:
            return
        windows = 1 + int((now - self._until) / WINDOW)
        self._used = max(0.0, self._used - windows * share)
        self._until = now + WINDOW

    def take_counts(self) -> dict[str, int]:
        """`matched`, `of` and `skipped` since the last call."""
        counts = {"matched": self.matched, "of": self.of, "skipped": self.skipped}
        self.matched = self.of = self.skipped = 0
        return counts


def _portions(batch: Batch, search: Search) -> Iterator[Batch]:
    """The batch in portions that are searched at once, of at least one message each."""
    lines, linear, most = batch.lines, search.is_linear, OF_TEXT if search.is_text else PORTION
    if linear and text_size(lines) + OF_A_LINE * len(lines) <= most:
        yield batch
        return
    if linear:
        weights = [min(len(line), LONG) + OF_A_LINE for line in lines]
    else:
        weights, most = [min(len(line), SQUARE) ** 2 for line in lines], SQUARES
    start = weight = 0
    for stop, one in enumerate(weights):
        weight += one
        if weight > most and stop > start:
            yield batch.part(start, stop)
            start, weight = stop, one
    if start < len(batch):
        yield batch.part(start, len(batch)) if start else batch
