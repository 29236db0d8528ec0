"""What the stages that make metrics have in common: a name, labels, a condition, a limit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import Annotated, Any

from msgspec import Meta, Struct

from pipeline.expression import compile_predicate, compile_template
from pipeline.expression.insight import fields_of_template, fields_read
from pipeline.model import FieldUse
from pipeline.model.batch import Batch
from pipeline.model.errors import ConfigError
from pipeline.model.stage_metrics import Values


class Measure(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every stage that makes a metric may say."""

    name: Annotated[str, Meta(min_length=1, max_length=200, examples=["http_requests"])]
    """Name of the metric: letters, digits and `_`."""
    labels: Annotated[
        dict[str, str], Meta(examples=[{"status": "{status}", "service": "{container.service}"}])
    ] = {}
    """The metric's labels, each a template as in `set`."""
    when: Annotated[str | None, Meta(examples=["status >= 500"])] = None
    """An expression; only entries for which it is true count."""
    series: Annotated[int, Meta(ge=1, le=100_000)] = 1000
    """How many series there may be, one for each combination of the labels' values. What comes
    beyond counts into one whose labels are all `other`."""
    help: Annotated[str | None, Meta(min_length=1, examples=["Requests of the shop."])] = None
    """What the metric says of itself."""


class Labelling:
    """Which entries count, and under what labels."""

    def __init__(self, config: Measure) -> None:
        """Raises `ConfigError`."""
        self._when = None if config.when is None else compiled(compile_predicate, config, "when")
        templates = {
            name: compiled(compile_template, config, "labels", name) for name in config.labels
        }
        reads = fields_read(config.when, "when") if config.when else []
        for name, template in config.labels.items():
            reads += fields_of_template(template, f"labels.{name}")
        self.reads: Sequence[FieldUse] = reads
        """The fields that this depends on."""
        self.names: Values = tuple(sorted(templates))
        self._columns = [templates[name] for name in self.names]
        self._is_owned = any(
            {"container.name", "container.id"} & one.facts for one in templates.values()
        )

    def owner(self, batch: Batch) -> str:
        """The id of the container whose own the series are; empty where they are not."""
        return batch.container.id if self._is_owned else ""

    def mask(self, batch: Batch) -> Iterable[bool]:
        """Whether each entry counts."""
        return repeat(True, len(batch)) if self._when is None else self._when(batch)

    def rows(self, batch: Batch) -> Iterator[Values]:
        """The labels' values of each entry."""
        if not self._columns:
            return repeat((), len(batch))
        return zip(*(column(batch) for column in self._columns), strict=True)


def compiled(compile_: Callable[[str], Any], config: Measure, *path: str) -> Any:
    """The text at this path, compiled. Raises `ConfigError` that names it."""
    text: Any = getattr(config, path[0])
    for key in path[1:]:
        text = text[key]
    try:
        return compile_(text)
    except ConfigError as error:
        raise ConfigError(error.message, ".".join(path), error.column) from None
