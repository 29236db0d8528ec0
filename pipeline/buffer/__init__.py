"""What stands between the lanes and a sink: bounded in bytes, closable, observable."""

from pipeline.buffer.memory import MemoryBuffer
from pipeline.buffer.spooled import SpooledBuffer

__all__ = ["MemoryBuffer", "SpooledBuffer"]
