"""What is wrong with a configuration, where, and what was probably meant.

`ProblemReport` collects; `Problem` is one finding; `ConfigErrors` carries all of them to the user.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from pipeline.config.locate import KeyPlace, Path, offset_within
from pipeline.config.secrecy import Hidden
from pipeline.model.errors import DocklineError


class Invalid:
    """Stands for a value that was reported already, so that it is reported only once."""

    def __repr__(self) -> str:
        return "INVALID"


INVALID: Final = Invalid()

About = Literal["key", "value"]
"""What of a key and its value to show and to mark."""


@dataclass(frozen=True)
class Problem:
    """One error or warning, in a sentence without a full stop."""

    message: str
    path: str = ""
    """The key as the user wrote it, from the top: `sinks.logstash.buffer.memory`."""
    line: int | None = None
    """Counted from 1; None where there is no file, or the trouble is with the whole of it."""
    hint: str = ""
    """What to do, such as `did you mean "buffer"?`; empty where the message says it."""
    excerpt: str = ""
    """The key and value as the user wrote them; never a secret, nor a neighbour's value."""
    mark: tuple[int, int] = (0, 0)
    """Start and end of what is wrong, inside `excerpt`."""

    @property
    def sentence(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message

    def lines(self, file: str, kind: str = "") -> list[str]:
        """As shown in a terminal: the place and the sentence; the excerpt; a mark below it."""
        place = file if self.line is None else f"{file}:{self.line}"
        lines = [": ".join(part for part in (place, kind, self.path, self.sentence) if part)]
        if self.excerpt:
            start, end = self.mark
            lines += [f"    {self.excerpt}", "    " + " " * start + "^" * max(1, end - start)]
        return lines


class ConfigErrors(DocklineError):
    """A configuration cannot be used. Carries every error that it has, in the file's order."""

    def __init__(self, file: str, problems: Iterable[Problem]) -> None:
        self.file = file
        self.problems = sorted(problems, key=lambda problem: problem.line or 0)
        super().__init__("\n".join(line for one in self.problems for line in one.lines(file)))


@dataclass
class ProblemReport:
    """Collects what is wrong with one file, and says where it stands."""

    file: str
    places: Mapping[Path, KeyPlace] = field(default_factory=dict)
    hidden: Hidden = field(default_factory=Hidden)
    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def error(
        self,
        path: Path,
        message: str,
        hint: str = "",
        *,
        about: About = "value",
        column: int | None = None,
    ) -> None:
        """`about`: what to show and mark; a value is shown with its key, never the other way
        round. `column`: the character inside a string value where the trouble is."""
        self.errors.append(self._problem(path, message, hint, about, column))

    def warning(
        self, path: Path, message: str, hint: str = "", *, column: int | None = None
    ) -> None:
        """`column`: the character of a string value to mark; its key is marked without one."""
        about: About = "key" if column is None else "value"
        self.warnings.append(self._problem(path, message, hint, about, column))

    def _problem(
        self,
        path: Path,
        message: str,
        hint: str,
        about: About,
        column: int | None,
    ) -> Problem:
        place = self.places.get(path)
        if place is None:  # a key that is missing: show the table that lacks it
            place, about = self._nearest(path), "key"
        elif self.hidden.hides(path, place.value):
            about = "key"
        excerpt, mark, below = _excerpt(place, about, column) if place else ("", (0, 0), 0)
        line = place.line + below if place else None
        stars = self.hidden.stars
        return Problem(stars(message), dotted(path), line, stars(hint), excerpt, mark)

    def _nearest(self, path: Path) -> KeyPlace | None:
        """Of the closest table around it that the user wrote."""
        for length in range(len(path) - 1, 0, -1):
            if place := self.places.get(path[:length]):
                return place
        return None


def dotted(path: Path) -> str:
    """The path as the user would write it: `routes."my app".stages[0].keep`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = re.fullmatch(r"[A-Za-z0-9_-]+", part)
            text += ("." if text else "") + (part if bare else quote(part))
    return text


def quote(value: str, limit: int = 60) -> str:
    """A user's text inside a message: in double quotes, on one line, without control characters
    (which could write anywhere on a terminal), and not endless."""
    text = value if len(value) <= limit else value[: limit - 1] + "…"
    return '"' + "".join(c if c.isprintable() else repr(c)[1:-1] for c in text) + '"'


_WIDTH = 96
"""Columns of an excerpt; a longer one is cut on both sides of what is wrong."""


def _excerpt(place: KeyPlace, about: About, column: int | None) -> tuple[str, tuple[int, int], int]:
    """What to show of a place, which part of that to mark, and how many lines below it that is."""
    if about == "key" or place.value.startswith(("[", "{")) or not place.value:
        key = place.key.replace("\t", " ")
        shown = f"{key} = …" if place.value and key else key
        return (*_cut(shown, 0, len(key)), 0)
    value = place.value
    start = 0 if column is None else offset_within(value, column)
    below = value.count("\n", 0, start)
    begin = value.rfind("\n", 0, start) + 1
    end = value.find("\n", start)
    line = value[begin : None if end < 0 else end]
    prefix = f"{place.key} = " if place.key and not below else ""
    first = len(prefix) + start - begin
    last = first + 1 if column is not None else len(prefix) + len(line)
    return (*_cut(prefix + line, first, last), below)


def _cut(text: str, start: int, end: int) -> tuple[str, tuple[int, int]]:
    """`text` on one line of bounded width, with the marked part in view."""
    text = "".join(c if c.isprintable() else "·" for c in text)
    skip = max(0, start - _WIDTH // 2) if len(text) > _WIDTH else 0
    left = "…" if skip else ""
    shown = left + text[skip : skip + _WIDTH] + ("…" if len(text) > skip + _WIDTH else "")
    start, end = (min(edge - skip + len(left), len(shown)) for edge in (start, end))
    return shown, (start, end)
