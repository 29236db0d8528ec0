"""`config/reference.toml`: a configuration with everything in it, to copy from.

It is valid: keys with a default have it, required ones have their example, the others are comments.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

from pipeline.config import examples
from pipeline.config.fields import Field, fields, own, paragraphs
from pipeline.config.settings import Config
from pipeline.config.wording import arms, is_struct, limits, toml
from pipeline.model import registry
from pipeline.model.component import Duration, Secret, SinkConfig, Size, SourceConfig

INTRODUCTION = """\
#:schema ./schema.json

# Everything that a configuration of dockline can say. Made by `python -m pipeline.reference` from
# the source; do not edit, copy from it. A key that is set here has its default value, or an example
# where it has none; a key in a comment is not set unless you set it.
# docs/reference/settings.md says more.
"""


def render() -> str:
    """The whole file."""
    lines = [INTRODUCTION]
    for field in fields(Config):
        if is_struct(field.type):
            lines += [
                *_comment(field.type.__doc__),
                f"[{field.key}]",
                *_keys(fields(field.type)),
                "",
            ]
    lines += _components("sources", "source", SourceConfig)
    lines += _components("sinks", "sink", SinkConfig)
    lines += _routes()
    lines += _tests()
    return "\n".join(lines)


def _of(key: str) -> Field:
    return next(field for field in fields(Config) if field.key == key)


def _components(kind: registry.Kind, noun: str, common: Any) -> Iterator[str]:
    """One of each, those keys that all have with the first."""
    yield from _comment(_of(kind).description)
    names = registry.names(kind)
    for name in names:
        yield ""
        yield from _comment(paragraphs(registry.module(kind, name).__doc__).split("\n\n")[0])
        yield from (f"[{kind}.{name}]", f'type = "{name}"')
        keys = own(registry.config_type(kind, name), common)
        yield from _keys(keys, examples.table(kind, name))
        if name == names[0]:
            yield from _comment(f"What follows can be said for every {noun}.")
            yield from _keys(field for field in fields(common) if field.key != "type")
    yield ""


def _routes() -> Iterator[str]:
    yield from _comment(_of("routes").description)
    cls = get_args(_of("routes").type)[1]
    names = registry.names("sinks")
    takes = {name: registry.implementation("sinks", name).takes for name in names}
    yield "[routes.all]"
    for field in fields(cls):
        if field.key == "stages":
            yield from _comment(field.description)
            yield from ("stages = [", *_stages(), "]")
        elif field.key == "to":
            yield from _comment(field.description)
            yield f"to = {toml([name for name in names if 'logs' in takes[name]])}"
        else:
            yield from _key(field)
    stats = [name for name in names if "logs" not in takes[name]]
    if stats:
        yield from ("", "[routes.stats]", 'from = ["stats"]', f"to = {toml(stats)}")
    yield ""


def _stages() -> Iterator[str]:
    """An example of each stage; all in comments, since together they would make no sense."""
    for name in registry.names("stages"):
        text = paragraphs(registry.module("stages", name).__doc__).split("\n\n")[0]
        yield from (f"  {line}" for line in _comment(text))
        for example in limits(registry.config_type("stages", name)).get("examples", ()):
            yield f"  # {{ {name} = {toml(example)} }},"


def _tests() -> Iterator[str]:
    yield from _comment(_of("tests").description)
    yield "[[tests]]"
    yield from _keys(fields(get_args(_of("tests").type)[0]))
    yield ""


def _keys(
    items: Iterable[Field], documented: Mapping[str, Any] | None = None, prefix: str = ""
) -> Iterator[str]:
    for field in items:
        yield from _key(field, (documented or {}).get(field.key), prefix)


def _key(field: Field, documented: Any = None, prefix: str = "") -> Iterator[str]:
    inner = next(filter(is_struct, arms(field.type)), None)
    if inner is not None and is_struct(type(field.default)):
        yield from _keys(fields(inner), documented, prefix=f"{prefix}{field.key}.")
        return
    yield from _comment(field.description)
    candidates = (field.default, *field.examples, documented, _made_up(field.type))
    value = next(one for one in candidates if one is not None)
    unset = "" if field.required or field.default is not None else "# "
    yield f"{unset}{prefix}{field.key} = {toml(value)}"


_BY_TYPE = {Size: "64KiB", Duration: "1h", Secret: "${NAME}"}


def _made_up(type_: Any) -> Any:
    """A value for an optional key that nobody has given an example for."""
    first, *_ = arms(type_)
    if is_struct(first):
        return {one.key: one.examples[0] for one in fields(first) if one.examples}
    return _BY_TYPE.get(first, "…")


def _comment(text: str | None) -> list[str]:
    parts = paragraphs(text).split("\n\n")
    return [f"# {line}" for part in parts for line in textwrap.wrap(part, 96)]
