"""What a spooled buffer has in memory, in order, and whose acknowledgement each batch settles.

An item is *safe* when it is on disk: written and fsynced.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from pipeline.accounting.envelope import Envelope
from pipeline.model.acknowledgement import Acknowledgement
from pipeline.model.batch import LARGEST_PAYLOAD


class Ticket:
    """The acknowledgement of a batch that was handed out before it was on disk.

    It settles the source's acknowledgement while the batch is only in memory, and the spool's once
    the batch is safe.
    """

    __slots__ = ("_pending", "behind")

    def __init__(self, behind: Acknowledgement) -> None:
        self.behind = behind
        self._pending = 1

    def hold(self, places: int = 1) -> None:
        """Asks for `places` more calls of `settle`."""
        self._pending += places

    def settle(self) -> None:
        """The last call settles the acknowledgement behind this one."""
        self._pending -= 1
        if self._pending == 0:
            self.behind.settle()

    def hand_over(self, to: Acknowledgement) -> None:
        """The batch is safe now: settles the source's acknowledgement, and later settles `to`."""
        if self._pending == 0:
            to.settle()
        else:
            self.behind.settle()
            self.behind = to


class Item:
    """A batch in a buffer, and the bytes of memory it takes (`Batch.size`)."""

    __slots__ = ("envelope", "safe", "ticket")

    def __init__(self, envelope: Envelope, *, safe: bool = False) -> None:
        self.envelope = envelope
        self.safe = safe
        """Whether it is on disk."""
        self.ticket: Ticket | None = None
        """The acknowledgement it was handed out with, if it wasn't safe then."""

    def take(self) -> None:
        """Called when the delivery takes the batch."""
        if not self.safe:
            self.envelope.ack = self.ticket = Ticket(self.envelope.ack)

    def give_back(self) -> None:
        """Called when the batch is to be handed out again, before the delivery has released it."""
        if not self.safe and self.ticket is not None:
            self.envelope.ack, self.ticket = self.ticket.behind, None


class Section:
    """A queue of items, and the sums of their bytes and entries."""

    __slots__ = ("_items", "bytes", "entries")

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self.bytes = 0
        self.entries = 0

    def __bool__(self) -> bool:
        return bool(self._items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    @property
    def first(self) -> Item:
        """The oldest item. Raises `IndexError` when there is none."""
        return self._items[0]

    @property
    def last(self) -> Item:
        """The newest item. Raises `IndexError` when there is none."""
        return self._items[-1]

    def push(self, item: Item) -> None:
        """Adds the newest item."""
        self._items.append(item)
        self.bytes += item.envelope.size
        self.entries += item.envelope.entries

    def push_first(self, item: Item) -> None:
        """Adds the oldest item."""
        self._items.appendleft(item)
        self.bytes += item.envelope.size
        self.entries += item.envelope.entries

    def pop_last(self) -> Item:
        """Removes the newest item. Raises `IndexError` when there is none."""
        return self._without(self._items.pop())

    def remove(self, envelope: Envelope) -> None:
        """Removes the item of this very envelope, usually the first one."""
        place = next(n for n, item in enumerate(self._items) if item.envelope is envelope)
        self._without(self._items[place])
        del self._items[place]

    def pop(self) -> Item:
        """Removes the oldest item. Raises `IndexError` when there is none."""
        return self._without(self._items.popleft())

    def _without(self, item: Item) -> Item:
        self.bytes -= item.envelope.size
        self.entries -= item.envelope.entries
        return item


class MemoryQueue:
    """Everything that is in memory, oldest first: `taken`, then `loaded`, then `pending`.

    What is on disk only comes between `loaded` and `pending`.
    """

    def __init__(self) -> None:
        self.taken = Section()
        """Handed to the delivery, and not released yet."""
        self.loaded = Section()
        """Read back from disk."""
        self.pending = Section()
        """The newest, not on disk."""
        self.passed: bytes | None = None
        """Timestamp of the entry that was handed out last, as in `Batch.times`."""

    @property
    def size(self) -> int:
        """Bytes of memory of all three."""
        return self.taken.bytes + self.loaded.bytes + self.pending.bytes

    @property
    def entries(self) -> int:
        """Entries of all three."""
        return self.taken.entries + self.loaded.entries + self.pending.entries

    def has_unsafe(self, *, taken: bool) -> bool:
        """Whether anything is not on disk. `taken`: whether taken items count, too."""
        return bool(self.pending or (taken and self.taken and not self.taken.last.safe))

    def unsafe(self, *, taken: bool = True) -> list[Item]:
        """The items that are not on disk, oldest first. `taken`: whether to include taken items."""
        sections = (self.taken, self.pending) if taken else (self.pending,)
        return [item for section in sections for item in section if not item.safe]

    def forget_safe(self) -> None:
        """Removes the items from `pending` that are on disk by now."""
        while self.pending and self.pending.first.safe:
            self.pending.pop()

    def take_back(self) -> None:
        """Puts the taken items back, to be handed out again before all others."""
        while self.taken:
            item = self.taken.pop_last()
            item.give_back()
            (self.loaded if item.safe else self.pending).push_first(item)

    def hand_out(self, limit: int, entries: int, *, on: bool = False) -> list[Envelope]:
        """Moves the next batches to `taken`, and returns them. There must be any.

        At most `limit` bytes, `entries` entries, and as much as a sink may write at once
        (`LARGEST_PAYLOAD`), but at least one batch. `on`: whether to go on with `pending` when
        `loaded` is used up, as is right only when nothing is on disk in between.
        """
        most = max(limit, LARGEST_PAYLOAD)
        section = self.loaded or self.pending
        handed: list[Envelope] = []
        while section or (on and (section := self.pending)):
            first = section.first.envelope
            limit -= first.size
            entries -= first.entries
            most -= first.batch.written(first.size)
            if handed and (limit < 0 or entries < 0 or most < 0):
                break
            item = section.pop()
            item.take()
            self.taken.push(item)
            handed.append(item.envelope)
        self.passed = handed[-1].batch.times[-1]
        return handed
