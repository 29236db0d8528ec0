"""What a buffer holds in memory, in order, and who is told when it may be forgotten."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from pipeline.acknowledgement import Acknowledgement
from pipeline.batch import LARGEST_PAYLOAD
from pipeline.envelope import Envelope


class Ticket:
    """The acknowledgement of a batch that was taken before it was on disk.

    It stands for the source's until the batch is safe, and then for the spool's.
    """

    __slots__ = ("_pending", "behind")

    def __init__(self, behind: Acknowledgement) -> None:
        self.behind = behind
        self._pending = 1

    def hold(self, places: int = 1) -> None:
        self._pending += places

    def settle(self) -> None:
        self._pending -= 1
        if self._pending == 0:
            self.behind.settle()

    def hand_over(self, to: Acknowledgement) -> None:
        """The batch is safe now: `to` is settled in place of what was."""
        if self._pending == 0:
            to.settle()
        else:
            self.behind.settle()
            self.behind = to


class Item:
    """A batch in a buffer."""

    __slots__ = ("envelope", "safe", "ticket")

    def __init__(self, envelope: Envelope, *, safe: bool = False) -> None:
        self.envelope = envelope
        self.safe = safe
        """It is on disk."""
        self.ticket: Ticket | None = None
        """Its acknowledgement, where it was taken before it was safe."""

    def take(self) -> None:
        """It leaves the buffer for the delivery."""
        if not self.safe:
            self.envelope.ack = self.ticket = Ticket(self.envelope.ack)

    def give_back(self) -> None:
        """The delivery has not done with it, and will be handed it again."""
        if not self.safe and self.ticket is not None:
            self.envelope.ack, self.ticket = self.ticket.behind, None


class Section:
    """Items, first in, first out, and what they come to."""

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
        return self._items[0]

    @property
    def last(self) -> Item:
        return self._items[-1]

    def push(self, item: Item) -> None:
        self._items.append(item)
        self.bytes += item.envelope.size
        self.entries += len(item.envelope)

    def push_first(self, item: Item) -> None:
        self._items.appendleft(item)
        self.bytes += item.envelope.size
        self.entries += len(item.envelope)

    def pop_last(self) -> Item:
        return self._without(self._items.pop())

    def remove(self, envelope: Envelope) -> None:
        """One that is mostly the first."""
        place = next(n for n, item in enumerate(self._items) if item.envelope is envelope)
        self._without(self._items[place])
        del self._items[place]

    def pop(self) -> Item:
        return self._without(self._items.popleft())

    def _without(self, item: Item) -> Item:
        self.bytes -= item.envelope.size
        self.entries -= len(item.envelope)
        return item


class Held:
    """All that is in memory, in the order in which it came: taken, loaded, pending."""

    def __init__(self) -> None:
        self.taken = Section()
        """Handed out, and not released."""
        self.loaded = Section()
        """Read back from the disk."""
        self.pending = Section()
        """Came last, and is not on disk."""
        self.passed: bytes | None = None
        """Time of the entry that was handed out last."""

    @property
    def size(self) -> int:
        """Bytes of memory."""
        return self.taken.bytes + self.loaded.bytes + self.pending.bytes

    @property
    def entries(self) -> int:
        return self.taken.entries + self.loaded.entries + self.pending.entries

    def has_unsafe(self, *, taken: bool) -> bool:
        """Whether anything is not on disk, among those taken too."""
        return bool(self.pending or (taken and self.taken and not self.taken.last.safe))

    def unsafe(self, *, taken: bool = True) -> list[Item]:
        """Those that are not on disk, in order: the last of those taken, if they are wanted, and
        all that is pending."""
        sections = (self.taken, self.pending) if taken else (self.pending,)
        return [item for section in sections for item in section if not item.safe]

    def forget_safe(self) -> None:
        """What is pending no more, since it is on disk, leaves the memory."""
        while self.pending and self.pending.first.safe:
            self.pending.pop()

    def take_back(self) -> None:
        """What was taken is to be handed out again, before all else."""
        while self.taken:
            item = self.taken.pop_last()
            item.give_back()
            (self.loaded if item.safe else self.pending).push_first(item)

    def hand_out(self, limit: int, entries: int, *, on: bool = False) -> list[Envelope]:
        """The next batches, up to the limits and to what sinks may write of them at once, but at
        least one. `on`: behind those that were loaded, what is pending follows."""
        most = max(limit, LARGEST_PAYLOAD)
        section = self.loaded or self.pending
        handed: list[Envelope] = []
        while section or (on and (section := self.pending)):
            first = section.first.envelope
            limit -= first.size
            entries -= len(first)
            most -= first.batch.written(first.size)
            if handed and (limit < 0 or entries < 0 or most < 0):
                break
            item = section.pop()
            item.take()
            self.taken.push(item)
            handed.append(item.envelope)
        self.passed = handed[-1].batch.times[-1]
        return handed
