"""Errors and warnings of a configuration, each with its place and a hint.

`Problem` is one of them, `ProblemReport` collects those of a file, and `ConfigErrors` is raised
with all errors.
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
    """The type of `INVALID`."""

    def __repr__(self) -> str:
        return "INVALID"


INVALID: Final = Invalid()
"""Takes the place of a value with an error that has been reported, so that it is reported once."""

About = Literal["key", "value"]
"""Whether an excerpt shows and marks only the key, or the value too."""


@dataclass(frozen=True)
class Problem:
    """One error or warning, in a sentence without a full stop."""

    message: str
    path: str = ""
    """The key as the user wrote it, from the top: `sinks.logstash.buffer.memory`."""
    line: int | None = None
    """The line, counted from 1; None without a file, or if the whole file is meant."""
    hint: str = ""
    """What to do, such as `did you mean "buffer"?`; empty if the message says it."""
    excerpt: str = ""
    """The key and value as the user wrote them; never a secret or another key's value."""
    mark: tuple[int, int] = (0, 0)
    """Start and end of what is wrong, as offsets in `excerpt`."""
    file: str = ""
    """The name of the file; empty if the configuration as a whole is meant."""
    of_argument: bool = False
    """Whether it is in the address of a sink, which `file` is then."""

    @property
    def sentence(self) -> str:
        """The message and the hint, without a full stop."""
        return f"{self.message}; {self.hint}" if self.hint else self.message

    def place(self, file: str) -> str:
        """Where it is: `FILE:LINE`. `file` as for `lines`."""
        file = self.file or file
        return file if self.line is None else f"{file}:{self.line}"

    def lines(self, file: str, kind: str = "") -> list[str]:
        """The lines for a terminal: place and sentence, the excerpt, and a mark below it.

        `file` is the name of the configuration, for a problem that is in no single file; `kind` a
        word to show before the path, such as `warning`.
        """
        place = self.place(file)
        path = self.path.partition(".")[2].partition(".")[2] if self.of_argument else self.path
        lines = [": ".join(part for part in (place, kind, path, self.sentence) if part)]
        if self.excerpt:
            start, end = self.mark
            lines += [f"    {self.excerpt}", "    " + " " * start + "^" * max(1, end - start)]
        return lines


class ConfigErrors(DocklineError):
    """A configuration that cannot be used: `problems` has all of its errors, by file and line."""

    def __init__(self, file: str, problems: Iterable[Problem]) -> None:
        self.file = file
        self.problems = by_place(problems)
        super().__init__("\n".join(line for one in self.problems for line in one.lines(file)))


def by_place(problems: Iterable[Problem]) -> list[Problem]:
    """The problems sorted by file and line."""
    return sorted(problems, key=lambda problem: (problem.file, problem.line or 0))


@dataclass
class ProblemReport:
    """Collects the errors and warnings of one configuration, and adds the place to each."""

    file: str
    """The file's name, for messages."""
    places: Mapping[Path, KeyPlace] = field(default_factory=dict)
    """The place of each key in the file: see `locate`."""
    hidden: Hidden = field(default_factory=Hidden)
    """What must not appear in messages and excerpts."""
    errors: list[Problem] = field(default_factory=list)
    """What makes the configuration unusable, in the order of discovery."""
    warnings: list[Problem] = field(default_factory=list)
    """What is valid and probably a mistake, in the order of discovery."""

    def error(
        self,
        path: Path,
        message: str,
        hint: str = "",
        *,
        about: About = "value",
        column: int | None = None,
    ) -> None:
        """Adds an error about the key at `path`, which need not exist.

        `message` and `hint` have no full stop. With `about="key"` the value is not shown. `column`
        is the index of the wrong character in a string value.
        """
        self.errors.append(self._problem(path, message, hint, about, column))

    def warning(
        self, path: Path, message: str, hint: str = "", *, column: int | None = None
    ) -> None:
        """Adds a warning about the key at `path`. `message` and `hint` have no full stop.

        `column` is the index of the character to mark in a string value; without it, only the key
        is shown and marked.
        """
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
        if place is None:  # the key is missing: show the table around it
            place, about = self._nearest(path), "key"
        elif self.hidden.hides(path, place.value):
            about = "key"
        stars = self.hidden.stars
        if place is not None and place.shown:
            excerpt, mark = cut(place.shown, *_marked(place, column))
            message, hint, file = stars(message), stars(hint), place.file
            return Problem(message, dotted(path), None, hint, excerpt, mark, file, of_argument=True)
        excerpt, mark, below = _excerpt(place, about, column) if place else ("", (0, 0), 0)
        line = place.line + below if place else None
        file = place.file if place else ""
        return Problem(stars(message), dotted(path), line, stars(hint), excerpt, mark, file)

    def _nearest(self, path: Path) -> KeyPlace | None:
        """The place of the closest table around `path` that the user wrote."""
        for length in range(len(path) - 1, 0, -1):
            if place := self.places.get(path[:length]):
                return place
        return None


def dotted(path: Path) -> str:
    """A path as the user would write it: `routes."my app".stages[0].keep`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = re.fullmatch(r"[A-Za-z0-9_-]+", part)
            text += ("." if text else "") + (part if bare else quote(part))
    return text


def quote(value: str, limit: int = 60) -> str:
    """A user's text for a message: in double quotes, on one line, at most `limit` characters.

    Control characters are escaped, since they could write anywhere on a terminal.
    """
    text = value if len(value) <= limit else value[: limit - 1] + "…"
    return '"' + "".join(c if c.isprintable() else repr(c)[1:-1] for c in text) + '"'


def _marked(place: KeyPlace, column: int | None) -> tuple[int, int]:
    """The part of `shown` to mark: the character at `column`, if the value is written as it is."""
    start, end = place.mark
    if column is None or not place.value or "%" in place.value or start + column >= end:
        return start, end
    return start + column, start + column + 1


_WIDTH = 96
"""Columns of an excerpt; a longer one is cut around the marked part."""


def _excerpt(place: KeyPlace, about: About, column: int | None) -> tuple[str, tuple[int, int], int]:
    """The excerpt of a place, the part of it to mark, and how many lines below the key it is."""
    if about == "key" or place.value.startswith(("[", "{")) or not place.value:
        key = place.key.replace("\t", " ")
        shown = f"{key} = …" if place.value and key else key
        return (*cut(shown, 0, len(key)), 0)
    value = place.value
    start = 0 if column is None else offset_within(value, column)
    below = value.count("\n", 0, start)
    begin = value.rfind("\n", 0, start) + 1
    end = value.find("\n", start)
    line = value[begin : None if end < 0 else end]
    prefix = f"{place.key} = " if place.key and not below else ""
    first = len(prefix) + start - begin
    last = first + 1 if column is not None else len(prefix) + len(line)
    return (*cut(prefix + line, first, last), below)


def cut(text: str, start: int, end: int) -> tuple[str, tuple[int, int]]:
    """`text` cut to `_WIDTH` columns with the marked part in view, and where that is then."""
    text = "".join(c if c.isprintable() else "·" for c in text)
    skip = max(0, start - _WIDTH // 2) if len(text) > _WIDTH else 0
    left = "…" if skip else ""
    shown = left + text[skip : skip + _WIDTH] + ("…" if len(text) > skip + _WIDTH else "")
    start, end = (min(edge - skip + len(left), len(shown)) for edge in (start, end))
    return shown, (start, end)
