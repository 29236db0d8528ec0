"""Converts the tables of sinks, sources and stages.

The Struct of a sink or source depends on its `type`, that of a stage on its one key. Each component
is also constructed once, so that its own checks (an invalid address, an expression that does not
compile) are among the errors of the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.config import examples
from pipeline.config.hints import other_tools
from pipeline.config.locate import Path
from pipeline.config.problems import INVALID, About, Invalid, ProblemReport, quote
from pipeline.config.settings import StageConfig
from pipeline.config.substitute import Substituted
from pipeline.config.wording import kind as kind_of
from pipeline.config.wording import known_words, listed, nearest, shown
from pipeline.model import registry
from pipeline.model.component import SinkContext, SourceContext, StageContext
from pipeline.model.errors import ConfigError, DocklineError, Unquoted
from pipeline.model.secrecy import starred

ToStruct = Callable[[dict[str, Any], Any, Path, Mapping[str, Any]], Any]
"""Converts a table to a Struct: see `Converter.struct`."""
Convert = Callable[[Any, Any, Path], Any]
"""Converts a value to a type: see `Converter.convert`."""


def sink(table: dict[str, Any], path: Path, report: ProblemReport, to_struct: ToStruct) -> Any:
    """Converts the table of a sink, at `path`, to the sink's own `Config`.

    Returns `INVALID`, with the errors in `report`, if the table or the sink's own checks fail.
    """
    return _typed(table, path, "sinks", SinkContext(name=str(path[-1])), report, to_struct)


def source(table: dict[str, Any], path: Path, report: ProblemReport, to_struct: ToStruct) -> Any:
    """Converts the table of a source, at `path`, to the source's own `Config`.

    Returns `INVALID`, with the errors in `report`, if the table or the source's own checks fail.
    """
    return _typed(table, path, "sources", SourceContext(name=str(path[-1])), report, to_struct)


def _typed(
    table: dict[str, Any],
    path: Path,
    kind: registry.Kind,
    context: object,
    report: ProblemReport,
    to_struct: ToStruct,
) -> Any:
    """Converts a table whose key `type` names the component."""
    known = registry.names(kind)
    if "type" not in table:
        own = [str(path[-1])] if path[-1] in known else known
        hint = f"write type = {listed(map(quote, own), 'or')}"
        report.error(path, '"type" is missing', hint, about="key")
        return INVALID
    said = table["type"]
    other = other_tools.of_sink if kind == "sinks" else other_tools.of_source
    hint = other(said) if isinstance(said, str) and not isinstance(said, Substituted) else ""
    name = _named(f"{kind[:-1]} type", said, known, (*path, "type"), report, hint)
    if name is INVALID:
        return INVALID
    cls = registry.config_type(kind, name)
    config = to_struct(table, cls, path, examples.table(kind, name))
    if config is INVALID:
        return INVALID
    try:
        registry.implementation(kind, name)(config, context)
    except (ValueError, DocklineError) as error:
        return rejected(error, table, path, report)
    return config


def stage(
    table: dict[str, Any],
    path: Path,
    report: ProblemReport,
    convert: Convert,
    context: StageContext,
) -> Any:
    """Converts the table of a stage, `{ NAME = … }` at `path`, to a `StageConfig`.

    Returns `INVALID`, with the errors in `report`, if the table or the stage's own checks fail.
    """
    if len(table) != 1:
        found = f"this one has {listed(map(quote, table))}" if table else "this one is empty"
        hint = f"write {', '.join(f'{{ {key} = … }}' for key in table)}" if table else ""
        message = f"a stage is a table with one key, the stage's name; {found}"
        report.error(path, message, hint)
        return INVALID
    ((key, value),) = table.items()
    path = (*path, key)
    hint = other_tools.of_stage(key, known_words(registry.config_type("stages", "parse")))
    name = _named("stage", key, registry.names("stages"), path, report, hint, about="key")
    if name is INVALID:
        return INVALID
    config = convert(value, registry.config_type("stages", name), path)
    if config is INVALID:
        return INVALID
    try:
        registry.stage(name, config, context)
    except (ValueError, DocklineError) as error:
        return rejected(error, value, path, report)
    return StageConfig(name, config)


def rejected(error: Exception, value: Any, path: Path, report: ProblemReport) -> Invalid:
    """Reports an error that a component or a Struct raised for the value at `path`.

    The message is withheld if it could show what was substituted for `${…}`: if that is in the
    value that the error is about, or in the message.
    """
    inner = inside(value, error.path) if isinstance(error, ConfigError) else ()
    its_value = at_path(value, inner)
    if isinstance(error, Unquoted):
        column = None if hides_something(its_value) else error.column
        report.error((*path, *inner), error.message, column=column)
    elif hides_something(its_value) or quotes_hidden(str(error), value):
        message = f"the value of ${{…}} {_form(its_value)}"
        report.error((*path, *inner), message, about="key")
    elif isinstance(error, ConfigError):
        report.error((*path, *inner), error.message, column=error.column)
    else:
        report.error(path, str(error))
    return INVALID


def _form(value: Any) -> str:
    """What is wrong with a value that is not accepted, as far as that shows nothing of it."""
    if isinstance(value, str):
        if not value.strip():
            return "is empty"
        if value != value.strip():
            return "begins or ends with white space; remove it"
        if value[0] == value[-1] and value[0] in "\"'":
            return "is in quotation marks; remove them"
    return "is not accepted; the reason is withheld, as it could show it"


def _named(
    noun: str,
    name: Any,
    known: list[str],
    path: Path,
    report: ProblemReport,
    hint: str = "",
    about: About = "value",
) -> Any:
    """`name` if it is one of `known`; otherwise `INVALID`, with an error in `report`.

    `hint` says what to write where that is known; else the nearest name and the list.
    """
    if name is INVALID:
        return INVALID
    if not isinstance(name, str):
        report.error(path, f"expected a string, got {kind_of(name)}")
        return INVALID
    if name not in known:
        hint = hint or f"{nearest(name, known)} Known: {', '.join(known)}".lstrip()
        report.error(path, f"there is no {noun} {shown(name)}", hint, about=about)
        return INVALID
    return str(name)


def hides_something(value: Any) -> bool:
    """Whether the value, or anything nested in it, has had a `${...}` substituted."""
    if isinstance(value, dict):
        return any(map(hides_something, value.values()))
    if isinstance(value, list):
        return any(map(hides_something, value))
    return isinstance(value, Substituted)


def quotes_hidden(message: str, value: Any) -> bool:
    """Whether a message has what `${...}` stands for in the value, or in anything nested in it."""
    if isinstance(value, dict):
        return any(quotes_hidden(message, inner) for inner in value.values())
    if isinstance(value, list):
        return any(quotes_hidden(message, inner) for inner in value)
    return isinstance(value, Substituted) and starred(message, value.parts) != message


def at_path(value: Any, path: Path) -> Any:
    """What stands at the path in the value; the value itself, or the innermost that there is, where
    there is nothing."""
    for key in path:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            break
    return value


def inside(value: Any, path: str) -> Path:
    """Splits a component's path such as `batch.bytes` or `rules[1].keep` into keys and indices.

    A `path` that is itself a key of the table `value` stays whole.
    """
    if isinstance(value, dict) and path in value:
        return (path,)
    parts = re.findall(r"[^.\[\]]+", path)
    return tuple(int(part) if part.isdigit() else part for part in parts)
