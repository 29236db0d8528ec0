"""`dockline test --update`: writes what came out into the file, as the new expectation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.cli.test.cases import Result, run
from pipeline.cli.test.compare import updated
from pipeline.cli.test.report import suggested
from pipeline.config import ConfigFile
from pipeline.config.edit import Document, Row
from pipeline.config.file import parse
from pipeline.config.wording import toml
from pipeline.model.component import Python
from pipeline.model.errors import DocklineError


def update(
    path: Path,
    reading: ConfigFile,
    results: Sequence[Result],
    environ: Mapping[str, str],
    python: Python = "refuse",
) -> tuple[ConfigFile, list[Result]]:
    """Rewrites `expect` of these tests in the file `path`, with what came out.

    `results`: tests that failed but could be run. `environ` and `python` are as in
    `pipeline.config.read`. Returns the new configuration, and the new results of these tests.
    Raises `DocklineError` when it can't be done; then nothing is written.
    """
    text = _read(path)
    document, hidden = Document(text), reading.hidden
    for result in results:
        try:
            document.set_array(("tests", result.index, "expect"), list(_rows(result, hidden)))
        except DocklineError as error:
            raise DocklineError(
                f"the expect of {result.path} cannot be updated: {error}; "
                "write it as expect = [ … ]"
            ) from error
    changed = str(document)
    new = parse(changed, environ, reading.file, python=python)
    again = [run(new, result.index) for result in results]
    for result in again:
        if not result.as_expected or result.trouble:
            raise DocklineError(f"{result.path} would not pass after an update; nothing is changed")
    _write(path, changed)
    return new, again


def _rows(result: Result, hidden: Mapping[str, str]) -> Any:
    for pair in result.pairs:
        if pair.matches:
            yield Row(pair.expected)
        elif pair.got is not None:
            expected = None if pair.expected is None else result.case.expect[pair.expected]
            new = updated(expected, result.entries[pair.got].json) if expected else {}
            fields = new or suggested(result, pair.got)
            yield Row(pair.expected, toml(_as_written(fields, hidden)))


def _as_written(value: Any, hidden: Mapping[str, str]) -> Any:
    """The value with `${...}` again in place of what it stood for, so no secret is written."""
    if isinstance(value, Mapping):
        return {key: _as_written(inner, hidden) for key, inner in value.items()}
    if isinstance(value, list):
        return [_as_written(inner, hidden) for inner in value]
    if not isinstance(value, str):
        return value
    longest_first = sorted(hidden, key=len, reverse=True)
    pattern = "|".join(map(re.escape, [*longest_first, "${"]))
    return re.sub(pattern, lambda found: hidden.get(found[0], "$${"), value)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except (OSError, ValueError) as error:
        raise DocklineError(f"cannot read {path} again: {error}") from error


def _write(path: Path, text: str) -> None:
    """Writes into the file itself, which may be a link, or a mount of its own."""
    try:
        with path.open("r+b") as file:
            file.write(text.encode())
            file.truncate()
    except OSError as error:
        raise DocklineError(f"cannot write {path}: {error.strerror}") from error
