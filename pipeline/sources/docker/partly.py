"""What a stream has given, up to some line of it."""

from __future__ import annotations

from pipeline.sources.docker.cursor import Decoded
from pipeline.sources.docker.pieces import Columns, Partial


def up_to(columns: Columns, decoder: Decoded, count: int) -> tuple[Columns, Decoded]:
    """The first `count` of the lines that `decoder` has just given, and the decoder as of then."""
    first = Columns(
        columns.lines[:count],
        columns.times[:count],
        columns.streams[:count],
        [index for index in columns.truncated if index < count],
        {index: at for index, at in columns.begun.items() if index < count},
    )
    return first, AsOf(decoder, columns, count)


class AsOf:
    """A decoder as it was when only the first `count` of the lines it has just given were complete.

    A line that had begun by then may count as open though it began just behind them: a position
    is then further back than it need be, and no less exact.
    """

    def __init__(self, decoder: Decoded, columns: Columns, count: int) -> None:
        self.completed = completed = decoder.completed - len(columns.lines) + count
        begun = [
            Partial(columns.times[index], 0, before)
            for index, before in columns.begun.items()
            if index >= count and before <= completed
        ]
        self._open = [one for one in decoder.open_partials() if one.before <= completed] + begun
        self._open.sort(key=lambda one: one.before)

    def open_partials(self) -> list[Partial]:
        return self._open
