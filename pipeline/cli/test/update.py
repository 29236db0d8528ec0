"""`dockline test --update`: writes what came out into the files, as the new expectation."""

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
from pipeline.config.file import combine
from pipeline.config.files import Text, normalized
from pipeline.config.wording import toml
from pipeline.model.component import Python
from pipeline.model.errors import DocklineError


def update(
    reading: ConfigFile,
    results: Sequence[Result],
    environ: Mapping[str, str],
    python: Python = "refuse",
) -> tuple[ConfigFile, list[Result]]:
    """Rewrites `expect` of these tests, each in its own file, with what came out.

    `results`: tests that failed but could be run. `environ` and `python` are as in
    `pipeline.config.read`. Returns the new configuration, and the new results of these tests.
    Raises `DocklineError` when it can't be done; then nothing is written, unless one of several
    files can't be written.
    """
    documents: dict[str, Document] = {}
    for result in results:
        file, index = _where(result.index, reading)
        if file not in documents:
            documents[file] = Document(_read(Path(file)))
        rows = list(_rows(result, reading.hidden))
        try:
            documents[file].set_array(("tests", index, "expect"), rows)
        except DocklineError as error:
            raise DocklineError(
                f"the expect of {result.path} cannot be updated: {error}; "
                "write it as expect = [ … ]"
            ) from error
    changed = {file: str(document) for file, document in documents.items()}
    texts = [
        Text(one.file, normalized(changed[one.file])) if one.file in changed else one
        for one in reading.texts
    ]
    new = combine(texts, environ, reading.file, python=python)
    again = [run(new, result.index) for result in results]
    for result in again:
        if not result.as_expected or result.trouble:
            raise DocklineError(f"{result.path} would not pass after an update; nothing is changed")
    for file, text in changed.items():
        _write(Path(file), text)
    return new, again


def _where(index: int, reading: ConfigFile) -> tuple[str, int]:
    """The file that a test is in, and its index there."""
    places = reading.places()
    files = [places["tests", number].file for number in range(index + 1)]
    return files[-1], files.count(files[-1]) - 1


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
        if not path.is_file():  # a pipe would wait for a writer
            raise ValueError("it is not a file")
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
