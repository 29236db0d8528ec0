"""What a source, a stage and a sink promise, and how they are found.

A component is one module in `pipeline/sources/`, `pipeline/stages/` or `pipeline/sinks/`. The
file's name is its name in the configuration, its docstring is its page in the reference, and it
defines two things:

- `Config`: what the user may write. For a source, a subclass of `SourceConfig`; for a sink, of
  `SinkConfig`; for a stage, any type that msgspec can convert to (`str`, `list[str]`, a frozen
  Struct, a union of those).
- one subclass of `Source`, `Sink` or `Stage`, made with that configuration.

There is no list to edit: the folder is the registry (`registry`).
"""

from __future__ import annotations

from pipeline.model.sink import Context, Data, Payload, Sink
from pipeline.model.source import Intake, Source, SourceContext, Taken
from pipeline.model.stage import Effect, FieldUse, Python, Stage, StageContext
from pipeline.model.tables import (
    BatchConfig,
    BufferConfig,
    RetryConfig,
    SinkConfig,
    SourceConfig,
    TLSConfig,
)
from pipeline.model.values import Duration, Secret, Size

__all__ = [
    "BatchConfig",
    "BufferConfig",
    "Context",
    "Data",
    "Duration",
    "Effect",
    "FieldUse",
    "Intake",
    "Payload",
    "Python",
    "RetryConfig",
    "Secret",
    "Sink",
    "SinkConfig",
    "Size",
    "Source",
    "SourceConfig",
    "SourceContext",
    "Stage",
    "StageContext",
    "TLSConfig",
    "Taken",
]
