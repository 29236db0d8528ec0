"""Which object of a store entries go into, and what it is called.

Its key begins with what a template says, times included, and ends in a name that the entries
themselves give:

    shop-api-1/2026/01/31/20260131T235959.123456789Z-0123456789ab-42-9f86d081.ndjson.zst
                          time of its first entry, container, number  what else tells it apart

The same entries, sent again, have the same key. An object of one container is told apart by its
first entry alone: what is read again from there on, after an agent was killed, replaces it. One of
several containers is told apart by all that it has, since each of them resumes at its own place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2s
from typing import Final

from pipeline.model.batch import Batch
from pipeline.model.rendered import RENDERED

CODES: Final = {
    "Y": slice(0, 4),
    "m": slice(5, 7),
    "d": slice(8, 10),
    "H": slice(11, 13),
    "M": slice(14, 16),
}
"""Of times in a template, as `strftime` has them, and where they stand in a time."""

MOST: Final = 800
"""Bytes of a key that a template may make. S3's keys have 1,024."""

_MARK: Final = "\ue000"
_UNFIT: Final = re.compile(r"[^\w!.*'()/=:@+, -]")
"""What makes trouble in keys somewhere: control characters, quotes, surrogates."""
_UNFIT_IN_PART: Final = re.compile(r"[^\w!.*'()=:@+, -]")
"""And what would divide one part of a key into two."""
LONGEST_PART: Final = 128
"""Characters of what a placeholder gives."""

Render = Callable[[Batch], Sequence[str]]
"""The text for each entry of a batch."""


@dataclass(frozen=True, slots=True)
class BatchSlice:
    """Entries of one batch that go into the same object."""

    batch: Batch
    indexes: Sequence[int]

    def picked(self) -> Batch:
        """A batch of these entries only."""
        return self.batch if self.whole else self.batch.pick(self.indexes)

    @property
    def whole(self) -> bool:
        """Whether these are all entries of the batch."""
        return len(self.indexes) == len(self.batch)

    def halves(self) -> tuple[BatchSlice, BatchSlice]:
        """The first half of these entries, and the rest."""
        middle = len(self.indexes) // 2
        return BatchSlice(self.batch, self.indexes[:middle]), BatchSlice(
            self.batch, self.indexes[middle:]
        )


def marked(template: str) -> str:
    """A template whose codes of times (`%Y`, see `CODES`) are replaced by marks that no text has,
    and `%%` by a percent sign. Raises `ValueError` with a sentence for any other code."""

    def mark(found: re.Match[str]) -> str:
        if found[1] == "%":
            return "%"
        if found[1] not in CODES:
            known = ", ".join(f"%{code}" for code in CODES)
            raise ValueError(f'"{found[0]}" is no part of a time; known are {known}, and %%')
        return _MARK + found[1]

    return re.sub("%(.?)", mark, template, flags=re.DOTALL)


def part_of_key(text: str) -> str:
    """What a placeholder gives, made to stay within its part of a key, at most `LONGEST_PART`
    characters. A container chooses its labels, and is not to choose whose objects its own are
    among."""
    part = _UNFIT_IN_PART.sub("_", text[:LONGEST_PART])
    return "_" if part in ("", ".", "..") else part


class Grouping:
    """Divides what is sent at once into objects."""

    def __init__(self, template: str, render: Render, *, constant: bool) -> None:
        """`render` fills in what `marked(template)` has, with `part_of_key`. `constant`: it gives
        the same for all entries of a container."""
        self._render = render
        self._constant = constant
        self._key = object()
        used = [CODES[code].stop for code in CODES if _MARK + code in marked(template)]
        self._precision = max(used, default=0)
        """How much of a time tells objects apart, in characters."""

    def __call__(self, batches: Sequence[Batch]) -> dict[str, list[BatchSlice]]:
        """The entries of each object, in order, by what its key begins with."""
        groups: dict[str, list[BatchSlice]] = {}
        for batch in batches:
            for prefix, indexes in self._parts(batch):
                groups.setdefault(prefix, []).append(BatchSlice(batch, indexes))
        return groups

    def _parts(self, batch: Batch) -> list[tuple[str, Sequence[int]]]:
        every = range(len(batch))
        if not every:
            return []
        texts, moments = self._texts(batch), self._moments(batch)
        if isinstance(texts, str) and len(moments) == 1:
            return [(_filled(texts, moments[0]), every)]
        if isinstance(texts, str):
            texts = [texts] * len(batch)
        if len(moments) == 1:
            moments = moments * len(batch)
        parts: dict[tuple[str, bytes], list[int]] = {}
        for index, part in enumerate(zip(texts, moments, strict=True)):
            parts.setdefault(part, []).append(index)
        return [(_filled(*part), indexes) for part, indexes in parts.items()]

    def _texts(self, batch: Batch) -> str | Sequence[str]:
        if not self._constant:
            texts = self._render(batch)
            return texts[0] if len(set(texts)) == 1 else texts
        return RENDERED.once(
            batch.container, self._key, lambda: self._render(batch.pick([0]))[0], len
        )

    def _moments(self, batch: Batch) -> list[bytes]:
        """Of each entry, or one that is all of theirs."""
        moments = [time[: self._precision] for time in batch.times]
        return moments[:1] if len(set(moments)) == 1 else moments


def _filled(text: str, moment: bytes) -> str:
    """The beginning of a key."""
    time = moment.decode()
    parts = text.split(_MARK)
    done = parts[0] + "".join([_time(time, part) for part in parts[1:]])
    segments = _UNFIT.sub("_", done).split("/")
    kept = [one for one in segments[:-1] if one not in ("", ".", "..")]
    key = "/".join([*kept, segments[-1]])
    return key.encode()[:MOST].decode(errors="ignore")


def _time(time: str, part: str) -> str:
    return time[CODES[part[0]]] + part[1:] if part[:1] in CODES else part


def name_of(slices: Sequence[BatchSlice]) -> str:
    """The name of an object with these entries, which its key ends in, but for the suffix of its
    format."""
    first = slices[0]
    batch, index = first.batch, first.indexes[0]
    time = re.sub("[-:]", "", batch.times[index].decode("ascii", "replace"))
    sources = {_source(each) for each in slices}
    identity = [(*_source(first), _entry(first, 0))]
    if len(sources) > 1:
        identity = [(*_source(each), (_entry(each, 0), _entry(each, -1))) for each in slices]  # type: ignore[misc]
    digest = blake2s(repr(identity).encode("utf-8", "replace"), digest_size=4).hexdigest()
    container = _UNFIT_IN_PART.sub("_", batch.container.short_id)
    return f"{time}-{container}-{batch.sequences[index]}-{digest}"


def _source(each: BatchSlice) -> tuple[str, str, str]:
    return each.batch.route, each.batch.source, each.batch.container.id


def _entry(each: BatchSlice, place: int) -> tuple[int, int]:
    index = each.indexes[place]
    batch = each.batch
    return batch.sequences[index], batch.parts[index] if batch.parts is not None else 0
