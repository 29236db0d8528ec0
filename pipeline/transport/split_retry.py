"""A payload of many entries on its way, where a destination takes or refuses whole requests.

What is too large or rejected is halved, down to single entries, which are refused one by one; the
rest goes on. Whatever else a request is answered with may be for one entry in it as well, for ever:
500 of a server that stumbles over it, 503 of one that believes that another attempt would help, 403
of a firewall that reads along. That is found the same way. But nothing is refused without evidence,
for it may as well be the server's own trouble, or the configuration that is wrong:

- An entry that is rejected by itself (400 and others of 4xx) is to blame when anything else was
  taken: of its payload, or of the same destination since the payload was first rejected.
- One that makes a server fail with 500 is to blame when a request with it failed, then another was
  taken, then it failed again; also when it has failed by itself for long, and others of its payload
  were taken at any time.
- One that is answered with anything else, such as 503, is to blame when that has happened many
  times in a row, and each time others were taken in between and none of them failed: a server that
  sheds load fails at random.

While there is none, all of the payload is tried again, and with it single entries from here and
there in it; whoever drives the sink tries other payloads in between (see `Unavailable.doubts`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.model.batch import Batch
from pipeline.model.component import Payload
from pipeline.model.errors import Unavailable, untraced
from pipeline.model.pieces import Pieces, size_of, whole
from pipeline.transport.evidence import Evidence
from pipeline.transport.http import Rejected, RequestFailed, ServerFault, TooLarge

PATIENCE = RequestFailed.PATIENCE
"""How often a payload may fail before it is looked into, or an entry with 500 before it is
refused."""
LONG = RequestFailed.LONG
"""How often an entry may fail with 500, by itself, while no other is taken; and how often anything
may where the server asks for a pause each time: some minutes."""
STRIKES = 8
"""How often in a row an entry must fail with something else than 500 after others were taken, and
none failed: of a server that fails at random, whatever its rate, one in 65,000 would."""
MOST = 64
"""Parts that a payload is divided into while nothing of it is taken."""
PLACES = 5
"""Where in a payload single entries are looked at before it is left for later."""
HOPELESS = 50
"""Single entries that are looked at before a payload is left for later, where nothing is taken."""
NEVER_TAKEN = 10
"""As many where the destination has not taken anything yet: then it is mostly the configuration."""
SMALL = 4096
"""Bytes of a request that no server calls too large: it is told to take nothing."""
GOLDEN = 0.618034
"""Part of a payload from one entry that is tried by itself to the next."""


class AllRejected(Unavailable):
    """All that was tried of a payload was rejected, which may be for the entries or for the
    configuration."""

    doubts = 1
    wants_mending = True


class EntriesLeft(Unavailable):
    """Raised by `post`: only the entries at the indexes `left` of the part are still to be sent.
    The others were taken, or, with `taken` false, all refused by `post` itself."""

    def __init__(
        self,
        message: str,
        left: Sequence[int],
        retry_after: float | None = None,
        *,
        taken: bool = True,
    ) -> None:
        super().__init__(message, retry_after)
        self.left = left
        self.taken = taken


class AllLeftRejected(AllRejected, EntriesLeft):
    """`EntriesLeft` where all entries were rejected: those that are left, and those refused."""


class EntriesRejected(Rejected):
    """Raised by `post`: of the part, exactly the entries at the indexes in `reasons` are bad. The
    others are still to be sent or, with `taken`, have been taken."""

    def __init__(
        self, rejected: Rejected, reasons: Mapping[int, str], *, taken: bool = False
    ) -> None:
        super().__init__(str(rejected), rejected.status, rejected.body)
        self.reasons = reasons
        self.taken = taken


@dataclass(slots=True)
class Part:
    """Some entries of a payload, which are sent in one request."""

    body: Pieces
    """They, encoded."""
    indexes: Sequence[int]
    """Which of the payload's encoded entries they are, in order."""
    faults: int = 0
    """How often it has failed."""
    crashes: int = 0
    """How often with 500."""
    strikes: int = 0
    """How often it has, after others were taken in between."""
    taken_before: int | None = None
    """How many requests had been taken when it last did, with 500 when it first did."""
    failed_before: int = 0
    """How many requests had failed when it last did."""
    yields: bool = False
    """Whether others go first when it fails: it has failed often enough."""

    def __len__(self) -> int:
        return len(self.indexes)


