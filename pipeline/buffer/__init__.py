"""Buffers between the lanes and a sink: bounded in bytes, closable, observable.

`MemoryBuffer` keeps entries in memory; `SpooledBuffer` overflows to a spool on disk. Lanes put
batches, and one delivery takes and releases them.
"""

from pipeline.buffer.memory import MemoryBuffer
from pipeline.buffer.spooled import SpooledBuffer

__all__ = ["MemoryBuffer", "SpooledBuffer"]
