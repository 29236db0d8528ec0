"""What stages that make metrics share: a name, labels, a condition, a limit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import Annotated, Any

from msgspec import Meta, Struct

from pipeline.expression import compile_predicate, compile_template
from pipeline.expression.insight import fields_of_template, fields_read
from pipeline.model.batch import Batch
from pipeline.model.component import FieldUse
from pipeline.model.errors import ConfigError
from pipeline.model.stage_metrics import Values


class Measure(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of every stage that makes a metric."""

    name: Annotated[str, Meta(min_length=1, max_length=200, examples=["http_requests"])]
    """Name of the metric: letters, digits and `_`."""
    labels: Annotated[
        dict[str, str], Meta(examples=[{"status": "{status}", "service": "{container.service}"}])
    ] = {}
    """The metric's labels, each a template as in `set`."""
    when: Annotated[str | None, Meta(examples=["status >= 500"])] = None
    """An expression. Only entries for which it is true are counted."""
    series: Annotated[int, Meta(ge=1, le=100_000)] = 1000
    """How many series there may be, one for each combination of the labels' values. Entries beyond
    that count into one series whose labels are all `other`."""
    help: Annotated[str | None, Meta(min_length=1, examples=["Requests of the shop."])] = None
    """The metric's help text."""


class Labelling:
    """Which entries of a batch are counted, and with which labels.

    The methods may be called for batches of any container, from the event loop.
    """

    def __init__(self, config: Measure) -> None:
        """Raises `ConfigError` for a wrong expression or template, with the path of its setting."""
        self._when = None if config.when is None else compiled(compile_predicate, config, "when")
        templates = {
            name: compiled(compile_template, config, "labels", name) for name in config.labels
        }
        reads = fields_read(config.when, "when") if config.when else []
        for name, template in config.labels.items():
            reads += fields_of_template(template, f"labels.{name}")
        self.reads: Sequence[FieldUse] = reads
        """The fields that the condition and the labels read."""
        self.names: Values = tuple(sorted(templates))
        """The names of the labels, sorted; rows of values are in this order."""
        self._columns = [templates[name] for name in self.names]
        self._is_owned = any(
            {"container.name", "container.id"} & one.facts for one in templates.values()
        )

    def owner(self, batch: Batch) -> str:
        """The id of the container that the series belong to and end with; empty if to none."""
        return batch.container.id if self._is_owned else ""

    def mask(self, batch: Batch) -> Iterable[bool]:
        """Whether each entry of the batch is counted."""
        return repeat(True, len(batch)) if self._when is None else self._when(batch)

    def counted(self, batch: Batch) -> Batch | None:
        """The entries of the batch that are counted; None if none is."""
        return batch if self._when is None else batch.select(self._when(batch))

    def rows(self, batch: Batch) -> Iterator[Values]:
        """The values of the labels for each entry of the batch."""
        if not self._columns:
            return repeat((), len(batch))
        return zip(*(column(batch) for column in self._columns), strict=True)


def compiled(compile_: Callable[[str], Any], config: Measure, *path: str) -> Any:
    """Compiles a text of a stage's settings: `compile_(text)`.

    `path`: the names that lead to it in `config`, such as "labels" and "status". Raises
    `ConfigError` with this path.
    """
    text: Any = getattr(config, path[0])
    for key in path[1:]:
        text = text[key]
    try:
        return compile_(text)
    except ConfigError as error:
        raise ConfigError(error.message, ".".join(path), error.column) from None
