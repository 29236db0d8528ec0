"""A payload of many entries on its way, where a destination takes or refuses whole requests.

What is too large or rejected is halved, down to single entries, which are refused one by one; the
rest goes on. A server that answers 500 may do so because of one entry, for ever: that is found the
same way, but on evidence only, for it may as well be the server's own trouble. An entry is to blame
when a request with it failed, then another of the same payload was taken, then it failed again; or
when it has failed by itself for long, and others of its payload were taken at any time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.batch import Batch
from pipeline.component import Payload
from pipeline.errors import Refused, Unavailable
from pipeline.transport.http import Rejected, ServerFault

PATIENCE = 3
"""How often a payload may fail with 500 before it is looked into, or an entry before it is
refused."""
LONG = 10
"""How often an entry may, by itself, while no other is taken: some minutes, with the pauses."""
MOST = 64
"""Parts that a payload is divided into while nothing of it is taken."""
PLACES = 5
"""Where in a payload single entries are looked at before all others are refused."""
HOPELESS = 50
"""Single entries that are refused before all others are, where nothing at all is taken."""


class Partly(Unavailable):
    """Raised by `post`: only the entries at these indexes of the part are still to be sent."""

    def __init__(self, message: str, left: Sequence[int], retry_after: float | None = None) -> None:
        super().__init__(message, retry_after)
        self.left = left


class Blamed(Rejected):
    """Raised by `post`: of the part, exactly the entries at these indexes are bad, each for the
    reason given; the others are still to be sent."""

    def __init__(self, rejected: Rejected, reasons: Mapping[int, str]) -> None:
        super().__init__(str(rejected), rejected.status, rejected.body)
        self.reasons = reasons


@dataclass(slots=True)
class Part:
    """Some entries of a payload, which are sent in one request."""

    body: bytes
    """They, encoded."""
    indexes: Sequence[int]
    """Which of the payload's encoded entries they are, in order."""
    faults: int = 0
    """How often 500 was the answer."""
    taken_before: int | None = None
    """How many other parts had been taken when it first was."""

    def __len__(self) -> int:
        return len(self.indexes)


