"""The JSON Schema of the configuration, made from the Structs of `settings`.

It uses only what Taplo, the language server for TOML, supports. Taplo ignores keywords next to a
`$ref`, so tables are written inline and only whole sinks and stages are referenced; and it supports
neither `if` nor an `allOf` beside other keywords.

References: https://json-schema.org/draft/2020-12 and https://taplo.tamasfe.dev
"""

from __future__ import annotations

import json
from typing import Any, Literal, get_args, get_origin

import msgspec

from pipeline.config.fields import Field, fields, paragraphs
from pipeline.config.settings import Config, StageConfig
from pipeline.config.wording import (
    ARRAYS,
    arms,
    can_be_off,
    is_struct,
    limits,
    plain,
    short_key,
)
from pipeline.model import registry
from pipeline.model.component import Duration, SinkConfig, Size, SourceConfig

Schema = dict[str, Any]

_SUBSTITUTED = r"\$\{.+\}"
"""The pattern of a string with `${...}`, which is allowed in the place of any value."""

_BOUNDS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
}
_DURATION = r"^(\d+(\.\d+)?(us|ms|s|m|h|d))+$"
_SIZE = r"^\s*\d+(\.\d+)?\s*([KkMmGgTt]?[Ii]?[Bb])?\s*$"


def schema() -> Schema:
    """The schema of a whole configuration file. The same code always gives the same bytes."""
    definitions = _Definitions()
    root = definitions.table(Config)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of dockline",
        **root,
        "$defs": dict(sorted(definitions.found.items())),
    }


