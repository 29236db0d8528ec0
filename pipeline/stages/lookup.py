"""Sets fields to the values that a table in a file has for a value of the entry.

    { lookup = { file = "/etc/dockline/users.csv", key = "user", on = "{user}", set = ["team"] } }

With this file, an entry whose `user` is `ann` gets `team = "core"`:

```csv
user,team,owner
ann,core,bob
```

`on` is a template as in `set`; its text is searched in the column `key`, and must be equal. A file
whose name ends in `.json` is one object: its keys are searched, and its values are objects, as in
`{"ann": {"team": "core"}}`; then there is no `key`. A `.tsv` file has tabs between the columns, any
other file commas, and the first row has the names of the columns. Values from CSV are texts; an
empty one is no value, and so is null in JSON.

Fields are overwritten. A field that the table has no value for stays as it is, unless `missing` has
a value for it. The file is read when the agent starts and when its configuration is loaded again,
up to 64 MiB. Errors in it are errors of the configuration, and `dockline check` finds them.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import repeat
from pathlib import Path as File
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from pipeline.expression import compile_template
from pipeline.expression.insight import fields_of_template
from pipeline.expression.paths import Path, names
from pipeline.model import component
from pipeline.model.batch import Batch
from pipeline.model.errors import ConfigError, at
from pipeline.model.records import MISSING
from pipeline.support.plural import plural
from pipeline.support.unreadable import why_unreadable

LARGEST: Final = 64 * 2**20
"""Bytes of a file. The table takes several times as much memory."""

Scalar = str | int | float | bool
Rows = Mapping[str, Mapping[str, Any]]


class Lookup(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file, what to search in it, and which values to set."""

    file: Annotated[str, Meta(min_length=1, examples=["/etc/dockline/users.csv"])]
    """A CSV file with a header, or a JSON object of objects."""
    key: Annotated[str | None, Meta(examples=["user"])] = None
    """The column to search. Not for JSON."""
    on: Annotated[str, Meta(min_length=1, examples=["{user}"])]
    """A template of the text to search."""
    set: Annotated[list[str] | None, Meta(min_length=1, examples=[["team", "owner"]])] = None
    """The columns to set as fields of the same name. Without it, all but the key."""
    missing: Annotated[dict[str, Scalar], Meta(examples=[{"team": "unknown"}])] = {}
    """Values of fields for which the table has none."""


Config = Annotated[
    Lookup,
    Meta(
        examples=[
            {
                "file": "/etc/dockline/users.csv",
                "key": "user",
                "on": "{user}",
                "set": ["team", "owner"],
            },
        ]
    ),
]


class Stage(component.Stage):
    """Has the table as a row of values for each key."""

    def __init__(self, config: Lookup) -> None:
        with at("on"):
            self._on = compile_template(config.on)
        self._reads = fields_of_template(config.on, "on")
        columns, rows, self.read = _read(config)
        chosen = _chosen(config, columns)
        self._paths = [_target(name, place) for name, place in chosen.items()]
        self._default = tuple(config.missing.get(name, MISSING) for name in chosen)
        defaults = dict(zip(chosen, self._default, strict=True))
        self._rows = {
            key: tuple(row.get(name, default) for name, default in defaults.items())
            for key, row in rows.items()
        }

    @classmethod
    def files(cls, config: Lookup) -> Mapping[str, str]:
        return {"file": config.file}

    def effect(self) -> component.Effect:
        return component.Effect(self._reads, names(self._paths))

    def __call__(self, batch: Batch) -> Batch | None:
        find = self._rows.get
        rows = list(map(find, self._on(batch), repeat(self._default)))
        columns = list(zip(*rows, strict=True))
        if all(value is MISSING for column in columns for value in column):
            return batch
        fields = [{} for _ in batch.lines] if batch.fields is None else batch.fields
        for path, values in zip(self._paths, columns, strict=True):
            path.put_all(fields, values)
        return batch.replace(fields=fields)