class SplitRetry:
    """The data of a payload: its entries, sent in one request, or in parts where the destination
    does not take them together. Remembers from one attempt to the next what was taken."""

    def __init__(
        self,
        whole: Pieces,
        batches: Sequence[Batch],
        split: Callable[[bytes], list[bytes]] | None = None,
        join: Callable[[Sequence[bytes]], bytes] = b"".join,
        *,
        evidence: Evidence | None = None,
        hopeless: int = HOPELESS,
    ) -> None:
        """`whole` has all entries of `batches` that could be encoded, in order; `split` gives a
        piece for each, and `join` makes a body of some. Neither is called while all goes well. Who
        derives from this may have methods instead: one that had its own given here would have
        itself, with all that is to be sent, until the garbage collector comes.
        `evidence` is the sink's; `hopeless` single entries are looked at in one attempt."""
        self.whole = whole
        self.evidence = evidence or Evidence()
        self._batches = batches
        self._given_split, self._given_join, self._hopeless = split, join, hopeless
        self._pieces: list[bytes] | None = None
        self._places: list[tuple[Batch, int]] | None = None
        self._left: deque[Part] | None = None
        self._taken = False
        """Whether anything of it has been."""
        self._attempts = 0
        self._first_rejected: int | None = None
        """How many requests had been taken when something of it was first rejected."""
        self._refused = 0
        """Entries of it that were, one by one."""
        self._suspects: list[tuple[Part, Rejected]] = []
        """Entries that were rejected by themselves in this attempt, without evidence."""
        self._sampled: Part | None = None
        """What the first part was split off from, to see whether a single entry is taken."""
        self._has_sampled = False
        """In this attempt."""

    def split(self, whole: bytes) -> list[bytes]:
        """A piece for each entry that `whole` has, in order."""
        assert self._given_split is not None
        return self._given_split(whole)

    def join(self, pieces: Sequence[bytes]) -> bytes:
        """One body of these pieces, in order."""
        return self._given_join(pieces)

    def divide(self, indexes: Sequence[int]) -> Sequence[Sequence[int]]:
        """Which of these entries are sent in one request each: all together, unless who derives
        from this knows of limits."""
        return [indexes]

    async def send(self, payload: Payload[Any], post: Callable[[Part], Awaitable[object]]) -> None:
        """Has `post` send what is left, in order, and refuses what it raises `Rejected` for, where
        there is evidence.

        Raises `Unavailable` as `post` does, and where nothing at all is taken.
        """
        if self._left is None:
            self._left = deque(self._requests(range(payload.entries)))
        self._attempts += 1
        self._has_sampled = False
        try:
            await self._send(payload, post)
            if self._suspects:
                raise _all_rejected(self._suspects[-1][1])
        except BaseException:
            self._put_back()
            raise

    async def _send(self, payload: Payload[Any], post: Callable[[Part], Awaitable[object]]) -> None:
        assert self._left is not None
        left, failed = self._left, 0
        while left:
            part = left[0]
            try:
                await post(part)
            except EntriesRejected as blamed:
                self._refuse(part, blamed, payload)
            except Rejected as rejected:
                self._reject(part, rejected, payload)
            except EntriesLeft as partly:
                self._keep(part, partly)
                raise
            except RequestFailed as fault:
                failed = 0 if self._doubt(part, fault, payload) else failed + 1
                if failed and failed >= min(len(left), _most(part, fault)):
                    if not self._has_more_to_ask(part, fault):
                        raise
                    failed = 0
            else:
                left.popleft()
                self._took()
                failed = 0

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

    # ------------------------------------------------------------------------------- verdicts

    def _took(self) -> None:
        """Something of it was taken: whatever is rejected by itself from now on is to blame, such
        as those that were before. They are asked for again, for the configuration may have been
        mended in between."""
        assert self._left is not None
        self._taken, self._sampled = True, None
        self.evidence.took()
        suspects, self._suspects = self._suspects, []
        self._left.extendleft(part for part, _ in reversed(suspects))

    def _refuse_one(self, part: Part, rejected: Rejected, payload: Payload[Any]) -> None:
        batch, row = self.place(part, 0, payload)
        payload.refuse(batch, row, str(rejected))
        self.evidence.note_bad(batch.container.id)

    def _reject(self, part: Part, rejected: Rejected, payload: Payload[Any]) -> None:
        assert self._left is not None
        if self._first_rejected is None:
            self._first_rejected = self.evidence.taken
        too_large = isinstance(rejected, TooLarge)
        is_it = self._taken or self.evidence.taken > self._first_rejected or rejected.certain
        is_it = is_it or (too_large and size_of(part.body) > SMALL)
        is_it = is_it or self.evidence.expects_bad(self._batches)
        if self._sampled is not None and not is_it:
            self._undo_sample()
            raise _all_rejected(rejected)
        self._sampled = None
        if len(part) > 1:
            if is_it or too_large or _is_power_of_two(self._attempts):
                self._left.popleft()
                self._halve(part)
            else:
                self._sample(part)
            return
        self._left.popleft()
        if is_it:
            self._refuse_one(part, rejected, payload)
            self._refused += 1
        else:
            untraced(rejected)  # its frames have all this
            self._suspects.append((part, rejected))
        looked_at = self._refused + len(self._suspects)
        most = self._hopeless if self.evidence.taken else min(self._hopeless, NEVER_TAKEN)
        if looked_at >= most and not self._taken:
            if not is_it:
                raise _all_rejected(rejected)
            if looked_at >= self._hopeless:
                self._refuse_the_rest(rejected, payload)
        elif looked_at % max(most // PLACES, 1) == 0 and not self._taken:
            self._look_elsewhere()

    def _refuse_the_rest(self, rejected: Rejected, payload: Payload[Any]) -> None:
        """Others are taken, and of this payload nothing, wherever it was looked at."""
        assert self._left is not None
        for part in self._left:
            for index in range(len(part)):
                payload.refuse(*self.place(part, index, payload), str(rejected))
        self._left.clear()

    def _refuse(self, part: Part, blamed: EntriesRejected, payload: Payload[Any]) -> None:
        """Those of the first part that are named, and no others."""
        assert self._left is not None
        self._left.popleft()
        self._sampled = None
        for index, reason in blamed.reasons.items():
            payload.refuse(*self.place(part, index, payload), reason)
        rest = [each for index, each in enumerate(part.indexes) if index not in blamed.reasons]
        if rest and blamed.taken:
            self._took()
        elif rest:
            self._left.appendleft(self._part(rest))

    def _keep(self, part: Part, partly: EntriesLeft) -> None:
        """What is left of the first part."""
        assert self._left is not None
        self._left.popleft()
        self._left.appendleft(self._part([part.indexes[index] for index in partly.left]))
        if partly.taken and len(partly.left) < len(part):
            self._took()

    def _doubt(self, part: Part, fault: RequestFailed, payload: Payload[Any]) -> bool:
        """The first part has failed. Where it is to blame it is divided, or refused, and that is
        progress; where it may not be, the others go first."""
        assert self._left is not None
        others_failed = self.evidence.failed > part.failed_before
        if len(part) > 1 or not part.yields:
            self.evidence.failed += 1
        part.failed_before = self.evidence.failed
        if self._sampled is not None:
            self._undo_sample()
            return False
        part.faults += 1
        if part.taken_before is None:
            part.taken_before = self.evidence.taken
        to_blame = self.evidence.taken > part.taken_before
        if to_blame and len(part) > 1:
            self._left.popleft()
            self._halve(part)
            return True
        if len(part) == 1 and self._is_bad(part, fault, to_blame, others_failed):
            self._left.popleft()
            payload.refuse(*self.place(part, 0, payload), str(fault))
            return True
        part.yields = part.yields or part.faults >= _patience(fault)
        if part.yields or isinstance(fault, ServerFault):
            self._left.rotate(-1)
        return False

    def _is_bad(
        self, part: Part, fault: RequestFailed, to_blame: bool, others_failed: bool
    ) -> bool:
        if isinstance(fault, ServerFault):
            part.crashes += 1
            return part.crashes >= PATIENCE if to_blame else self._taken and part.crashes >= LONG
        if others_failed:
            part.strikes = 0
        elif to_blame:
            part.strikes += 1
        part.taken_before = self.evidence.taken
        return part.strikes >= STRIKES

    # ------------------------------------------------------------------------------- dividing

    def _has_more_to_ask(self, part: Part, fault: RequestFailed) -> bool:
        """Nothing more is taken in this attempt, unless it is a single entry."""
        if isinstance(fault, ServerFault):
            self._look_deeper()
            return False
        assert self._left is not None
        if self._left[-1] is not part or self._has_sampled or len(part) == 1 or not part.yields:
            return False
        self._left.rotate(1)
        self._sample(part)
        return True

    def _look_deeper(self) -> None:
        """Nothing more is taken: bad entries may be in every part."""
        assert self._left is not None
        part = max(self._left, key=len)
        many = len(self._left) >= MOST and not self._taken
        if len(part) > 1 and part.faults >= PATIENCE and not many:
            self._left.remove(part)
            self._halve(part)

    def _look_elsewhere(self) -> None:
        """All those that were rejected stand together, as those of one container do. In the middle
        of what is least known there may be others."""
        assert self._left is not None
        if self._left and self._hopeless <= len(self._pieces or ()):
            part = max(self._left, key=len)
            self._left.remove(part)
            self._left.appendleft(part)

    def _sample(self, part: Part) -> None:
        """Puts one entry of the first part before it, another one in each attempt."""
        assert self._left is not None
        at = int((self._attempts * GOLDEN) % 1 * len(part))
        rest = [each for index, each in enumerate(part.indexes) if index != at]
        self._left.popleft()
        others = self._part(rest)
        others.faults, others.taken_before = part.faults, part.taken_before
        others.yields = part.yields
        self._left.extendleft((others, self._part([part.indexes[at]])))
        self._sampled, self._has_sampled = part, True

    def _undo_sample(self) -> None:
        assert self._left is not None and self._sampled is not None
        self._left.popleft()
        self._left[0], self._sampled = self._sampled, None

    def _put_back(self) -> None:
        """What was rejected without evidence is sent again, together with what stands around it."""
        assert self._left is not None
        if self._sampled is not None:
            self._undo_sample()
        if not self._suspects:
            return
        together = [part for part, _ in self._suspects]
        self._suspects = []
        while self._left and self._left[0].faults == 0:
            together.append(self._left.popleft())
        indexes = sorted(index for part in together for index in part.indexes)
        self._left.extendleft(reversed(self._requests(indexes)))

    def _halve(self, part: Part) -> None:
        """Puts both halves first. What the whole has failed at, they have."""
        assert self._left is not None
        middle = len(part) // 2
        halves = self._part(part.indexes[:middle]), self._part(part.indexes[middle:])
        if part.taken_before is not None:
            for half in halves:
                half.taken_before, half.yields = self.evidence.taken, part.yields
        self._left.extendleft(reversed(halves))

    def _requests(self, indexes: Sequence[int]) -> list[Part]:
        if self._pieces is None and isinstance(indexes, range):  # of all, as nearly always
            return [Part(self.whole, indexes)]
        return [self._part(some) for some in self.divide(indexes)]

    def _part(self, indexes: Sequence[int]) -> Part:
        if self._pieces is None:
            self._pieces = self.split(whole(self.whole))
        if self.whole and len(indexes) == len(self._pieces):
            return Part(self.whole, indexes)
        return Part(self.join([self._pieces[index] for index in indexes]), indexes)


def _most(part: Part, fault: RequestFailed) -> int:
    """Parts that may fail in one attempt: a server that is down, or asks for a pause, is not asked
    for each of them."""
    if isinstance(fault, ServerFault):
        return MOST
    return 2 if part.yields and fault.retry_after is None else 1


def _patience(fault: RequestFailed) -> int:
    return PATIENCE if fault.retry_after is None else LONG


def _all_rejected(rejected: Rejected) -> AllRejected:
    return AllRejected(
        f"{rejected}; nothing of the payload was taken, so nothing is given up: "
        "check what the sink is told to send, and what the server wants"
    )


def _is_power_of_two(number: int) -> bool:
    return number & (number - 1) == 0


def lines(whole: bytes) -> list[bytes]:
    """A piece for each line of `whole`, with its LF: the `split` of entries that are a line
    each."""
    return [line + b"\n" for line in whole.split(b"\n")[:-1]]
