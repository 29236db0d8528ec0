"""Converts single values (strings, numbers, booleans, dates), and reports those that are wrong."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from pipeline.config.locate import Path
from pipeline.config.problems import INVALID, Invalid, ProblemReport, quote
from pipeline.config.substitute import Substituted
from pipeline.config.wording import expected, nearest, plain, shown, toml
from pipeline.model.component import Duration, Secret, SecretURL, Size, TemplateText
from pipeline.model.errors import DocklineError

JUDGED_BY_NAME = ("headers",)
"""Tables whose values are `Secret` but often harmless: no warning about plain text here. `advice`
warns if the key's name sounds secret."""


def scalar(value: Any, type_: Any, path: Path, report: ProblemReport) -> Any:
    """Converts `value` to `type_`, which must accept this kind of value (see `wording.accepts`).

    Returns `INVALID`, with an error in `report`, if it cannot be converted.
    """
    if get_origin(type_) is Literal:
        return _choice(value, get_args(type_), path, report)
    if type_ is Secret:
        if not isinstance(value, Substituted) and path[-2:-1] != JUDGED_BY_NAME:
            hint = "write ${NAME} or ${file:/run/secrets/NAME}"
            report.warning(path, "a secret in plain text", hint)
        return Secret(str(value))
    if type_ is SecretURL:
        url = SecretURL(str(value))
        if not isinstance(value, Substituted) and url.looks_secret:
            hint = "write ${NAME} or ${file:/run/secrets/NAME} in its place"
            report.warning(path, "a secret in plain text, in an address", hint)
        return url
    if type_ is TemplateText:
        return TemplateText.filled(
            str(value), value.parts if isinstance(value, Substituted) else ()
        )
    if hasattr(type_, "parse"):
        return _parsed(value, type_, path, report)
    if type_ in (int, float, bool) and isinstance(value, Substituted):
        return _literal(value, type_, path, report)
    if isinstance(value, float) and not math.isfinite(value):
        report.error(path, f"{value} is not a number to work with")
        return INVALID
    try:
        return msgspec.convert(as_json(value), type_)
    except msgspec.ValidationError as error:
        report.error(path, translate(str(error)), about="key")
        return INVALID


def any_of(value: Any, takers: list[Any], path: Path, report: ProblemReport) -> Any:
    """Converts `value` to one of several types that accept its kind, `Literal` choices first.

    Returns `INVALID`, with an error in `report`, if none fits.
    """
    named = [arm for arm in takers if get_origin(arm) is Literal]
    choices = tuple(choice for arm in named for choice in get_args(arm))
    rest = [arm for arm in takers if arm not in named]
    if len(rest) > 1 and isinstance(value, Substituted):
        return _first_that_fits(value, rest, path, report)
    if value in choices or not rest:
        return _choice(value, choices, path, report)
    if len(rest) > 1 or not named:
        return scalar(value, Union[tuple(takers)], path, report)  # noqa: UP007 - made at run time
    result = scalar(value, rest[0], path, ProblemReport(report.file))
    if result is INVALID and _is_meant_for(value, rest[0]):
        return scalar(value, rest[0], path, report)
    if result is INVALID:
        wanted = expected(Union[tuple(takers)])  # noqa: UP007
        return _mismatch(value, wanted, choices, path, report)
    return result


def _is_meant_for(value: Any, type_: Any) -> bool:
    """Whether a text that the type refuses has its form, so that its own message is the best."""
    return isinstance(value, str) and bool(re.match(getattr(type_, "FORM", "(?!)"), value))


def _first_that_fits(
    value: Substituted, types: list[Any], path: Path, report: ProblemReport
) -> Any:
    for type_ in types:
        result = scalar(value, type_, path, ProblemReport(report.file))
        if result is not INVALID:
            return result
    wanted = expected(Union[tuple(types)])  # noqa: UP007 - made at run time
    return _does_not_stand_for(value, wanted, path, report)


