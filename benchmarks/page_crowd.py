"""Containers that talk at a steady pace, from a process of their own."""

from __future__ import annotations

import threading
from types import TracebackType

from tests.page.chromium.crowd import Crowd

OUT = """
[sinks.out]
type = "file"
path = "{folder}/agent/out.jsonl"
[routes.all]
stages = [{{ parse = "auto" }}]
to = ["out"]
"""
LINES = [
    f'{{"level":"info","msg":"GET /products/{number} served","status":200,"ms":{number % 89}}}'
    for number in range(97)
]


class Talking:
    """In its block the crowd says `rate` lines a second in all; nothing where that is 0."""

    def __init__(self, crowd: Crowd, rate: float) -> None:
        self._crowd = crowd
        self._rate = rate
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._talk)

    def __enter__(self) -> Talking:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _talk(self) -> None:
        while self._rate and not self._ended.is_set():
            self._crowd.talk(LINES, self._rate, 1.0)
