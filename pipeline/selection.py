"""Which containers are followed, and which of them a route takes. Asked once per container."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.batch import Container
from pipeline.expression import compile_container

ENABLE, ROUTE = "dockline.enable", "dockline.route"
"""Labels on a container."""


def followed(expression: str | None) -> Callable[[Container], bool]:
    """By `logs.containers`; without it, all that are not labelled otherwise."""
    return compile_container(expression) if expression else is_enabled


def is_enabled(container: Container) -> bool:
    return container.labels.get(ENABLE, "").lower() not in ("false", "0", "no", "off")


def taken(route: str, expression: str | None, *, by_label: bool) -> Callable[[Container], bool]:
    """By a route's `containers`. `by_label`: it also takes a container that names it itself."""
    takes = compile_container(expression) if expression else _everything

    def takes_or_is_asked(container: Container) -> bool:
        return container.labels.get(ROUTE) == route or takes(container)

    return takes_or_is_asked if by_label else takes


def _everything(container: Container) -> bool:
    return True
