"""Standard output: coloured lines on a terminal, JSON lines anywhere else.

```toml
[sinks.console]
type = "console"
```

This is where logs go when nothing is configured. On a terminal each container has a colour and
stderr a red bar. Then come level, message and fields, as far as stages have found them:
`12:01:03.123 shop-api-1 | ERROR   POST /orders  status=500`. A line of JSON that was parsed is
shown as its text and its other fields. The further lines of an entry, such as a joined trace, stand
below its first. `NO_COLOR` in the environment is respected.

Into a pipe or a file it writes the same JSON as all JSON sinks; `text` there is one line for each
entry, with the whole time. A slow reader slows this sink and no other. When the reader has closed
the pipe, the remaining entries count as refused.
"""

from __future__ import annotations

import errno
import os
import select
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import ClassVar, Literal

from pipeline.encode.json import JsonEncoder
from pipeline.encode.text import MOST_VALUES, TextEncoder
from pipeline.model.address_form import AddressForm
from pipeline.model.batch import Batch
from pipeline.model.component import Payload, Sink, SinkConfig, SinkContext
from pipeline.model.errors import Refused, Unavailable
from pipeline.support.blocking import BlockingThread


class Config(SinkConfig, frozen=True, kw_only=True):
    """The format of the lines on standard output."""

    address_forms: ClassVar[tuple[AddressForm, ...]] = (
        AddressForm(
            example="console://",
        ),
    )

    format: Literal["auto", "text", "json"] = "auto"
    """Format of the lines; `auto` is `text` on a terminal and `json` elsewhere."""
    color: Literal["auto", "always", "never"] = "auto"
    """Whether `text` has colours; `auto` is on a terminal only, unless `NO_COLOR` is set."""


class Console(Sink[bytes]):
    """Writes to standard output, in a thread.

    So a pipe that nobody reads does not block the event loop. Non-blocking mode is no alternative:
    it would also apply to the shell, which shares the output.
    """

    def __init__(self, config: Config, context: SinkContext) -> None:
        terminal = _is_terminal()
        self._thread = BlockingThread(f"sink {context.name}")
        if config.format == "text" or (config.format == "auto" and terminal):
            color = terminal and "NO_COLOR" not in os.environ
            if config.color != "auto":
                color = config.color == "always"
            self._encode = TextEncoder(color=color).encode
            self.most_values = MOST_VALUES
        else:
            self._encode = JsonEncoder(host=context.host).encode

    async def open(self) -> None:
        if sys.stdout is None:
            raise Unavailable("standard output is closed; start the agent with one")

    def encode(self, batches: Sequence[Batch]) -> Payload[bytes]:
        data = self._encode(batches)
        return Payload(data, sum(map(len, batches)), len(data))

    async def send(self, payload: Payload[bytes]) -> None:
        try:
            await self._thread.run(_write, sys.stdout.fileno(), payload.data)
        except OSError as error:
            if error.errno in (errno.EPIPE, errno.EIO, errno.EBADF):
                raise Refused("nobody reads standard output any more") from error
            reason = os.strerror(error.errno or 0)
            raise Unavailable(f"standard output cannot be written: {reason}") from error

    async def close(self) -> None:
        self._thread.stop()


def _is_terminal() -> bool:
    with suppress(ValueError, OSError, AttributeError):  # standard output is closed, or None
        return os.isatty(sys.stdout.fileno())
    return False


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # another process has made it non-blocking
            select.select([], [descriptor], [])
