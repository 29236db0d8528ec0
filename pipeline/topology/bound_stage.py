"""One stage of a lane: its part in the ledger, and what is done with a batch that it fails on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client import Counter as Series

from pipeline.accounting.ledger import RouteAccount, add
from pipeline.model.batch import Batch
from pipeline.model.component import Stage


class BoundStage:
    """A stage bound to one container, and its part in the ledger."""

    __slots__ = (
        "_debt", "_filtered", "_held", "_made", "_route_account",
        "guards", "holds", "name", "stage",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        stage: Stage,
        filtered: Series,
        made: Series,
        route_account: RouteAccount,
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
        self._route_account = route_account
        self._held = self._debt = 0

    def lost(self, came: int) -> int:
        """After it has failed on so many entries: how many are lost, those included that it held
        before and holds no more."""
        if self.holds:
            held = self.stage.held
            came -= held - self._held
            self._route_account.held += held - self._held
            self._held = held
        return came

    def account(self, came: int, went: int) -> int:
        """After it was given so many entries, and let so many go on. How many it filtered out;
        below 0, how many it made."""
        gone = came - went
        if self.holds:
            held = self.stage.held
            gone -= held - self._held
            self._route_account.held += held - self._held
            self._held = held
        if gone < 0 and not self.holds:
            add(self._route_account.made, self.name, -gone)
            self._made.labels(self._route_account.route, self.name).inc(-gone)
        elif gone:
            add(self._route_account.filtered, self.name, gone)
            self._debt -= gone  # a counter cannot go back: what was made of nothing is made up for
            if self._debt < 0:
                self._filtered.inc(-self._debt)
                self._debt = 0
        return gone


MOST_TRIES: Final = 500
"""Pieces that are tried of one batch: it takes some 25 to find one entry in ten thousand. What is
left then is given up."""


def in_halves(stage: Stage, batch: Batch) -> Iterator[tuple[int, Batch | None, bool]]:
    """For each piece, in order: how many entries it has, what the stage has left of them, and
    whether it failed on them. Never raises an `Exception`."""
    tries = 0
    pieces = _halved(range(len(batch)))
    while pieces:
        piece = pieces.pop()
        if not piece:
            continue
        if tries >= MOST_TRIES:
            yield len(piece), None, True
            continue
        tries += 1
        try:
            left = stage(batch.pick(piece))
        except Exception:  # said already, of the whole batch
            if len(piece) > 1:
                pieces += _halved(piece)
            else:
                yield 1, None, True
            continue
        yield len(piece), left, False


def _halved(piece: range) -> list[range]:
    """The second half, then the first, which is taken first."""
    middle = len(piece) // 2
    return [piece[middle:], piece[:middle]]
