"""Why a container is followed, or taken by a route, and why it is not."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.batch import Container
from pipeline.cli._values import shown
from pipeline.config import Config
from pipeline.expression.explanation import Part, why_false
from pipeline.selection import Selection

ENABLE, ROUTE = "dockline.enable", "dockline.route"
"""Labels on a container."""

Conceal = Callable[[str], str]
"""Takes out of a text what must not be shown: `Reading.conceal`."""


def not_followed(config: Config, container: Container, conceal: Conceal) -> list[str]:
    """A sentence for each reason; none where it is followed."""
    if Selection(config).follows(container):
        return []
    if expression := config.logs.containers:
        return [
            f"logs.containers: {_sentence(part, conceal)}"
            for part in why_false(expression, container)
        ]
    return [f"its label {ENABLE} is {shown(conceal(container.labels[ENABLE]))}"]


def not_understood(config: Config, container: Container, conceal: Conceal) -> list[str]:
    """A sentence for each of its labels that is wrong."""
    errors = Selection(config).labels.of(container).errors
    return [conceal(f"its label {label}: {error}") for label, error in errors.items()]


def not_taken(config: Config, name: str, container: Container, conceal: Conceal) -> list[str]:
    """The same for a route, of a container that is followed."""
    route = config.routes[name]
    if Selection(config).takes(name)(container):
        return []
    reasons = [
        _sentence(part, conceal) for part in why_false(route.containers or "True", container)
    ]
    asked = container.labels.get(ROUTE)
    if asked == name and not route.labels:
        reasons.append(f"its label {ROUTE} names the route, which needs labels = true")
    elif asked is not None and route.labels:
        ignored = ", which does not count" if asked == name else ""
        reasons.append(f"its label {ROUTE} is {shown(conceal(asked))}{ignored}")
    elif route.labels:
        reasons.append(f"it has no label {ROUTE} = {shown(name)}")
    return reasons


def _sentence(part: Part, conceal: Conceal) -> str:
    """`name == "a" is false: name is "b"`."""
    values = [f"{conceal(name)} is {shown(conceal(value))}" for name, value in part.values.items()]
    return ": ".join([f"{conceal(part.text)} is false", *([", ".join(values)] if values else [])])
