"""Finds and reads a configuration file: the result is a `Config`, or all errors in the file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
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
"""The file that is read where neither `-c` nor `$DOCKLINE_CONFIG` names one, if it exists."""
LARGEST_FILE = 4 * 2**20
"""Bytes of a configuration at most; a larger file is a mistake, such as a log file."""
NO_FILE = "built-in defaults"
"""What messages call the configuration if there is no file."""
LISTEN = "DOCKLINE_HTTP_LISTEN"
"""The environment variable with the default of `http.listen`. The image sets it: 127.0.0.1 of a
container cannot be reached from outside."""


@dataclass(frozen=True)
class ConfigFile:
    """A valid configuration, its warnings, and what of it must not be shown."""

    file: str
    """The file's name, for messages."""
    text: str = field(repr=False)
    """What is in it, with LF between lines."""
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

    def conceal(self, text: str) -> str:
        """`text` with each substituted value replaced by the `${...}` that the user wrote."""
        return concealed(text, self.hidden)

    def starred(self, text: str) -> str:
        """`text` with substituted values concealed, and stars for the file's secrets in plain text.

        For texts of servers and libraries, such as error messages.
        """
        return self.secrets.stars(self.conceal(text))


def find(given: str | None, environ: Mapping[str, str]) -> Path | None:
    """The configuration file to use, or None for the built-in defaults.

    It is `given` (the option `-c`), else `$DOCKLINE_CONFIG`, else `DEFAULT_FILE` if that exists.
    """
    if name := given or environ.get("DOCKLINE_CONFIG"):
        return Path(name)
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Reads the configuration in the file `path`; None is the built-in one.

    `environ` has the variables for `${NAME}`. Raises `ConfigErrors` with all errors of the file.
    """
    return read(path, environ).config


def read(path: Path | None, environ: Mapping[str, str], *, python: Python = "refuse") -> ConfigFile:
    """Reads the configuration in the file `path`, with warnings and what must not be shown.

    None is the built-in configuration. `environ` has the variables for `${NAME}`; `python` says
    what happens to stages that are the user's own code: see `Python`. Raises `ConfigErrors` with
    all errors of the file.
    """
    if path is None:
        return parse("", environ)
    return parse(_text(path), environ, str(path), python=python)


def parse(
    text: str, environ: Mapping[str, str], file: str = NO_FILE, *, python: Python = "refuse"
) -> ConfigFile:
    """Reads the configuration in a TOML text. `file` is its name in messages.

    `environ` has the variables for `${NAME}`; `python` says what happens to stages that are the
    user's own code: see `Python`. Raises `ConfigErrors` with all errors of the text.
    """
    try:
        return _parse(text, environ, file, python)
    except RecursionError:
        raise ConfigErrors(file, [Problem("tables or arrays are nested too deeply")]) from None


def _parse(text: str, environ: Mapping[str, str], file: str, python: Python) -> ConfigFile:
    text = text.replace("\r\n", "\n").removeprefix("\ufeff")  # as Windows editors write it
    try:
        written = tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError, or a number with thousands of digits
        raise ConfigErrors(file, [explain(text, str(error))]) from None
    report = ProblemReport(file, locate(text), Hidden(written))
    tree = with_defaults(substitute(written, environ, report), environ)
    config = Converter(report, python).convert(tree, Config, ())
    check_names(tree, report)
    if report.errors:
        raise ConfigErrors(file, report.errors)
    advise(config, tree, report)
    warnings = sorted(report.warnings, key=lambda problem: problem.line or 0)
    return ConfigFile(file, text, tree, config, warnings, substituted(tree), report.hidden)


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


def _text(path: Path) -> str:
    """The text of a file. Raises `ConfigErrors` if it is unreadable, too large, or not UTF-8."""
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
