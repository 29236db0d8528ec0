"""`docs/reference/settings.md`: every table and key, as prose."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, get_args, get_origin

from pipeline.config.fields import Field, fields, own, paragraphs
from pipeline.config.one_line.reader import schemes_of
from pipeline.config.settings import (
    Config,
    ContainerExpression,
    EngineURL,
    EntryTime,
    HostName,
    ListenAddress,
    StageConfig,
)
from pipeline.config.wording import (
    ARRAYS,
    arms,
    can_be_off,
    forms,
    is_struct,
    limits,
    listed,
    toml,
)
from pipeline.model import registry
from pipeline.model.component import (
    Duration,
    Secret,
    SecretURL,
    SinkConfig,
    Size,
    SourceConfig,
    TemplateText,
)

INTRODUCTION = """\
# Configuration reference

Made from the source by `python -m pipeline.reference`; do not edit.

`dockline` reads the TOML file that `-c` names, else `$DOCKLINE_CONFIG`, else
`/etc/dockline/dockline.toml` where it exists. `-c` may be repeated, and may name
[a folder](../guides/configuring.md#several-files). Everything has a default, so an empty file is a
good one. `dockline check` tells every mistake in it at once, and `dockline schema` prints its JSON
Schema, with which [an editor](../guides/editors.md) completes and checks it.
`config/reference.toml` has the
same as this page in one file, ready to copy from.

## How values are written

- A **size** is `"512KiB"`, `"16MiB"`, `"1GB"`, or a plain number of bytes.
- A **duration** is `"200ms"`, `"5s"`, `"10m"`, `"2h"`, `"7d"`, or several together: `"1h30m"`.
  `"off"` is written where there may be none.
- A **rate** is `"100/s"`, `"30/m"`, `"1000/h"`, or with a duration `"20/10m"`.
- A **secret** is a string that is never shown, neither by `check` nor in the agent's log.
- In any string, `${NAME}` stands for an environment variable, `${NAME:-default}` for the same with
  a default for one that is unset or empty, and `${file:/run/secrets/name}` for the text of a file.
  What is put in is not shown by errors of the configuration. `$${` is a plain `${`.
"""


def render() -> str:
    """The whole page."""
    lines = [INTRODUCTION]
    for field in fields(Config):
        if is_struct(field.type):
            lines += [f"## `[{field.key}]`", "", paragraphs(field.type.__doc__), ""]
            lines += _fields(field.type)
    lines += _components("sources", "source", SourceConfig)
    lines += _components("sinks", "sink", SinkConfig)
    lines += _routes()
    lines += _stages()
    lines += _tests()
    return "\n".join(lines)


def _of(key: str) -> Field:
    return next(field for field in fields(Config) if field.key == key)


def _components(kind: registry.Kind, noun: str, common: Any) -> Iterator[str]:
    """Tables that say with their `type` what they are for."""
    yield from (f"## `[{kind}.NAME]`", "", _of(kind).description, "")
    yield from (f"Every {noun} takes these keys:", "")
    yield from _fields(common)
    for name in registry.names(kind):
        heading = f"### `{name}`" + " as a source" * (kind == "sources")
        yield from (heading, "", paragraphs(registry.module(kind, name).__doc__), "")
        if kind == "sinks":
            yield from (_in_one_line(name), "")
        yield from _listing(own(registry.config_type(kind, name), common))


def _in_one_line(name: str) -> str:
    """How a sink is written as an argument of `dockline run`."""
    forms = registry.config_type("sinks", name).address_forms
    examples = listed([f"`{form.example}`" for form in forms], "or")
    known = [f"`{scheme}://`" for scheme, _ in schemes_of(name)]
    rest = [one for one in known if one.strip("`") not in examples]
    also = f"; also {listed(rest)}" if rest else ""
    return f"In [one line](../guides/one-line.md): {examples}{also}."


def _routes() -> Iterator[str]:
    found = _of("routes")
    yield from ("## `[routes.NAME]`", "", found.description, "")
    yield from _fields(get_args(found.type)[1])


def _stages() -> Iterator[str]:
    yield from ("## Stages", "", "A stage is a table with one key, the stage's name.", "")
    for name in registry.names("stages"):
        yield from (f"### `{name}`", "", paragraphs(registry.module("stages", name).__doc__), "")
        config = registry.config_type("stages", name)
        yield from (f"Takes {type_name(config)}.", "")
        for arm in arms(config):
            if is_struct(arm):
                yield from _fields(arm)


def _tests() -> Iterator[str]:
    found = _of("tests")
    yield from ("## `[[tests]]`", "", found.description, "")
    yield from _fields(get_args(found.type)[0])


def _fields(cls: Any) -> Iterator[str]:
    yield from _listing(fields(cls))


def _listing(items: Iterable[Field], prefix: str = "") -> Iterator[str]:
    """One item for each key; those of a table inside it follow with dotted names."""
    for field in items:
        yield _item(field, prefix)
        for inner in filter(is_struct, arms(field.type)):
            yield from _listing(fields(inner), f"{prefix}{field.key}.")
    if not prefix:
        yield ""


def _item(field: Field, prefix: str) -> str:
    facts = [type_name(field.type)]
    if field.required:
        facts.append("required")
    elif field.default is not None and not is_struct(type(field.default)):
        facts.append(f"default `{toml(field.default)}`")
    facts += _limits(field.type)
    text = f"- **`{prefix}{field.key}`** ({', '.join(facts)}): {field.description}"
    if field.examples:
        text += f" For example {listed([f'`{toml(one)}`' for one in field.examples], 'or')}."
    return text.replace("\n\n", "\n\n  ")


def _limits(type_: Any) -> Iterator[str]:
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    written = next((arm for arm in arms(type_) if arm in (Size, Duration)), None)
    for name, bound in limits(type_).items():
        if name in words:
            yield f"{words[name]} {toml(written(bound)) if written else bound}".replace('"', "")


_NAMES: dict[Any, str] = {
    Size: "size", Duration: "duration", Secret: "secret", SecretURL: "address",
    TemplateText: "template", ContainerExpression: "expression",
    EngineURL: "address", ListenAddress: "address", HostName: "host", EntryTime: "time",
    StageConfig: "stage",
    str: "string", int: "whole number", float: "number", bool: "`true` or `false`",
    Any: "any value",
}  # fmt: skip


def type_name(type_: Any) -> str:
    """What to write for a type: `array of strings`."""
    parts = [_arm_name(arm) for arm in forms(type_)]
    return listed([*parts, '`"off"`'] if can_be_off(type_) else parts, "or")


def _arm_name(type_: Any) -> str:
    origin, args = get_origin(type_) or type_, get_args(type_)
    if origin is Literal:
        return listed([f"`{toml(choice)}`" for choice in args], "or")
    if type_ in _NAMES:
        return _NAMES[type_]
    if noun := getattr(type_, "NOUN", ""):
        return str(noun)
    if is_struct(type_):
        return "table"
    if origin in ARRAYS:
        inner = type_name(args[0])
        return f"array of {inner}s" if inner.isalpha() else f"array of ({inner})"
    if origin is dict:
        inner = type_name(args[1])
        return f"table of {inner}s" if inner.isalpha() else "table"
    return _NAMES[next(base for base in (str, int, float) if issubclass(origin, base))]
