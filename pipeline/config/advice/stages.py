"""Errors and warnings about the stages of a route: what they can't do where they stand.

No stage is known here by name: stages describe themselves in `Stage.effect`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, cast

from pipeline.config.advice.fields import FieldAdvice, near
from pipeline.config.advice.known import Known, of_all
from pipeline.config.components import Convert, hides_something
from pipeline.config.locate import Path
from pipeline.config.problems import ProblemReport, dotted
from pipeline.config.settings import FEED, Config, RouteConfig, StageConfig
from pipeline.config.wording import listed, toml
from pipeline.expression.truth import never_true, opposite
from pipeline.model import registry
from pipeline.model.component import Effect, FieldUse
from pipeline.topology.labels import NAMES


def advise_all(config: Config, tree: dict[str, Any], report: ProblemReport) -> None:
    """Reports what the stages of all routes can't do, each route after those that feed it.

    `tree` is the file's own tables that `config` was made from.
    """
    ends: dict[str, Known] = {}
    for name in _in_order(config.routes):
        route = config.routes[name]
        before = [ends[other] for other, one in config.routes.items() if name in one.feeds]
        start = of_all(before) if before else at_start(route, config)
        path = ("routes", name)
        ends[name] = advise_stages(route, config, tree["routes"][name], path, report, start)


def errors_of_routes(tree: dict[str, Any], convert: Convert, report: ProblemReport) -> None:
    """Adds what stages can't do to the errors of a file that has others, so that all are found.

    Only routes without errors of their own are looked at, and nothing is certain about what comes
    from others. `convert` converts a value without a report.
    """
    tables = tree["routes"] if isinstance(tree.get("routes"), dict) else {}
    found = {name: convert(table, RouteConfig, ("routes", name)) for name, table in tables.items()}
    routes = {name: route for name, route in found.items() if isinstance(route, RouteConfig)}
    ways = [table.get("to") for table in tables.values() if isinstance(table, dict)]
    fed = [str(way).removeprefix(FEED) for to in ways if isinstance(to, list) for way in to]
    sources = dict.fromkeys(tree["sources"]) if isinstance(tree.get("sources"), dict) else {}
    config = Config(routes=routes, sources=cast(Any, sources))
    own = ProblemReport(report.file, report.places, report.hidden)
    for name, route in routes.items():
        start = Known(made=None) if name in fed else at_start(route, config)
        advise_stages(route, config, tables[name], ("routes", name), own, start)
    report.errors += own.errors


def at_start(route: RouteConfig, config: Config) -> Known:
    """What is certain about the entries that come into a route, from what it takes."""
    is_bare = route.sources == ["logs"] and not config.sources
    return Known() if is_bare else Known(made=None)


def advise_stages(
    route: RouteConfig,
    config: Config,
    table: Any,
    path: Path,
    report: ProblemReport,
    known: Known,
) -> Known:
    """Reports errors and warnings about the stages of a route. Returns what is certain after them.

    `table` is the route's own table at `path`, which ends in the route's name. Of `config`, only
    `labels` is looked at. `known` is what is certain about the entries that come in.
    """
    effects = [effect_of(stage) for stage in route.stages]
    for index, (stage, effect) in enumerate(zip(route.stages, effects, strict=True)):
        place = (*path, "stages", index, stage.name)
        value = table["stages"][index][stage.name]
        later = [name for name in range(index + 1, len(effects)) if effects[name].part == "parse"]
        parsing = f"stages[{later[0]}]" if later else ""
        how_to_make = partial(_how_to_make, config.labels.honour, parsing)
        advice = FieldAdvice(known, place, value, how_to_make, report)
        if not hides_something(value):
            for use in effect.reads:
                advice.of_words(use)
            for use in _first_of_each(effect.reads):
                advice.of_field(use)
        written = f"{{ {stage.name} = {toml(stage.config)} }}"
        if effect.part == "parse" and (first := known.parsed.get(written)):
            message = f"{near(first, path)} has parsed the message in the same way"
            report.warning(place, message, "remove this one")
        following = known.after(effect, written, dotted(place))
        if effect.condition and never_true(*following.conditions):
            _report_end(effect.condition, index == len(effects) - 1, place, report)
            break
        if effect.condition and never_true(opposite(effect.condition)):
            hint = "is an `and` meant to be an `or`? Correct the expression, or remove the stage"
            report.warning(place, "lets everything through, whatever the entries are", hint)
        known = following
    _order(route.stages, effects, path, report)
    return known


def effect_of(stage: StageConfig) -> Effect:
    """What a stage does, in its own words."""
    effect: Effect = registry.implementation("stages", stage.name)(stage.config).effect()
    return effect


def _in_order(routes: Mapping[str, RouteConfig]) -> Iterator[str]:
    """The names of all routes, each after those that feed it. There is no circle."""
    fed = {name: [other for other in routes if name in routes[other].feeds] for name in routes}
    done: dict[str, None] = {}
    while len(done) < len(routes):
        ready = [name for name in routes if name not in done and all(o in done for o in fed[name])]
        done |= dict.fromkeys(ready)
    yield from done


def _first_of_each(reads: Sequence[FieldUse]) -> list[FieldUse]:
    """The first use of each field."""
    first: dict[str, FieldUse] = {}
    for use in reads:
        first.setdefault(use.written, use)
    return list(first.values())


_OF_ANY_FIELD: Final = ("parse", "tag")
_OF_ONE_FIELD: Final = {"level": "level", "sample_rate": "sample", "throttled": "throttle"}
"""The labels of containers that could make a field, without their prefix."""


def _how_to_make(honour: Collection[str], later: str, field: str) -> str:
    """A hint for a field that no stage makes.

    `honour`: the labels that count. `later`: a stage that comes later and parses; or empty.
    """
    if later:
        return f"put {later}, which parses the message, before this"
    stage = '{ level = "auto" }' if field == "level" else '{ parse = "auto" }'
    could = {*_OF_ANY_FIELD, _OF_ONE_FIELD.get(field)}
    if labels := [f"dockline.{name}" for name in NAMES if name in could and name in honour]:
        return f"only a label of a container could ({listed(labels, 'or')}); put {stage} before it"
    return f"it is always missing; put what makes it, such as {stage}, before this"


def _report_end(condition: str, is_last: bool, place: Path, report: ProblemReport) -> None:
    alone = never_true(condition)
    message = "lets nothing through" + ("" if alone else " of what the stages before it leave")
    rest = "its sinks" if is_last else "the stages after it and the sinks of this route"
    report.warning(place, message, f"{rest} get nothing; correct the expression, or remove it")


def _order(
    stages: Sequence[StageConfig], effects: Sequence[Effect], path: Path, report: ProblemReport
) -> None:
    """Reports stages that spoil what a later one does."""
    for index, (stage, effect) in enumerate(zip(stages, effects, strict=True)):
        for later in range(index + 1, len(stages)):
            if effects[later].renews_message:
                break
            wrong = effect.spoils.get(effects[later].part)
            if not wrong or (effect.hides and any(one.hides for one in effects[later + 1 :])):
                continue
            name = stages[later].name
            message = f"stands before the {name} in stages[{later}]: {wrong}"
            hint = f"put the {name} before this"
            report.warning((*path, "stages", index, stage.name), message, hint)
            break
