"""Checks across tables: names that must exist, and routes that must not form a circle."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.config.locate import Path
from pipeline.config.problems import ProblemReport, quote
from pipeline.config.settings import DOCKER, FEED, SORTS
from pipeline.config.wording import listed, nearest, shown

_REFERENCES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("sinks", "*", "dead_letter"), "sinks"),
    (("tests", "*", "route"), "routes"),
)
"""Settings that name an entry of another table (`*` is any key or element), and that table."""


def check_names(tree: dict[str, Any], report: ProblemReport) -> None:
    """Reports invalid names of sources, sinks and routes, unknown references, and circles.

    `tree` is the file's own tables, not yet converted, so that a table with other errors has its
    names checked too.
    """
    for table in ("sources", "sinks", "routes"):
        for path, _ in _matches(tree, (table, "*")):
            if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", str(path[-1])):
                message = f"{quote(str(path[-1]))} cannot be a name"
                hint = "use letters, digits, dots, dashes and underscores, 64 at most"
                report.error(path, message, hint, about="key")
    for path, _ in _matches(tree, ("sources", "*")):
        if path[-1] in (*SORTS, DOCKER):
            message = f"{quote(str(path[-1]))} cannot be the name of a source"
            hint = "that word has another meaning in the `from` of a route"
            report.error(path, message, hint, about="key")
    _check_origins(tree, report)
    for pattern, table in _REFERENCES:
        known = list(_table(tree, table))
        for path, name in _matches(tree, pattern):
            if isinstance(name, str) and name not in known:
                hint = nearest(name, known) or f"known: {', '.join(known)}"
                report.error(path, f"there is no {table[:-1]} {shown(name)}", hint)
    _check_ways(tree, report)
    _check_dead_letters(_table(tree, "sinks"), report)


def _check_origins(tree: Mapping[str, Any], report: ProblemReport) -> None:
    """Reports unknown names in the `from` of routes."""
    known = [*SORTS, *_table(tree, "sources"), DOCKER]
    for path, name in _matches(tree, ("routes", "*", "from", "*")):
        if isinstance(name, str) and name not in known:
            hint = nearest(name, known) or f"known: {', '.join(known)}"
            report.error(path, f"there is no source {shown(name)}", hint)


def _check_ways(tree: Mapping[str, Any], report: ProblemReport) -> None:
    """Reports unknown names in the `to` of routes, and routes that lead back to themselves."""
    sinks, routes = _table(tree, "sinks"), _table(tree, "routes")
    feeds: dict[str, dict[str, Path]] = {route: {} for route in routes}
    for path, ways in _matches(routes, ("*", "to"), ("routes",)):
        for index, name in enumerate(ways if isinstance(ways, list) else ()):
            if isinstance(name, str) and name in ways[:index]:
                message = f"{shown(name)} is in this list already"
                report.error((*path, index), message, "remove it, or name another")
    for path, name in _matches(routes, ("*", "to", "*"), ("routes",)):
        if not isinstance(name, str) or name in sinks:
            continue
        route = name.removeprefix(FEED)
        if name == route:
            hint = f"did you mean the route, {quote(FEED + name)}?" if name in routes else ""
            hint = hint or nearest(name, sinks) or f"known: {', '.join(sinks)}"
            report.error(path, f"there is no sink {shown(name)}", hint)
        elif route not in routes:
            hint = nearest(route, routes) or f"known: {', '.join(routes)}"
            report.error(path, f"there is no route {shown(route)}", hint)
        else:
            feeds[str(path[1])][route] = path
    for route in sorted(feeds):
        way = _way_back(route, feeds)
        if way:
            through = f", through {listed(map(shown, way))}" if way != [route] else ""
            first = feeds[route][way[0]]
            report.error(first, f"the entries of {shown(route)} come back to itself{through}")


def _way_back(start: str, feeds: Mapping[str, Mapping[str, Path]]) -> list[str]:
    """The routes on the shortest way from route `start` back to itself.

    `[start]` if it leads directly to itself, an empty list if there is no way back. Of the routes
    in a circle, only the alphabetically first finds it, so that it is reported once.
    """
    ways: dict[str, list[str]] = {start: []}
    reached = [start]
    for route in reached:
        for following in feeds[route]:
            if following == start:
                return ways[route] or [start]
            if following > start and following not in ways:
                ways[following] = [*ways[route], following]
                reached.append(following)
    return []


def _table(tree: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = tree.get(name)
    return value if isinstance(value, dict) else {}


def _matches(value: Any, pattern: tuple[str, ...], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Path and value of everything that matches the pattern; `*` is any key or element."""
    if not pattern:
        yield path, value
        return
    first, rest = pattern[0], pattern[1:]
    if isinstance(value, list):
        items: Iterator[tuple[Any, Any]] = enumerate(value)
    else:
        items = iter(value.items() if isinstance(value, dict) else ())
    for key, inner in items:
        if first in ("*", key):
            yield from _matches(inner, rest, (*path, key))


def _check_dead_letters(sinks: Mapping[str, Any], report: ProblemReport) -> None:
    """Reports sinks whose `dead_letter` leads back to themselves, directly or through others."""
    letters = {
        name: letter
        for name, sink in sinks.items()
        if isinstance(sink, dict) and isinstance(letter := sink.get("dead_letter"), str)
    }
    for name in letters:
        way = [name]
        while way[-1] in letters and letters[way[-1]] not in way[1:]:
            way.append(letters[way[-1]])
        if way[-1] == name == min(way) and len(way) > 1:
            through = f", through {listed(map(shown, way[1:-1]))}" if len(way) > 2 else ""
            message = f"the dead letters of {shown(name)} come back to itself{through}"
            report.error(("sinks", name, "dead_letter"), message)
