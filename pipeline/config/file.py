"""Reads a configuration, of one file or several: the result is a `Config`, or all errors in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from pipeline.config.advice.advise import advise
from pipeline.config.advice.stages import errors_of_routes
from pipeline.config.check import check_names
from pipeline.config.convert import Converter
from pipeline.config.defaults import with_defaults
from pipeline.config.files import NO_FILE, Given, Text, normalized, read_texts
from pipeline.config.hints.unsubstituted import explain_unsubstituted, warn_of_unsubstituted
from pipeline.config.locate import KeyPlace, Path
from pipeline.config.merge import Merged, merge
from pipeline.config.problems import ConfigErrors, Problem, ProblemReport, by_place
from pipeline.config.secrecy import Hidden
from pipeline.config.settings import Config
from pipeline.config.substitute import Substituted, substitute, without_defaults
from pipeline.model.component import Python


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
    texts = read_texts(given)
    if given.addresses:
        from pipeline.config.one_line.addresses import Addresses  # 20 ms, and seldom needed

        texts.append(Addresses(given.addresses).text())
    reading = combine(texts, environ, given.name, python=python)
    if given.unused is not None:
        message = "this file is not read, as there are addresses of sinks on the command line"
        hint = "name it with -c to use its settings"
        reading.warnings.insert(0, Problem(message, hint=hint, file=str(given.unused)))
    return reading


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
    _check_either(texts, merged, report)
    if report.errors:
        unreported = ProblemReport(name, report.places, report.hidden)
        errors_of_routes(tree, Converter(unreported, python).convert, report)
        explain_unsubstituted(tree, report)
        raise ConfigErrors(name, report.errors)
    advise(config, tree, report)
    warn_of_unsubstituted(tree, report)
    if report.errors:
        raise ConfigErrors(name, report.errors)
    report.warnings += [warning for one in texts for warning in one.warnings]
    warnings = by_place(report.warnings)
    hidden = substituted(tree)
    return ConfigFile(name, tuple(texts), tree, config, warnings, hidden, report.hidden)


def _check_either(texts: Sequence[Text], merged: Merged, report: ProblemReport) -> None:
    """Reports a file that has sinks or routes, if there are addresses of sinks as well."""
    files = [one.file for one in texts if one.places is None]
    if len(files) == len(texts):
        return
    for path, place in merged.places.items():
        if len(path) == 2 and path[0] in ("sinks", "routes") and place.file in files:
            message = "there are sinks on the command line, so a file may have no sinks or routes"
            hint = "leave out either; `dockline run --print ADDRESS` shows the TOML of an address"
            report.error(path, message, hint, about="key")
            return


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
