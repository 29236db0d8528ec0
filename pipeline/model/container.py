"""`Container`: what is known of a container, or of another origin of entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, get_args

from pipeline.model.label_limits import size_of

EntryKind = Literal["logs", "events", "stats"]
"""What kind of entries: lines of a log, events of a container, or readings of its stats."""

DOCKER = "docker"
"""The module of a real container: the first part of `event.dataset`."""
MODULES = (DOCKER, "forward", "syslog", "nats", "kafka")
"""Every possible `Container.module` that dockline itself sets: `docker`, or the type of the source
that entries came from."""
SOURCES: tuple[EntryKind, ...] = get_args(EntryKind)
"""Every `EntryKind`."""

DATASETS: Mapping[str, tuple[str, EntryKind]] = {
    f"{module}.{source}": (module, source) for module in MODULES for source in SOURCES
}
"""Every `event.dataset` that is written, with its module and source."""

LONGEST_NAME = 4096
"""Limit in characters for each fact of a container that came over a network, except labels."""
USUAL_LABELS = 4096
"""Bytes of labels that are not counted. What is beyond counts with each entry of the container."""


@dataclass(frozen=True, eq=False)
class Container:
    """The facts of one container, which never change. A rename makes a new object.

    Compared and hashed by identity, so that what was rendered for a container can be kept as long
    as the container is in use (see `rendered`).
    """

    id: str
    """64 hexadecimal digits."""
    name: str
    """Without the leading slash."""
    image: str
    """The reference it was started from, such as `shop/api:1.4`."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """The container's labels, or as many of them as `label_limits` allows."""
    host: str = ""
    """Name of the host that the Engine runs on, as `GET /info` has it."""
    tty: bool = False
    """Whether it has a terminal: the log is one raw stream instead of frames."""
    module: str = DOCKER
    """`docker`. For entries that are not of a container: the source's type, such as `forward`,
    `syslog` or `nats`."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of its environment by which other tools are told what to do with its log. Empty
    until the container was inspected."""
    left_out: int = 0
    """Labels that were left out because there are too many (see `label_limits`)."""

    @cached_property
    def short_id(self) -> str:
        """The first 12 digits of the id, as `docker ps` shows them."""
        return self.id[:12]

    @cached_property
    def label_size(self) -> int:
        """Bytes of the labels, written as JSON."""
        return size_of(self.labels) if self.labels else 0

    @cached_property
    def facts_size(self) -> int:
        """About how many bytes all facts take together. Most sinks write them with every entry."""
        return self.label_size + len(self.name) + len(self.image) + len(self.host)

    @cached_property
    def burden(self) -> int:
        """Bytes of the facts beyond `USUAL_LABELS`. Most sinks write them with every entry."""
        return max(0, self.facts_size - USUAL_LABELS)

    @cached_property
    def project(self) -> str:
        """The Compose project or Swarm stack; empty if there is none."""
        labels = self.labels
        return labels.get("com.docker.compose.project") or labels.get(
            "com.docker.stack.namespace", ""
        )

    @cached_property
    def service(self) -> str:
        """The Compose or Swarm service; empty if there is none."""
        labels = self.labels
        return labels.get("com.docker.compose.service") or labels.get(
            "com.docker.swarm.service.name", ""
        )
