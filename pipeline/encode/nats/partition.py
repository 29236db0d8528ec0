"""Which partition of a queue a container's entries belong to: always the same one."""

from __future__ import annotations

import zlib


def partition(container_id: str, partitions: int) -> int:
    """The number of the partition of a container, from 0 to below `partitions`, evenly spread.
    Writers and readers in other processes and versions have to agree on it, so it is fixed for
    ever: CRC-32 of the id, in UTF-8."""
    return zlib.crc32(container_id.encode("utf-8", "surrogatepass")) % partitions
