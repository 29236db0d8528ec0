"""`${NAME}`, `${NAME:-default}` and `${file:/run/secrets/x}` in the strings of a configuration.

What is put in is never shown: errors show the string as the user wrote it. `$${` stands for a
plain `${`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from pipeline.config.locate import Path
from pipeline.config.problems import INVALID, ProblemReport, quote
from pipeline.model.component import Secret

LARGEST_FILE = 64 * 1024
"""Bytes that a `${file:...}` may have; it is a password or a token, not a data set."""


class Substituted(Secret):
    """A string that something was put into."""

    written: str
    """The string as it stands in the configuration."""
    parts: dict[str, str]
    """What was put in, and what stood there: `{"db.example": "${HOST}"}`."""


def substitute(
    value: Any, environ: Mapping[str, str], report: ProblemReport, path: Path = ()
) -> Any:
    """`value` as `tomllib` gave it, with its strings (not its keys) filled in.

    A string that cannot be filled in is reported and becomes `INVALID`.
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
    """One string filled in. Raises `ValueError` with a sentence fit for the user."""
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
    """A string as it stands in the configuration, to be shown: a default may be a secret."""
    return _DEFAULT.sub(r"\1…}", written)


_DEFAULT = re.compile(r"(\$\{[A-Za-z_][A-Za-z0-9_]*:-)[^}]*\}")


def _value(found: re.Match[str], environ: Mapping[str, str]) -> str:
    inside = found[1]
    if not found[2]:
        raise ValueError("a ${ has no closing brace; a plain ${ is written $${")
    if inside.startswith("file:"):
        return _file(inside.removeprefix("file:"))
    name = _NAME.fullmatch(inside)
    if name is None:
        raise ValueError(
            "what stands between ${ and } is not understood; write ${NAME}, ${NAME:-default} or "
            "${file:/path}, and $${ for a plain ${"
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
    """The text of a file, without the newline that editors and `echo` put at its end."""
    shown, file = quote(name), FilePath(name)
    try:
        if "\0" in name or (file.exists() and not file.is_file()):  # a pipe would block for ever
            raise ValueError(f"{shown} is not a file")
        with file.open("rb") as opened:
            data = opened.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ValueError(f"the file {shown} cannot be read: {error.strerror}") from None
    if len(data) > LARGEST_FILE:
        raise ValueError(f"the file {shown} is too large; a secret has at most 64 KiB")
    try:
        return data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ValueError(f"the file {shown} is not UTF-8 text") from None
