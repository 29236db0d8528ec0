"""Drops an entry that says the same as one a short while before.

    { dedupe = { within = "10s" } }
    { dedupe = { fields = ["level", "msg"], within = "1m", most = 5000 } }

Entries are the same when they have the same values in all of the `fields`, or, without those, the
same message. `message` and `stream` may be among them; `http.status` is the `status` in the object
`http`. An entry that has none of the fields is the same as no other.

The first one goes on at once. Those like it are dropped until `within` has gone by since that first
one; then the next one goes on, and has the number of those that were dropped in its field
`duplicates`. So what a container says without end still comes once in each `within`. Where no more
comes, only the metrics have the number: what is dropped counts as filtered by this stage.

Each container is looked at for itself, by the entries' own times. Of no more than `most` different
entries it is known that they were there; when there are more, those not seen for longest are
forgotten, and go on when they come again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from copy import copy
from itertools import islice, takewhile
from typing import Annotated, Final

from msgspec import Meta, Struct

from pipeline import model
from pipeline.expression import compile_template
from pipeline.expression.paths import Path
from pipeline.model import Duration, FieldUse
from pipeline.model.batch import Batch, Container
from pipeline.model.errors import at
from pipeline.model.timestamps import all_seconds

Identities = Callable[[Batch], Sequence[int | None]]
"""A number for each entry, equal for those that say the same; None for one without any field."""

_BETWEEN: Final = "\x1f"


class Dedupe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is the same, and for how long."""

    fields: Annotated[list[str] | None, Meta(min_length=1, examples=[["level", "msg"]])] = None
    """Fields that are compared; the message without them."""
    within: Annotated[Duration, Meta(gt=0)] = Duration(10)
    """For how long an entry that has gone on keeps back those that are the same."""
    most: Annotated[int, Meta(ge=1, le=1_000_000)] = 5000
    """How many different entries of a container are remembered."""


Config = Annotated[Dedupe, Meta(examples=[{"fields": ["level", "msg"], "within": "1m"}])]


class Stage(model.Stage):
    """Remembers hashes of what has gone on."""

    def __init__(self, config: Dedupe) -> None:
        self._identities = _of_messages if config.fields is None else _of_fields(config.fields)
        self._fields = config.fields or []
        self._within = float(config.within)
        self._most = config.most
        self._start()

    def _start(self) -> None:
        self._passed: dict[int, float] = {}
        """When each went on; first what has not been seen for longest."""
        self._dropped: dict[int, int] = {}
        """How many were the same as one that went on, and have not been told of."""

    def effect(self) -> model.Effect:
        reads = [
            FieldUse(name.partition(".")[0], name, f"fields[{index}]")
            for index, name in enumerate(self._fields)
            if name not in ("message", "stream")
        ]
        return model.Effect(reads, frozenset({"duplicates"}))

    def bind(self, container: Container) -> model.Stage:
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
        """What is too old, and what is too much."""
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
