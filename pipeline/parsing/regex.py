"""Fields from the named groups of a user's regular expression."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.expression.patterns import compile_pattern
from pipeline.model.errors import ConfigError
from pipeline.model.records import Fields


def parser(text: str) -> Callable[[list[bytes]], list[Fields]]:
    """A function that searches each line for the pattern `text` and returns its named groups.

    A line without a match has no fields. Raises `ConfigError` for a pattern that is invalid, could
    be slow, or has no group.
    """
    try:
        pattern = compile_pattern(text)
    except ConfigError as error:
        raise ConfigError(error.message, "regex") from None
    if not pattern.groups:
        grok = "%{" in text
        message = 'name the groups for the fields, as in "(?P<status>\\d+)"'
        raise ConfigError(message + "; %{NAME:field} of grok is not known" * grok, "regex")
    search = pattern.search

    def parse(lines: list[bytes]) -> list[Fields]:
        texts = [line.decode("utf-8", "replace") for line in lines]
        parsed = [found.groupdict() if (found := search(text)) else {} for text in texts]
        return [_present(fields) if None in fields.values() else fields for fields in parsed]

    return parse


def _present(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if value is not None}
