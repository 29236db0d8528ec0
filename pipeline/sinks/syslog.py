"""Syslog over UDP, TCP or TLS, to rsyslog, syslog-ng and any other receiver.

```toml
[sinks.central]
type = "syslog"
address = "tls://logs.example.com"        # port 6514; tcp:// and udp:// are port 514
tls = { ca = "/etc/dockline/ca.pem" }     # only if the system does not trust it already
```

- **Messages** are RFC 5424; `format = "rfc3164"` is for receivers that do not know it. APP-NAME is
  the Compose or Swarm service, or else the container; PROCID is the container's short id (see
  `proc_id`); the severity is the entry's level, or else `info` for stdout and `err` for stderr.
- **Framing** over TCP and TLS is octet counting (RFC 6587), so a message may contain line feeds.
  rsyslog's `imtcp` and syslog-ng's `syslog()` source accept it; syslog-ng's `network()` source only
  accepts `framing = "lf"`, with which line feeds in a message become spaces. rsyslog writes a line
  feed that it receives as `#012` unless `parser.escapeControlCharactersOnReceive` is off.
- **Size**: a message longer than `max_message` is cut at the end of a character, and counted. The
  defaults suit receivers with their default settings: 8096 bytes over TCP and TLS (rsyslog splits
  longer ones; syslog-ng takes 64 KiB and then closes the connection), 2048 over UDP (RFC 5426),
  1024 for RFC 3164 over UDP.
- **Delivery**: syslog has no acknowledgements. Over TCP and TLS, what the receiver's kernel had not
  confirmed when a connection broke is sent again after reconnecting, which can repeat messages but
  does not lose them; what the kernel had taken and the receiver never read is lost. UDP guarantees
  nothing: a backlog is sent as fast as this host can, and what does not fit into the receiver's
  buffer (rsyslog's `rcvbufSize`, syslog-ng's `so-rcvbuf()`) is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from pipeline.encode.syslog import Facility, Framing, ProcId, SyslogEncoder, structured_data
from pipeline.model.address_form import AddressForm
from pipeline.model.batch import Batch
from pipeline.model.component import Duration, Payload, SinkConfig, SinkContext, Size, TLSConfig
from pipeline.model.errors import ConfigError
from pipeline.transport.net.address import parse
from pipeline.transport.net.datagrams import LARGEST, Datagrams
from pipeline.transport.net.sink import OverSocket

PORTS = {"tcp": 514, "tls": 6514, "udp": 514}
_SMALLEST = 480
"""Bytes of a message that every receiver must accept (RFC 5424, section 6.1)."""

_Name = Annotated[str, msgspec.Meta(pattern=r"^[!#-<>-\\^-~]{1,32}$")]
"""SD-NAME and SD-ID: printable ASCII without `=`, `]` and the quote."""


class Config(SinkConfig, frozen=True, kw_only=True):
    """The receiver's address, and the format of the messages."""

    address_forms: ClassVar[tuple[AddressForm, ...]] = (
        AddressForm(
            schemes={"": "", "+tcp": "tcp://", "+tls": "tls://", "+udp": "udp://"},
            to="address",
            example="syslog+tls://logs.example.com",
        ),
    )

    address: Annotated[str, msgspec.Meta(examples=["tls://logs.example.com", "udp://10.0.0.5:514"])]
    """`host` or `host:port`, optionally after `tcp://`, `tls://` or `udp://`. Without a scheme it
    is TLS if there is a `tls` table, else TCP."""
    format: Literal["rfc5424", "rfc3164"] = "rfc5424"
    """Format of the messages. `rfc3164` has local time (`TZ`), without year, zone and fraction."""
    framing: Framing = "octet-counting"
    """How messages are separated over TCP and TLS; not used with UDP."""
    facility: Facility = "daemon"
    """Facility of all messages. The default is that of Docker's own syslog driver."""
    proc_id: ProcId = "container"
    """PROCID of the messages: `container`, the container's short id; `pid`, the process id of the
    agent (Docker's own driver has that of dockerd); or `-` for none. The short id contains letters,
    so parsers that expect a number drop the message, such as `syslog-rfc5424` of Fluent Bit. With
    the other two, only APP-NAME tells which container it was."""
    structured_data: dict[_Name, dict[_Name, str]] = msgspec.field(default_factory=dict)
    """Parameters by SD-ID, for every message: `{ "origin@32473" = { site = "north" } }`."""
    max_message: Size = Size(0)
    """Longest message in bytes, with its header; 0 for the default of the transport and format."""
    tls: TLSConfig | None = None
    """Certificates, for TLS."""
    timeout: Duration = Duration(10)
    """Time limit for connecting, and again for the TLS handshake."""


class Syslog(OverSocket):
    """Sends a datagram per message over UDP, or a stream of framed messages over TCP and TLS."""

    def __init__(self, config: Config, context: SinkContext) -> None:
        address = parse(config.address, PORTS, "tls" if config.tls else "tcp")
        super().__init__(address, config.tls, config.timeout)
        udp = address.scheme == "udp"
        self._encoder = SyslogEncoder(
            standard=config.format,
            framing=None if udp else config.framing,
            facility=config.facility,
            proc_id=config.proc_id,
            structured_data=structured_data(config.structured_data),
            max_message=_limit(config, udp),
            host=context.host,
        )

    def encode(self, batches: Sequence[Batch]) -> Payload[Any]:
        if isinstance(self._connection, Datagrams):
            return self._encoder.datagrams(batches)
        return self._encoder.stream(batches)


def _limit(config: Config, udp: bool) -> int:
    if not config.max_message:
        if udp:
            return 1024 if config.format == "rfc3164" else 2048
        return 8096
    if config.max_message < _SMALLEST:
        raise ConfigError(f"must be at least {_SMALLEST}, as RFC 5424 says", path="max_message")
    if udp and config.max_message > LARGEST:
        raise ConfigError(f"a datagram holds at most {LARGEST} bytes", path="max_message")
    return int(config.max_message)
