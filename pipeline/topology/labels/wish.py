"""`Wish`: what one container asks for with its labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from pipeline.model.component import Stage

TAG: Final = "dockline.tag"
"""What the stage that adds all tags is called."""


class Asked(NamedTuple):
    """A stage that a container asks for."""

    label: str
    """The label that asks for it, by which the ledger, metrics and `explain` know it."""
    stage: Stage
    does: Literal["change", "hold", "drop"] = "change"
    """Whether it only changes entries, or holds them back, or drops them. Only a lane can account
    for the last two."""


@dataclass(frozen=True, eq=False)
class Wish:
    """What one container asks for with its labels."""

    disabled_by: str = ""
    """The label, or the variable of its environment, that says not to follow it; else empty."""
    route: str = ""
    """A route that takes the container, beside those that do anyway."""
    stages: Sequence[Asked] = ()
    """Stages for the container's logs that run before any route's, in order."""
    tagged: int = 0
    """Bytes that the tags add to each entry."""
    errors: Mapping[str, str] = field(default_factory=dict)
    """What is wrong with the labels, by label."""

    @property
    def enabled(self) -> bool:
        """Whether the container is to be followed."""
        return not self.disabled_by

    @property
    def tags(self) -> Stage | None:
        """The stage that adds the tags, which events get too; None if there are no tags."""
        return next((one.stage for one in self.stages if one.label == TAG), None)


NOTHING: Final = Wish()
"""The wish of a container without labels for the agent."""


def is_label(stage: str) -> bool:
    """Whether a stage of this name is one that a label asks for: no other name has a dot."""
    return "." in stage
