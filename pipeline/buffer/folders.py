"""Where the spools are: one folder for each sink in `spools` of the state directory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, unquote

from pipeline.buffer.segment import Segment


def folder_of(state: Path, sink: str) -> Path:
    """The folder of a sink's spool. Any name is fit to be one."""
    name = quote(sink, safe=" +,=@")
    return state / "spools" / (f"%2E{name[1:]}" if name.startswith(".") else name)


def orphans(state: Path, sinks: Iterable[str]) -> dict[str, int]:
    """The sinks that are not among these and have left entries behind, with the bytes that these
    have: a sink that was renamed or removed, and whose spool nobody empties. Blocks; raises
    `OSError` when the folders cannot be read."""
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
