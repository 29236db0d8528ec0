"""What tells an entry from all others, for stores and consumers that are to take it once.

It is the same when the entry is sent again, be it after a broken connection, from a spool or, read
anew, after a kill: `<container id>:<source>:<route>:<time>:<sequence>.<part>`.
"""

from __future__ import annotations

from pipeline.model.batch import Batch


def identities(batch: Batch) -> list[bytes]:
    """The identity of each entry of a batch, in order."""
    facts = f"{batch.container.id}:{batch.source}:{batch.route}:".encode("utf-8", "replace")
    form = facts.replace(b"%", b"%%") + b"%b:%d.%d"
    parts = bytes(len(batch)) if batch.parts is None else batch.parts
    return [form % row for row in zip(batch.times, batch.sequences, parts, strict=True)]
