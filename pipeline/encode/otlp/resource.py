"""What a container is, as attributes of an OpenTelemetry resource, by its semantic conventions.

| attribute                                     | is                                              |
|-----------------------------------------------|-------------------------------------------------|
| `service.name`                                | the Compose or Swarm service, else the          |
|                                               | container's name                                |
| `service.namespace`                           | the Compose project or Swarm stack              |
| `service.instance.id`, `container.id`         | the 64 digits, so that replicas differ          |
| `container.name`, `container.runtime.name`    | as they are; the runtime is `docker`, and       |
|                                               | absent where there is no container              |
| `container.image.name`, `container.image.tags`| the parts of its reference                      |
| `container.label.NAME`                        | all labels, or those that were chosen           |
| `host.name`                                   | the Engine's host                               |

https://opentelemetry.io/docs/specs/semconv/resource/
"""

from __future__ import annotations

from collections.abc import Collection, Hashable
from dataclasses import dataclass

from pipeline.encode.ecs import image
from pipeline.model.container import DOCKER, Container

Value = str | list[str]


@dataclass(frozen=True, slots=True)
class Resources:
    """Makes the attributes of a container, for one destination."""

    host: str = ""
    """For containers that do not tell theirs."""
    labels: Collection[str] | None = None
    """The container labels that are told; None for all of them."""

    @property
    def key(self) -> tuple[Hashable, ...]:
        """What the attributes of a container depend on beside the container."""
        return self.host, None if self.labels is None else tuple(sorted(self.labels))

    def of(self, container: Container) -> dict[str, Value]:
        """The attributes of a container, by name."""
        name = container.service or container.name or container.id
        attributes: dict[str, Value] = {"service.name": name}
        if container.project:
            attributes["service.namespace"] = container.project
        attributes["service.instance.id"] = attributes["container.id"] = container.id
        if container.name:
            attributes["container.name"] = container.name
        if container.module == DOCKER:
            attributes["container.runtime.name"] = DOCKER
        parts = image(container.image)
        if parts["name"]:
            attributes["container.image.name"] = parts["name"]
        if "tag" in parts:
            attributes["container.image.tags"] = [parts["tag"]]
        if host := container.host or self.host:
            attributes["host.name"] = host
        for label, value in container.labels.items():
            if self.labels is None or label in self.labels:
                attributes[f"container.label.{label}"] = value
        return attributes
