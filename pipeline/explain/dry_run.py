"""Runs given lines through a route, with the real lanes and stages, but no Engine and no sink.

`dockline test` and `dockline explain` use it. An entry that comes out is what a JSON sink would
get.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from prometheus_client.samples import Sample

from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import Ledger
from pipeline.accounting.offsets import Offsets
from pipeline.config import Config
from pipeline.config.selection import Selection
from pipeline.encode.json import JsonEncoder
from pipeline.model import registry
from pipeline.model.batch import STREAM_NAMES, Batch
from pipeline.model.component import Stage, StageContext
from pipeline.model.container import Container, EntryKind
from pipeline.model.errors import DocklineError
from pipeline.model.metrics import Metrics
from pipeline.model.records import Records
from pipeline.model.stage_metrics import Derived
from pipeline.model.timestamps import from_nanoseconds, nanoseconds
from pipeline.topology import ContainerLanes, Route, Router
from pipeline.topology.labels import Labels, Wish

FIRST_TIME = b"2026-01-01T00:00:00.000000000Z"
"""The timestamp of the first line, unless it has one. The next lines follow at `BETWEEN`."""
BETWEEN = 1_000_000
"""Nanoseconds between two lines."""


Identity = tuple[int, int]
"""The sequence number of an entry, and its part (0 for an entry that wasn't split)."""


@dataclass(frozen=True)
class Line:
    """One line, as a container would write it."""

    text: bytes
    stream: Literal["stdout", "stderr"] = "stdout"
    time: bytes = b""
    """As in `Batch.times`; empty for `BETWEEN` after the line before."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """The fields it has before the first stage."""


@dataclass(frozen=True)
class Snapshot:
    """One entry between two stages."""

    message: str
    fields: dict[str, Any]
    bare: bool
    """Whether the message was removed."""


@dataclass(frozen=True)
class Step:
    """What one stage made of one line."""

    stage: str
    before: Snapshot
    after: Snapshot | None
    """None if the stage passed on no entry of this number."""
    joined: int | None = None
    """In that case, the number of the entry that the line was joined to, if any."""
    parts: int = 0
    """How many entries the stage split the line into, one being `after`; 0 if it did not."""


@dataclass(frozen=True)
class Entry:
    """An entry that came out of the route."""

    number: int
    """Its `event.sequence`: the number of its (first) line, from 1."""
    json: dict[str, Any]
    batch: Batch = field(repr=False, compare=False)
    """The entry by itself."""


class DryRun:
    """One route with one container. Call `run` once, then ask for `steps` and `samples`."""

    def __init__(
        self, name: str, config: Config, container: Container, source: EntryKind = "logs"
    ) -> None:
        """`name`: the route's, in `config`. `source`: the kind of the lines, such as "logs".

        Whether the route takes the container and the source isn't checked. Raises `DocklineError`
        when a stage can't be made.
        """
        self._container = container
        self._source: EntryKind = source
        self._derived = Derived()
        context = StageContext(derived=self._derived)
        route_config = config.routes[name]
        labels = _RecordedLabels(Selection(config).labels)
        own = [
            _Recorder(stage.name, registry.stage(stage.name, stage.config, context))
            for stage in route_config.stages
        ]
        self._output = _Outlet()
        route = Route(
            name=name,
            sources=frozenset((source,)),
            takes=lambda container: True,
            stages=[(one.name, one) for one in own],
            outputs=[self._output],
        )
        metrics = Metrics()
        router = Router([route], metrics, Ledger(), labels=labels)
        self._lanes: ContainerLanes = router.bind(container, Offsets({}))[source]
        self._recorders = [*labels.recorders, *own]

    def run(self, lines: Sequence[Line]) -> list[Entry]:
        """The entries that come out of the route, also those that stages hold back until the end.

        Raises `DocklineError` when a stage fails, which is a bug in it, and `MemoryError`.
        """
        if lines:
            self._lanes.offer(_batch(self._container, lines, self._source))
            self._lanes.end()
        for recorder in self._recorders:
            if isinstance(recorder.error, MemoryError):
                raise recorder.error
            if recorder.error is not None:
                raise DocklineError(
                    f"the stage {recorder.name} failed, which is a bug in it: {recorder.error!r}"
                )
        return list(_entries(self._output.batches))

    @property
    def afresh(self) -> list[str]:
        """The stages for which earlier entries count, and for which there were none here."""
        return [recorder.name for recorder in self._recorders if recorder.stateful_stage]

    def samples(self) -> list[Sample]:
        """The samples of all metrics that the stages made."""
        return [sample for metric in self._derived.collect() for sample in metric.samples]

    def steps(self, number: int) -> list[Step]:
        """What each stage made of the line with this number, from 1.

        Ends with the stage that dropped the line or joined it to another. Of a line that was split,
        the first part that came out is followed; if none did, the first part.
        """
        return self._steps((number, 0), self._recorders)[0]

    def _steps(self, at: Identity, recorders: Sequence[_Recorder]) -> tuple[list[Step], bool]:
        """The steps, and whether the entry came out."""
        steps: list[Step] = []
        for place, recorder in enumerate(recorders, 1):
            before = recorder.taken.get(at)
            if before is None:
                return steps, False
            after, joined = recorder.given.get(at), None
            if after is None:
                if parts := recorder.made_of(at):
                    part, rest, came = self._first_of(parts, recorders[place:])
                    split = Step(recorder.name, before, recorder.given[part], parts=len(parts))
                    return [*steps, split, *rest], came
                joined = recorder.part_of(before, at[0])
            steps.append(Step(recorder.name, before, after, joined))
            if after is None:
                return steps, False
        return steps, True

    def _first_of(
        self, parts: Sequence[Identity], recorders: Sequence[_Recorder]
    ) -> tuple[Identity, list[Step], bool]:
        for part in parts:
            steps, came = self._steps(part, recorders)
            if came:
                return part, steps, True
        return parts[0], self._steps(parts[0], recorders)[0], False


class _Recorder(Stage):
    """A stage, and a record of what goes in and comes out."""

    def __init__(self, name: str, stage: Stage) -> None:
        super().__init__(None)
        self.name = name
        self.stateful_stage = stage.stateful
        self._stage = stage
        self.taken: dict[Identity, Snapshot] = {}
        self.given: dict[Identity, Snapshot] = {}
        self.error: Exception | None = None

    def bind(self, container: Container) -> Stage:
        self._stage = self._stage.bind(container)
        return self

    def __call__(self, batch: Batch) -> Batch | None:
        self.taken.update(_snapshots(batch))
        try:
            result = self._stage(batch)
        except Exception as error:
            self.error = self.error or error
            return batch
        return self._gave(result)

    def flush(self, now: float) -> Batch | None:
        try:
            return self._gave(self._stage.flush(now))
        except Exception as error:
            self.error = self.error or error
            return None

    def _gave(self, result: Batch | None) -> Batch | None:
        self.held, self.oldest_held = self._stage.held, self._stage.oldest_held
        self.given.update(_snapshots(result))
        return result

    def made_of(self, lost: Identity) -> list[Identity]:
        """The parts that this entry was split into."""
        return [one for one in self.given if one[0] == lost[0] and one not in self.taken]

    def part_of(self, lost: Snapshot, number: int) -> int | None:
        """The number of the entry that this one was joined to: the nearest before, or after."""
        if not lost.message:
            return None
        nearest = sorted(self.given, key=lambda one: (one[0] > number, abs(one[0] - number)))
        for other in nearest:
            whole, before = self.given[other].message, self.taken.get(other)
            grown = before is None or len(whole) > len(before.message)
            if grown and lost.message in whole:
                return other[0]
        return None


class _RecordedLabels(Labels):
    """The stages that the container's labels ask for, recorded. They run before the route's own."""

    def __init__(self, labels: Labels) -> None:
        super().__init__(())
        self._labels = labels
        self.recorders: list[_Recorder] = []

    def _read(self, container: Container) -> Wish:
        wish = self._labels.of(container)
        self.recorders = [_Recorder(one.label, one.stage) for one in wish.stages]
        pairs = zip(wish.stages, self.recorders, strict=True)
        stages = [one._replace(stage=recorder) for one, recorder in pairs]
        return replace(wish, stages=stages, errors={})


class _Outlet:
    """Stands for all sinks of the route."""

    name = "dry_run"

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def offer(self, envelope: Envelope) -> bool:
        self.batches.append(envelope.batch)
        return True

    async def put(self, envelope: Envelope) -> None:
        self.batches.append(envelope.batch)


def _batch(container: Container, lines: Sequence[Line], source: EntryKind) -> Batch:
    times: list[bytes] = []
    for line in lines:
        following = from_nanoseconds(nanoseconds(times[-1]) + BETWEEN) if times else FIRST_TIME
        times.append(line.time or following)
    is_log = source == "logs"
    has_fields = any(line.fields for line in lines)
    return Batch(
        container,
        [line.text for line in lines],
        times,
        bytes(STREAM_NAMES.index(line.stream) if is_log else 0 for line in lines),
        range(1, len(lines) + 1),
        source=source,
        fields=[copy.deepcopy(dict(line.fields)) for line in lines] if has_fields else None,
    )


def _snapshots(batch: Batch | None) -> Iterable[tuple[Identity, Snapshot]]:
    """A snapshot of each entry."""
    if batch is None:
        return
    parsed = batch.parsed
    # records must stay records: looking must not change what the next stage finds
    entries = parsed.dictionaries() if type(parsed) is Records else parsed
    parts = batch.parts or [0] * len(batch)
    for index, identity in enumerate(zip(batch.sequences, parts, strict=True)):
        message = batch.lines[index].decode("utf-8", "replace")
        fields = _copy(entries[index]) if entries is not None else {}
        yield identity, Snapshot(message, fields, batch.bare)


def _copy(fields: dict[str, Any]) -> dict[str, Any]:
    try:
        return copy.deepcopy(fields)
    except RecursionError:
        return dict(fields)


def _entries(batches: Iterable[Batch]) -> Iterable[Entry]:
    encoder = JsonEncoder()
    for batch in batches:
        lines = encoder.encode([batch]).splitlines()
        for row, (number, line) in enumerate(zip(batch.sequences, lines, strict=True)):
            try:
                yield Entry(number, json.loads(line), batch.pick([row]))
            except RecursionError:
                raise DocklineError("an entry is nested too deeply to be shown") from None
