"""Answers a job: runs lines through the stages of routes, or through stages that are tried.

It runs in the process of `pipeline.explain.worker`. Errors of stages that are tried are worded as
`dockline check` words them, with the line within their own text.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import replace as changed
from typing import Any, Final

from msgspec.structs import replace

from pipeline.config import Config, RouteConfig, StageConfig
from pipeline.config.advice.known import Known
from pipeline.config.advice.stages import advise_stages, at_start
from pipeline.config.convert import Converter
from pipeline.config.file import concealed as conceal
from pipeline.config.locate import Path, locate
from pipeline.config.problems import INVALID, Problem, ProblemReport, dotted, quote
from pipeline.config.secrecy import Hidden, strings
from pipeline.config.syntax import explain as explain_syntax
from pipeline.config.wording import nearest
from pipeline.explain.facts import Facts, concealed, of_lines
from pipeline.explain.job import Job, Surroundings, Trial
from pipeline.model import registry
from pipeline.model.component import Stage
from pipeline.model.errors import DocklineError
from pipeline.topology.labels import is_label

STAGES: Final = "stages"


def answer(job: Job) -> Facts:
    """The answer: `lines` and `afresh`; of a trial also `errors`, `warnings` and `toml`.

    Raises `DocklineError` for the stages of a way that can't be made, and when a stage fails, which
    is a bug in it.
    """
    config = _config(job.surroundings)
    if job.trial is not None:
        return _tried(job, job.trial, config)
    ways = {way.name: _with(config, _stages_of_way(way.stages, job)) for way in job.ways}
    config = replace(config, routes={**config.routes, **ways})
    lines = [line.line() for line in job.lines]
    to = {way.name: way.to for way in job.ways}
    found = of_lines(to, config, job.container.container(), lines)
    hidden: Facts = concealed(found, lambda text: conceal(text, job.hidden))
    return hidden


def _config(around: Surroundings) -> Config:
    """The running configuration, as far as stages and labels depend on it."""
    routes = {
        name: RouteConfig(sources=route.sources, labels=route.labels, to=route.to)
        for name, route in around.routes.items()
    }
    sources: dict[str, Any] = dict.fromkeys(around.sources)
    return Config(labels=around.labels(), routes=routes, sources=sources)


def _with(config: Config, stages: list[StageConfig]) -> RouteConfig:
    return RouteConfig(stages=stages, to=[])


def _stages_of_way(text: str, job: Job) -> list[StageConfig]:
    report = ProblemReport("", {}, Hidden())
    tree = tomllib.loads(text)[STAGES]
    stages = Converter(report, files=job.surroundings.files).convert(
        tree, list[StageConfig], (STAGES,)
    )
    if stages is INVALID:  # such as a file that has changed since the configuration was read
        problem = report.errors[0]
        raise DocklineError(f"{problem.path}: {problem.message}")
    made: list[StageConfig] = stages
    return made


# ------------------------------------------------------------------------------------ trials


def _tried(job: Job, trial: Trial, config: Config) -> Facts:
    """The answer to a trial. With errors, no line is run."""
    text = trial.stages.replace("\r\n", "\n").removeprefix("\ufeff")
    reader = _Reader(text, trial.route, job.surroundings.files)
    stages = reader.stages()
    facts: Facts = {
        "errors": _problems(reader.errors),
        "warnings": [],
        "lines": [],
        "afresh": [],
        "toml": "",
        "note": trial.note,
    }
    if reader.errors:
        return facts
    route = replace(config.routes[trial.route], stages=stages)
    facts["warnings"] = _problems(reader.warnings(route, config))
    facts["errors"] = _problems(reader.errors)
    if reader.errors:
        return facts
    before = [(way.name, stage) for way in job.ways for stage in _stages_of_way(way.stages, job)]
    route = replace(route, stages=[*(stage for _, stage in before), *stages])
    config = replace(config, routes={**config.routes, trial.route: route})
    lines = [line.line() for line in job.lines]
    found = of_lines({trial.route: ()}, config, job.container.container(), lines)
    found = concealed(found, lambda text: conceal(text, job.hidden)) if job.hidden else found
    for line in found["lines"]:
        (way,) = line.pop("routes")
        _name_routes(way["stages"], [name for name, _ in before])
        facts["lines"].append({**line, "stages": way["stages"], "entry": way["entry"]})
    facts["afresh"] = found["afresh"]
    facts["toml"] = trial.head + text.lstrip("\n")
    return facts


def _name_routes(steps: Sequence[Facts], routes: Sequence[str]) -> None:
    """Adds the route to each step that another route has done: those after the stages that the
    container's labels ask for."""
    own = [step for step in steps if not is_label(step["stage"])]
    for step, route in zip(own, routes, strict=False):
        step["route"] = route


