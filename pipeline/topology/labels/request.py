"""`Request`: what the labels of one container ask for, while they are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from pipeline.model.component import Stage
from pipeline.topology.labels.wish import Asked, Wish
from pipeline.topology.labels.wording import safe

MOST_ERRORS: Final = 16
"""Errors of one container's labels that are reported at most."""

_ORDER: Final[Mapping[str, Literal["change", "hold", "drop"]]] = {
    "join": "hold",
    "parse": "change",
    "level": "change",
    "tag": "change",
    "lines": "drop",
    "sample": "drop",
    "throttle": "drop",
}
"""The order in which stages run, and what each does to entries."""


class Request:
    """What the labels of one container ask for, of whatever tool they are."""

    def __init__(self) -> None:
        self.disabled: dict[str, str] = {}
        """For each tool whose labels say whether to follow the container: the label that says no,
        or an empty text. The first one counts."""
        self.route = ""
        self.tagged = 0
        """Bytes that the tags add to each entry."""
        self._stages: dict[str, Asked] = {}
        self._errors: dict[str, str] = {}

    def ask(self, name: str, label: str, stage: Stage) -> None:
        """Asks for a stage. `name` is one of `_ORDER`; of two with the same, the first counts."""
        self._stages.setdefault(name, Asked(label, stage, _ORDER[name]))

    def wrong(self, label: str, error: object) -> None:
        """Notes what is wrong with a label."""
        if len(self._errors) < MOST_ERRORS:
            self._errors[safe(label)] = str(error)

    def wish(self) -> Wish:
        """All of it."""
        return Wish(
            disabled_by=next(iter(self.disabled.values()), ""),
            route=self.route,
            stages=[self._stages[name] for name in _ORDER if name in self._stages],
            tagged=self.tagged,
            errors=self._errors,
        )
