"""Regular expressions that cannot block the agent: Python's `re`, after a check of the pattern.

`re` backtracks. Its worst-case cost is estimated from the parsed pattern: in how many ways a search
can reach each position of the pattern (`ways`), and how many steps that takes on a text of
`LONGEST` characters. These are the rules; most patterns in practice cost little:

- A search that is not anchored starts at every character.
- A repeat multiplies the ways by how often it may repeat, unless what must follow it cannot be part
  of it, as in `\\S+ ` and `[^"]*"`: then it can only end in one place.
- A repeat that begins after a character which cannot be part of it, as in `=\\w+`, runs over
  different characters from each start, so that all its runs together are no longer than the text.
- A group that is repeated without limit must match in one way: `(?:\\w+\\.)*` does, `(\\w+\\s?)*`
  and `(a|a)*` do not, and would take time that doubles with every character.

A pattern with more than `MOST_STEPS` is refused. One with fewer whose steps are still quadratic in
the text is not tried on a text longer than `LONGEST`. See
docs/decisions/0001-regular-expressions.md.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from pipeline.expression import steps
from pipeline.expression.pattern_slips import found_in
from pipeline.model.errors import ConfigError

MOST_CHARACTERS = 4096
"""Most characters of a pattern."""

Search = Callable[[str], "re.Match[str] | None"]
"""Finds the leftmost match of a pattern in a text; None if there is none."""


@dataclass(frozen=True)
class Pattern:
    """A compiled pattern, safe to search any text."""

    search: Search
    """Finds the leftmost match. May always find none in texts longer than `steps.LONGEST`."""
    groups: Mapping[str, int]
    """The number of each named group, by name."""
    is_linear: bool
    """Whether the steps of a search are linear in the text, so that it searches any text."""
    steps: int = 0
    """At most how many steps a search takes in a text of `steps.LONGEST` characters."""


def compile_pattern(text: str) -> Pattern:
    """Compiles a regular expression in Python's syntax.

    Raises `ConfigError` for a pattern that is invalid, or could take too long.
    """
    compiled, cost = _compile(text)
    if cost > steps.LINEAR and (sooner := _from_where_it_begins(text)) is not None:
        compiled, cost = sooner, steps.of_search(sooner.pattern)
    linear = cost <= steps.LINEAR
    search = compiled.search if linear else _within(compiled.search)
    return Pattern(search, compiled.groupindex, linear, cost)


def compile_linear(text: str) -> re.Pattern[str]:
    """Compiles a pattern whose steps are linear in the text, so that it can search any text.

    Raises `ConfigError` for a pattern that is invalid, or whose steps may be quadratic.
    """
    compiled, cost = _compile(text)
    if cost > steps.LINEAR:
        raise ConfigError(
            "on long texts this pattern would take too long, and here none may be left out; "
            r'begin with what is fixed, as in "id=\d+", or say how much there is, as in "\d{1,20}"'
        )
    return compiled


def _compile(text: str) -> tuple[re.Pattern[str], int]:
    """A compiled pattern, and how many steps a search may take."""
    if len(text) > MOST_CHARACTERS:
        raise ConfigError(f"the pattern is longer than {MOST_CHARACTERS} characters")
    if "\b" in text:
        raise ConfigError(
            r'the pattern holds a backspace; write it as r"…" for \b to be a boundary'
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about syntax that may change in a later Python
            return re.compile(text), steps.of_search(text)
    except (re.error, OverflowError) as error:
        raise ConfigError(found_in(text) or f"the pattern cannot be read: {error}") from None
    except RecursionError:
        raise ConfigError("the pattern is nested too deeply") from None


_LEADING: Final = re.compile(
    r"(?P<flags>\(\?[aimsu]+\))?(?P<groups>(?:\((?:\?P<\w+>|\?:)?)*)"
    r"(?P<one>\\[wWdDsS]|\[\^?[\w .,:;/=@-]+\])[+*](?!\+)"
)
"""Matches the start of a pattern that begins with an unlimited repeat of a set of characters."""


def _from_where_it_begins(text: str) -> re.Pattern[str] | None:
    """A faster pattern with the same matches, for one that begins with an unlimited repeat.

    A match of `\\w+=`, for example, always begins where the repeat begins: a match from one
    character later is also one from here. So a search need not start after a character of the
    repeat, which makes the steps linear for many patterns. None for other patterns.
    """
    found = _LEADING.match(text)
    if found is None or not steps.begins_with_repeat(text, found["one"]):
        return None
    flags, one = found["flags"] or "", found["one"]
    return re.compile(f"{flags}(?<!{one}){text[len(flags) :]}")


def _within(search: Search) -> Search:
    return lambda text: search(text) if len(text) <= steps.LONGEST else None
