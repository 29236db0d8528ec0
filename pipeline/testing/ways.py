"""Both ways of reading logs, for tests of what has to be the same in both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.sources.docker.logs.files.available import Way


class Chosen:
    """How the agents and sources of tests read, unless they say."""

    way: Way = "auto"


chosen = Chosen()


@contextmanager
def reading(way: Way) -> Iterator[None]:
    """Those that are made within read in that way."""
    before, chosen.way = chosen.way, way
    try:
        yield
    finally:
        chosen.way = before
