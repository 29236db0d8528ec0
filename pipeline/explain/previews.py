"""What sinks would send of an entry, for those whose form the configuration decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.config import ConfigFile
from pipeline.model import registry
from pipeline.model.batch import Batch
from pipeline.model.component import Sink, SinkContext
from pipeline.model.secrecy import Stars


class Previews:
    """Says what a sink of the configuration would send of a batch, without its secrets."""

    def __init__(self, reading: ConfigFile) -> None:
        self._reading = reading
        self._made: dict[str, tuple[Sink[Any], Callable[[str], str]] | None] = {}

    def __call__(self, sink: str, batch: Batch) -> str:
        """The text; empty where the form is always the same, and for what is no sink."""
        if sink not in self._made:
            self._made[sink] = self._make(sink)
        made = self._made[sink]
        if made is None:
            return ""
        previewing, stars = made
        return stars(self._reading.conceal(previewing.preview(batch)))

    def _make(self, name: str) -> tuple[Sink[Any], Callable[[str], str]] | None:
        config = self._reading.config.sinks.get(name)
        if config is None:
            return None
        implementation: type[Sink[Any]] = registry.implementation("sinks", config.type)
        if implementation.preview is Sink.preview:
            return None
        return implementation(config, SinkContext(name)), Stars(config)
