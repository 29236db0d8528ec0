"""Why a container is followed, or taken by a route, and why it is not."""

from __future__ import annotations

from collections.abc import Callable

from pipeline import selection
from pipeline.batch import Container
from pipeline.cli._compare import shown
from pipeline.config import Config
from pipeline.expression.explanation import Part, why_false

Conceal = Callable[[str], str]
"""Takes out of a text what must not be shown: `Reading.conceal`."""


def not_followed(config: Config, container: Container, conceal: Conceal) -> list[str]:
    """A sentence for each reason; none where it is followed."""
    if selection.followed(config.logs.containers)(container):
        return []
    if expression := config.logs.containers:
        return [
            f"logs.containers: {_sentence(part, conceal)}"
            for part in why_false(expression, container)
        ]
    return [f"its label {selection.ENABLE} is {shown(conceal(container.labels[selection.ENABLE]))}"]


def not_taken(config: Config, name: str, container: Container, conceal: Conceal) -> list[str]:
    """The same for a route, of a container that is followed."""
    route = config.routes[name]
    if selection.taken(name, route.containers, by_label=route.labels)(container):
        return []
    reasons = [
        _sentence(part, conceal) for part in why_false(route.containers or "True", container)
    ]
    asked = container.labels.get(selection.ROUTE)
    if asked == name:
        reasons.append(f"its label {selection.ROUTE} names the route, which needs labels = true")
    elif route.labels and asked is not None:
        reasons.append(f"its label {selection.ROUTE} is {shown(conceal(asked))}")
    elif route.labels:
        reasons.append(f"it has no label {selection.ROUTE} = {shown(name)}")
    return reasons


def _sentence(part: Part, conceal: Conceal) -> str:
    """`name == "a" is false: name is "b"`."""
    values = [f"{conceal(name)} is {shown(conceal(value))}" for name, value in part.values.items()]
    return ": ".join([f"{conceal(part.text)} is false", *([", ".join(values)] if values else [])])
