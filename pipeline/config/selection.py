"""Decides which containers are followed and which routes take them. Asked once per container."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.config import Config
from pipeline.expression import compile_container
from pipeline.model.container import Container
from pipeline.topology.labels import Labels

Choice = Callable[[Container], bool]


class Selection:
    """What the configuration says about containers, and what their labels may ask for."""

    def __init__(self, config: Config) -> None:
        self.config = config
        routes = {name: route.labels for name, route in config.routes.items()}
        honour = () if config.labels.honour == "off" else config.labels.honour
        self.labels = Labels(honour, routes, _choice(config.labels.containers))
        """Reads what containers ask for with their labels."""
        expression = config.logs.containers
        self.follows: Choice = compile_container(expression) if expression else self._is_enabled
        """Whether a container's log is read: by `logs.containers`, or else by its label
        `dockline.enable`."""

    def takes(self, route: str) -> Choice:
        """A function that tells whether the route takes a container.

        It does by the route's `containers`, or because the container asks for the route with a
        label and may.
        """
        config = self.config.routes[route]
        takes = _choice(config.containers)

        def takes_or_is_asked(container: Container) -> bool:
            return self.labels.of(container).route == route or takes(container)

        return takes_or_is_asked if config.labels else takes

    def _is_enabled(self, container: Container) -> bool:
        return self.labels.of(container).enabled


def _choice(expression: str | None) -> Choice:
    return compile_container(expression) if expression else _everything


def _everything(container: Container) -> bool:
    return True
