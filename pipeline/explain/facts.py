"""What routes do with one container and its lines, as values for JSON."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from pipeline.config import Config, ConfigFile, RouteConfig, StageConfig
from pipeline.config.selection import Selection
from pipeline.config.settings import SORTS
from pipeline.config.wording import listed
from pipeline.explain.dry_run import DryRun, Entry, Line, Snapshot, Step
from pipeline.explain.previews import Previews
from pipeline.explain.reasons import not_followed, not_taken, not_understood
from pipeline.model.batch import Batch
from pipeline.model.container import Container
from pipeline.model.records import MISSING

Facts = dict[str, Any]
"""A JSON object. Its keys are what `dockline explain --json` prints."""

BETWEEN = " → "
"""Joins the names of routes that feed each other."""

DEEPEST = 16
"""Levels of objects that are compared field by field; deeper ones are compared as a whole."""


@dataclass(frozen=True)
class Found:
    """A container, and what the Engine says about following it."""

    container: Container
    reasons: Sequence[str] = ()
    """Why it isn't followed, whatever the configuration says."""
    notes: Sequence[str] = ()
    """What else to know about it."""


def explained(reading: ConfigFile, found: Found, lines: Sequence[Line]) -> Facts:
    """What the configuration does with a container, and with these lines of it.

    Values that were substituted from the environment or from files are not in the answer. Raises
    `DocklineError` when a stage fails, which is a bug in it.
    """
    facts = about(reading, found)
    if lines:
        config, ways = with_ways(reading.config, facts["routes"])
        to = {name: sinks(config, name) for name in ways}
        facts["lines"] = concealed(
            of_lines(to, config, found.container, lines, Previews(reading))["lines"],
            reading.conceal,
        )
    return facts


def about(reading: ConfigFile, found: Found) -> Facts:
    """What the configuration does with a container, without lines.

    Values that were substituted from the environment or from files are not in the answer. No stage
    is made, and no file is read.
    """
    config, container = reading.config, found.container
    selection = Selection(config)
    reasons = [*found.reasons, *not_followed(selection, container, reading.conceal)]
    facts = {
        "container": {
            "id": container.id,
            "name": container.name,
            "image": container.image,
            "project": container.project,
            "service": container.service,
            "host": container.host,
            "labels": dict(sorted(container.labels.items())),
        },
        "followed": not reasons,
        "reasons": reasons,
        "notes": [*found.notes, *not_understood(selection, container, reading.conceal)],
        "routes": [
            _route(reading, selection, name, container, followed=not reasons)
            for name in config.routes
        ],
        "lines": [],
    }
    hidden: Facts = concealed(facts, reading.conceal)
    return hidden


def of_lines(
    ways: Mapping[str, Sequence[Facts]],
    config: Config,
    container: Container,
    lines: Sequence[Line],
    preview: Callable[[str, Batch], str] = lambda sink, batch: "",
) -> Facts:
    """What these routes of the configuration do with lines, and which stages began afresh for that.

    `ways`: the routes, each with what it leads to (see `sinks`). `preview(sink, batch)` is what the
    sink of this name would send of it. Nothing else is concealed. Raises `DocklineError` when a
    stage fails, which is a bug in it.
    """
    runs = {name: DryRun(name, config, container) for name in ways}
    entries = {name: dry_run.run(lines) for name, dry_run in runs.items()}
    return {
        "lines": [
            {
                "line": line.text.decode("utf-8", "replace"),
                "stream": line.stream,
                "routes": [
                    _way(
                        name,
                        ways[name],
                        dry_run.steps(number),
                        _entry(entries[name], number),
                        preview,
                    )
                    for name, dry_run in runs.items()
                ],
            }
            for number, line in enumerate(lines, 1)
        ],
        "afresh": list(dict.fromkeys(name for run in runs.values() for name in run.afresh)),
    }


def _takes_logs(sources: Collection[str]) -> bool:
    """Whether a route with these sources takes logs, from Docker or from a configured source."""
    return not set(sources) <= {"events", "stats"}


def with_ways(config: Config, routes: Sequence[Facts]) -> tuple[Config, list[str]]:
    """The configuration with one more route for each chain of routes, with all their stages; and
    the names of the routes and chains that lines go through.

    `routes`: as `about` has them.
    """
    taken = {route["name"] for route in routes if route["takes"] and _takes_logs(route["from"])}
    ways: dict[str, RouteConfig] = {}

    def follow(name: str, stages: list[StageConfig], way: str) -> None:
        stages = [*stages, *config.routes[name].stages]
        if BETWEEN in way:
            ways[way] = replace(config.routes[name], stages=stages)
        for following in config.routes[name].feeds:
            if following in taken:
                follow(following, stages, f"{way}{BETWEEN}{following}")

    beginnings = [name for name in config.routes if name in taken and not config.feeding(name)]
    for name in beginnings:
        follow(name, [], name)
    return replace(config, routes={**config.routes, **ways}), [*beginnings, *ways]


