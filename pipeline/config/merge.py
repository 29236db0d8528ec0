"""Puts the texts of several files together as if they were one TOML file.

So a table or a key may stand in one place only, whichever file that is in; `[[tests]]` of all files
follow each other.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.config.files import Text
from pipeline.config.locate import KeyPlace, Path, locate
from pipeline.config.problems import ConfigErrors, Problem, dotted
from pipeline.config.syntax import explain


@dataclass(frozen=True)
class Merged:
    """The tables of several files as one, and where each key is."""

    tree: dict[str, Any] = field(default_factory=dict)
    """The tables, as `tomllib` returns them."""
    places: dict[Path, KeyPlace] = field(default_factory=dict)
    """The place of each key: see `locate`."""
    problems: list[Problem] = field(default_factory=list)
    """Tables and keys that stand in two files, of which `tree` has the first; and those of the
    texts."""


def merge(texts: Sequence[Text], name: str) -> Merged:
    """The texts as one, later ones after earlier ones. `name`: the configuration's, for messages.

    Raises `ConfigErrors` if a text is not TOML, with the first error of each.
    """
    trees = []
    problems = []
    for one in texts:
        try:
            trees.append(tomllib.loads(one.text))
        except ValueError as error:  # TOMLDecodeError, or a number with thousands of digits
            problems.append(replace(explain(one.text, str(error)), file=one.file))
        except RecursionError:
            message = "tables or arrays are nested too deeply"
            problems.append(Problem(message, file=one.file))
    if problems:
        raise ConfigErrors(name, problems)
    merged = Merged()
    for one, tree in zip(texts, trees, strict=True):
        places = locate(one.text, one.file) if one.places is None else one.places
        _Joining(merged, places).join(tree)
        merged.problems.extend(one.problems)
    return merged


class _Joining:
    """Adds the tables of one more file."""

    def __init__(self, merged: Merged, places: Mapping[Path, KeyPlace]) -> None:
        """`places`: those of the file that is added."""
        self._merged = merged
        self._places = places
        self._left_out: set[Path] = set()
        """What stands in an earlier file, and is not added."""
        self._behind: dict[Path, int] = {}
        """Arrays of tables that follow those of earlier files, and how many those are."""

    def join(self, tree: dict[str, Any]) -> None:
        self._tables(self._merged.tree, tree, ())
        known = self._merged.places
        for path, place in self._places.items():
            moved = self._moved(path)
            if moved is not None and (moved not in known or known[moved].implied):
                known[moved] = place

    def _tables(self, mine: dict[str, Any], more: dict[str, Any], path: Path) -> None:
        for key, value in more.items():
            here = (*path, key)
            if key not in mine:
                mine[key] = value
            elif isinstance(value, dict) and isinstance(mine[key], dict) and self._open(here):
                self._tables(mine[key], value, here)
            elif self._are_headers(here):
                self._behind[here] = len(mine[key])
                mine[key] += value
            else:
                self._left_out.add(here)
                self._twice(here)

    def _open(self, path: Path) -> bool:
        """Whether a table may go on: at most one of the files has a header or key of its own."""
        return self._places[path].implied or self._merged.places[path].implied

    def _are_headers(self, path: Path) -> bool:
        """Whether both files have an array of `[[tables]]` there."""
        first = (*path, 0)
        pair = self._places.get(first), self._merged.places.get(first)
        return all(place is not None and place.key.startswith("[[") for place in pair)

    def _twice(self, path: Path) -> None:
        first, again = self._merged.places[path], self._places[path]
        if again.shown:  # `config.file` reports a file that has sinks beside those of addresses
            return
        noun = "table" if again.key.startswith("[") else "key"
        message = f"this {noun} stands twice; the first is at {first.file}:{first.line}"
        problem = Problem(
            message,
            dotted(path),
            again.line,
            excerpt=again.key,
            mark=(0, len(again.key)),
            file=again.file,
        )
        self._merged.problems.append(problem)

    def _moved(self, path: Path) -> Path | None:
        """The path among all files; None for what is left out."""
        for length in range(1, len(path) + 1):
            start = path[:length]
            if start in self._left_out:
                return None
            if start in self._behind and length < len(path):
                index = path[length]
                assert isinstance(index, int)
                return (*start, self._behind[start] + index, *path[length + 1 :])
        return path
