"""The interfaces of sources, stages and sinks, and the data that passes between them.

A component is one module in `pipeline/sources/`, `pipeline/stages/` or `pipeline/sinks/`. The
file's name is its `type` in the configuration, its docstring is its page in the reference, and it
defines two things:

- `Config`: what the user may write. For a source, a subclass of `SourceConfig`; for a sink, of
  `SinkConfig`; for a stage, any type that msgspec can convert to (`str`, `list[str]`, a frozen
  Struct, a union of those).
- One subclass of `Source`, `Sink` or `Stage`. It is constructed with that configuration.

There is no list to edit: components are found by their files (see `registry`).
"""

from __future__ import annotations

from pipeline.model.sink import Data, Payload, Sink, SinkContext
from pipeline.model.source import Intake, Share, SharedStream, Source, SourceContext, Taken
from pipeline.model.stage import Compared, Effect, FieldUse, Python, Stage, StageContext
from pipeline.model.tables import (
    BatchConfig,
    BufferConfig,
    RetryConfig,
    SharedQueue,
    SinkConfig,
    SourceConfig,
    TLSConfig,
)
from pipeline.model.values import Duration, FileToRead, Rate, Secret, SecretURL, Size, TemplateText

__all__ = [
    "BatchConfig",
    "BufferConfig",
    "Compared",
    "Data",
    "Duration",
    "Effect",
    "FieldUse",
    "FileToRead",
    "Intake",
    "Payload",
    "Python",
    "Rate",
    "RetryConfig",
    "Secret",
    "SecretURL",
    "Share",
    "SharedQueue",
    "SharedStream",
    "Sink",
    "SinkConfig",
    "SinkContext",
    "Size",
    "Source",
    "SourceConfig",
    "SourceContext",
    "Stage",
    "StageContext",
    "TLSConfig",
    "Taken",
    "TemplateText",
]
