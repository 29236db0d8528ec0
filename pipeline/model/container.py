"""A container, or what stands for one, and what its entries come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, get_args

from pipeline.model.label_limits import size_of

Source = Literal["logs", "events", "stats"]

DOCKER = "docker"
"""What a container's entries come from."""
MODULES = (DOCKER, "forward", "syslog", "nats")
"""The same for what stands for a container and is none, by the type of its source."""
SOURCES: tuple[Source, ...] = get_args(Source)

DATASETS: Mapping[str, tuple[str, Source]] = {
    f"{module}.{source}": (module, source) for module in MODULES for source in SOURCES
}
"""Each `event.dataset` that is written, and what it says."""

LONGEST_NAME = 4096
"""Characters of each fact of a container but its labels, where a network brings it."""
USUAL_LABELS = 4096
"""Bytes of labels that any container may have; what is more counts with each of its entries."""


@dataclass(frozen=True, eq=False)
class Container:
    """The fixed facts of one container. Built once; a rename makes a new one.

    Compared and hashed by identity, so that what was rendered for it can be kept for as long as
    it lives (see `rendered`).
    """

    id: str
    """64 hexadecimal digits."""
    name: str
    """Without the leading slash."""
    image: str
    """The reference it was started from, such as `shop/api:1.4`."""
    labels: Mapping[str, str] = field(default_factory=dict)
    host: str = ""
    """Name of the host that the Engine runs on, as the Engine gives it."""
    tty: bool = False
    module: str = DOCKER
    """`docker`; or, for what stands for a container and is none, the way its entries came:
    `forward`, `syslog`, `nats`."""
    left_out: int = 0
    """Labels that it has beside those (see `label_limits`)."""

    @cached_property
    def short_id(self) -> str:
        return self.id[:12]

    @cached_property
    def label_size(self) -> int:
        """Bytes of its labels as JSON writes them."""
        return size_of(self.labels) if self.labels else 0

    @cached_property
    def facts_size(self) -> int:
        """Bytes of all its facts, near enough: most sinks write them with every entry."""
        return self.label_size + len(self.name) + len(self.image) + len(self.host)

    @cached_property
    def burden(self) -> int:
        """Bytes of its facts beyond those that any container may have: most sinks write them with
        every entry."""
        return max(0, self.facts_size - USUAL_LABELS)

    @cached_property
    def project(self) -> str:
        """Compose project, or Swarm stack, or empty."""
        labels = self.labels
        return labels.get("com.docker.compose.project") or labels.get(
            "com.docker.stack.namespace", ""
        )

    @cached_property
    def service(self) -> str:
        """Compose or Swarm service, or empty."""
        labels = self.labels
        return labels.get("com.docker.compose.service") or labels.get(
            "com.docker.swarm.service.name", ""
        )
