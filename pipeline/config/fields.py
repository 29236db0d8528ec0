"""Description, default and examples of each field of a Struct, for the documentation.

Python does not keep the string below a field, so that is read from the source. Not used to read a
configuration.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

from msgspec import NODEFAULT, Struct, structs

from pipeline.config.wording import fields_of, limits


@dataclass(frozen=True)
class Field:
    """One key of a table."""

    key: str
    """As the user writes it."""
    type: Any
    required: bool
    default: Any
    """None if the key is required, or if its default is no value."""
    description: str
    """The text below the field, each paragraph on one line."""
    examples: list[Any]
    inherited: bool
    """Whether a Struct that this one extends declares it."""


@cache
def fields(cls: Any) -> tuple[Field, ...]:
    """The fields of the Struct `cls`, in the order of the source, inherited ones last."""
    said: dict[str, str] = {}
    for base in reversed(cls.__mro__[: cls.__mro__.index(Struct)]):
        said |= descriptions(base)
    own = descriptions(cls).keys() | cls.__annotations__.keys()
    found = [
        Field(
            key=info.encode_name,
            type=info.type,
            required=info.required,
            default=_default(info),
            description=said.get(info.name, ""),
            examples=list(limits(info.type).get("examples", ())),
            inherited=info.name not in own,
        )
        for info in fields_of(cls)
    ]
    return tuple(sorted(found, key=lambda field: field.inherited))


def own(cls: Any, base: Any) -> list[Field]:
    """The fields that the Struct `cls` adds to `base`, which it extends."""
    common = {field.key for field in fields(base)}
    return [field for field in fields(cls) if field.key not in common]


def _default(info: structs.FieldInfo) -> Any:
    if info.default_factory is not NODEFAULT:
        return info.default_factory()
    return None if info.default is NODEFAULT else info.default


def paragraphs(text: str | None) -> str:
    """A docstring with each paragraph joined to one line; lists and code keep their lines."""
    result = []
    for piece in re.split(r"^(```.*?^```)$", inspect.cleandoc(text or ""), flags=re.DOTALL | re.M):
        parts = [piece] if piece.startswith("```") else re.split(r"\n\s*\n", piece.strip("\n"))
        result += [part if _KEPT.match(part) else " ".join(part.split()) for part in parts if part]
    return "\n\n".join(result)


_KEPT = re.compile(r"\s|[-*#] |\||\d+\. |```")
"""How a list, a table, code or a heading begins."""


def descriptions(cls: type) -> dict[str, str]:
    """The string below each field in the source of `cls`, by field name, without inherited ones."""
    body = _class(cls.__module__, cls.__qualname__)
    return {
        field.target.id: paragraphs(below.value.value)
        for field, below in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }


def _class(module: str, qualname: str) -> list[ast.stmt]:
    body = _source(module)
    for name in qualname.split("."):
        body = next(node.body for node in _classes(body) if node.name == name)
    return body


def _classes(body: list[ast.stmt]) -> Iterator[ast.ClassDef]:
    return (node for node in body if isinstance(node, ast.ClassDef))


@cache
def _source(module: str) -> list[ast.stmt]:
    return ast.parse(inspect.getsource(sys.modules[module])).body