def _chosen(config: Lookup, columns: Sequence[str]) -> dict[str, str]:
    """The names of the columns to set, each with its path in the configuration."""
    chosen = {name: "file" for name in columns if name != config.key}
    if config.set is not None:
        chosen = {name: f"set[{index}]" for index, name in enumerate(config.set)}
        for name, place in chosen.items():
            if name not in columns:
                raise ConfigError(f"{config.file} has no {_known(name, columns)}", place)
    for name in config.missing:
        if name not in chosen:
            raise ConfigError(f'"{name}" is not among what is set', f"missing.{name}")
    return chosen


def _known(name: str, columns: Sequence[str]) -> str:
    return f'"{name}"; it has {", ".join(columns) or "nothing"}'


def _target(name: str, place: str) -> Path:
    with at(place):
        return Path.target(name)


# ------------------------------------------------------------------------------------- files


def _read(config: Lookup) -> tuple[Sequence[str], Rows, bytes]:
    """The names of the columns, the rows by their keys, and a digest of the file."""
    file = config.file
    is_json = file.endswith(".json")
    if is_json and config.key is not None:
        raise ConfigError(
            "in JSON the keys of the outer object are searched: leave this out", "key"
        )
    if not is_json and config.key is None:
        raise ConfigError('"key" is missing: which column is to be searched?')
    text = _text(file)
    digest = sha256(text.encode()).digest()
    if is_json:
        rows = _json(file, text)
        return list(dict.fromkeys(name for row in rows.values() for name in row)), rows, digest
    return *_csv(config, text), digest


def _text(file: str) -> str:
    try:
        with File(file).open("rb") as opened:
            data = opened.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        reason = why_unreadable(file) if isinstance(error, PermissionError) else reason
        raise ConfigError(f"{file} cannot be read: {reason}", "file") from None
    if len(data) > LARGEST:
        raise ConfigError(f"{file} is larger than {LARGEST // 2**20} MiB", "file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _wrong(file, line, "not UTF-8 text; save the file as UTF-8") from None


def _wrong(file: str, line: int, message: str) -> ConfigError:
    return ConfigError(f"{file}, line {line}: {message}", "file")


def _csv(config: Lookup, text: str) -> tuple[Sequence[str], Rows]:
    lines = _lines(config.file, text)
    first, header = next(lines, (1, []))
    if len(set(header)) < len(header):
        raise _wrong(config.file, first, "two columns have the same name")
    if config.key not in header:
        raise ConfigError(f"{config.file} has no {_known(str(config.key), header)}", "key")
    rows: dict[str, Mapping[str, Any]] = {}
    for number, cells in lines:
        if len(cells) != len(header):
            message = (
                f"{len(cells)} {plural(len(cells), 'value')}, where the first line has "
                f"{len(header)} {plural(len(header), 'name')}"
            )
            raise _wrong(config.file, number, message)
        row = dict(zip(header, cells, strict=True))
        key = row[config.key]
        if key in rows:
            raise _wrong(config.file, number, f'"{key}" is there already')
        rows[key] = {name: value for name, value in row.items() if value}
    return header, rows


def _lines(file: str, text: str) -> Iterator[tuple[int, list[str]]]:
    """The line number and the cells of each row that isn't empty."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter="\t" if file.endswith(".tsv") else ",", strict=True
    )
    try:
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise _wrong(file, reader.line_num, str(error)) from None


def _json(file: str, text: str) -> Rows:
    try:
        rows = json.loads(text, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise _wrong(file, error.lineno, error.msg) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: {error}", "file") from None
    if not isinstance(rows, dict):
        raise ConfigError(f"{file} is not an object of objects", "file")
    for key, row in rows.items():
        if not isinstance(row, dict):
            raise ConfigError(f'{file}: the value of "{key}" is not an object', "file")
    return {
        key: {name: value for name, value in row.items() if value is not None}
        for key, row in rows.items()
    }


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")
