"""Patterns that containers bring, held to a bound that is much closer than that of the operator's.

Whoever writes an image's labels may also write its lines. So a search may take no more steps than
the slowest of the stages that any label asks for, whatever the line is: about 250 ns for a byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from pipeline.expression import steps
from pipeline.expression.patterns import Search, compile_pattern
from pipeline.model.errors import ConfigError

LONGEST: Final = 128
"""Characters of a pattern at most. Working out its steps takes longer the longer it is."""
LOOKED_AT: Final = 2048
"""Bytes at the start of a line that are searched."""
MOST_STEPS: Final = 8 * steps.LONGEST
"""Steps of a search in a text of `steps.LONGEST` characters: eight for each character."""


class HeldPattern:
    """A pattern that is searched at the beginning of lines."""

    def __init__(self, text: str) -> None:
        """Raises `ConfigError` for a pattern that is invalid, too long, or could take too long."""
        self._search, self.steps = _compiled(text)
        self._has_end = "$" in text or r"\Z" in text
        """Whether it may ask for the end of a line, which a longer line has further on."""

    def found_in(self, line: bytes) -> bool:
        """Whether the pattern is found in the first `LOOKED_AT` bytes of the line."""
        if len(line) > LOOKED_AT:
            if self._has_end:
                return False
            line = line[:LOOKED_AT]
        return self._search(line.decode("utf-8", "replace")) is not None


class Joins:
    """Tells a `join` which lines belong to the line before: those with the pattern, or those
    without."""

    def __init__(self, pattern: HeldPattern, *, with_it: bool) -> None:
        self._found = pattern.found_in
        self._with_it = with_it

    def read(self, lines: Sequence[bytes], state: str) -> tuple[bytes | None, str]:
        """As the stage `join` asks its readers: see `TraceReader` there."""
        found, with_it = self._found, self._with_it
        joins = [found(line) is with_it for line in lines]
        return (bytes(joins) if True in joins else None), "open"


def check_steps(count: int) -> None:
    """Raises `ConfigError` for more steps than the patterns for one stage may take together."""
    if count > MOST_STEPS:
        raise ConfigError(
            'for a label this pattern takes too long on some lines; begin it with "^", and say '
            'where each part ends, as "[^ ]*" does and ".*" does not'
        )


def _compiled(text: str) -> tuple[Search, int]:
    """A search, and its steps. Raises `ConfigError`."""
    if len(text) > LONGEST:  # before a long one is remembered
        raise ConfigError(f"the pattern is longer than {LONGEST} characters")
    found = _tried(text)
    if isinstance(found, str):
        raise ConfigError(found)
    return found


@lru_cache(256)
def _tried(text: str) -> tuple[Search, int] | str:
    """A search and its steps, or why there is none. Cached: the containers of a project have the
    same labels, and some patterns take tens of milliseconds."""
    try:
        pattern = compile_pattern(text)
        check_steps(pattern.steps)
    except ConfigError as error:
        return error.message
    return pattern.search, pattern.steps