def _problems(problems: Sequence[Problem]) -> list[Facts]:
    return [{"line": one.line, "where": one.path, "text": one.sentence} for one in problems]


class _Reader:
    """Reads the stages of a trial, with all errors in them."""

    def __init__(self, text: str, route: str, files: Sequence[str]) -> None:
        self._text = text
        self._files = files
        self._path: Path = ("routes", route)
        """The route's table, in whose place paths begin in messages."""
        self._tree: dict[str, Any] = {}
        self._report = ProblemReport("")
        self._failed: list[Problem] = []

    @property
    def errors(self) -> list[Problem]:
        """What is wrong, by line."""
        found = [*self._failed, *self._within(self._report.errors)]
        return sorted(found, key=lambda problem: problem.line or 0)

    def stages(self) -> list[StageConfig]:
        """The stages. Empty if there are errors."""
        try:
            written = tomllib.loads(self._text)
        except ValueError as error:
            self._failed.append(explain_syntax(self._text, str(error)))
            return []
        except RecursionError:
            self._failed.append(Problem("tables or arrays are nested too deeply"))
            return []
        places = {(*self._path, *path): place for path, place in locate(self._text).items()}
        self._report = report = ProblemReport("", places, Hidden({"routes": written}))
        self._check(written, places)
        if report.errors:
            return []
        self._tree = _without_escapes({STAGES: written.get(STAGES, [])})
        path = (*self._path, STAGES)
        stages = Converter(report, files=self._files).convert(
            self._tree[STAGES], list[StageConfig], path
        )
        return [] if stages is INVALID else stages

    def warnings(self, route: RouteConfig, config: Config) -> list[Problem]:
        """What is valid and probably a mistake. Adds the `errors` that show only now."""
        is_fed = any(self._path[-1] in other.feeds for other in config.routes.values())
        known = Known(made=None) if is_fed else at_start(route, config)
        advise_stages(route, config, self._tree, self._path, self._report, known)
        return self._within(self._report.warnings)

    def _within(self, problems: Sequence[Problem]) -> list[Problem]:
        start = f"{dotted(self._path)}."
        return [changed(one, path=one.path.removeprefix(start)) for one in problems]

    def _check(self, written: dict[str, Any], places: Any) -> None:
        """Reports what may stand in a configuration, and not here."""
        report = self._report
        for key in written:
            if key != STAGES:
                hint = nearest(key, [STAGES]) or "only `stages = [ … ]` may stand here"
                report.error((*self._path, key), f"unknown key {quote(key)}", hint, about="key")
        stages = written.get(STAGES)
        place = places.get((*self._path, STAGES))
        if isinstance(stages, list) and place is not None and not place.value.startswith("["):
            hint = "write stages = [ { … }, { … } ]"
            report.error((*self._path, STAGES), "stages may not be tables here", hint, about="key")
        for path, _ in _with_reference(written):
            report.error(
                (*self._path, *path),
                "${…} is not substituted here, so that nobody can read what it stands for",
                "write a text of your own in its place; a literal ${ is written $${",
                about="key",
            )
        for path, name in _own_code(stages):
            message = f"{name} runs code of your own, which is not run here"
            hint = "leave it out to try the other stages"
            report.error((*self._path, *path), message, hint, about="key")


def _with_reference(value: Any) -> Iterator[tuple[Path, str]]:
    """Every string with a `${`, other than the `$${` that stands for it; keys as well."""
    for path, text in strings(value):
        texts = (text, *(part for part in path if isinstance(part, str)))
        if any("${" in one.replace("$${", "\0") for one in texts):
            yield path, text


def _own_code(stages: Any) -> Iterator[tuple[Path, str]]:
    for index, table in enumerate(stages if isinstance(stages, list) else ()):
        for name in table if isinstance(table, dict) else ():
            known = name in registry.names("stages")
            cls: type[Stage] = registry.implementation("stages", name) if known else Stage
            if cls.own_code:
                yield (STAGES, index, name), name


def _without_escapes(value: Any) -> Any:
    """The value with `${` for each `$${`, as when a configuration is read."""
    if isinstance(value, dict):
        return {key: _without_escapes(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return list(map(_without_escapes, value))
    return value.replace("$${", "${") if isinstance(value, str) else value
