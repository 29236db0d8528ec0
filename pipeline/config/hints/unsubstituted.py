"""Finds variables written as other tools write them: they stay the text that they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from pipeline.config.locate import Path
from pipeline.config.problems import ProblemReport, dotted
from pipeline.config.strings import strings
from pipeline.config.substitute import Substituted

_VARIABLE: Final = re.compile(
    r"(?<![\w$\\])\$(?:[A-Z_][A-Z0-9_]+\b|\([A-Z_][A-Z0-9_]*\))"
    r"|\A\$\w+\Z|\A%\w+%\Z|\A\{env[.:]\w+\}\Z|\A\{\{[^{}]*\b[Ee]nv\b[^{}]*\}\}\Z",
    re.ASCII,
)
"""`$NAME` and `$(NAME)` anywhere; as the whole text also `$name`, `%NAME%`, `{env.NAME}` and
`{{ env "NAME" }}`."""

_HINT: Final = "a variable of the environment is written ${NAME}, with braces"


def explain_unsubstituted(tree: dict[str, Any], report: ProblemReport) -> None:
    """Adds a hint to errors about such a text that have none.

    `tree` is the file's own tables, after substitution.
    """
    places = {dotted(path) for path in _places(tree)}
    report.errors[:] = [
        replace(problem, hint=_HINT) if problem.path in places and not problem.hint else problem
        for problem in report.errors
    ]


def warn_of_unsubstituted(tree: dict[str, Any], report: ProblemReport) -> None:
    """Warns of such texts, and in place of other warnings about them.

    `tree` is the file's own tables, after substitution. Shows nothing of the text: it may be a
    secret that merely looks so.
    """
    for path in _places(tree):
        report.warnings[:] = [one for one in report.warnings if one.path != dotted(path)]
        report.warning(path, "this stays as it is: no variable is put in", _HINT)


def _places(tree: dict[str, Any]) -> Iterator[Path]:
    for path, value in strings(tree):
        written = value.written if isinstance(value, Substituted) else value
        if _VARIABLE.search(written.replace("$${", "")):
            yield path
