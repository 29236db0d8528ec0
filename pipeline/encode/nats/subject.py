"""Subjects of NATS by template: `dockline.{source}.{container.name}`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from pipeline.encode.nats.partition import partition
from pipeline.model.batch import Batch
from pipeline.model.errors import ConfigError

LONGEST_TOKEN: Final = 128
"""Characters of one value in a subject; a server takes lines of 4096 bytes."""
LONGEST: Final = 512
"""Characters of a template."""

_Value = Callable[[Batch], str]

_VALUES: Final[dict[str, _Value]] = {
    "container.id": lambda batch: batch.container.id,
    "container.name": lambda batch: batch.container.name,
    "container.image": lambda batch: batch.container.image,
    "container.project": lambda batch: batch.container.project,
    "container.service": lambda batch: batch.container.service,
    "container.host": lambda batch: batch.container.host,
    "source": lambda batch: batch.source,
    "route": lambda batch: batch.route,
}
_LABEL: Final = re.compile(r"container\.labels\[(?:\"([^\"]+)\"|'([^']+)')\]")
_PIECE: Final = re.compile(r"\{([^{}]*)\}|([^{}]+)")
_LITERAL: Final = re.compile(r"[A-Za-z0-9_.$/:=+-]+")
_UNCLEAN: Final = re.compile(r"[^A-Za-z0-9_-]")


class Subjects:
    """The subjects of batches, by a template. Values have nothing left in them that a subject
    gives a meaning to: all but ASCII letters, digits, `-` and `_` becomes `_`, and so does what
    is empty."""

    def __init__(self, template: str, *, partitions: int, host: str = "") -> None:
        """`host` is for containers that do not tell theirs. Raises `ConfigError` for the key
        `subject`."""
        if len(template) > LONGEST:
            raise ConfigError(f"a subject has {LONGEST} characters at most", path="subject")
        self.partitions: int | None = None
        """How many there are, where a subject tells which of them."""
        self._host = host
        self._partitions = partitions
        self._pieces: list[str | _Value] = []
        end = 0
        for found in _PIECE.finditer(template):
            if found.start() != end:
                break
            end = found.end()
            name, text = found.groups()
            self._pieces.append(self._value(name.strip()) if text is None else _literal(text))
        if end != len(template) or not template:
            raise ConfigError('a subject is like "logs.{container.name}"', path="subject")
        shape = "".join(one if isinstance(one, str) else "x" for one in self._pieces)
        if "" in shape.split(".") or shape.startswith("$"):
            message = "a subject has no empty part between its dots, and does not begin with $"
            raise ConfigError(message, path="subject")

    def of(self, batch: Batch) -> str:
        """The subject of a batch; it is the same for all batches of a container, source and
        route."""
        return "".join(
            [one if isinstance(one, str) else _token(one(batch)) for one in self._pieces]
        )

    @property
    def takes(self) -> str:
        """What a stream has to take, for all subjects that there may be: `dockline.>`.

        Raises `ConfigError` where that would be everything.
        """
        first = self._pieces[0]
        if not isinstance(first, str):
            first = ""
        if len(self._pieces) == 1 and first:
            return first
        whole = first.rpartition(".")[0]
        if not whole:
            message = "with a placeholder at its beginning, stream.subjects has to be set"
            raise ConfigError(message, path="subject")
        return f"{whole}.>"

    def _value(self, name: str) -> _Value:
        if name == "partition":
            self.partitions = partitions = self._partitions
            return lambda batch: str(partition(batch.container.id, partitions))
        if name == "container.host":
            return lambda batch: batch.container.host or self._host
        if found := _LABEL.fullmatch(name):
            label = found[1] or found[2]
            return lambda batch: batch.container.labels.get(label, "")
        if name in _VALUES:
            return _VALUES[name]
        known = ", ".join(f"{{{one}}}" for one in (*_VALUES, "partition"))
        message = f'"{{{name}}}" is not known here; known are {known}, {{container.labels["…"]}}'
        raise ConfigError(message, path="subject")


def _literal(text: str) -> str:
    if not _LITERAL.fullmatch(text):
        raise ConfigError(
            f'"{text}" cannot be in a subject: letters, digits, dots, - and _ can', path="subject"
        )
    return text


def _token(value: str) -> str:
    return _UNCLEAN.sub("_", value[:LONGEST_TOKEN]) or "_"
