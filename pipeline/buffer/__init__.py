"""What stands between the lanes and a sink: bounded in bytes, closable, observable."""

from pipeline.buffer.memory import MemoryBuffer

__all__ = ["MemoryBuffer"]
