"""The names of types and values in messages and documentation, in TOML's words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from msgspec import Struct, structs

from pipeline.config.locate import Path
from pipeline.config.problems import quote
from pipeline.config.settings import (
    ContainerExpression,
    EngineURL,
    EntryTime,
    HostName,
    ListenAddress,
    StageConfig,
)
from pipeline.config.substitute import Substituted, without_defaults
from pipeline.model import registry
from pipeline.model.component import (
    Duration,
    FileToRead,
    Secret,
    SecretURL,
    SinkConfig,
    Size,
    SourceConfig,
    TLSConfig,
)
from pipeline.support.mistyped import meant

CAN_BE_OFF = (Duration, Size, ListenAddress)
"""Types for which None is written `"off"`, since TOML has no null."""

ARRAYS = (list, tuple, set, frozenset)
"""Types that a TOML array may be converted to; a tuple is `tuple[X, ...]`."""

_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (str, "a string"),
    (int, "a whole number"),
    (float, "a number"),
    (list, "an array"),
    (dict, "a table"),
)
_PARSED: dict[type, str] = {
    Size: 'a size such as "16MiB"',
    Duration: 'a duration such as "5s"',
    FileToRead: 'a file such as "/certs/ca.pem"',
    ListenAddress: 'an address such as "127.0.0.1:9114"',
    HostName: 'a host such as "web-1.example.com"',
    EngineURL: 'an address such as "unix:///var/run/docker.sock"',
    ContainerExpression: "an expression",
    EntryTime: 'a time such as "2026-01-31T23:59:59.123Z"',
}

fields_of = cache(structs.fields)
"""The keys of a table. To find them evaluates the annotations of its class, which takes longer than
all else that is done with a configuration."""


def unwrap(type_: Any) -> Any:
    """The type inside `Annotated[...]`, at any depth; other types as they are."""
    while get_origin(type_) is Annotated:
        type_ = get_args(type_)[0]
    return type_


def arms(type_: Any) -> tuple[Any, ...]:
    """The members of a union without `None`; for any other type, that type alone."""
    type_ = unwrap(type_)
    if get_origin(type_) not in (Union, UnionType):
        return (type_,)
    return tuple(unwrap(arm) for arm in get_args(type_) if arm is not NoneType)


def short_key(type_: Any) -> structs.FieldInfo | None:
    """The key whose value may be written in place of the whole table; None if there is none.

    A Struct names it in `SHORT`: `buffer = "64MiB"` is `buffer = { memory = "64MiB" }`.
    """
    if not is_struct(type_) or not (name := getattr(type_, "SHORT", "")):
        return None
    return next(field for field in fields_of(type_) if field.name == name)


def forms(type_: Any) -> tuple[Any, ...]:
    """The types in which a value may be written: `arms`, with the short form before its table."""
    found: list[Any] = []
    for arm in arms(type_):
        if key := short_key(arm):
            found += arms(key.type)
        found.append(arm)
    return tuple(found)


def is_optional(type_: Any) -> bool:
    """Whether the type is a union with `None`."""
    return NoneType in get_args(unwrap(type_))


def can_be_off(type_: Any) -> bool:
    """Whether the user may write `"off"` for the type: it is optional, and one of `CAN_BE_OFF`."""
    return is_optional(type_) and any(arm in CAN_BE_OFF for arm in arms(type_))


def is_struct(type_: Any) -> bool:
    """Whether the type is a msgspec Struct: a table in TOML."""
    return isinstance(type_, type) and issubclass(type_, Struct)


def is_secret(type_: Any) -> bool:
    """Whether the type is `Secret` or `SecretURL`, or an array or dictionary of those."""
    type_ = unwrap(type_)
    if type_ in (Secret, SecretURL):
        return True
    return not is_struct(type_) and any(is_secret(arg) for arg in get_args(type_))


@cache
def may_hold_secrets(type_: Any) -> bool:
    """Whether a value of the type may contain a secret, even if the value has errors.

    True for sinks, sources and stages, whose own type is not known before the table is read.
    """
    type_ = unwrap(type_)
    if type_ in (Secret, SecretURL, SinkConfig, SourceConfig, StageConfig):
        return True
    if is_struct(type_):
        return any(may_hold_secrets(field.type) for field in fields_of(type_))
    return get_origin(type_) is not None and any(map(may_hold_secrets, get_args(type_)))


def limits(type_: Any) -> dict[str, Any]:
    """The contents of `Annotated[..., Meta(...)]`: `{"ge": 1, "examples": [100]}`."""
    found: dict[str, Any] = {}
    while get_origin(type_) is Annotated:
        type_, *notes = get_args(type_)
        for note in notes:
            said = {name: getattr(note, name, None) for name in _META}
            found |= {name: value for name, value in said.items() if value is not None}
    return found


_META = ("gt", "ge", "lt", "le", "pattern", "min_length", "max_length", "examples")


def accepts(type_: Any, value: Any) -> bool:
    """Whether a value of this kind can be converted to `type_`, which must not be a union.

    Looks at the kind only: a string is accepted for a size, whatever it says.
    """
    origin = get_origin(type_) or type_
    if type_ is Any:
        return True
    if origin is Literal:
        kind_of_value = str if isinstance(value, str) else type(value)
        return any(type(choice) is kind_of_value for choice in get_args(type_))
    if not isinstance(origin, type):
        return False
    if isinstance(value, dict):
        return is_struct(origin) or issubclass(origin, Mapping)
    if isinstance(value, list):
        return origin in ARRAYS
    if isinstance(value, str):
        text = issubclass(origin, (str, Enum)) or hasattr(origin, "parse")
        return text or (isinstance(value, Substituted) and origin in (int, float, bool))
    if isinstance(value, bool):
        return origin is bool
    if isinstance(value, int):
        return origin in (int, float, Size)
    return origin is float and isinstance(value, float)


def kind(value: Any) -> str:
    """What kind of value this is, in TOML's words: `a string`."""
    return next((name for type_, name in _KINDS if isinstance(value, type_)), "a date or a time")


