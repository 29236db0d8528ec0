"""A container's facts, from each of the three places where the Engine tells them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.model.container import Container
from pipeline.model.label_limits import within_limit


def from_list(item: Mapping[str, Any], host: str) -> Container:
    """An element of `GET /containers/json`. Of several names, the one that is its own."""
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
    """The answer to `GET /containers/{id}/json`."""
    config = answer.get("Config") or {}
    return Container(
        id=answer["Id"],
        name=answer["Name"].lstrip("/"),
        image=config.get("Image") or answer.get("Image") or "",
        host=host,
        tty=bool(config.get("Tty")),
        **_labels(config.get("Labels") or {}),
    )


def from_event(event: Mapping[str, Any], host: str) -> Container:
    """The actor of an event of type `container`.

    Its attributes are the labels with `name` and `image` laid over them, and a few words of the
    event itself; a label called `name` cannot be told from the container's own.
    """
    attributes = event["Actor"]["Attributes"]
    return Container(
        id=event["Actor"]["ID"],
        name=attributes.get("name", ""),
        image=attributes.get("image", ""),
        host=host,
        **_labels({key: value for key, value in attributes.items() if key not in _NOT_LABELS}),
    )


def _labels(labels: Mapping[str, str]) -> dict[str, Any]:
    """As many as a container may have."""
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
