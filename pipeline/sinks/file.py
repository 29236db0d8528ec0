"""A file of JSON lines (or text), rotated by size and age.

```toml
[sinks.archive]
type = "file"
path = "/var/log/dockline/containers.json"
rotate = { size = "100MiB", every = "1d", keep = 7 }
fsync = "batch"
```

- **Rotation** happens before a payload that would make the file larger than `size`, or that is the
  first of a new period of `every` (in UTC, so `1d` is midnight): `containers.json` becomes
  `containers.json.1`, that `.2`, and so on; files beyond `keep` are removed. Another program such
  as logrotate may move the file instead: the sink notices, and starts a new one.
- **fsync**: `never` leaves it to the kernel, which writes within about half a minute, so a crash of
  the host loses that much. `rotate` writes each file to the disk before it is moved aside. `batch`
  writes each payload to the disk before it counts as delivered: nothing is lost, at the price of
  the disk's latency per payload.
- **Crashes**: a line that was cut short gets a newline when the file is opened, so that the next
  entry begins on a line of its own. A payload that was only written in part is removed before it is
  tried again, so nothing is stored twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import msgspec

from pipeline.encode.json import JsonEncoder
from pipeline.encode.text import MOST_VALUES, TextEncoder
from pipeline.model.address_form import AddressForm
from pipeline.model.batch import Batch
from pipeline.model.component import Duration, Payload, Sink, SinkConfig, SinkContext, Size
from pipeline.model.errors import ConfigError, Unavailable
from pipeline.support.blocking import BlockingThread
from pipeline.transport.rotating_file import RotatingFile, file_sentence


class RotateConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the file is rotated, and how many old files are kept."""

    size: Size = Size(100 * 2**20)
    """Largest size of a file, unless a single payload is larger; 0 for no limit."""
    every: Annotated[Duration | None, msgspec.Meta(examples=["1h", "1d"])] = None
    """Period of one file, such as `1h` or `1d`; without it, only the size matters."""
    keep: Annotated[int, msgspec.Meta(ge=0)] = 5
    """Number of old files to keep."""


class Config(SinkConfig, frozen=True, kw_only=True):
    """The file, its format, and when it is forced to the disk."""

    address_forms: ClassVar[tuple[AddressForm, ...]] = (
        AddressForm(
            to="path",
            local=True,
            example="file:///var/log/dockline/containers.json",
        ),
    )

    path: Annotated[str, msgspec.Meta(examples=["/var/log/dockline/containers.json"])]
    """Path of the file. Its folder is created if it does not exist."""
    format: Literal["json", "text"] = "json"
    """`json` is one object per line, `text` is a line of time, container, stream, level,
    message and fields, for people."""
    rotate: RotateConfig = RotateConfig()
    """When the file is rotated."""
    fsync: Literal["never", "rotate", "batch"] = "rotate"
    """When entries are forced to the disk."""


class File(Sink[bytes]):
    """Appends to a rotated file. All work on the disk happens in one thread, in order."""

    def __init__(self, config: Config, context: SinkContext) -> None:
        if not config.path.strip() or config.path.endswith("/"):
            raise ConfigError("the path of a file is needed", path="path")
        if config.rotate.every is not None and config.rotate.every < 1:
            raise ConfigError("a period is at least one second", path="rotate.every")
        self._thread = BlockingThread(f"sink {context.name}")
        self._file = RotatingFile(
            config.path,
            size=config.rotate.size,
            every=config.rotate.every,
            keep=config.rotate.keep,
            sync_writes=config.fsync == "batch",
            sync_files=config.fsync != "never",
        )
        self._path = config.path
        json, text = JsonEncoder(host=context.host), TextEncoder(color=False)
        self._encode = json.encode if config.format == "json" else text.encode
        self.most_values = MOST_VALUES if config.format == "text" else None

    async def open(self) -> None:
        try:
            await self._thread.run(self._file.open)
        except OSError as error:
            raise self._unavailable(error) from error

    def encode(self, batches: Sequence[Batch]) -> Payload[bytes]:
        data = self._encode(batches)
        return Payload(data, sum(map(len, batches)), len(data))

    async def send(self, payload: Payload[bytes]) -> None:
        try:
            await self._thread.run(self._file.write, payload.data)
        except OSError as error:
            raise self._unavailable(error) from error

    async def close(self) -> None:
        try:
            await self._thread.run(self._file.close)
        finally:
            self._thread.stop(last=self._file.close)  # in case this was cancelled

    def _unavailable(self, error: OSError) -> Unavailable:
        return Unavailable(f"{self._path} {file_sentence(error)}")