def expected(type_: Any) -> str:
    """What a value of the type should be: `a duration such as "5s" or "off"`."""
    parts = [_expected(arm) for arm in forms(type_)]
    if can_be_off(type_):
        parts.append('"off"')
    return listed(dict.fromkeys(parts), "or")


def _expected(type_: Any) -> str:
    origin = get_origin(type_) or type_
    if origin is Literal:
        choices = [toml(choice) for choice in get_args(type_)]
        return choices[0] if len(choices) == 1 else f"one of {', '.join(choices)}"
    if type_ is StageConfig:
        return "a table with one key, the stage's name"
    if is_struct(type_):
        return "a table"
    if found := _PARSED.get(origin):
        return found
    if noun := getattr(origin, "NOUN", ""):
        return f"a {noun} such as {toml(origin.EXAMPLE)}"
    if origin in ARRAYS:
        return "an array"
    return next((name for base, name in _KINDS if issubclass(origin, base)), "something else")


def shown(value: str) -> str:
    """A user's string, quoted for a message; one with substitutions as it was written."""
    return quote(without_defaults(value.written) if isinstance(value, Substituted) else value)


def nearest(value: str, choices: Iterable[str]) -> str:
    """`did you mean "buffer"?` for the choice most like `value`.

    Empty if none is similar, or if the value is a secret.
    """
    if isinstance(value, Secret):
        return ""
    found = meant(value, choices)
    return f"did you mean {quote(found)}?" if found is not None else ""


def shape_hint(value: Any, type_: Any, path: Path) -> str:
    """How to write a value of another kind than the type's, at `path`; empty if that is not known.

    Shows nothing of a value but a number, or the name of a stage.
    """
    kinds = arms(type_)
    if isinstance(value, str) and StageConfig in kinds:
        name = re.split(r"[=:\s]", value.strip(), maxsplit=1)[0]
        return f"write {{ {name} = … }}" if name in own_words(type_) else ""
    if isinstance(value, str) and any(accepts(arm, []) for arm in kinds):
        return "put it in brackets: [ … ]"
    if isinstance(value, dict) and all(accepts(arm, []) for arm in kinds):
        if len(path) == 1:
            return f"write [[{path[0]}]]"
        if len(value) > 1:
            parts = ", ".join(f"{{ {_key(key)} = … }}" for key in list(value)[:3])
            return f"write a list, with a table for each: [{parts}]"
        return "put it in brackets: [ … ]"
    if path and path[0] in _NAMED and len(path) < 3 and not isinstance(value, dict):
        return f"each has a name: [{path[0]}.NAME], and its keys in the lines below"
    if value is True and TLSConfig in kinds:
        return "TLS is chosen by the address, such as tls:// or https://; this is for certificates"
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number and value >= 0 and Duration in forms(type_):
        return f'say in which unit, such as "{value}s"'
    return ""


_NAMED = ("sources", "sinks", "routes")
"""Tables of tables, each under a name of the user's choice."""


def known_words(type_: Any) -> list[str]:
    """The strings that a type lists, at any depth: the formats of the stage `parse`."""
    found: list[str] = []
    for part in get_args(type_):
        found += [part] if isinstance(part, str) else known_words(part)
    return found


def own_words(type_: Any) -> list[str]:
    """The words that a type has itself, which are no secrets of anybody's: those that it lists, and
    the names of stages."""
    stages = registry.names("stages") if StageConfig in arms(type_) else []
    return [*known_words(type_), *stages]


def listed(words: Iterable[str], conjunction: str = "and") -> str:
    """Joins words for a sentence: `a, b and c`; `none` if there are none."""
    *first, last = list(words) or ["none"]
    return f"{', '.join(first)} {conjunction} {last}" if first else last


def size(value: int) -> str:
    """A number of bytes as `Size.parse` reads it: `16MiB`."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        factor = Size.UNITS[unit.upper()]
        if value and value % factor == 0:
            return f"{value // factor}{unit}"
    return str(int(value))


def duration(value: float) -> str:
    """A number of seconds as `Duration.parse` reads it: `500ms`."""
    for unit in ("d", "h", "m", "s", "ms"):
        count = value / Duration.UNITS[unit]
        if value and count == int(count):
            return f"{int(count)}{unit}"
    return f"{value:g}s"


def plain(value: Any) -> Any:
    """A default or an example as the user would write it, in JSON's types; None stays None."""
    if isinstance(value, Size):
        return size(value) if value and value % 1024 == 0 else int(value)
    if isinstance(value, Duration):
        return duration(value)
    if isinstance(value, Struct):
        table = structs.asdict(value)
        return {key: plain(inner) for key, inner in table.items() if inner is not None}
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, ARRAYS):
        return [plain(inner) for inner in value]
    return str(value) if isinstance(value, str) else value


def toml(value: Any) -> str:
    """A value as TOML, on one line."""
    value = plain(value)
    if isinstance(value, dict):
        inner = ", ".join(f"{_key(key)} = {toml(one)}" for key, one in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    literal = isinstance(value, str) and "'" not in value and value.isprintable()
    if literal and ('"' in value or "\\" in value):
        return f"'{value}'"
    if isinstance(value, str):
        return _string(value)
    return str(value) if isinstance(value, float) else json.dumps(value)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _string(key)


def _string(value: str) -> str:
    """A TOML string. TOML has JSON's escapes, but does not allow a plain DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