def _choice(value: Any, choices: tuple[Any, ...], path: Path, report: ProblemReport) -> Any:
    if value in choices:
        return plain(value)
    return _mismatch(value, expected(Literal[choices]), choices, path, report)


def _mismatch(
    value: Any, wanted: str, choices: tuple[Any, ...], path: Path, report: ProblemReport
) -> Invalid:
    if isinstance(value, Substituted):
        return _does_not_stand_for(value, wanted, path, report)
    if isinstance(value, str):
        hint = nearest(value, map(str, choices))
        report.error(path, f"expected {wanted}, got {shown(value)}", hint)
    else:
        report.error(path, f"expected {wanted}, got {toml(value)}")
    return INVALID


def _parsed(value: Any, type_: Any, path: Path, report: ProblemReport) -> Any:
    """Converts to a type with a `parse` of its own: a size, duration, address or expression."""
    column = None
    try:
        result = type_.parse(value if isinstance(value, int) else str(value))
        if not isinstance(result, float) or math.isfinite(result):
            return result
        message = f"{quote(str(value))} is too much"
    except OverflowError:
        message = f"{quote(str(value))} is too much"
    except (ValueError, DocklineError) as error:
        message = str(error).replace(f'"{value}"', quote(str(value)))
        column = getattr(error, "column", None)
    if isinstance(value, Substituted):
        return _does_not_stand_for(value, expected(type_), path, report)
    report.error(path, message, column=column)
    return INVALID


def _literal(value: Substituted, type_: Any, path: Path, report: ProblemReport) -> Any:
    """Converts a substituted string to a number or boolean: `${...}` can only give text."""
    try:
        return msgspec.convert(str(value), type_, strict=False)
    except msgspec.ValidationError:
        return _does_not_stand_for(value, expected(type_), path, report)


def _does_not_stand_for(
    value: Substituted, wanted: str, path: Path, report: ProblemReport
) -> Invalid:
    report.error(path, f"{shown(value)} does not stand for {wanted}")
    return INVALID


def as_json(value: Any) -> Any:
    """A TOML value in JSON's types, at any depth: dates as text, substituted strings as plain."""
    if isinstance(value, dict):
        return {key: as_json(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [as_json(inner) for inner in value]
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    return str(value) if isinstance(value, str) else value


def beyond(limits: Mapping[str, Any], value: Any) -> str:
    """Which of the limits (see `msgspec.Meta`) `value` breaks: `must be at least 1`; else empty."""
    if value is None:
        return ""
    for name, bound in limits.items():
        if name in _LIMITS and not _LIMITS[name][0](value, bound):
            if (name, bound) == ("min_length", 1):
                return "must not be empty"
            written = isinstance(value, (Size, Duration))
            return f"{_LIMITS[name][1]} {plain(type(value)(bound)) if written else bound}"
    return ""


_LIMITS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "ge": (lambda value, bound: value >= bound, "must be at least"),
    "gt": (lambda value, bound: value > bound, "must be more than"),
    "le": (lambda value, bound: value <= bound, "must be at most"),
    "lt": (lambda value, bound: value < bound, "must be less than"),
    "min_length": (lambda value, bound: len(value) >= bound, "must have a length of at least"),
    "max_length": (lambda value, bound: len(value) <= bound, "must have a length of at most"),
    "pattern": (lambda value, form: re.search(form, value) is not None, "must have the form"),
}

_WORDS = {
    "str": "a string", "int": "a whole number", "float": "a number", "bool": "true or false",
    "array": "an array", "object": "a table", "null": "nothing",
}  # fmt: skip


def translate(message: str) -> str:
    """An error message of msgspec in TOML's words: `str` becomes `a string`."""
    text, _, place = message.partition(" - at `$")
    text = re.sub(
        r"`([^`]*)`",
        lambda found: " or ".join(_WORDS.get(word, f'"{word}"') for word in found[1].split(" | ")),
        text,
    )
    text = text[:1].lower() + text[1:]
    inner = place.rstrip("`").lstrip(".")
    return f"{text}, in {inner}" if inner else text
