"""A stage that drops lines by patterns: Filebeat's `include_lines` and `exclude_lines`."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.model.batch import Batch
from pipeline.model.component import Stage
from pipeline.topology.labels.patterns import HeldPattern


class Lines(Stage):
    """Keeps the lines in which one of the first patterns is found, and none of the second."""

    def __init__(self, include: Sequence[HeldPattern], exclude: Sequence[HeldPattern]) -> None:
        """`include`: none to keep all but those that are excluded."""
        self._include = [one.found_in for one in include]
        self._exclude = [one.found_in for one in exclude]

    def __call__(self, batch: Batch) -> Batch | None:
        include, exclude = self._include, self._exclude
        return batch.select(
            [
                (not include or any(found(line) for found in include))
                and not any(found(line) for found in exclude)
                for line in batch.lines
            ]
        )
