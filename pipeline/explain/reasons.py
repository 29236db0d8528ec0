"""Why a container isn't followed, or isn't taken by a route."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.config.selection import Selection
from pipeline.explain.values import shown
from pipeline.expression.explanation import Part, why_false
from pipeline.model.container import Container

ROUTE = "dockline.route"
"""The label that chooses a route."""

Conceal = Callable[[str], str]
"""Replaces secrets in a text: `ConfigFile.conceal`."""


def not_followed(selection: Selection, container: Container, conceal: Conceal) -> list[str]:
    """Why the container isn't followed, a sentence for each reason; none if it is."""
    if selection.follows(container):
        return []
    if expression := selection.config.logs.containers:
        return [
            f"logs.containers: {_sentence(part, conceal)}"
            for part in why_false(expression, container)
        ]
    name = selection.labels.of(container).disabled_by
    if name in container.labels:
        return [f"its label {name} is {shown(conceal(container.labels[name]))}"]
    return [f"its environment has {name} = {shown(conceal(container.environment.get(name, '')))}"]


def not_understood(selection: Selection, container: Container, conceal: Conceal) -> list[str]:
    """What is wrong with the container's `dockline.` labels, a sentence for each."""
    errors = selection.labels.of(container).errors
    return [conceal(f"its label {label}: {error}") for label, error in errors.items()]


def not_taken(selection: Selection, name: str, container: Container, conceal: Conceal) -> list[str]:
    """Why the route `name` doesn't take the container, a sentence for each reason; none if it does.

    The container must be one that is followed.
    """
    route = selection.config.routes[name]
    if selection.takes(name)(container):
        return []
    reasons = [
        _sentence(part, conceal) for part in why_false(route.containers or "True", container)
    ]
    asked = container.labels.get(ROUTE)
    if asked == name and not route.labels:
        reasons.append(f"its label {ROUTE} names the route, which needs labels = true")
    elif asked is not None and route.labels:
        ignored = ", which is ignored" if asked == name else ""
        reasons.append(f"its label {ROUTE} is {shown(conceal(asked))}{ignored}")
    elif route.labels:
        reasons.append(f"it has no label {ROUTE} = {shown(name)}")
    return reasons


def _sentence(part: Part, conceal: Conceal) -> str:
    """`name == "a" is false: name is "b"`."""
    values = [f"{conceal(name)} is {shown(conceal(value))}" for name, value in part.values.items()]
    return ": ".join([f"{conceal(part.text)} is false", *([", ".join(values)] if values else [])])
