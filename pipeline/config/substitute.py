"""Substitutes `${NAME}`, `${NAME:-default}` and `${file:/run/secrets/x}` in strings.

Substituted values are never shown: errors show the string as the user wrote it. `$${` is a literal
`${`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from pipeline.config.locate import Path
from pipeline.config.problems import INVALID, ProblemReport, quote
from pipeline.model.component import Secret
from pipeline.support.unreadable import why_unreadable

LARGEST_FILE = 64 * 1024
"""Bytes of a `${file:...}` at most: it is a password or a token."""


class Substituted(Secret):
    """A string in which `${...}` has been substituted. It is a `Secret`, so never shown."""

    written: str
    """The string as written in the configuration."""
    parts: dict[str, str]
    """Each substituted value and what was written: `{"db.example": "${HOST}"}`."""


def substitute(
    value: Any, environ: Mapping[str, str], report: ProblemReport, path: Path = ()
) -> Any:
    """`value`, as `tomllib` returned it, with `${...}` substituted in its strings (not its keys).

    `environ` has the environment's variables; `path` is where the value stands. A string that
    cannot be substituted is reported and becomes `INVALID`.
    """
    if isinstance(value, dict):
        return {key: substitute(v, environ, report, (*path, key)) for key, v in value.items()}
    if isinstance(value, list):
        return [substitute(v, environ, report, (*path, i)) for i, v in enumerate(value)]
    if isinstance(value, str) and "${" in value:
        try:
            return fill(value, environ)
        except ValueError as error:
            report.error(path, str(error), about="key")
            return INVALID
    return value


def fill(text: str, environ: Mapping[str, str]) -> str:
    """Substitutes `${...}` in one string; the result is `Substituted` if there was any.

    Raises `ValueError`, with a message for the user, for a variable that is not set, a file that
    cannot be read, and a `${` that is not understood.
    """
    parts: dict[str, str] = {}

    def put_in(found: re.Match[str]) -> str:
        if found[0] == "$${":
            return "${"
        value = _value(found, environ)
        parts[value] = found[0]
        return value

    result = _REFERENCE.sub(put_in, text)
    if not parts:
        return result
    filled = Substituted(result)
    filled.written, filled.parts = text, parts
    return filled


_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


def without_defaults(written: str) -> str:
    """A string as written, with `…` for the defaults in `${NAME:-default}`, which may be secret."""
    return _DEFAULT.sub(r"\1…}", written)


_DEFAULT = re.compile(r"(\$\{[A-Za-z_][A-Za-z0-9_]*:-)[^}]*\}")


def _value(found: re.Match[str], environ: Mapping[str, str]) -> str:
    inside = found[1]
    if not found[2]:
        raise ValueError("a ${ has no closing brace; a literal ${ is written $${")
    if inside.startswith("file:"):
        return _file(inside.removeprefix("file:"))
    name = _NAME.fullmatch(inside)
    if name is None:
        raise ValueError(
            "what stands between ${ and } is not understood; write ${NAME}, ${NAME:-default} or "
            "${file:/path}, and $${ for a literal ${"
        )
    if name[2] is not None:
        return environ.get(name[1]) or name[2]
    if name[1] not in environ:
        raise ValueError(
            f"the environment variable {name[1]} is not set; "
            f"set it, or give a default: ${{{name[1]}:-default}}"
        )
    return environ[name[1]]


def _file(name: str) -> str:
    """The text of a file, without one final newline, which editors and `echo` add."""
    shown, file = quote(name), FilePath(name)
    try:
        if "\0" in name or (file.exists() and not file.is_file()):  # a pipe would block for ever
            raise ValueError(f"{shown} is not a file")
        with file.open("rb") as opened:
            data = opened.read(LARGEST_FILE + 1)
    except OSError as error:
        why = why_unreadable(name) if isinstance(error, PermissionError) else error.strerror
        raise ValueError(f"the file {shown} cannot be read: {why}") from None
    if len(data) > LARGEST_FILE:
        raise ValueError(f"the file {shown} is too large; a secret has at most 64 KiB")
    try:
        return data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ValueError(f"the file {shown} is not UTF-8 text") from None
