"""The checkpoint file: for each container, the last position that is safe to resume from.

It is one small JSON file. To save it, a new file is written, fsynced and renamed over the old one,
and the folder is fsynced. Changes since then are in a journal, so killing the process loses hardly
any of them. A file that cannot be read is set aside with a warning; it never stops the agent.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import time
from pathlib import Path

import msgspec

from pipeline.accounting.journal import Journal
from pipeline.accounting.offsets import Ahead, Offsets
from pipeline.model.errors import DocklineError
from pipeline.support.blocking import BlockingThread
from pipeline.support.private_folder import FILE, make_private
from pipeline.support.rate_limit import RateLimit

VERSION = 1
"""Version of the file's format. A file of another version is set aside."""
log = logging.getLogger(__name__)


class FilePlace(msgspec.Struct, frozen=True, array_like=True):
    """A position as a place in the files of a json-file log.

    It is a hint. A reader of the files checks whether it still holds; a reader of the API ignores
    it.
    """

    inode: int
    offset: int
    """Bytes from the beginning of the file to the end of a row at which no partial line is open."""
    beyond: int
    """Complete lines after `offset` that were consumed."""
    seal: int
    """CRC-32 of the last bytes before `offset`."""


class Position(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where to resume in one container's log.

    The Engine's `since` is inclusive. A log reopened with it begins with the first line of that
    time; `skip` lines of it were consumed already, and `mark` is the CRC-32 of the last of these.
    """

    since: str = ""
    """A timestamp as in `Batch.times`; empty for the beginning of the log."""
    skip: int = 0
    """Lines with the time `since` or later that were consumed."""
    mark: int = 0
    """CRC-32 of the last line that was consumed; 0 for none."""
    first: int = 0
    """If no line was consumed: CRC-32 of the next line; 0 if it is not known."""
    sequence: int = 0
    """`event.sequence` of the last entry that was consumed."""
    ended: str = ""
    """If the log was read to its end: the start time of that run of the container."""
    place: FilePlace | None = None
    """The place in the log's files, if it was read from these."""


class SavedEnd(msgspec.Struct, frozen=True, array_like=True):
    """How a container ended, as the agent saw it: the Engine does not keep that."""

    finished: float
    """When, in seconds since the epoch."""
    how: str
    """A word of `pipeline.model.container_state.End`."""


MOST_ENDS = 1000
"""Ends that are kept, the last ones."""


class SavedState(msgspec.Struct):
    """The content of the checkpoint file."""

    version: int = VERSION
    engine: str = ""
    """Id of the Engine that the containers belong to (`GET /info`)."""
    saved: float = 0.0
    """The time up to which the agent has seen the Engine's containers, in seconds since the epoch;
    0 for never.

    This is not the time of saving: an agent that stops still delivers, and saves, long after its
    last look.
    """
    events: Position = Position()
    """The position in the Engine's events."""
    containers: dict[str, Position] = {}
    """The position in each container's log, by container id."""
    ahead: dict[str, Ahead] = {}
    """By container id: the sinks that have more of its log than its position says."""
    ends: dict[str, SavedEnd] = {}
    """By container id: how containers ended that do not run, oldest first. They are not in the
    journal: after a kill, the last second's may be missing."""
    changes: int = 0
    """The number of changes so far. Journal lines up to this number are already in this state."""


class JournalLine(msgspec.Struct, frozen=True, array_like=True):
    """One line of the journal: the state of one container after a change."""

    number: int
    """The number of changes when the line was written."""
    container: str
    """The container's id; empty for the position in the events."""
    position: Position | None
    """None if the container was forgotten."""
    ahead: Ahead = {}
    """The sinks that have more of the log than the position says."""


class Checkpoint:
    """Positions of all containers, in memory and in a file.

    Positions change in memory; `save` writes the file. Without a folder, or with one that cannot be
    used, they are only in memory, and a restart begins anew.
    """

    def __init__(self, folder: Path | None) -> None:
        """`folder`: the state directory; None for memory only. Call `open` before use."""
        self.state = SavedState()
        self._file = None if folder is None else folder / "checkpoint.json"
        self._lock: int | None = None
        self._dirty = False
        self._journal = Journal(folder, self._change_of) if folder is not None else None
        self._offsets: dict[str, Offsets] = {}
        self._generation, self._saved = 0, True
        """The journal's generation, and whether the state was saved since that generation began."""
        self._changes = 0
        self._moved: set[str] = set()
        """Containers whose offsets have changed since the state was saved."""
        self._writer = BlockingThread("checkpoint")
        """If a save is cancelled while it writes, the next one waits for that write. A write that
        hangs doesn't keep the process from exiting."""
        self._failures = RateLimit()
        self._stale = ""
        """Why the existing file must not be overwritten; empty if it may be."""
        self.last_saved = 0.0
        """The time up to which the previous run of the agent saw the Engine's containers, in
        seconds since the epoch; 0 if there was none."""
        self.looked = 0.0
        """The time up to which this run has seen them, in seconds since the epoch. Containers
        created before it are known, or are not to be read."""

    def open(self) -> None:
        """Locks the folder and reads the checkpoint and the journal. Blocks: call it at startup, or
        in a thread.

        A folder that cannot be used is logged, once, and positions are kept in memory only. Raises
        `DocklineError` when another agent has locked the folder.
        """
        if self._file is None:
            return
        folder = self._file.parent
        try:
            make_private(folder)
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise DocklineError(
                f"{folder} is in use by another dockline: give each its own [state] directory"
            ) from None
        except OSError as error:
            log.warning(
                "%s cannot be used (%s): a restarted agent will not know what was read before. "
                "Mount a volume there, or set [state] directory",
                folder,
                error.strerror,
            )
            self._file = self._journal = None
            return
        self._replay(wanted=self._read())

    @property
    def folder(self) -> Path | None:
        """The state directory, locked by this agent; None while positions are in memory only."""
        return self._file.parent if self._file is not None and self._lock is not None else None

    def _read(self) -> bool:
        """Reads the file. Returns whether there is a state to resume from."""
        assert self._file is not None
        try:
            raw = self._file.read_bytes()
        except FileNotFoundError:
            return False
        except OSError as error:
            log.warning("%s cannot be read (%s): starting without it", self._file, error.strerror)
            return False
        try:
            version = msgspec.json.decode(raw, type=dict[str, msgspec.Raw]).get("version")
            if version is None or msgspec.json.decode(version) != VERSION:
                raise ValueError("it was written by another version of dockline")
            self.state = msgspec.json.decode(raw, type=SavedState)
            self.last_saved = self.looked = self.state.saved
            self._changes = self.state.changes
            return True
        except (ValueError, msgspec.MsgspecError) as error:
            self._set_aside(str(error))
        return False

    def _replay(self, *, wanted: bool) -> None:
        """Applies the journal's changes that are newer than the file. `wanted`: whether the file
        could be read; without it, the changes mean nothing and are not applied."""
        assert self._journal is not None
        try:
            for raw in self._journal.read():
                change = msgspec.json.decode(raw, type=JournalLine)
                self._changes = max(self._changes, change.number)
                if wanted and change.number > self.state.changes:
                    self._apply(change)
        except (OSError, msgspec.MsgspecError) as error:
            log.warning(
                "the journal of changes since %s was saved cannot be used: %s", self._file, error
            )
        self._journal.start()

    def _apply(self, change: JournalLine) -> None:
        state, container = self.state, change.container
        state.ahead.pop(container, None)
        if not container:
            state.events = change.position or Position()
        elif change.position is None:
            state.containers.pop(container, None)
        else:
            state.containers[container] = change.position
            if change.ahead:
                state.ahead[container] = change.ahead

    def belongs_to(self, engine: str) -> None:
        """Sets the id of the Engine that the containers belong to.

        If the positions are of another Engine, they are forgotten, and the file is set aside at the
        next save.
        """
        if self.state.engine and engine and self.state.engine != engine:
            self._stale = "it belongs to another Engine"
            self.state, self.last_saved, self.looked = SavedState(), 0.0, 0.0
            self._offsets.clear()
        self.state.engine = engine or self.state.engine
        self._dirty = True

    def _set_aside(self, reason: str) -> None:
        if self._file is None:
            return
        aside = self._file.with_suffix(f".{int(time.time())}.aside")
        log.warning("%s is set aside as %s: %s", self._file, aside.name, reason)
        try:
            self._file.rename(aside)
        except OSError as error:
            log.warning("%s cannot be renamed: %s", self._file, error.strerror)

    def __getitem__(self, container_id: str) -> Position | None:
        """The position in a container's log; None if there is none."""
        return self.state.containers.get(container_id)

    def move(self, container_id: str, position: Position) -> None:
        """Sets the position in a container's log."""
        self.state.containers[container_id] = position
        self._changed(container_id)

    def ahead(self, container_id: str) -> Ahead:
        """The sinks that have more of a container's log than its position says, as last saved."""
        return self.state.ahead.get(container_id, {})

    def follow(self, container_id: str) -> Offsets:
        """Returns new offsets for the sinks of a container's log. They are saved with its position
        from now on."""
        ahead = self.ahead(container_id)
        offsets = Offsets(ahead, lambda: self._changed(container_id))
        self._offsets[container_id] = offsets
        return offsets

    def note_end(self, container_id: str, end: SavedEnd | None) -> None:
        """Sets how a container ended; None for one that runs, or is gone."""
        ends = self.state.ends
        if ends.get(container_id) == end:
            return
        ends.pop(container_id, None)
        if end is not None:
            ends[container_id] = end
            if len(ends) > MOST_ENDS:
                del ends[next(iter(ends))]
        self._dirty = True

    def move_events(self, position: Position) -> None:
        """Sets the position in the Engine's events."""
        self.state.events = position
        self._changed("")

    def known(self) -> set[str]:
        """The ids of all containers that have a position."""
        return set(self.state.containers)

    def forget(self, container_id: str) -> None:
        """Removes a container's position and offsets."""
        self._offsets.pop(container_id, None)
        self.state.ahead.pop(container_id, None)
        if self.state.containers.pop(container_id, None) is not None:
            self._changed(container_id)

    def _changed(self, container_id: str) -> None:
        self._changes += 1
        self._dirty = True
        self._moved.add(container_id)
        if self._journal is not None:
            self._journal.note(container_id)

    def _change_of(self, container_id: str) -> bytes:
        """The journal line for a container as it is now. The journal's thread calls this.

        The number is taken first: a change that happens meanwhile is written again.
        """
        number = self._changes
        if not container_id:
            return msgspec.json.encode(JournalLine(number, "", self.state.events))
        position = self.state.containers.get(container_id)
        ahead = self._ahead_of(container_id, position)
        return msgspec.json.encode(JournalLine(number, container_id, position, ahead))

    def _ahead_of(self, container_id: str, position: Position | None) -> Ahead:
        offsets = self._offsets.get(container_id)
        if offsets is None or position is None:
            return self.ahead(container_id)
        return offsets.ahead_of(position.sequence)

    async def save(self) -> None:
        """Writes the file if anything has changed. An error is logged, not raised, and the next
        call tries again."""
        if self._file is None or self._journal is None or not self._dirty:
            return
        self._dirty = False
        if self._saved:
            self._generation, self._saved = self._journal.begin(), False
        raw = self._encode()
        try:
            await self._writer.run(self._write, raw, self._generation)
        except OSError as error:
            self._dirty = True
            if self._failures():
                log.warning("%s cannot be written: %s", self._file, error.strerror)
        except asyncio.CancelledError:
            self._dirty = True
            raise

    def _encode(self) -> bytes:
        state = self.state
        for container_id in self._moved:
            if ahead := self._ahead_of(container_id, state.containers.get(container_id)):
                state.ahead[container_id] = ahead
            else:
                state.ahead.pop(container_id, None)
        self._moved.clear()
        state.saved, state.changes = self.looked, self._changes
        return msgspec.json.encode(state)

    def _write(self, raw: bytes, generation: int) -> None:
        if self._stale:
            self._set_aside(self._stale)
            self._stale = ""
        if self._file is not None and self._journal is not None:
            _replace(self._file, raw)
            self._saved = True
            self._journal.remove_before(generation - 1)  # a line may still be written to that one

    def close(self) -> None:
        """Ends the threads and releases the lock. It doesn't save: call `save` first."""
        self._writer.stop()
        if self._journal is not None:
            self._journal.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _replace(file: Path, raw: bytes) -> None:
    replacement = file.with_suffix(".new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    with os.fdopen(os.open(replacement, flags, FILE), "wb") as new:
        new.write(raw)
        new.flush()
        os.fsync(new.fileno())
    replacement.rename(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