def concealed(value: Any, conceal: Callable[[str], str]) -> Any:
    """A copy of a JSON value with all its texts and keys concealed."""
    if isinstance(value, dict):
        return {conceal(key): concealed(inner, conceal) for key, inner in value.items()}
    if isinstance(value, list):
        return [concealed(inner, conceal) for inner in value]
    return conceal(value) if isinstance(value, str) else value


def _route(
    reading: ConfigFile, selection: Selection, name: str, container: Container, *, followed: bool
) -> Facts:
    route = reading.config.routes[name]
    reasons = not_taken(selection, name, container, reading.conceal) if followed else []
    fed_by = reading.config.feeding(name)
    if followed and fed_by and not reasons:
        feeding = (_route(reading, selection, one, container, followed=True) for one in fed_by)
        if not any(one["takes"] and _overlap(one["from"], route.sources) for one in feeding):
            reasons = [f"no route that leads to it takes the container: {listed(fed_by)}"]
    return {
        "name": name,
        "takes": followed and not reasons,
        "reasons": reasons,
        "containers": route.containers and str(route.containers),
        "labels": route.labels,
        "from": list(route.sources),
        "fed_by": fed_by,
        "stages": [stage.name for stage in route.stages],
        "to": sinks(reading.config, name),
    }


def _overlap(one: Collection[str], other: Collection[str]) -> bool:
    """Whether routes with these sources may take the same entries."""
    return bool(set(one) & set(other)) or not set(one) | set(other) <= set(SORTS)


def sinks(config: Config, route: str) -> list[Facts]:
    """What the route leads to: sinks, and further routes."""
    kinds = {name: sink.type for name, sink in config.sinks.items()}
    return [{"name": name, "type": kinds.get(name, "route")} for name in config.routes[route].to]


def _entry(entries: Sequence[Entry], number: int) -> Entry | None:
    return next((entry for entry in entries if entry.number == number), None)


def _way(
    name: str,
    to: Sequence[Facts],
    steps: Sequence[Step],
    entry: Entry | None,
    preview: Callable[[str, Batch], str],
) -> Facts:
    """What a route did with one line, and what sinks would send of it."""
    return {
        "route": name,
        "stages": [_step(step) for step in steps],
        "entry": entry.json if entry else None,
        "to": [_sent(sink, entry.batch, preview) for sink in to] if entry else [],
    }


def _sent(sink: Facts, batch: Batch, preview: Callable[[str, Batch], str]) -> Facts:
    text = preview(sink["name"], batch)
    return {**sink, "sends": text} if text else sink


def _step(step: Step) -> Facts:
    if step.after is None:
        outcome = "joined" if step.joined else "dropped"
        return {"stage": step.stage, "outcome": outcome, "line": step.joined, "changes": []}
    changes = list(_changes(step.before, step.after))
    outcome = "changed" if changes else "unchanged"
    facts = {"stage": step.stage, "outcome": outcome, "line": None, "changes": changes}
    return facts | ({"outcome": "split", "parts": step.parts} if step.parts else {})


def _changes(before: Snapshot, after: Snapshot) -> Iterator[Facts]:
    """What is new, removed or changed in an entry, field by field."""
    old, new = (MISSING if one.bare else one.message for one in (before, after))
    if old != new:
        yield _change("message", old, new)
    yield from _field_changes(before.fields, after.fields)


def _field_changes(
    before: Mapping[str, Any], after: Mapping[str, Any], way: str = "", depth: int = 0
) -> Iterator[Facts]:
    """The changes of fields, also inside objects (`http.status`)."""
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name, MISSING), after.get(name, MISSING)
        if isinstance(old, dict) and isinstance(new, dict) and depth < DEEPEST:
            yield from _field_changes(old, new, f"{way}{name}.", depth + 1)
        elif repr(old) != repr(new):  # `==` would take True for 1
            taken = not way and name == "message"
            yield _change(f'fields["{name}"]' if taken else f"{way}{name}", old, new)


def _change(field: str, before: Any, after: Any) -> Facts:
    sides = {"before": before, "after": after}
    known = {side: value for side, value in sides.items() if value is not MISSING}
    return {"field": field, **known}