def render() -> str:
    """The schema as JSON text with a final newline, as `dockline schema` prints it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


class _Definitions:
    """Makes the schemas of types; `found` has those that are referenced."""

    def __init__(self) -> None:
        self.found: dict[str, Schema] = {}

    def table(self, cls: Any, constants: dict[str, str] | None = None) -> Schema:
        """The schema of a Struct. `constants` has the keys that allow one value only."""
        constants = constants or {}
        all_fields = fields(cls)
        properties = {field.key: self._property(field) for field in all_fields}
        for key, value in constants.items():
            properties[key] = {"const": value}
        required = [field.key for field in all_fields if field.required]
        result: Schema = {"type": "object"}
        if text := paragraphs(cls.__doc__):
            result["description"] = text
        return result | {
            "properties": properties,
            **({"required": required} if required else {}),
            "additionalProperties": False,
        }

    def _property(self, field: Field) -> Schema:
        result = self.of(field.type)
        if field.description:
            self._describe(result, field.description)
        if field.default is not None and not is_struct(type(field.default)):
            result["default"] = plain(field.default)
        if field.examples:
            result["examples"] = plain(field.examples)
        return result

    def _describe(self, schema: Schema, text: str) -> None:
        schema["description"] = text
        if "anyOf" in schema:
            # Without it Taplo shows only the alternatives, which have no description.
            schema["properties"] = {}

    def of(self, type_: Any) -> Schema:
        """The schema of any type of a field, as a new dictionary."""
        members = [member for arm in arms(type_) for member in self._members(arm)]
        if can_be_off(type_) and "pattern" in members[-1]:
            members[-1]["pattern"] += "|^off$"
        if len(members) == 1:
            (result,) = members
        else:
            result = {"anyOf": members}
            if all(map(_is_text, members)):
                result["type"] = "string"
        kind = {"array": "Items", "object": "Properties"}.get(str(result.get("type")), "Length")
        for limit, bound in limits(type_).items():
            if limit in ("min_length", "max_length"):
                result[limit.removesuffix("_length") + kind] = bound
            elif limit == "pattern":
                result["pattern"] = f"{bound}|{_SUBSTITUTED}"
            elif limit in _BOUNDS and {"integer", "number"} & {*result.get("type", ())}:
                result[_BOUNDS[limit]] = bound
        return result

    def _members(self, type_: Any) -> list[Schema]:
        """The schemas of one type of a union; `${...}` is an alternative apart from the choices."""
        if get_origin(type_) is Literal:
            return [{"enum": list(get_args(type_))}, {"type": "string", "pattern": _SUBSTITUTED}]
        if key := short_key(type_):
            return [self.of(key.type), self._one(type_)]
        return [self._one(type_)]

    def _one(self, type_: Any) -> Schema:
        origin, args = get_origin(type_) or type_, get_args(type_)
        if type_ is Any:
            return {}
        if type_ is SinkConfig:
            return self._ref("sink", lambda: self._kind("sinks"))
        if type_ is SourceConfig:
            return self._ref("source", lambda: self._kind("sources"))
        if type_ is StageConfig:
            return self._stages()
        if is_struct(type_):
            return self.table(type_)
        if origin in ARRAYS:
            return {"type": "array", "items": self._items(args[0])}
        if origin is dict:
            form = limits(args[0]).get("pattern")
            names = {"propertyNames": {"pattern": form}} if form else {}
            return {"type": "object", "additionalProperties": self.of(args[1])} | names
        return self._scalar(type_)

    def _items(self, type_: Any) -> Schema:
        """The schema of an array's elements.

        Taplo looks up the index in an array of tables twice, so the schema of such a table says
        that its own `items` are of the same schema; a table has none, so this allows nothing more.
        """
        if not is_struct(type_):
            return self.of(type_)
        name = "stage" if type_ is StageConfig else type_.__name__
        reference = self._ref(name, lambda: self._one(type_))
        self.found[name]["items"] = reference
        return reference

    def _scalar(self, type_: Any) -> Schema:
        if type_ is Size:
            form = f"{_SIZE}|{_SUBSTITUTED}"
            return {"type": ["string", "integer"], "pattern": form, "minimum": 0}
        if type_ is Duration:
            return {"type": "string", "pattern": f"{_DURATION}|{_SUBSTITUTED}"}
        if form := getattr(type_, "FORM", ""):
            return {"type": "string", "pattern": f"{form}|{_SUBSTITUTED}"}
        if issubclass(type_, str):
            return {"type": "string"}
        found = msgspec.json.schema(type_)
        return {**found, "type": [found["type"], "string"], "pattern": _SUBSTITUTED}

    def _ref(self, name: str, make: Any) -> Schema:
        if name not in self.found:
            self.found[name] = make()
        return _ref(name)

    def _kind(self, kind: registry.Kind) -> Schema:
        """A table per module in `pipeline/sinks` or `pipeline/sources`, chosen by its `type`."""
        known, one = registry.names(kind), kind[:-1]
        for name in known:
            self._ref(f"{one}.{name}", lambda name=name: self._typed(kind, name))
        tables = [_ref(f"{one}.{name}") for name in known]
        choice = {"oneOf": tables} if tables else {}
        return {"type": "object", "required": ["type"], **choice}

    def _typed(self, kind: registry.Kind, name: str) -> Schema:
        text = paragraphs(registry.module(kind, name).__doc__)
        found = self.table(registry.config_type(kind, name), {"type": name})
        found["properties"]["type"]["description"] = text.partition("\n\n")[0]
        return {"title": name} | found | {"description": text}

    def _stages(self) -> Schema:
        """A table with exactly one of the stages' names as its key."""
        properties = {name: self._stage(name) for name in registry.names("stages")}
        return {
            "type": "object",
            "description": "A table with one key, the stage's name.",
            "properties": properties,
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
        }

    def _stage(self, name: str) -> Schema:
        config = registry.config_type("stages", name)
        found = self.of(config)
        self._describe(found, paragraphs(registry.module("stages", name).__doc__))
        if examples := limits(config).get("examples"):
            found["examples"] = plain(examples)
        return found


def _is_text(schema: Schema) -> bool:
    choices = schema.get("enum", [0])
    return schema.get("type") == "string" or all(isinstance(one, str) for one in choices)


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}
