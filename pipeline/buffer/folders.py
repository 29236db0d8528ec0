"""Where the spools are: one folder for each sink, in `spools` of the state directory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, unquote

from pipeline.buffer.segment import Segment


def folder_of(state: Path, sink: str) -> Path:
    """The folder of a sink's spool. `state`: the state directory. `sink`: any name."""
    name = quote(sink, safe=" +,=@")
    return state / "spools" / (f"%2E{name[1:]}" if name.startswith(".") else name)


def orphans(state: Path, sinks: Iterable[str]) -> dict[str, int]:
    """Spools of sinks that no longer exist: the sink's name, and the bytes of its entries.

    Such a sink was renamed or removed, so nothing delivers its entries. `sinks`: the names of those
    that exist. Empty spools are left out. Blocks. Raises `OSError` when a folder can't be read.
    """
    spools, known = state / "spools", {folder_of(state, sink) for sink in sinks}
    if not spools.is_dir():
        return {}
    found = {}
    for folder in sorted(spools.iterdir()):
        if folder not in known and folder.is_dir():
            size = sum(segment.size for segment in Segment.find(folder))
            if size:
                found[unquote(folder.name)] = size
    return found
