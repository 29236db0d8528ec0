"""Reports what is wrong with the labels of containers: in the log and as metrics."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from pipeline.model.container import Container
from pipeline.model.label_limits import MOST_LABELS
from pipeline.model.metrics import Metrics
from pipeline.support.plural import plural

log = logging.getLogger(__name__)


class Reported:
    """Logs errors in labels, each once per container, and sets their metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._said: dict[str, dict[str, str]] = {}
        """Errors that were logged, by container id and label."""
        self._left_out: dict[str, int] = {}
        """By container id: number of labels that were left out, as logged."""

    def note(self, container: Container, errors: Mapping[str, str]) -> None:
        """Logs errors that are new, and sets the container's metrics.

        `errors`: text by label; empty when all labels are right.
        """
        self._note_left_out(container)
        said = self._said.get(container.id, {})
        for label, error in errors.items():
            if said.get(label) != error:
                log.warning("container %s: label %s: %s", container.name, label, error)
        if errors:
            self._said[container.id] = dict(errors)
        else:
            self._said.pop(container.id, None)
        self._metrics.set_label_errors(container.name, errors)

    def _note_left_out(self, container: Container) -> None:
        count = container.left_out
        if count and self._left_out.get(container.id) != count:
            log.warning(
                "container %s: %d %s left out: it has more than %d KiB of them, and most sinks "
                "write them with each entry",
                container.name,
                count,
                plural(count, "label is", "labels are"),
                MOST_LABELS >> 10,
            )
        if count:
            self._left_out[container.id] = count
        else:
            self._left_out.pop(container.id, None)
        self._metrics.set_labels_left_out(container.name, count)

    def forget(self, container_id: str) -> None:
        """Forgets a container that was removed. Its metrics are left alone."""
        self._said.pop(container_id, None)
        self._left_out.pop(container_id, None)
