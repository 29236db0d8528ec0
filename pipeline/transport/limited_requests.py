"""Entries encoded one by one, sent in as few requests as the destination's limits allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.model.batch import Batch
from pipeline.transport.evidence import Evidence
from pipeline.transport.split_retry import SplitRetry


@dataclass(frozen=True, slots=True)
class Form:
    """What a request's body looks like, and how much may be in it."""

    before: bytes = b""
    between: bytes = b""
    """What stands between two entries."""
    after: bytes = b""
    most_entries: int | None = None
    most_bytes: int | None = None
    """Of the whole body, before it is compressed."""

    def body(self, pieces: Sequence[bytes]) -> bytes:
        """A body with these entries."""
        return b"%b%b%b" % (self.before, self.between.join(pieces), self.after)

    def room(self) -> int | None:
        """Bytes that an entry may have to be sent alone; None for any."""
        if self.most_bytes is None:
            return None
        return self.most_bytes - len(self.before) - len(self.after)


class LimitedRequests(SplitRetry):
    """The data of a payload: see `SplitRetry`."""

    def __init__(
        self, form: Form, pieces: list[bytes], batches: Sequence[Batch], evidence: Evidence
    ) -> None:
        """`pieces` has all entries of `batches` that could be encoded, in order, each small enough
        for a request."""
        super().__init__(b"", batches, evidence=evidence)
        self._form = form
        self._pieces: list[bytes] = pieces

    def bodies(self) -> list[bytes]:
        """The bodies of all requests, in order."""
        pieces = self._pieces
        return [
            self._form.body([pieces[index] for index in some])
            for some in self.divide(range(len(pieces)))
        ]

    def join(self, pieces: Sequence[bytes]) -> bytes:
        return self._form.body(pieces)

    def divide(self, indexes: Sequence[int]) -> Sequence[Sequence[int]]:
        form, pieces = self._form, self._pieces
        room, between, most = form.room(), len(form.between), form.most_entries
        found: list[list[int]] = []
        some: list[int] = []
        size = 0
        for index in indexes:
            length = len(pieces[index]) + (between if some else 0)
            if some and (len(some) == most or (room is not None and size + length > room)):
                found.append(some)
                some, size = [], 0
                length -= between
            some.append(index)
            size += length
        return [*found, some] if some else found
