"""One stage of a lane: its part in the account, and what happens to a batch that it fails on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client import Counter as Series

from pipeline.accounting.ledger import RouteAccount, add
from pipeline.model.batch import Batch
from pipeline.model.component import Stage


class BoundStage:
    """A stage bound to one container. It counts what the stage filters, makes and holds back."""

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
        """`filtered`: the stage's own series of `dockline_filtered_entries_total`. `made`: the
        whole metric, since few stages make entries."""
        self.name = name
        self.stage = stage
        self.guards = False
        """Whether entries that it fails on must not go on (`Route.guards`)."""
        self.holds = type(stage).flush is not Stage.flush
        """Whether it may hold entries back."""
        self._filtered = filtered
        self._made = made
        self._route_account = route_account
        self._held = self._debt = 0

    def lost(self, came: int) -> int:
        """Call this when the stage failed on `came` entries. Returns how many are lost.

        Those include entries that it held back before and no longer does.
        """
        if self.holds:
            held = self.stage.held
            came -= held - self._held
            self._route_account.held += held - self._held
            self._held = held
        return came

    def account(self, came: int, went: int) -> int:
        """Counts a call of the stage: it got `came` entries and let `went` go on.

        Returns how many it filtered out; a negative number if it made entries.
        """
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
            self._debt -= gone  # a counter cannot decrease: entries made before are offset first
            if self._debt < 0:
                self._filtered.inc(-self._debt)
                self._debt = 0
        return gone


MOST_TRIES: Final = 500
"""Pieces of one batch that are tried at most; the rest is lost. About 25 find one bad entry in ten
thousand."""


def in_halves(stage: Stage, batch: Batch) -> Iterator[tuple[int, Batch | None, bool]]:
    """Gives the stage a batch that it failed on in ever smaller pieces.

    Yields for each piece, in order: its number of entries, the batch that the stage left (or None),
    and whether the stage failed on it. Never raises an `Exception`.
    """
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
        except Exception:  # logged already, for the whole batch
            if len(piece) > 1:
                pieces += _halved(piece)
            else:
                yield 1, None, True
            continue
        yield len(piece), left, False


def _halved(piece: range) -> list[range]:
    """The second half, then the first: pieces are taken from the end."""
    middle = len(piece) // 2
    return [piece[middle:], piece[:middle]]
