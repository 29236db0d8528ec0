"""All files of a spool's folder: its segments, oldest first, and files that were set aside.

Everything here may block.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from pipeline.buffer.cursor import BLOCK
from pipeline.buffer.record import HEADER
from pipeline.buffer.segment import ASIDE, Segment
from pipeline.support.folders import make_folder
from pipeline.support.plural import plural

log = logging.getLogger(__name__)


class Segments:
    """The entries `[base, end)` of a spool, less those that are damaged or missing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.active: Segment | None = None
        """The segment that is being written, the last one; None if there is none."""
        self._all: list[Segment] = []
        self._asides: list[tuple[Path, int]] = []

    def __iter__(self) -> Iterator[Segment]:
        return iter(list(self._all))

    @property
    def base(self) -> int | None:
        """Number of the first entry; None if there is no segment."""
        return self._all[0].base if self._all else None

    @property
    def end(self) -> int:
        """Number after the last entry; 0 if there is no segment."""
        return max((segment.end for segment in self._all), default=0)

    @property
    def bytes(self) -> int:
        """Bytes of all files, the cursor and files that were set aside included."""
        asides = sum(size for _, size in self._asides)
        return BLOCK + asides + sum(segment.written for segment in self._all)

    def at(self, number: int) -> Segment | None:
        """The segment with the entry `number`, or the next one; None if there is none."""
        return next((segment for segment in self._all if segment.end > number), None)

    # ------------------------------------------------------------------------------- find

    def recover(self) -> None:
        """Finds the files of an earlier run.

        Cuts an incomplete record off the last segment, removes empty segments, and sets aside those
        that can't be read. Raises `OSError`.
        """
        self._asides = [(file, file.stat().st_size) for file in self.folder.glob("*" + ASIDE)]
        self._all = []
        for segment in Segment.find(self.folder):
            self._all.append(segment)
            self._check(segment)
        for segment, following in pairwise(self._all):
            segment.end = following.base
        if self._all:
            last = self._all[-1]
            if torn := last.recover():
                noun = plural(torn, "byte")
                log.warning("%s: cut off %d %s of an incomplete record", last.path, torn, noun)

    def _check(self, segment: Segment) -> None:
        try:
            if segment.is_readable():
                return
            began = segment.has_begun()
        except OSError as error:
            self.set_aside(segment, error.strerror)
            return
        if began or segment.size < HEADER:
            self.remove(segment)
        else:
            self.set_aside(segment, "it has no readable record")

    # ----------------------------------------------------------------------------- change

    def create(self, base: int) -> Segment:
        """Makes a new active segment. `base`: number of its first entry. Raises `OSError`."""
        make_folder(self.folder, 0o700)
        self.active = Segment.create(self.folder, base)
        self._all.append(self.active)
        return self.active

    def seal(self) -> None:
        """Closes the active segment for writing, if there is one."""
        if self.active is not None:
            self.active.close()
            self.active = None

    def remove(self, segment: Segment) -> None:
        """Deletes a segment. Raises `OSError`; then it is still there."""
        segment.remove()
        self._forget(segment)

    def set_aside(self, segment: Segment, why: str | None) -> None:
        """Renames a segment that can't be read, so that a person may look into it later.

        `why` is for the log. Raises `OSError`; then the segment is still there.
        """
        try:
            aside = segment.set_aside()
        except FileNotFoundError:
            log.warning("%s is missing", segment.path)
        else:
            self._asides.append((aside, segment.size))
            log.warning("%s is set aside as %s: %s", segment.path, aside.name, why)
        self._forget(segment)

    def remove_aside(self) -> bool:
        """Deletes one file that was set aside, to make room. False if there is none.

        Raises `OSError`.
        """
        if not self._asides:
            return False
        file, _ = self._asides[0]
        file.unlink(missing_ok=True)
        log.warning("%s is removed to make room", file)
        del self._asides[0]
        return True

    def close(self) -> None:
        """Closes all files."""
        self.active = None
        for segment in self._all:
            segment.close()

    def _forget(self, segment: Segment) -> None:
        segment.close()
        self._all.remove(segment)
        if segment is self.active:
            self.active = None
