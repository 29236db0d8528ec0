"""One stage of a lane."""

from __future__ import annotations

from prometheus_client import Counter as Series

from pipeline.accounting.ledger import Passage, add
from pipeline.model import Stage


class Step:
    """A stage bound to one container, and its part in the ledger."""

    __slots__ = (
        "_debt", "_filtered", "_held", "_made", "_passage", "guards", "holds", "name", "stage",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        stage: Stage,
        filtered: Series,
        made: Series,
        passage: Passage,
    ) -> None:
        """`filtered` is its own series, `made` the metric: few stages make any entries."""
        self.name = name
        self.stage = stage
        self.guards = False
        """What it fails on must not go on."""
        self.holds = type(stage).flush is not Stage.flush
        """It may hold entries back."""
        self._filtered = filtered
        self._made = made
        self._passage = passage
        self._held = self._debt = 0

    def lost(self, came: int) -> int:
        """After it has failed on so many entries: how many are lost, those included that it held
        before and holds no more."""
        if self.holds:
            held = self.stage.held
            came -= held - self._held
            self._passage.held += held - self._held
            self._held = held
        return came

    def account(self, came: int, went: int) -> int:
        """After it was given so many entries, and let so many go on. How many it filtered out;
        below 0, how many it made."""
        gone = came - went
        if self.holds:
            held = self.stage.held
            gone -= held - self._held
            self._passage.held += held - self._held
            self._held = held
        if gone < 0 and not self.holds:
            add(self._passage.made, self.name, -gone)
            self._made.labels(self._passage.route, self.name).inc(-gone)
        elif gone:
            add(self._passage.filtered, self.name, gone)
            self._debt -= gone  # a counter cannot go back: what was made of nothing is made up for
            if self._debt < 0:
                self._filtered.inc(-self._debt)
                self._debt = 0
        return gone
