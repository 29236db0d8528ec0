"""`Envelope`: a batch on its way to one sink."""

from __future__ import annotations

from pipeline.accounting.ledger import NOBODY, SinkAccount
from pipeline.model.acknowledgement import UNTRACKED, Acknowledgement
from pipeline.model.batch import Batch


class Envelope:
    """A batch, as one sink's buffer and delivery hold it.

    Several sinks may have the same batch, each in its own envelope. Its entries are counted in
    `account`, and `ack` is settled exactly once.
    """

    __slots__ = ("account", "ack", "batch", "entries", "size")

    def __init__(
        self,
        batch: Batch,
        account: SinkAccount = NOBODY,
        ack: Acknowledgement = UNTRACKED,
        size: int | None = None,
    ) -> None:
        """`account`: the sink's account in the ledger. `ack`: the batch's acknowledgement, already
        held for this envelope. `size`: `batch.size`, if it is known."""
        self.batch = batch
        self.account = account
        self.ack = ack
        self.entries = len(batch.lines)
        """One or more."""
        self.size = batch.size if size is None else size
        """Bytes of memory that the batch takes. Fixed, so that a buffer subtracts the number that
        it has added."""

    def __len__(self) -> int:
        """The number of entries, at least 1."""
        return self.entries

    def around(self, batch: Batch) -> Envelope:
        """Another envelope with the same account and acknowledgement, around some of these entries.
        Its size is 0: a buffer has counted these entries already, and isn't given them again."""
        return Envelope(batch, self.account, self.ack, 0)
