"""Keeps a part of the entries, evenly, and notes on each how many it stands for.

    { sample = 10 }
    { sample = 0.1 }
    { sample = { rate = 0.1, key = "{trace_id}", keep = "level == 'error'" } }

`10` keeps one in ten, and so do `0.1` (a number with a point) and `"10%"`: the part that is kept.
It is not random: of each container's entries the first is kept, and then every tenth.

With a `key`, a template as in `set`, all entries with the same text of the template are kept or
dropped together, so a trace stays complete. Which ones are kept depends on the text only: it is the
same on every host, in every container and after every restart, and what a lower rate keeps, a
higher one keeps, too. Entries for which the text is empty are counted, as without a `key`.

Kept entries have the field `sample_rate`, the number of entries that each stands for: 10. A sum of
it is an estimate of how many there were. Entries for which the expression `keep` is true are always
kept, and without the field, since they stand for themselves.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import copy
from fractions import Fraction
from typing import Annotated, ClassVar, Final
from zlib import crc32

from msgspec import Meta, Struct

from pipeline.expression import Predicate, compile_predicate
from pipeline.expression.insight import fields_of_template, fields_read
from pipeline.model import component
from pipeline.model.batch import Batch
from pipeline.model.container import Container
from pipeline.model.errors import ConfigError, at
from pipeline.stages._keys import compile_key
from pipeline.stages._spoils import DROPS_LINES

_HASHES: Final = 2**32
_SPREAD: Final = 0x9E3779B1
"""2**32 divided by the golden ratio, odd. The checksums of consecutive numbers have a pattern, and
this
breaks it up."""


class Percentage(float):
    """A part, written as `10%`."""

    __slots__ = ()

    NOUN: ClassVar[str] = "percentage"
    EXAMPLE: ClassVar[str] = "10%"
    FORM: ClassVar[str] = r"^\d+(\.\d+)?%$"

    @classmethod
    def parse(cls, text: str) -> Percentage:
        """Reads a percentage. Raises `ValueError` with a sentence for the user."""
        if not re.match(cls.FORM, text, re.ASCII):
            raise ValueError(f'"{text}" is not a percentage; write it like "10%"')
        return cls(float(text[:-1]) / 100)


class Sample(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which part of the entries is kept."""

    rate: Annotated[float, Meta(gt=0, le=1, examples=[0.1])]
    """The part of the entries that is kept."""
    key: Annotated[str | None, Meta(examples=["{trace_id}"])] = None
    """A template. Entries with the same text of it are kept or dropped together."""
    keep: Annotated[str | None, Meta(examples=["level == 'error'"])] = None
    """An expression. Entries for which it is true are always kept."""


Config = Annotated[
    int | float | Percentage | Sample,
    Meta(examples=[10, 0.1, {"rate": 0.1, "key": "{trace_id}", "keep": "level == 'error'"}]),
]


class Stage(component.Stage):
    """Counts entries, or uses the checksum of their key."""

    stateful = True

    def __init__(self, config: int | float | Sample) -> None:
        key = keep = None
        if isinstance(config, int):
            if config < 1:
                raise ConfigError("must be at least 1: N keeps one in N")
            share = Fraction(1, config)
        elif isinstance(config, float):
            if not 0 < config <= 1:
                raise ConfigError(f"a part is more than 0.0 and at most 1.0{_meant(config)}")
            share = _share(config)
        else:
            share, key, keep = _share(config.rate), config.key, config.keep
        self._part, self._of = share.numerator, share.denominator
        self._below = float(share) * _HASHES
        self._stands_for = self._of if self._part == 1 else self._of / self._part
        self._key = compile_key(key) if key else None
        self._keep = _predicate(keep) if keep else None
        self._counted = 0
        self._reads = fields_of_template(key, "key") if key else []
        self._reads += fields_read(keep, "keep") if keep else []

    def bind(self, container: Container) -> component.Stage:
        return copy(self)

    def effect(self) -> component.Effect:
        spoils = {"join": DROPS_LINES}
        return component.Effect(self._reads, frozenset(("sample_rate",)), spoils=spoils)

    def __call__(self, batch: Batch) -> Batch | None:
        always: list[int] = []
        rest: Sequence[int] = range(len(batch))
        if self._keep is not None:
            kept = self._keep(batch)
            always, rest = _indexes(kept, True), _indexes(kept, False)
        chosen = self._every(rest) if self._key is None else self._by_key(self._key(batch), rest)
        indexes = sorted([*always, *chosen]) if always else chosen
        if not indexes:
            return None
        sampled = set(chosen)
        marks = {n: self._stands_for for n, index in enumerate(indexes) if index in sampled}
        return batch.pick(indexes).marked("sample_rate", marks)

    def _every(self, indexes: Sequence[int]) -> list[int]:
        """Which entries are kept by counting: `part` in `of`, evenly."""
        part, of, start = self._part, self._of, self._counted
        self._counted = (start + len(indexes)) % of
        if part == 1:
            return list(indexes[-start % of :: of])
        return [index for n, index in enumerate(indexes, start) if n * part % of < part]

    def _by_key(self, keys: list[str], indexes: Sequence[int]) -> list[int]:
        taken = {key for key in set(keys) if key and _checksum(key) < self._below}
        chosen = [index for index in indexes if keys[index] in taken]
        if "" not in keys:
            return chosen
        return sorted([*chosen, *self._every([index for index in indexes if not keys[index]])])


def _meant(part: float) -> str:
    whole = int(part)
    return f"; write {whole} to keep one in {whole}" if part == whole > 1 else ""


def _share(rate: float) -> Fraction:
    """The rate as it is written: 0.1 is one in ten, not its binary approximation."""
    return Fraction(str(rate)).limit_denominator(10**6) or Fraction(1, 10**6)


def _checksum(key: str) -> int:
    return crc32(key.encode("utf-8", "replace")) * _SPREAD % _HASHES


def _indexes(truth: list[bool], wanted: bool) -> list[int]:
    return [index for index, true in enumerate(truth) if true is wanted]


def _predicate(text: str) -> Predicate:
    with at("keep"):
        return compile_predicate(text)
