"""Reads a configuration, of one file or several: the result is a `Config`, or all errors in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from pipeline.config.advice import advise, takes_from
from pipeline.config.check import check_names
from pipeline.config.convert import Converter
from pipeline.config.files import NO_FILE, Given, Text, normalized, read_texts
from pipeline.config.locate import KeyPlace, Path
from pipeline.config.merge import merge
from pipeline.config.problems import ConfigErrors, Problem, ProblemReport, by_place
from pipeline.config.secrecy import Hidden
from pipeline.config.settings import Config
from pipeline.config.substitute import Substituted, substitute, without_defaults
from pipeline.config.unsubstituted import explain_unsubstituted, warn_of_unsubstituted
from pipeline.model import registry
from pipeline.model.component import Python

LISTEN = "DOCKLINE_HTTP_LISTEN"
"""The environment variable with the default of `http.listen`. The image sets it: 127.0.0.1 of a
container cannot be reached from outside."""


@dataclass(frozen=True)
class ConfigFile:
    """A valid configuration, its warnings, and what of it must not be shown."""

    file: str
    """What messages call it as a whole: the file's name, or those of several."""
    texts: Sequence[Text] = field(repr=False)
    """What is in each file."""
    tree: Mapping[str, Any] = field(repr=False)
    """Its tables, after substitution and with default sinks and routes, before conversion."""
    config: Config
    """The configuration, with all defaults."""
    warnings: list[Problem]
    """What is valid and probably a mistake, by line."""
    hidden: dict[str, str]
    """The values substituted for `${...}`, which must not be shown, each with what was written."""
    secrets: Hidden
    """Secrets that the file has in plain text."""

    def places(self) -> dict[Path, KeyPlace]:
        """The place of each key: its file, line and text.

        Takes 8 ms for 100 KiB; call it in a thread.
        """
        return merge(self.texts, self.file).places

    def conceal(self, text: str) -> str:
        """`text` with each substituted value replaced by the `${...}` that the user wrote."""
        return concealed(text, self.hidden)

    def starred(self, text: str) -> str:
        """`text` with substituted values concealed, and stars for the file's secrets in plain text.

        For texts of servers and libraries, such as error messages.
        """
        return self.secrets.stars(self.conceal(text))


def load(given: Given | FilePath | None, environ: Mapping[str, str]) -> Config:
    """Reads the configuration in the files that are given; None is the built-in one.

    `environ` has the variables for `${NAME}`. Raises `ConfigErrors` with all errors of the files.
    """
    return read(given, environ).config


def read(
    given: Given | FilePath | None, environ: Mapping[str, str], *, python: Python = "refuse"
) -> ConfigFile:
    """Reads the configuration in the files that are given, with warnings and what is not shown.

    `given`: what `find` has found, or one file or folder; None is the built-in configuration.
    `environ` has the variables for `${NAME}`; `python` says what happens to stages that are the
    user's own code: see `Python`. Raises `ConfigErrors` with all errors of the files.
    """
    if not isinstance(given, Given):
        given = Given(() if given is None else (given,))
    return combine(read_texts(given), environ, given.name, python=python)


def parse(
    text: str, environ: Mapping[str, str], file: str = NO_FILE, *, python: Python = "refuse"
) -> ConfigFile:
    """Reads the configuration in a TOML text. `file` is its name in messages.

    `environ` and `python` as for `read`. Raises `ConfigErrors` with all errors of the text.
    """
    return combine([Text(file, normalized(text))], environ, file, python=python)


def combine(
    texts: Sequence[Text], environ: Mapping[str, str], name: str, *, python: Python = "refuse"
) -> ConfigFile:
    """Reads the configuration in several TOML texts. `name` is what messages call it as a whole.

    `environ` and `python` as for `read`. Raises `ConfigErrors` with all errors of the texts.
    """
    try:
        return _combine(texts, environ, name, python)
    except RecursionError:
        raise ConfigErrors(name, [Problem("tables or arrays are nested too deeply")]) from None


def _combine(
    texts: Sequence[Text], environ: Mapping[str, str], name: str, python: Python
) -> ConfigFile:
    merged = merge(texts, name)
    report = ProblemReport(name, merged.places, Hidden(merged.tree), errors=merged.problems)
    tree = with_defaults(substitute(merged.tree, environ, report), environ)
    config = Converter(report, python).convert(tree, Config, ())
    check_names(tree, report)
    if report.errors:
        explain_unsubstituted(tree, report)
        raise ConfigErrors(name, report.errors)
    advise(config, tree, report)
    warn_of_unsubstituted(tree, report)
    if report.errors:
        raise ConfigErrors(name, report.errors)
    warnings = by_place(report.warnings)
    hidden = substituted(tree)
    return ConfigFile(name, tuple(texts), tree, config, warnings, hidden, report.hidden)


def with_defaults(tree: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """The file's tables with what it leaves out, as a user would write it.

    That is `http.listen` from the environment, a `console` sink if there is no sink, and routes if
    there are none: `all` for the logs, and `stats` for sinks that take no logs, such as
    `prometheus`.
    """
    http = tree.get("http", {})
    if isinstance(http, dict) and environ.get(LISTEN):
        tree = {**tree, "http": {"listen": environ[LISTEN], **http}}
    sinks = tree.get("sinks", {})
    if sinks == {}:
        sinks = {"console": {"type": "console"}}
    routes = tree.get("routes", {})
    if routes == {} and isinstance(sinks, dict):
        tables = {name: sink for name, sink in sinks.items() if isinstance(sink, dict)}
        letters = [sink.get("dead_letter") for sink in tables.values()]
        routes = {}
        for name, sink in tables.items():
            if name not in letters:
                route, sources = _default_route(sink.get("type"))
                routes.setdefault(route, {"from": sources, "to": []})["to"].append(name)
    return {**tree, "sinks": sinks, "routes": routes}


def _default_route(sink_type: object) -> tuple[str, list[str]]:
    logs = sink_type not in registry.names("sinks") or "logs" in takes_from(str(sink_type))
    return ("all", ["logs"]) if logs else ("stats", ["stats"])


def concealed(text: str, hidden: Mapping[str, str]) -> str:
    """`text` with each value in `hidden` replaced by the `${...}` that it belongs to there."""
    for value, written in sorted(hidden.items(), key=lambda pair: -len(pair[0])):
        text = text.replace(value, without_defaults(written))
    return text


def substituted(value: Any) -> dict[str, str]:
    """The values substituted for `${...}` in a table or anything else, with what was written."""
    return dict(_hidden(value))


def _hidden(value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [pair for inner in value for pair in _hidden(inner)]
    if isinstance(value, Substituted):
        return [pair for pair in value.parts.items() if pair[0]]
    return []