class Parts:
    """The data of a payload. Remembers what was taken from one attempt to the next."""

    def __init__(
        self,
        whole: bytes,
        batches: Sequence[Batch],
        split: Callable[[bytes], list[bytes]],
        join: Callable[[Sequence[bytes]], bytes] = b"".join,
        hopeless: int = HOPELESS,
    ) -> None:
        """`whole` has all entries of `batches` that could be encoded, in order; `split` gives a
        piece for each, and `join` makes a body of some. Neither is called while all goes well.
        `hopeless` single entries are refused before all others are, where nothing is taken."""
        self.whole = whole
        self._batches = batches
        self._split, self._join, self._hopeless = split, join, hopeless
        self._pieces: list[bytes] | None = None
        self._places: list[tuple[Batch, int]] | None = None
        self._left: deque[Part] | None = None
        self._taken = self._refused = 0

    async def send(self, payload: Payload[Any], post: Callable[[Part], Awaitable[object]]) -> None:
        """Has `post` send what is left, in order, and refuses what it raises `Rejected` for.

        Raises `Unavailable` as `post` does, and `Refused` where nothing at all is taken.
        """
        if self._left is None:
            self._left = deque([Part(self.whole, range(payload.entries))])
        left, failed = self._left, 0
        while left:
            part = left[0]
            try:
                await post(part)
            except Blamed as blamed:
                self._refuse(part, blamed.reasons, payload)
            except Rejected as rejected:
                self._reject(part, rejected, payload)
            except Partly as partly:
                self._keep(part, partly.left)
                raise
            except ServerFault as fault:
                failed = 0 if self._doubt(part, fault, payload) else failed + 1
                if failed and failed >= len(left):
                    self._look_deeper()
                    raise
            else:
                self._taken += 1
                failed = 0
                left.popleft()

    def place(self, part: Part, index: int, payload: Payload[Any]) -> tuple[Batch, int]:
        """Which entry it is: the batch, and the index in it, as `Payload.refuse` wants them."""
        if self._places is None:
            unencodable = {(id(batch), row) for batch, row, _ in payload.refused}
            self._places = [
                (batch, row)
                for batch in self._batches
                for row in range(len(batch))
                if (id(batch), row) not in unencodable
            ]
        return self._places[part.indexes[index]]

    # ------------------------------------------------------------------------------- dividing

    def _reject(self, part: Part, rejected: Rejected, payload: Payload[Any]) -> None:
        assert self._left is not None
        self._left.popleft()
        if len(part) > 1:
            self._halve(part)
            return
        self._refused += 1
        if not self._taken and self._refused >= self._hopeless:
            raise Refused(str(rejected))
        payload.refuse(*self.place(part, 0, payload), str(rejected))
        if not self._taken and self._refused % max(self._hopeless // PLACES, 1) == 0:
            self._look_elsewhere()

    def _look_elsewhere(self) -> None:
        """All those that were refused stand together, as those of one container do. In the middle
        of what is least known there may be others."""
        assert self._left is not None
        if self._left and self._hopeless <= len(self._pieces or ()):
            part = max(self._left, key=len)
            self._left.remove(part)
            self._left.appendleft(part)

    def _refuse(self, part: Part, reasons: Mapping[int, str], payload: Payload[Any]) -> None:
        """Those of the first part, and no others."""
        assert self._left is not None
        for index, reason in reasons.items():
            payload.refuse(*self.place(part, index, payload), reason)
        self._left.popleft()
        rest = [each for index, each in enumerate(part.indexes) if index not in reasons]
        if rest:
            self._left.appendleft(self._part(rest))

    def _keep(self, part: Part, indexes: Sequence[int]) -> None:
        """What is left of the first part."""
        assert self._left is not None
        self._left.popleft()
        if len(indexes) < len(part):
            self._taken += 1
        self._left.appendleft(self._part([part.indexes[index] for index in indexes]))

    def _doubt(self, part: Part, fault: ServerFault, payload: Payload[Any]) -> bool:
        """The first part has failed with 500. Where it is to blame it is divided, or refused, and
        that is progress; where it may not be, the others go first."""
        assert self._left is not None
        part.faults += 1
        if part.taken_before is None:
            part.taken_before = self._taken
        to_blame = self._taken > part.taken_before
        if to_blame and len(part) > 1:
            self._left.popleft()
            self._halve(part)
            return True
        patience = PATIENCE if to_blame else LONG
        if self._taken and len(part) == 1 and part.faults >= patience:
            self._left.popleft()
            payload.refuse(*self.place(part, 0, payload), str(fault))
            return True
        self._left.rotate(-1)
        return False

    def _look_deeper(self) -> None:
        """Nothing more is taken: bad entries may be in every part."""
        assert self._left is not None
        part = max(self._left, key=len)
        many = len(self._left) >= MOST and not self._taken
        if len(part) > 1 and part.faults >= PATIENCE and not many:
            self._left.remove(part)
            self._halve(part)

    def _halve(self, part: Part) -> None:
        """Puts both halves first. What the whole has failed at, they have."""
        assert self._left is not None
        middle = len(part) // 2
        halves = self._part(part.indexes[:middle]), self._part(part.indexes[middle:])
        if part.taken_before is not None:
            for half in halves:
                half.taken_before = self._taken
        self._left.extendleft(reversed(halves))

    def _part(self, indexes: Sequence[int]) -> Part:
        if self._pieces is None:
            self._pieces = self._split(self.whole)
        return Part(self._join([self._pieces[index] for index in indexes]), indexes)


def lines(whole: bytes) -> list[bytes]:
    """`split` for entries that are a line each."""
    return [line + b"\n" for line in whole.split(b"\n")[:-1]]
