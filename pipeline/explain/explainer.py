"""What the page asks about a container's lines: explanations and trials, of the running agent.

Whatever runs lines does so in a process of its own (`pipeline.explain.process`): an expression may
take any time for some line, and the agent must not wait for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from pipeline.config import Config, ConfigFile
from pipeline.config.file import substituted
from pipeline.explain import present
from pipeline.explain.facts import BETWEEN, Facts, Found, about, sinks, with_ways
from pipeline.explain.job import (
    Job,
    JobContainer,
    JobLine,
    JobRoute,
    Surroundings,
    Trial,
    Way,
)
from pipeline.explain.process import Process
from pipeline.model import registry
from pipeline.model.component import Stage
from pipeline.model.dumps import dumps

Lines = Sequence[tuple[str, Literal["stdout", "stderr"], str]]
"""Text, stream and time of each line; the time as in `Batch.times`, or empty."""


class Explainer:
    """Answers with the JSON of one object each. Runs lines for one client at a time."""

    def __init__(
        self,
        reading: Callable[[], ConfigFile],
        find: Callable[[str], Found | None],
        process: Process | None = None,
    ) -> None:
        """`reading`: the running configuration. `find`: the container with this name or id."""
        self._reading = reading
        self._find = find
        self._process = process or Process()

    async def explain(self, container: str, lines: Lines) -> bytes:
        """What the configuration does with a container and with lines of it.

        Raises `LookupError` for an unknown container, and `DocklineError` if the lines can't be
        run: others are, or they take too much. Both have a sentence for a user.
        """
        reading, found = self._reading(), self._found(container)
        facts, job = await asyncio.to_thread(_explanation, reading, found, lines)
        if job is None:
            return dumps(facts | {"afresh": []})
        del facts["lines"]
        told = await self._process.run(job)
        return dumps(facts)[:-1] + b"," + told[1:]

    async def stages(self, route: str) -> bytes:
        """The route's stages as TOML, and where they are written. Raises `LookupError` for an
        unknown route."""
        reading = self._reading()
        self._check_route(reading, route)
        text = await asyncio.to_thread(present.stages, reading, route)
        place = await asyncio.to_thread(present.place, reading, route)
        return dumps({"route": route, "stages": text, "place": place})

    async def attempt(self, container: str, route: str, stages: str, lines: Lines) -> bytes:
        """What other stages of the route would do with lines of the container.

        `stages`: TOML. Raises `LookupError` for an unknown container or route, and `DocklineError`
        if the lines can't be run: others are, or they take too much.
        """
        reading, found = self._reading(), self._found(container)
        self._check_route(reading, route)
        job = await asyncio.to_thread(_trial, reading, found, route, stages, lines)
        return await self._process.run(job)

    def _found(self, container: str) -> Found:
        found = self._find(container)
        if found is None:
            raise LookupError("there is no such container")
        return found

    def _check_route(self, reading: ConfigFile, route: str) -> None:
        if route not in reading.config.routes:
            raise LookupError("there is no such route")


# These functions look for the modules of stages in their folder, so they run in a thread.


def _explanation(reading: ConfigFile, found: Found, lines: Lines) -> tuple[Facts, bytes | None]:
    """What is known without running lines, and the job of running them; None without lines."""
    facts = about(reading, found)
    if not lines:
        return facts, None
    config, names = with_ways(reading.config, facts["routes"])
    left_out = [name for name in names if _runs_own_code(config, name)]
    facts["notes"] += map(_not_run, left_out)
    tables = {name: _tables(reading, name) for name in names if name not in left_out}
    ways = [
        Way(name, present.stages_of(stages), sinks(config, name)) for name, stages in tables.items()
    ]
    hidden = substituted([*tables.values(), reading.tree.get("labels", {})])
    facts_of = JobContainer.of(found.container)
    return facts, Job(facts_of, surroundings(reading), _lines(lines), ways, hidden).encode()


def _trial(reading: ConfigFile, found: Found, route: str, stages: str, lines: Lines) -> bytes:
    """The job of running lines through other stages."""
    feeding, note = _feeding(reading, found, route)
    tables = {name: _tables(reading, name) for name in feeding}
    ways = [Way(name, present.stages_of(stages), []) for name, stages in tables.items()]
    trial = Trial(route, stages, present.head(reading, route), note)
    facts, hidden = JobContainer.of(found.container), substituted(list(tables.values()))
    return Job(facts, surroundings(reading), _lines(lines), ways, hidden, trial).encode()


def _feeding(reading: ConfigFile, found: Found, route: str) -> tuple[list[str], str]:
    """The routes through which lines of the container come to this one, the first way of several;
    and what to say about them."""
    _, names = with_ways(reading.config, about(reading, found)["routes"])
    ways = [way for name in names if (way := name.split(BETWEEN))[-1] == route]
    if not ways:
        return [], ""
    feeding, others = ways[0][:-1], len(ways) - 1
    if any(_runs_own_code(reading.config, name) for name in feeding):
        return [], _not_run(BETWEEN.join(feeding))
    more = f"; {others} more lead to it as well" if others else ""
    return feeding, f"lines come to it through {BETWEEN.join(feeding)}{more}" if feeding else ""


def surroundings(reading: ConfigFile) -> Surroundings:
    """What stages and labels depend on, of a configuration."""
    config = reading.config
    honour = config.labels.honour
    return Surroundings(
        honour=[] if honour == "off" else list(honour),
        containers=config.labels.containers and str(config.labels.containers),
        sources=list(config.sources),
        routes={
            name: JobRoute(list(route.sources), route.labels, list(route.to))
            for name, route in config.routes.items()
        },
        files=sorted(_files(config)),
    )


def _files(config: Config) -> set[str]:
    """The files that the stages of the configuration read."""
    return {
        file
        for route in config.routes.values()
        for stage in route.stages
        for file in _class(stage.name).files(stage.config).values()
    }


def _class(name: str) -> type[Stage]:
    cls: type[Stage] = registry.implementation("stages", name)
    return cls


def _runs_own_code(config: Config, route: str) -> bool:
    return any(_class(stage.name).own_code for stage in config.routes[route].stages)


def _not_run(name: str) -> str:
    return (
        f"the stages of {name} are not run: one of them runs code of your own, which only "
        "`dockline explain --allow-python` does"
    )


def _tables(reading: ConfigFile, way: str) -> list[Any]:
    """The stages of a route or of a chain of routes, as tables of the configuration."""
    routes: Mapping[str, Facts] = reading.tree["routes"]
    return [table for name in way.split(BETWEEN) for table in routes[name].get("stages", [])]


def _lines(lines: Lines) -> list[JobLine]:
    return [JobLine(text, stream, time) for text, stream, time in lines]
