"""The named groups of a pattern of the user's own."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.expression.patterns import compile_pattern
from pipeline.model.errors import ConfigError
from pipeline.model.records import Fields


def parser(text: str) -> Callable[[list[bytes]], list[Fields]]:
    """Raises `ConfigError` for a pattern that is wrong, could be slow, or names nothing."""
    try:
        pattern = compile_pattern(text)
    except ConfigError as error:
        raise ConfigError(error.message, "regex") from None
    if not pattern.groups:
        raise ConfigError('name what is to become fields, as in "(?P<status>\\d+)"', "regex")
    search = pattern.search

    def parse(lines: list[bytes]) -> list[Fields]:
        texts = [line.decode("utf-8", "replace") for line in lines]
        parsed = [found.groupdict() if (found := search(text)) else {} for text in texts]
        return [_present(fields) if None in fields.values() else fields for fields in parsed]

    return parse


def _present(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if value is not None}
