"""Limits the rate of entries, and drops those beyond it.

    { throttle = "100/s" }
    { throttle = { rate = "100/s", burst = 500, key = "{path}" } }

It is a token bucket: it has `burst` tokens at most, and gets more evenly, by the `rate`.
Each entry takes one. Each container has a bucket of its own; with a `key`, a template as in `set`,
one for each text of the template.

Dropped entries count as filtered by this stage, and the log itself shows them: the next entry of
the same key that passes has the number of those dropped before it in its field `throttled`. If no
more comes, only the metrics have the number.

Time is that of the entries, so a log that is read late loses no more entries than it would have at
its time. At most `keys` buckets are kept; beyond that, those not used for longest are forgotten,
and start full again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from copy import copy
from typing import Annotated, ClassVar, Final

from msgspec import Meta, Struct

from pipeline.expression.insight import fields_of_template
from pipeline.model import component
from pipeline.model.batch import Batch
from pipeline.model.component import Duration, Rate
from pipeline.model.container import Container
from pipeline.model.errors import ConfigError
from pipeline.model.timestamps import all_seconds, to_seconds
from pipeline.stages._keys import Recent, compile_key
from pipeline.stages._spoils import DROPS_LINES

SET_BACK: Final = 10.0
"""Seconds by which a time is earlier than the one before if a clock was set back. A smaller
difference
means that two streams were written at once."""

TOLERANCE: Final = 0.1
"""Share of a burst by which the limit may be exceeded, to avoid checking each entry's time."""

ONE: Final = 0.999
"""Tokens that an entry needs. Times are floating point, and entries that come at exactly the
allowed
rate must not be dropped for want of a millionth."""


class Throttle(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many entries may pass."""

    SHORT: ClassVar[str] = "rate"

    rate: Annotated[Rate | float, Meta(gt=0, examples=["100/s", 100])]
    """How many entries in which time; a number by itself is for each `per`."""
    per: Annotated[Duration | None, Meta(gt=0, examples=["1m"])] = None
    """The time of a `rate` that is a number by itself; without it, a second."""
    burst: Annotated[int | None, Meta(ge=1, examples=[500])] = None
    """How many entries may pass at once after a quiet time. Without it, as many as the rate says
    for its time: 30 with `"30/m"`."""
    key: Annotated[str | None, Meta(examples=["{path}"])] = None
    """A template. Entries with the same text of it share a bucket."""
    keys: Annotated[int, Meta(ge=1, le=1_000_000)] = 1000
    """How many buckets a container may have."""


Config = Annotated[
    Throttle, Meta(examples=["100/s", {"rate": "100/s", "burst": 500, "key": "{path}"}])
]


class Bucket:
    """How many entries of one key may pass now, and how many were dropped."""

    __slots__ = ("cut", "time", "tokens")

    def __init__(self, tokens: float) -> None:
        self.tokens = tokens
        self.time = 0.0
        self.cut = 0

    def fill(self, now: float, rate: float, burst: float) -> None:
        """Adds the tokens since the last time. Time that goes back adds none."""
        elapsed = now - self.time
        if elapsed > 0:
            tokens = self.tokens + elapsed * rate
            self.tokens = tokens if tokens < burst else burst
            self.time = now
        elif elapsed < -SET_BACK:
            self.time = now


class Stage(component.Stage):
    """Takes a token for each entry."""

    stateful = True

    def __init__(self, config: Throttle) -> None:
        self._keys = compile_key(config.key) if config.key else None
        self._reads = fields_of_template(config.key, "key") if config.key else []
        count, per = _count_and_time(config)
        self._rate = count / per
        self._burst = float(config.burst or max(1.0, count))
        self._most = config.keys
        self._buckets: Recent[Bucket] = self._new()

    def _new(self) -> Recent[Bucket]:
        return Recent(self._most, lambda: Bucket(self._burst))

    def bind(self, container: Container) -> component.Stage:
        bound = copy(self)
        bound._buckets = self._new()
        return bound

    def effect(self) -> component.Effect:
        spoils = {"join": DROPS_LINES}
        return component.Effect(self._reads, frozenset(("throttled",)), spoils=spoils)

    def __call__(self, batch: Batch) -> Batch | None:
        keys = self._keys(batch) if self._keys else [""] * len(batch)
        counts = Counter(keys)
        first, last = to_seconds(batch.times[0]), to_seconds(batch.times[-1])
        buckets = {key: self._buckets.get(key) for key in counts}
        for bucket in buckets.values():
            bucket.fill(first, self._rate, self._burst)
        if 0 <= (last - first) * self._rate <= TOLERANCE * self._burst and all(
            bucket.tokens >= counts[key] and not bucket.cut for key, bucket in buckets.items()
        ):
            for key, bucket in buckets.items():
                bucket.tokens -= counts[key]
            return batch
        return self._one_by_one(batch, keys, buckets)

    def _one_by_one(
        self, batch: Batch, keys: list[str], buckets: Mapping[str, Bucket]
    ) -> Batch | None:
        """Decides entry by entry, at the exact time of each."""
        rate, burst = self._rate, self._burst
        passed: list[bool] = []
        marks: dict[int, int] = {}
        for key, now in zip(keys, all_seconds(batch.times), strict=True):
            bucket = buckets[key]
            bucket.fill(now, rate, burst)
            if bucket.tokens < ONE:
                bucket.cut += 1
                passed.append(False)
                continue
            bucket.tokens -= 1
            if bucket.cut:
                marks[len(passed)] = bucket.cut
                bucket.cut = 0
            passed.append(True)
        if marks:
            batch = batch.marked("throttled", marks)
        return batch.select(passed)


def _count_and_time(config: Throttle) -> tuple[float, float]:
    """How many entries, and in how many seconds."""
    rate = config.rate
    if not isinstance(rate, Rate):
        return rate, config.per or 1.0
    if config.per is not None:
        raise ConfigError('the rate has its time already; write rate = "100/s" alone', "per")
    return rate.count, rate.per
