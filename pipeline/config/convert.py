"""Converts what `tomllib` returns to the Structs of `settings`, collecting all errors.

msgspec's own conversion stops at the first error and names Python's types. This one goes through
the tables key by key, and its messages use TOML's words and the user's keys.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, get_args, get_origin

from pipeline.config import components, scalars
from pipeline.config.hints.other_tools import of_key
from pipeline.config.locate import Path
from pipeline.config.problems import INVALID, About, ProblemReport, quote
from pipeline.config.settings import StageConfig
from pipeline.config.wording import (
    ARRAYS,
    accepts,
    arms,
    can_be_off,
    expected,
    fields_of,
    is_secret,
    is_struct,
    kind,
    limits,
    may_hold_secrets,
    nearest,
    own_words,
    shape_hint,
    short_key,
    toml,
)
from pipeline.model.component import Python, SecretURL, SinkConfig, SourceConfig, StageContext
from pipeline.model.errors import DocklineError


class Converter:
    """Converts the values of one file. What cannot be converted is reported and `INVALID`."""

    def __init__(
        self,
        report: ProblemReport,
        python: Python = "refuse",
        files: Collection[str] | None = None,
    ) -> None:
        """`python` says what happens to stages that are the user's own code: see `Python`. `files`:
        those that stages may read; None for any."""
        self.report = report
        self.stage_context = StageContext(python=python, files=files)

    def convert(self, value: Any, type_: Any, path: Path) -> Any:
        """Converts `value`, found at `path`, to `type_`, which may be `Annotated` or a union.

        Returns `INVALID`, with the errors in the report, if it cannot be. Raises nothing.
        """
        if value is INVALID:
            return INVALID
        if value == "off" and can_be_off(type_):
            return None
        takers = [arm for arm in arms(type_) if accepts(arm, value)]
        if not takers and (short := self._short(value, type_, path)) is not None:
            return short
        about: About = "value"
        if may_hold_secrets(type_):
            about = "key"
            if is_secret(type_) or not isinstance(value, (dict, list)):
                self.report.hidden.hide(path, _secret_part(value, type_))
        if not takers:
            message = f"expected {expected(type_)}, got {kind(value)}"
            self.report.error(path, message, shape_hint(value, type_, path), about=about)
            return INVALID
        if len(takers) == 1:
            result = self._one(value, takers[0], path)
        else:
            result = scalars.any_of(value, takers, path, self.report)
        excess = "" if result is INVALID else scalars.beyond(limits(type_), result)
        if excess:
            self.report.error(path, excess, about=about)
        return INVALID if excess else result

    def _short(self, value: Any, type_: Any, path: Path) -> Any:
        """Converts a value that stands for a table, as `SHORT` allows; None if it does not."""
        for arm in arms(type_):
            key = short_key(arm)
            if key is not None and any(accepts(one, value) for one in arms(key.type)):
                inner = self.convert(value, key.type, path)
                return inner if inner is INVALID else arm(**{key.name: inner})
        return None

    def _one(self, value: Any, type_: Any, path: Path) -> Any:
        origin, args = get_origin(type_) or type_, get_args(type_)
        if type_ is SinkConfig:
            return components.sink(value, path, self.report, self.struct)
        if type_ is SourceConfig:
            return components.source(value, path, self.report, self.struct)
        if type_ is StageConfig:
            return components.stage(value, path, self.report, self.convert, self.stage_context)
        if is_struct(type_):
            return self.struct(value, type_, path)
        if origin in ARRAYS:
            items = self._items(value, args[0] if args else Any, path)
            return INVALID if items is INVALID else origin(items)
        if origin is dict:
            key, inner = args or (str, Any)
            return self._dict(value, key, inner, path)
        return scalars.scalar(value, type_, path, self.report)

    def struct(
        self, table: dict[str, Any], cls: Any, path: Path, examples: Mapping[str, Any] | None = None
    ) -> Any:
        """Converts a table to the Struct `cls`, whose fields are its keys.

        `examples` has values to suggest for required keys that are missing. Returns `INVALID`, with
        the errors in the report, if anything in the table is wrong.
        """
        known = {field.encode_name: field for field in fields_of(cls)}
        errors = len(self.report.errors)
        for key in table:
            if key not in known:
                self._unknown(key, table[key], list(known), path)
        values = {}
        for name, field in known.items():
            if name in table:
                values[field.name] = self.convert(table[name], field.type, (*path, name))
            elif field.required:
                self._missing(name, field.type, path, (examples or {}).get(name))
        if len(self.report.errors) > errors or INVALID in values.values():
            return INVALID
        try:
            return cls(**values)
        except (ValueError, DocklineError) as error:
            return components.rejected(error, table, path, self.report)

    def _unknown(self, key: str, value: Any, known: list[str], path: Path) -> None:
        noun = "table" if not path and isinstance(value, (dict, list)) else "key"
        hint = of_key(key, path, known)
        hint = hint or nearest(key, known) or f"known here: {', '.join(known)}"
        self.report.error((*path, key), f"unknown {noun} {quote(key)}", hint, about="key")

    def _missing(self, name: str, type_: Any, path: Path, example: Any) -> None:
        example, *_ = limits(type_).get("examples", [example])
        hint = f"expected {expected(type_)}"
        if example is not None:
            hint = f"such as {name} = {toml(example)}"
        self.report.error(path, f"{quote(name)} is missing", hint, about="key")

    def _items(self, value: list[Any], inner: Any, path: Path) -> Any:
        items = [self.convert(item, inner, (*path, i)) for i, item in enumerate(value)]
        return INVALID if any(item is INVALID for item in items) else items

    def _dict(self, value: dict[str, Any], key_type: Any, inner: Any, path: Path) -> Any:
        for key in value:
            if excess := scalars.beyond(limits(key_type), key):
                self.report.error((*path, key), f"the key {quote(key)} {excess}", about="key")
        table = {key: self.convert(item, inner, (*path, key)) for key, item in value.items()}
        return INVALID if any(item is INVALID for item in table.values()) else table


def _secret_part(value: Any, type_: Any) -> Any:
    """What of a value of this type is not shown."""
    if SecretURL in arms(type_) and isinstance(value, str):
        return list(SecretURL(value).secrets())
    if not is_secret(type_) and isinstance(value, str) and value in own_words(type_):
        return ()
    return value
