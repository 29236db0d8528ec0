"""`python -m tests.hostile.turns FILE run -c …`: the agent, with its loop's longest turns in FILE.

A turn is all that the loop does between two looks at its sockets. What counts is the CPU time of
the loop's own thread, so that neither other processes nor threads make a turn look long. Each turn
of over `NOTED` seconds is a line of FILE, in JSON, with where the thread was in the midst of it.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, TextIO

from pipeline.cli import main

NOTED = float(os.environ.get("TURNS_NOTED", "0.03"))
"""Seconds; `$TURNS_NOTED` of the environment sets others."""
LOOK_EVERY = 0.01
"""Seconds between two looks of the thread that notes where the loop is."""


class Turns:
    """Measures the turns of the loop that runs in the thread that makes it."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.thread = threading.get_ident()
        self._began = 0.0
        self._began_cpu = time.thread_time()
        self._where: tuple[float, str] | None = None
        """When the turn began that was looked at last, and where it was."""
        self._collecting = self._collected = 0.0
        gc.callbacks.append(self._note_collection)
        threading.Thread(target=self._look, name="turns", daemon=True).start()

    def ended(self) -> None:
        """The loop looks at its sockets."""
        cpu = time.thread_time() - self._began_cpu
        if self._began and cpu > NOTED:
            line: dict[str, object] = {
                "time": time.time(),
                "cpu": round(cpu, 4),
                "gc": round(self._collected, 4),
            }
            began, where = self._where or (0.0, "")
            line["where"] = where if began == self._began else ""
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
        self._began = 0.0

    def begins(self) -> None:
        self._collected = 0.0
        self._began = time.monotonic()
        self._began_cpu = time.thread_time()

    def _note_collection(self, phase: str, _: object) -> None:
        """What the garbage collector takes of a turn."""
        if phase == "start":
            self._collecting = time.thread_time()
        elif threading.get_ident() == self.thread:
            self._collected += time.thread_time() - self._collecting

    def _look(self) -> None:
        while True:
            time.sleep(LOOK_EVERY)
            began = self._began  # another turn may begin meanwhile
            if not began or time.monotonic() - began <= NOTED:
                continue
            if self._where is not None and self._where[0] == began:
                continue
            frame = sys._current_frames().get(self.thread)
            if frame is not None and began == self._began:
                stack = traceback.extract_stack(frame)[-8:]
                names = [f"{Path(one.filename).name}:{one.lineno} {one.name}" for one in stack]
                self._where = began, " < ".join(names[::-1])


def watch(file: TextIO) -> None:
    """The loop of this thread is watched from now on."""
    turns = Turns(file)
    plain = selectors.DefaultSelector.select

    def select(self: Any, timeout: float | None = None) -> Any:
        if threading.get_ident() != turns.thread:
            return plain(self, timeout)
        turns.ended()
        found = plain(self, timeout)
        turns.begins()
        return found

    selectors.DefaultSelector.select = select  # type: ignore[method-assign]


if __name__ == "__main__":
    with Path(sys.argv.pop(1)).open("a") as noted:
        watch(noted)
        sys.exit(main())
