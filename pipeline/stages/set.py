"""Sets fields, or the message, to values or to texts with expressions in braces.

    { set = { env = "prod", retries = 3, who = "{container.name}/{stream}", http.host = "shop" } }

`http.host` is the field `host` inside the object `http`, which is made if there is none. In a text,
`{…}` becomes the value of the expression: nothing for a missing field, compact JSON for a list or
an object; `{{` and `}}` are braces. All expressions see the entry as it was before. `message` is
the message itself. A name that every entry has in the output, such as `container`, cannot be set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Annotated, Any

from msgspec import Meta

from pipeline.expression import compile_template, has_placeholders, text_of
from pipeline.expression.insight import fields_of_template
from pipeline.expression.paths import Path, flatten, names
from pipeline.model import component
from pipeline.model.batch import Batch
from pipeline.model.errors import ConfigError, at

Scalar = str | int | float | bool
Config = Annotated[
    dict[str, Scalar | list[Scalar] | dict[str, Any]],
    Meta(min_length=1, examples=[{"env": "prod", "who": "{container.name}/{stream}"}]),
]

Column = Callable[[Batch], Iterable[Any]]


class Stage(component.Stage):
    """Computes the values for a whole batch, then sets them."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._fields: list[tuple[Path, Column]] = []
        self._message: Column | None = None
        for name, value in flatten(config):
            with at(name):
                if name == "message":
                    self._message = _column(value)
                else:
                    self._fields.append((Path.target(name), _column(value)))

    def __call__(self, batch: Batch) -> Batch | None:
        columns = [(path, column(batch)) for path, column in self._fields]
        if self._message is not None:
            texts = zip(self._message(batch), batch.lines, strict=False)
            lines = [text_of(text).encode("utf-8", "replace") for text, _ in texts]
            batch = batch.replace(lines=lines, bare=False)
        if not columns:
            return batch
        fields = [{} for _ in batch.lines] if batch.fields is None else batch.fields
        for path, values in columns:
            path.put_all(fields, values)
        return batch.replace(fields=fields)

    def effect(self) -> component.Effect:
        reads = [
            use
            for name, value in flatten(self._config)
            if isinstance(value, str) and has_placeholders(value)
            for use in fields_of_template(value, name)
        ]
        return component.Effect(reads, names(path for path, _ in self._fields))


def _column(value: Any) -> Column:
    """Gives the values for the entries of a batch."""
    if isinstance(value, str) and has_placeholders(value):
        return compile_template(value)
    if isinstance(value, list) and not all(isinstance(item, Scalar) for item in value):
        raise ConfigError("a list may have strings, numbers, true and false")
    return lambda batch: repeat(value)
