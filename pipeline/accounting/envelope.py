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

    __slots__ = ("_size", "account", "ack", "batch")

    def __init__(
        self,
        batch: Batch,
        account: SinkAccount = NOBODY,
        ack: Acknowledgement = UNTRACKED,
        size: int | None = None,
    ) -> None:
        """`account`: that sink's part in the ledger. `ack`: held for this envelope already.
        `size`: the batch's, where it is known."""
        self.batch = batch
        self.account = account
        self.ack = ack
        self._size = size

    def __len__(self) -> int:
        """Entries, one or more."""
        return len(self.batch)

    @property
    def size(self) -> int:
        """Bytes of memory that it stands for, as of when it was first asked for: what a buffer
        has counted it as, it takes off again."""
        if self._size is None:
            self._size = self.batch.size
        return self._size

    def around(self, batch: Batch) -> Envelope:
        """Other entries, or some of these, on the same account."""
        return Envelope(batch, self.account, self.ack)
