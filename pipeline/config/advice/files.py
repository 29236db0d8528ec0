"""Warnings about files that a configuration names and that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from pipeline.config.components import hides_something
from pipeline.config.locate import Path
from pipeline.config.problems import ProblemReport, quote
from pipeline.config.settings import Config, StageConfig
from pipeline.config.wording import fields_of
from pipeline.model.component import FileToRead
from pipeline.support.unreadable import why_unreadable


def advise_files(config: Config, tree: dict[str, Any], report: ProblemReport) -> None:
    """Warns of files that this process cannot read: see `FileToRead`.

    `tree` is the file's own tables that `config` was made from. A file whose path was substituted
    for `${…}` is not named.
    """
    for path, name in _files(config):
        if why := why_unreadable(name):
            hidden = hides_something(_at(tree, path))
            what = "the file cannot be read" if hidden else f"{quote(name, 200)} cannot be read"
            hint = "correct the path, or let this user read the file"
            report.warning(path, what if hidden else f"{what}: {why}", hint)


def _files(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every file in a configuration, with its path."""
    if isinstance(value, FileToRead):
        yield path, value
    elif isinstance(value, StageConfig):
        yield from _files(value.config, (*path, value.name))
    elif isinstance(value, Struct):
        for field in fields_of(type(value)):
            yield from _files(getattr(value, field.name), (*path, field.encode_name))
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _files(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _files(inner, (*path, index))


def _at(tree: Any, path: Path) -> Any:
    """The value in the tables at a path; None if it is not there."""
    for key in path:
        try:
            tree = tree[key]
        except (KeyError, IndexError, TypeError):
            return None
    return tree
