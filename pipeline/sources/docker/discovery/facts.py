"""A container's facts (id, name, image, labels) from the Engine's list, inspection or event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.model.container import Container
from pipeline.model.label_limits import within_limit

VARIABLES = ("LOGSPOUT",)
"""Variables that are kept of a container's environment. All others may be secrets."""
LONGEST_VALUE = 64
"""Characters of such a variable that are kept."""


def from_list(item: Mapping[str, Any], host: str) -> Container:
    """Reads an element of `GET /containers/json`. Of several names it takes the container's own,
    not a link's.

    `host` is the Engine's host name. Raises `LookupError`, `TypeError` or `AttributeError` for a
    malformed element.
    """
    names = [name.lstrip("/") for name in item.get("Names") or []]
    own = [name for name in names if "/" not in name] or names or [item["Id"][:12]]
    return Container(
        id=item["Id"],
        name=own[0],
        image=item.get("Image") or "",
        host=host,
        **_labels(item.get("Labels") or {}),
    )


def from_inspect(answer: Mapping[str, Any], host: str) -> Container:
    """Reads the answer to `GET /containers/{id}/json`, the only one that says whether it has a TTY.

    `host` is the Engine's host name. Raises `LookupError`, `TypeError` or `AttributeError` for a
    malformed answer.
    """
    config = answer.get("Config") or {}
    return Container(
        id=answer["Id"],
        name=answer["Name"].lstrip("/"),
        image=config.get("Image") or answer.get("Image") or "",
        host=host,
        tty=bool(config.get("Tty")),
        environment=_environment(config.get("Env") or []),
        **_labels(config.get("Labels") or {}),
    )


def from_event(event: Mapping[str, Any], host: str) -> Container:
    """Reads the actor of an event of type `container`.

    Its attributes are the labels, overwritten by `name`, `image` and a few words of the event. So a
    label that is called `name` cannot be told from the container's name.
    """
    attributes = event["Actor"]["Attributes"]
    return Container(
        id=event["Actor"]["ID"],
        name=attributes.get("name", ""),
        image=attributes.get("image", ""),
        host=host,
        **_labels({key: value for key, value in attributes.items() if key not in _NOT_LABELS}),
    )


def _environment(variables: Any) -> dict[str, str]:
    """The variables in `VARIABLES`, from a list of `NAME=value`, of which the last one counts."""
    pairs = (one.partition("=") for one in variables if isinstance(one, str))
    return {name: value[:LONGEST_VALUE] for name, _, value in pairs if name in VARIABLES}


def _labels(labels: Mapping[str, str]) -> dict[str, Any]:
    """Keeps as many labels as a container may have, and the number of those left out."""
    kept = within_limit(labels)
    return {"labels": kept, "left_out": len(labels) - len(kept)}


_NOT_LABELS = {
    "name",
    "image",
    "exitCode",
    "execDuration",
    "oldName",
    "signal",
    "containerExitCode",  # these two are Podman's
    "podId",
}
"""Attributes of events that are not labels."""
