"""Finds components by their files: the type `loki` of a sink is `pipeline/sinks/loki.py`."""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache
from types import ModuleType
from typing import Any, Literal

from pipeline.model.errors import ConfigError
from pipeline.model.sink import Sink
from pipeline.model.source import Source
from pipeline.model.stage import Stage, StageContext

Kind = Literal["sources", "stages", "sinks"]
"""The folder of a component."""
_BASES: dict[Kind, type] = {"sources": Source, "stages": Stage, "sinks": Sink}


def names(kind: Kind) -> list[str]:
    """The names of all components of a kind, sorted: the modules in its folder.

    Packages don't count (Docker is a source without a table), nor do modules with a leading
    underscore (they are shared by several components).
    """
    return list(_modules(tuple(importlib.import_module(f"pipeline.{kind}").__path__)))


@lru_cache(maxsize=8)
def _modules(folders: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the modules in these folders. Read once: a file names a component per stage."""
    found = pkgutil.iter_modules(folders)
    return tuple(sorted(o.name for o in found if not o.ispkg and not o.name.startswith("_")))


def module(kind: Kind, name: str) -> ModuleType:
    """The module of a component. Raises `ConfigError` if there is no component of that name."""
    if name not in names(kind):
        raise ConfigError(f'there is no {kind[:-1]} "{name}"')
    return importlib.import_module(f"pipeline.{kind}.{name}")


def config_type(kind: Kind, name: str) -> Any:
    """The component's `Config`: the type of what the user may write. Raises `ConfigError`."""
    return module(kind, name).Config


def implementation(kind: Kind, name: str) -> Any:
    """The component's class. Raises `ConfigError` if there is no component of that name, and
    `TypeError` if its module defines no such class."""
    found = module(kind, name)
    base = _BASES[kind]
    for value in vars(found).values():
        own = isinstance(value, type) and value.__module__ == found.__name__
        if own and issubclass(value, base):
            return value
    raise TypeError(f"{found.__name__} defines no subclass of {base.__name__}")


def stage(name: str, config: Any, context: StageContext) -> Stage:
    """Makes a stage of a route, ready to be bound to containers.

    `config`: the stage's own `Config`. Raises `ConfigError`, also for a file that it may not read.
    """
    cls: type[Stage] = implementation("stages", name)
    for key, file in cls.files(config).items():
        if context.files is not None and file not in context.files:
            message = "only a file that the running configuration reads may be read here"
            raise ConfigError(message, key)
    made = cls(config)
    made.attach(context)
    return made
