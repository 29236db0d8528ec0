"""Errors and warnings about fields that a stage reads: not there, or not what they seem."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from pipeline.config.advice.known import Known
from pipeline.config.components import inside
from pipeline.config.locate import Path
from pipeline.config.problems import ProblemReport, dotted, quote
from pipeline.config.wording import nearest
from pipeline.expression.scope import FACTS
from pipeline.expression.values import number
from pipeline.model.component import FieldUse
from pipeline.support.quoted import quoted

_ORDER: Final = ("<", "<=", ">", ">=")
_EQUALITY: Final = ("==", "!=", "in", "not in")
_STAR: Final = re.compile(r"[^*]*[\w/.-]\*")
"""A text that is probably meant as a pattern: `/health*`."""


class FieldAdvice:
    """Reports what a stage reads that is not there, or is not what it seems."""

    def __init__(
        self,
        known: Known,
        place: Path,
        value: Any,
        how_to_make: Callable[[str], str],
        report: ProblemReport,
    ) -> None:
        """`how_to_make` gives the hint for a field, by its name, that no stage makes."""
        self._known = known
        self._place = place
        self._value = value
        self._how_to_make = how_to_make
        self._report = report

    def of_words(self, use: FieldUse) -> None:
        """Reports values that a field never has, and texts that are compared as numbers."""
        where = self._where(use)
        found = self._known.words.get(use.written)
        for one in use.compared:
            if found and one.operator not in _ORDER and isinstance(one.value, (str, int, float)):
                word, path = found
                if (said := word(one.value)) != one.value:
                    by = near(path, self._place)
                    message = f"{_name(use)} is never {quoted(one.value)} here: {by} makes it "
                    hint = f"write {quoted(said)}"
                    self._report.error(where, f"{message}{quoted(said)}", hint, column=one.column)
            elif one.operator in _EQUALITY and _STAR.fullmatch(str(one.value)):
                hint = f"write startswith({_name(use)}, {quoted(one.value[:-1])})"
                message = f"{one.operator} takes * literally"
                self._report.warning(where, message, hint, column=one.column)
            elif one.operator in _ORDER and _is_number_in_quotes(one.value):
                message = 'two texts are compared as texts, in which "99" is more than "500"'
                hint = f"write {_name(use)} {one.operator} {one.value.strip()}"
                self._report.warning(where, message, hint, column=one.column)

    def of_field(self, use: FieldUse) -> None:
        """Reports a field that no entry has, and one that is probably a text without quotes."""
        known, where = self._known, self._where(use)
        names = {use.field, use.written}
        lost = known.gone.get(use.written)
        if known.made is not None and not known.made & names:
            if use.bare and not (lost or nearest(use.written, known.made)):
                message = f"no stage before this one makes a field {quote(use.written)}"
                hint = f'for the text write "{use.written}", in quotes'
                self._report.error(where, message, hint, column=use.column)
                return
        elif use.bare and not known.named & names:
            message = f"{quote(use.bare)} is compared with a field {quote(use.written)}"
            hint = f'for the text write "{use.written}", for the field fields["{use.written}"]'
            self._report.warning(where, message, hint, column=use.column)
            return
        if lost:
            path, new = lost
            became = f"renames it to {quote(new)}" if new else "removes it"
            message = f"no entry has a field {quote(use.written)} here: {near(path, self._place)} "
            hint = f"write {quote(new)}" if new else "put what reads it before that stage"
            self._report.warning(where, f"{message}{became}", hint, column=use.column)
        elif known.made is not None and not known.made & names:
            message = f"no stage before this one makes a field {quote(use.written)}"
            hint = nearest(use.written, known.made) or self._how_to_make(use.field)
            if use.field in FACTS:
                hint = f"the container's is container.{use.written}"
            self._report.warning(where, message, hint, column=use.column)

    def _where(self, use: FieldUse) -> Path:
        return (*self._place, *inside(self._value, use.key))


def _name(use: FieldUse) -> str:
    """A field as an expression has it."""
    plain = re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", use.written, re.ASCII)
    return use.written if plain else f"fields[{quoted(use.written)}]"


def _is_number_in_quotes(value: Any) -> bool:
    return isinstance(value, str) and number(value) is not None


def near(path: str, place: Path) -> str:
    """The path of a stage as it is written in messages about another one at `place`."""
    return path.removeprefix(f"{dotted(place[:2])}.")
