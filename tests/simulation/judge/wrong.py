"""What can be wrong with a run."""

from __future__ import annotations

from typing import NamedTuple


class Wrong(NamedTuple):
    """One thing that is wrong."""

    kind: str
    """`crash`, `livelock`, `end`, `ledger`, `memory`, `descriptors`, `tasks`, `lost`, `uncounted`,
    `broken`, `order`, `again`, `late`, `numbers` or `alarm`. A plan that is made smaller has to go
    wrong in the same kind."""
    text: str
    """A sentence for people."""
    name: str = ""
    """The container that it is about, if it is about one."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"
