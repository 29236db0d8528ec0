"""Chooses how tests read logs: through the Engine's API, or from files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.sources.docker.logs.files.available import Way


class Chosen:
    """How the agents and sources of tests read, unless they choose themselves."""

    way: Way = "auto"


chosen = Chosen()
"""The present choice of this process."""


@contextmanager
def reading(way: Way) -> Iterator[None]:
    """In this block, new agents and sources read in this way."""
    before, chosen.way = chosen.way, way
    try:
        yield
    finally:
        chosen.way = before
