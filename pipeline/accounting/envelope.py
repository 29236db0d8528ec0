"""A batch on its way to one sink."""

from __future__ import annotations

from pipeline.accounting.ledger import NOBODY, SinkAccount
from pipeline.model.acknowledgement import UNTRACKED, Acknowledgement
from pipeline.model.batch import Batch


class Envelope:
    """A batch as one sink's buffer and delivery have it: the same batch may be in the envelopes of
    several sinks, and every envelope is another one.

    What happens to a batch is said of its envelope: `account` counts it, and `ack` is settled once.
    """

    __slots__ = ("account", "ack", "batch", "entries", "size")

    def __init__(
        self,
        batch: Batch,
        account: SinkAccount = NOBODY,
        ack: Acknowledgement = UNTRACKED,
        size: int | None = None,
    ) -> None:
        """`account`: that sink's part in the ledger. `ack`: held for this envelope already.
        `size`: the batch's in bytes, if it is known."""
        self.batch = batch
        self.account = account
        self.ack = ack
        self.entries = len(batch.lines)
        """One or more."""
        self.size = batch.size if size is None else size
        """Bytes of memory that it counts for in a buffer. Fixed, whatever becomes of the batch's
        parsed fields: what a buffer has added, it takes off again."""

    def __len__(self) -> int:
        return self.entries

    def around(self, batch: Batch) -> Envelope:
        """An envelope with other entries, or some of these, on the same account and with the same
        acknowledgement."""
        return Envelope(batch, self.account, self.ack)
