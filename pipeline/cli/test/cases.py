"""Runs the `[[tests]]` of a configuration."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.cli.test.compare import Pair, find, pair_up
from pipeline.cli.test.series import SeriesDifference, compare
from pipeline.config import ConfigFile
from pipeline.config.selection import Selection
from pipeline.config.settings import SORTS, CaseConfig, CaseLine
from pipeline.explain.dry_run import DryRun, Entry, Line
from pipeline.explain.reasons import not_followed, not_taken
from pipeline.model.container import Container
from pipeline.model.errors import DocklineError
from pipeline.model.records import MISSING


@dataclass(frozen=True)
class Lost:
    """A line that no entry with its number came out of."""

    number: int
    stage: str
    joined: int | None
    """The number of the entry that it was joined to, if any."""


@dataclass(frozen=True)
class Result:
    """The result of one test."""

    index: int
    case: CaseConfig
    trouble: str = ""
    """Why it could not be run; empty if it was."""
    entries: Sequence[Entry] = ()
    pairs: Sequence[Pair] = ()
    unwanted: Sequence[tuple[int, str]] = ()
    """Fields that should be absent, each with the entry that has it, from 0."""
    series: Sequence[SeriesDifference] = ()
    """Metrics that have another value than expected."""
    lost: Sequence[Lost] = ()
    seconds: float = field(default=0.0, compare=False)

    @property
    def passed(self) -> bool:
        """Whether the test was run, and all came out as it says."""
        return not (self.trouble or self.unwanted or self.series) and self.as_expected

    @property
    def as_expected(self) -> bool:
        """Whether the entries are the expected ones. `--update` can only change these."""
        return all(pair.matches for pair in self.pairs)

    @property
    def path(self) -> str:
        """Its place in the configuration, such as `tests[0]`."""
        return f"tests[{self.index}]"


def run(reading: ConfigFile, index: int) -> Result:
    """Runs the test `config.tests[index]`.

    Never raises `DocklineError`: a test that can't be run has a result, too.
    """
    config, began = reading.config, time.perf_counter()
    case = config.tests[index]
    container = Container(
        case.container.id,
        case.container.name,
        case.container.image,
        case.container.labels,
        host=case.container.host,
    )
    if wrong_source := _wrong_source(reading, case):
        return Result(index, case, wrong_source)
    reasons = _not_run(reading, case.route, container)
    if not case.taken:
        return Result(index, case, "" if reasons else "the route takes the container")
    if reasons:
        return Result(index, case, reasons)
    given = lines(case.input)
    try:
        dry_run = DryRun(case.route, config, container, case.source)
        entries = dry_run.run(given)
        series = compare(case.metrics, dry_run.samples())
    except DocklineError as error:
        return Result(index, case, str(error))
    return Result(
        index,
        case,
        entries=entries,
        pairs=pair_up(case.expect, [entry.json for entry in entries]),
        unwanted=[
            (place, name)
            for place, entry in enumerate(entries)
            for name in case.absent
            if find(entry.json, name) is not MISSING
        ],
        series=series,
        lost=_lost(dry_run, len(given)),
        seconds=time.perf_counter() - began,
    )


def _wrong_source(reading: ConfigFile, case: CaseConfig) -> str:
    """What is wrong with the source of a test; empty if the route takes it."""
    sources = reading.config.routes[case.route].sources
    if case.source in sources or not set(sources) <= set(SORTS):
        return ""
    takes = " and ".join(sources) or "nothing"
    hint = f', which a test has with source = "{sources[0]}"' if sources else ""
    return f"the route does not take {case.source} but {takes}{hint}"


def _not_run(reading: ConfigFile, name: str, container: Container) -> str:
    """Why the container's lines would not reach the route; empty if they would."""
    selection, conceal = Selection(reading.config), reading.conceal
    if reasons := not_followed(selection, container, conceal):
        return f"the container is not followed at all: {'; '.join(reasons)}"
    if reasons := not_taken(selection, name, container, conceal):
        return f"the route does not take the container: {'; '.join(reasons)}"
    return ""


def lines(written: Sequence[str | CaseLine]) -> list[Line]:
    """The input of a test as the lines of a container. A text with line feeds is several lines."""
    entries = [one if isinstance(one, CaseLine) else CaseLine(line=one) for one in written]
    return [
        Line(text.encode("utf-8", "replace"), one.stream, (one.time or "").encode(), one.fields)
        for one in entries
        for text in str(one.line).removesuffix("\n").split("\n")
    ]


def _lost(dry_run: DryRun, count: int) -> list[Lost]:
    found = []
    for number in range(1, count + 1):
        steps = dry_run.steps(number)
        if steps and steps[-1].after is None:
            found.append(Lost(number, steps[-1].stage, steps[-1].joined))
    return found
