"""Regular expressions that cannot stall the agent: Python's `re`, with a look at the pattern first.

`re` backtracks. What it may cost is estimated from the parsed pattern: in how many ways it can have
come to each place of the pattern (`ways`), and how many steps that takes on a text of `LONGEST`
characters. The rules, by which almost every pattern of practice costs little:

- A search that is not anchored starts at every character.
- A repeat multiplies the ways by how often it may repeat, unless what must follow it cannot be part
  of it, as in `\\S+ ` and `[^"]*"`: then it ends in one place only.
- A repeat that begins after a character which cannot be part of it, as in `=\\w+`, runs over
  different characters from each start, so that all its runs together are no longer than the text.
- A group that is repeated without limit must match in one way: `(?:\\w+\\.)*` does, `(\\w+\\s?)*`
  and `(a|a)*` do not, and would take time that doubles with every character.

A pattern above `MOST_STEPS` is refused. One below it whose steps still grow with the square of the
text is not tried on a text longer than `LONGEST`. See docs/decisions/0001-regular-expressions.md.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from pipeline.expression import steps
from pipeline.model.errors import ConfigError

MOST_CHARACTERS = 4096
"""Length of a pattern."""

Search = Callable[[str], "re.Match[str] | None"]


@dataclass(frozen=True)
class Pattern:
    """A compiled pattern."""

    search: Search
    """The leftmost match in a text, or None."""
    groups: Mapping[str, int]
    """Number of each named group."""


def compile_pattern(text: str) -> Pattern:
    """Raises `ConfigError` for a pattern that is wrong, or could take too long."""
    compiled, cost = _compile(text)
    if cost > steps.LINEAR and (sooner := _from_where_it_begins(text)) is not None:
        compiled, cost = sooner, steps.of_search(sooner.pattern)
    search = compiled.search if cost <= steps.LINEAR else _within(compiled.search)
    return Pattern(search, compiled.groupindex)


def compile_linear(text: str) -> re.Pattern[str]:
    """For a pattern that has to be tried on every text, however long. Raises `ConfigError` also
    where its steps grow with the square of the text."""
    compiled, cost = _compile(text)
    if cost > steps.LINEAR:
        raise ConfigError(
            "on long texts this pattern would take too long, and here none may be left out; "
            r'begin with what is fixed, as in "id=\d+", or say how much there is, as in "\d{1,20}"'
        )
    return compiled


def _compile(text: str) -> tuple[re.Pattern[str], int]:
    """And the steps it may take."""
    if len(text) > MOST_CHARACTERS:
        raise ConfigError(f"the pattern is longer than {MOST_CHARACTERS} characters")
    if "\b" in text:
        raise ConfigError(
            r'the pattern holds a backspace; write it as r"…" for \b to be a boundary'
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what some later Python might read otherwise
            return re.compile(text), steps.of_search(text)
    except (re.error, OverflowError) as error:
        raise ConfigError(f"the pattern cannot be read: {error}") from None
    except RecursionError:
        raise ConfigError("the pattern is nested too deeply") from None


_LEADING: Final = re.compile(
    r"(?P<flags>\(\?[aimsu]+\))?(?P<groups>(?:\((?:\?P<\w+>|\?:)?)*)"
    r"(?P<one>\\[wWdDsS]|\[\^?[\w .,:;/=@-]+\])[+*](?!\+)"
)
"""Of a pattern: a repeat without limit of one of some characters."""


def _from_where_it_begins(text: str) -> re.Pattern[str] | None:
    """A pattern that begins with such a repeat, as `\\w+=` does, is found first where the repeat
    begins: from one character further on, it would be found from this one as well. So a search need
    not begin behind one of its characters, and its steps are fewer, often no more than the text's.
    None for other patterns."""
    found = _LEADING.match(text)
    if found is None or not steps.begins_with_repeat(text, found["one"]):
        return None
    flags, one = found["flags"] or "", found["one"]
    return re.compile(f"{flags}(?<!{one}){text[len(flags) :]}")


def _within(search: Search) -> Search:
    return lambda text: search(text) if len(text) <= steps.LONGEST else None
