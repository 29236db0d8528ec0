"""From a file to a `Config`, or to every error that it has."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config.advice import advise, takes_from
from pipeline.config.check import check_names
from pipeline.config.convert import Converter
from pipeline.config.locate import locate
from pipeline.config.problems import ConfigErrors, Problem, ProblemReport
from pipeline.config.secrecy import Hidden
from pipeline.config.settings import Config
from pipeline.config.substitute import Substituted, substitute, without_defaults
from pipeline.config.syntax import explain
from pipeline.model import registry
from pipeline.model.component import Python

DEFAULT_FILE = Path("/etc/dockline/dockline.toml")
LARGEST_FILE = 4 * 2**20
"""Bytes; a larger file is a mistake, such as a log given for a configuration."""
NO_FILE = "built-in defaults"
LISTEN = "DOCKLINE_HTTP_LISTEN"
"""The environment variable that is the default of `http.listen`; the image sets it, for in a
container nobody could reach 127.0.0.1."""


@dataclass(frozen=True)
class ConfigFile:
    """A valid configuration and what is worth saying about it."""

    file: str
    config: Config
    warnings: list[Problem]
    hidden: dict[str, str]
    """What was put in for `${...}`, never to be shown, and what to show instead."""
    secrets: Hidden
    """What the file itself has that is not to be shown."""

    def conceal(self, text: str) -> str:
        """`text` with `${...}` in the place of what it stands for."""
        for value, written in sorted(self.hidden.items(), key=lambda pair: -len(pair[0])):
            text = text.replace(value, without_defaults(written))
        return text

    def starred(self, text: str) -> str:
        """The same for what servers and libraries say, with stars for secrets in plain text."""
        return self.secrets.stars(self.conceal(text))


def find(given: str | None, environ: Mapping[str, str]) -> Path | None:
    """The file to use: the one given, `$DOCKLINE_CONFIG`, the default one where it exists."""
    if name := given or environ.get("DOCKLINE_CONFIG"):
        return Path(name)
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """The configuration in `path`, or the built-in one. Raises `ConfigErrors`."""
    return read(path, environ).config


def read(path: Path | None, environ: Mapping[str, str], *, python: Python = "refuse") -> ConfigFile:
    """The same with all that `check` tells. Raises `ConfigErrors`."""
    if path is None:
        return parse("", environ)
    return parse(_text(path), environ, str(path), python=python)


def parse(
    text: str, environ: Mapping[str, str], file: str = NO_FILE, *, python: Python = "refuse"
) -> ConfigFile:
    """The configuration in a text; `file` is its name for messages. `python` is what becomes of
    stages that are the user's own code. Raises `ConfigErrors`."""
    try:
        return _parse(text, environ, file, python)
    except RecursionError:
        raise ConfigErrors(file, [Problem("tables or arrays are nested too deeply")]) from None


def _parse(text: str, environ: Mapping[str, str], file: str, python: Python) -> ConfigFile:
    text = text.replace("\r\n", "\n").removeprefix("\ufeff")  # as Windows editors write it
    try:
        written = tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError, and a number of thousands of digits
        raise ConfigErrors(file, [explain(text, str(error))]) from None
    report = ProblemReport(file, locate(text), Hidden(written))
    tree = with_defaults(substitute(written, environ, report), environ)
    config = Converter(report, python).convert(tree, Config, ())
    check_names(tree, report)
    if report.errors:
        raise ConfigErrors(file, report.errors)
    advise(config, tree, report)
    warnings = sorted(report.warnings, key=lambda problem: problem.line or 0)
    return ConfigFile(file, config, warnings, dict(_hidden(tree)), report.hidden)


def with_defaults(tree: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """What the file leaves out, as a user would write it: the listening address that the
    environment gives, a sink, and routes. A sink that takes no logs, such as `prometheus`, gets a
    route of stats."""
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


def _hidden(value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [pair for inner in value for pair in _hidden(inner)]
    if isinstance(value, Substituted):
        return [pair for pair in value.parts.items() if pair[0]]
    return []


def _text(path: Path) -> str:
    """Raises `ConfigErrors` for a file that is none, or whose text is none."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        raise ConfigErrors(str(path), [Problem(_unreadable(error))]) from None
    if len(data) > LARGEST_FILE:
        message = f"larger than {LARGEST_FILE // 2**20} MiB; is this the configuration?"
        raise ConfigErrors(str(path), [Problem(message)])
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = "not UTF-8 text; save the file as UTF-8"
        raise ConfigErrors(str(path), [Problem(message, line=line)]) from None


def _unreadable(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file; name another with -c, or set DOCKLINE_CONFIG"
    if isinstance(error, IsADirectoryError):
        return "this is a folder; give the file in it"
    if isinstance(error, PermissionError):
        return "no permission to read this file"
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return f"this file cannot be read: {reason}"
