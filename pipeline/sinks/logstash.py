"""Logstash, as JSON lines over TCP, TLS or UDP, or as Beats do over Lumberjack.

```toml
[sinks.logstash]
type = "logstash"
address = "lumberjack://logstash"          # port 5044, input { beats { port => 5044 } }

[sinks.lines]
type = "logstash"
address = "tcp://logstash:5000"            # input { tcp { port => 5000 codec => json_lines } }
```

| scheme                                  | Logstash input                 | acknowledged |
|-----------------------------------------|--------------------------------|--------------|
| `lumberjack://`, `lumberjack+tls://`    | `beats`                        | yes          |
| `tcp://`, `tls://`                      | `tcp` with codec `json_lines`  | no           |
| `udp://`                                | `udp` with codec `json`        | no           |

Prefer Lumberjack: an event counts as delivered when Logstash has acknowledged it, and if a window
was only acknowledged in part, only the rest is sent again. Over TCP and TLS nothing is
acknowledged; what Logstash's kernel had not confirmed when a connection broke is sent again. Over
UDP an entry of more than 65,487 bytes is refused, and may go to the `dead_letter` sink.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Protocol

import msgspec

from pipeline.encode.json import JsonEncoder
from pipeline.encode.lumberjack import Acknowledgements, ProtocolError, WindowSize, window
from pipeline.model.address_form import AddressForm
from pipeline.model.batch import Batch
from pipeline.model.component import Duration, Payload, Sink, SinkConfig, SinkContext, TLSConfig
from pipeline.model.datagrams import Ended, Run, longest, one_by_one
from pipeline.model.errors import Unavailable
from pipeline.transport.net.address import parse
from pipeline.transport.net.datagrams import LARGEST, Datagrams
from pipeline.transport.net.stream import Closed, Stream
from pipeline.transport.net.tls import tls_of

log = logging.getLogger(__name__)

PORTS = {"lumberjack": 5044, "lumberjack+tls": 5044, "tcp": None, "tls": None, "udp": None}


class Config(SinkConfig, frozen=True, kw_only=True):
    """The address and protocol of Logstash."""

    address_forms: ClassVar[tuple[AddressForm, ...]] = (
        AddressForm(
            schemes={
                "": "",
                **{f"+{name}": f"{name}://" for name in PORTS},
                "lumberjack": "lumberjack://",
                "lumberjack+tls": "lumberjack+tls://",
            },
            to="address",
            example="logstash+lumberjack://logstash:5044",
        ),
    )

    address: Annotated[
        str, msgspec.Meta(examples=["lumberjack://logstash:5044", "tcp://logstash:5000"])
    ]
    """`lumberjack://host:5044`, `lumberjack+tls://`, `tcp://`, `tls://` or `udp://`; without a
    scheme it is `tcp://`."""
    compression: Annotated[int, msgspec.Meta(ge=0, le=9)] = 3
    """zlib level for Lumberjack; 0 for none."""
    window: Annotated[int, msgspec.Meta(ge=1, le=65536)] = 2048
    """Events that are sent over Lumberjack before waiting for an acknowledgement. A server may have
    a limit: those made with go-lumber close the connection above 10,000. If a server never
    acknowledges a window of this size, the size is halved again and again, down to 256."""
    tls: TLSConfig | None = None
    """Certificates, for the schemes with TLS."""
    timeout: Duration = Duration(10)
    """Time limit for connecting, and again for the TLS handshake."""
    ack_timeout: Duration = Duration(30)
    """Longest silence while waiting for an acknowledgement over Lumberjack. Logstash reports every
    few seconds that it is still working."""


class Logstash(Sink[Any]):
    """Sends JSON lines over TCP, TLS or UDP, or Lumberjack, by the scheme of the address."""

    def __init__(self, config: Config, context: SinkContext) -> None:
        address = parse(config.address, PORTS, "tcp")
        tls = tls_of(address, config.tls)
        self._json = JsonEncoder(host=context.host)
        self._wire: _Wire
        if address.scheme == "udp":
            self._wire = _Udp(Datagrams(address, timeout=config.timeout))
        elif address.scheme in ("tcp", "tls"):
            self._wire = _Lines(Stream(address, tls, timeout=config.timeout))
        else:
            stream = Stream(address, tls, timeout=config.timeout, resend=False)
            self._wire = _Lumberjack(stream, config, context.name)

    async def open(self) -> None:
        await self._wire.open()

    def reached(self) -> str:
        return self._wire.reached()

    def encode(self, batches: Sequence[Batch]) -> Payload[Any]:
        return self._wire.payload(self._json.encode(batches), batches)

    async def send(self, payload: Payload[Any]) -> None:
        await self._wire.send(payload)

    def unconfirmed(self) -> int:
        return self._wire.unconfirmed()

    def give_up(self) -> None:
        self._wire.give_up()

    async def close(self) -> None:
        await self._wire.close()


class _Wire(Protocol):
    async def open(self) -> None: ...
    def reached(self) -> str: ...
    def payload(self, lines: bytes, batches: Sequence[Batch]) -> Payload[Any]: ...
    async def send(self, payload: Payload[Any]) -> None: ...
    def unconfirmed(self) -> int: ...
    def give_up(self) -> None: ...
    async def close(self) -> None: ...


class _Lines:
    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.open, self.reached, self.close = stream.open, stream.reached, stream.close
        self.unconfirmed, self.give_up = stream.unconfirmed, stream.give_up

    def payload(self, lines: bytes, batches: Sequence[Batch]) -> Payload[bytes]:
        return Payload(lines, sum(map(len, batches)), len(lines))

    async def send(self, payload: Payload[bytes]) -> None:
        await self._stream.send(payload.data)


class _Udp:
    def __init__(self, datagrams: Datagrams) -> None:
        self._datagrams = datagrams
        self.open, self.reached, self.close = datagrams.open, datagrams.reached, datagrams.close
        self.unconfirmed, self.give_up = datagrams.unconfirmed, datagrams.give_up

    def payload(self, lines: bytes, batches: Sequence[Batch]) -> Payload[list[Run]]:
        count = sum(map(len, batches))
        if not count:
            return Payload([], 0, 0)
        run = Ended(lines)
        if longest(run) <= LARGEST:
            return Payload([run], count, len(lines) - count)
        reason = f"as JSON it is longer than the {LARGEST} bytes of a datagram"
        places = ((batch, index) for batch in batches for index in range(len(batch)))
        pairs = list(zip(places, one_by_one(run), strict=True))
        refused = [(*place, reason) for place, event in pairs if len(event) > LARGEST]
        events = [event for _, event in pairs if len(event) <= LARGEST]
        return Payload([events], len(events), sum(map(len, events)), refused=refused)

    async def send(self, payload: Payload[list[Run]]) -> None:
        payload.truncated += await self._datagrams.send(payload.data)


@dataclass(slots=True)
class Events:
    """The data of a Lumberjack payload: its events, and how many are acknowledged."""

    events: list[bytes]
    """One JSON object per entry."""
    acknowledged: int = 0
    """Number of events, from the first on, that the server has acknowledged."""


class _Lumberjack:
    def __init__(self, stream: Stream, config: Config, name: str) -> None:
        self._stream = stream
        self._config = config
        self._name = name
        self._window = WindowSize(config.window)
        self._acknowledgements = Acknowledgements()
        self.reached, self.close = stream.reached, stream.close

    async def open(self) -> None:
        self._acknowledgements = Acknowledgements()
        await self._stream.open()

    def payload(self, lines: bytes, batches: Sequence[Batch]) -> Payload[Events]:
        return Payload(Events(lines.split(b"\n")[:-1]), sum(map(len, batches)), len(lines))

    async def send(self, payload: Payload[Events]) -> None:
        sent = payload.data
        while sent.acknowledged < len(sent.events):
            await self._ready()
            start = sent.acknowledged
            events = sent.events[start : start + self._window.size]
            try:
                await self._stream.send(window(events, self._config.compression))
                await self._acknowledged(sent, start, len(events))
            except Unavailable as error:
                if sent.acknowledged > start or not self._window.failed(len(events)):
                    raise
                said = f"; it has acknowledged none of the {len(events)} events of a window, "
                raise Unavailable(f"{error}{said}so the next has {self._window.size}") from error

    def unconfirmed(self) -> int:
        return 0

    def give_up(self) -> None:
        pass

    async def _ready(self) -> None:
        """Reconnects if Logstash has closed the connection, as it does after a minute idle."""
        try:
            said = self._stream.pending()
        except Closed:
            await self.open()
            return
        if any(self._read(said)):
            raise await self._broken("acknowledged events that were not sent")

    async def _acknowledged(self, sent: Events, start: int, count: int) -> None:
        """Waits until the whole window is acknowledged, and notes each acknowledged part."""
        while sent.acknowledged < start + count:
            for sequence in self._read(await self._answer()):
                if sequence > count:
                    raise await self._broken(f"acknowledged {sequence} events of {count}")
                sent.acknowledged = max(sent.acknowledged, start + sequence)
                if sequence and self._window.acknowledged(count):
                    log.warning(
                        "sink %s: %s acknowledges windows of %d events, and none of twice as many; "
                        "set window = %d, or raise its limit",
                        self._name, self._stream.address, count, count,
                    )  # fmt: skip

    async def _answer(self) -> bytes:
        try:
            async with asyncio.timeout(self._config.ack_timeout):
                return await self._stream.receive()
        except TimeoutError as error:
            seconds = f"{float(self._config.ack_timeout):g} s"
            raise await self._broken(f"acknowledged nothing for {seconds}") from error

    def _read(self, said: bytes) -> list[int]:
        try:
            return self._acknowledgements.feed(said)
        except ProtocolError as error:
            raise Unavailable(
                f"{self._stream.address} does not speak Lumberjack 2 ({error}); "
                "check that the port is that of a beats input"
            ) from error

    async def _broken(self, what: str) -> Unavailable:
        await self._stream.close()
        return Unavailable(f"{self._stream.address} {what}; reconnecting")
