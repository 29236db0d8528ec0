"""What is wrong at the moment, each at its place: what `/readyz` says, and what it forgives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from pipeline.observe.overview import SourceNow
from pipeline.topology.output import SinkNow

Kind = Literal["engine", "source", "sink"]


class Problem(msgspec.Struct, frozen=True):
    """A problem, and where it is."""

    kind: Kind
    name: str
    """Of the source or sink; `docker` for the Engine."""
    text: str
    """A sentence."""
    since: float | None = None
    """Since when, in seconds since the epoch: as far as is known."""


class Problems:
    """Remembers since when each problem has been there."""

    def __init__(self) -> None:
        self._since: dict[tuple[Kind, str], float] = {}

    def of(
        self,
        engine: str,
        sources: Iterable[SourceNow],
        sinks: Iterable[SinkNow],
        now: float,
    ) -> Sequence[Problem]:
        """All problems. `engine`: why the Engine doesn't answer; empty if it does. `now`: seconds
        since the epoch."""
        found: dict[tuple[Kind, str], str] = {}
        since: dict[tuple[Kind, str], float] = {}
        if engine:
            found["engine", "docker"] = engine
        for source in sources:
            if source.problem:
                found["source", source.name] = source.problem
        for sink in sinks:
            if sink.problem:
                found["sink", sink.name] = sink.problem
                since["sink", sink.name] = sink.problem_since or now
        self._since = {key: min(self._since.get(key, now), since.get(key, now)) for key in found}
        return [Problem(*key, text, self._since[key]) for key, text in found.items()]
