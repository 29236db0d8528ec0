"""Drops an entry that is the same as one shortly before.

    { dedupe = "1m" }
    { dedupe = { fields = ["level", "msg"], within = "1m", most = 5000 } }

Two entries are the same when they have the same values in all of the `fields`, or, without
`fields`, the same message. `message` and `stream` may be among them; `http.status` is the `status`
in the object `http`. An entry that has none of the fields is never the same as another.

The first entry passes at once. Entries like it are dropped for the time `within`, counted from that
first one. The next one passes, and its field `duplicates` has the number of entries dropped. So a
line that a container repeats without end still comes once in each `within`. If no more comes, only
the metrics have the number: dropped entries count as filtered by this stage.

Containers are treated separately, and time is that of the entries. At most `most` different entries
are remembered for each container; beyond that, those not seen for longest are forgotten, and pass
when they come again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from copy import copy
from itertools import islice, takewhile
from typing import Annotated, ClassVar, Final

from msgspec import Meta, Struct

from pipeline.expression import compile_template
from pipeline.expression.paths import Path
from pipeline.model import component
from pipeline.model.batch import Batch
from pipeline.model.component import Duration, FieldUse
from pipeline.model.container import Container
from pipeline.model.errors import at
from pipeline.model.timestamps import all_seconds
from pipeline.stages._spoils import DROPS_LINES

Identities = Callable[[Batch], Sequence[int | None]]
"""A number for each entry, equal for entries that are the same; None for one without the fields."""

_BETWEEN: Final = "\x1f"


class Dedupe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which entries are the same, and for how long."""

    SHORT: ClassVar[str] = "within"

    fields: Annotated[list[str] | None, Meta(min_length=1, examples=[["level", "msg"]])] = None
    """The fields to compare; without them, the message is compared."""
    within: Annotated[Duration, Meta(gt=0)] = Duration(10)
    """For how long entries are dropped after one that is the same."""
    most: Annotated[int, Meta(ge=1, le=1_000_000)] = 5000
    """How many different entries are remembered for each container."""


Config = Annotated[Dedupe, Meta(examples=["1m", {"fields": ["level", "msg"], "within": "1m"}])]


class Stage(component.Stage):
    """Remembers hashes of entries that passed, for one container."""

    stateful = True

    def __init__(self, config: Dedupe) -> None:
        self._identities = _of_messages if config.fields is None else _of_fields(config.fields)
        self._fields = config.fields or []
        self._within = float(config.within)
        self._most = config.most
        self._start()

    def _start(self) -> None:
        self._passed: dict[int, float] = {}
        """When each entry passed, in seconds; those not seen for longest come first."""
        self._dropped: dict[int, int] = {}
        """How many entries were dropped since, and aren't in a field `duplicates` yet."""

    def effect(self) -> component.Effect:
        reads = [
            FieldUse(name.partition(".")[0], name, f"fields[{index}]")
            for index, name in enumerate(self._fields)
            if name not in ("message", "stream")
        ]
        return component.Effect(reads, frozenset({"duplicates"}), spoils={"join": DROPS_LINES})

    def bind(self, container: Container) -> component.Stage:
        bound = copy(self)
        bound._start()
        return bound

    def __call__(self, batch: Batch) -> Batch | None:
        passed, dropped, within = self._passed, self._dropped, self._within
        keep: list[bool] = []
        marks: dict[int, int] = {}
        left = 0
        times = all_seconds(batch.times)
        for identity, now in zip(self._identities(batch), times, strict=True):
            if identity is not None:
                then = passed.pop(identity, None)
                if then is not None and -within < now - then < within:
                    passed[identity] = then
                    dropped[identity] = dropped.get(identity, 0) + 1
                    keep.append(False)
                    continue
                passed[identity] = now
                if identity in dropped:
                    marks[left] = dropped.pop(identity)
            keep.append(True)
            left += 1
        self._forget(times[-1])
        result = batch.select(keep)
        return result.marked("duplicates", marks) if result is not None and marks else result

    def _forget(self, now: float) -> None:
        """Forgets entries that are too old or too many."""
        passed, dropped = self._passed, self._dropped
        excess, old = len(passed) - self._most, now - self._within
        places = takewhile(lambda at: at[0] < excess or passed[at[1]] <= old, enumerate(passed))
        gone = [identity for _, identity in places]
        for identity in gone:
            del passed[identity]
        for identity in list(islice(dropped, max(0, len(dropped) - self._most))):
            del dropped[identity]


def _of_messages(batch: Batch) -> list[int]:
    return list(map(hash, batch.lines))


def _of_fields(names: list[str]) -> Identities:
    template = compile_template(_BETWEEN.join(_placeholder(*item) for item in enumerate(names)))
    nothing = _BETWEEN * (len(names) - 1)

    def identities(batch: Batch) -> list[int | None]:
        return [None if text == nothing else hash(text) for text in template(batch)]

    return identities


def _placeholder(index: int, name: str) -> str:
    if name in ("message", "stream"):
        return f"{{{name}}}"
    with at(f"fields[{index}]"):
        keys = Path.parse(name).keys
    return f"{{fields{''.join(f'[{json.dumps(key, ensure_ascii=False)}]' for key in keys)}}}"
