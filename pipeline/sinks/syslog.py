"""Syslog over UDP, TCP or TLS, to rsyslog, syslog-ng and anything else that speaks it.

```toml
[sinks.central]
type = "syslog"
address = "tls://logs.example.com"        # port 6514; tcp:// and udp:// are port 514
tls = { ca = "/etc/dockline/ca.pem" }     # only where the system does not trust it already
```

- **Messages** are RFC 5424; `format = "rfc3164"` is for receivers that know no better. APP-NAME is
  the Compose or Swarm service or else the container, PROCID the short id (see `proc_id`),
  severity the entry's level or else `info` for stdout and `err` for stderr.
- **Framing** over TCP and TLS is octet counting, so that a message may hold line feeds. rsyslog's
  `imtcp` and syslog-ng's `syslog()` source take it; syslog-ng's `network()` source takes only
  `framing = "lf"`, with which line feeds in a message become spaces. rsyslog writes a line feed it
  receives as `#012` unless `parser.escapeControlCharactersOnReceive` is off.
- **Size**: a message longer than `max_message` is cut at the end of a character, and counted. The
  defaults fit receivers that were not configured: 8096 bytes over TCP and TLS (rsyslog splits what
  is longer; syslog-ng takes 64 KiB and then closes the connection), 2048 over UDP (RFC 5426), 1024
  for RFC 3164 over UDP.
- **Delivery**: no syslog transport acknowledges. Over TCP and TLS, what the receiver's kernel had
  not taken when a connection broke is sent again after reconnecting, which can repeat messages but
  not lose them; what it had taken and the receiver never read is lost. UDP promises nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from pipeline.encode.syslog import Facility, Framing, ProcId, SyslogEncoder, structured_data
from pipeline.model.batch import Batch
from pipeline.model.component import Context, Duration, Payload, SinkConfig, Size, TLSConfig
from pipeline.model.errors import ConfigError
from pipeline.transport.net.address import parse
from pipeline.transport.net.datagrams import LARGEST, Datagrams
from pipeline.transport.net.sink import OverSocket

PORTS = {"tcp": 514, "tls": 6514, "udp": 514}
_SMALLEST = 480
"""Bytes that every receiver has to take, RFC 5424, section 6.1."""

_Name = Annotated[str, msgspec.Meta(pattern=r"^[!#-<>-\\^-~]{1,32}$")]
"""SD-NAME and SD-ID: printable ASCII without `=`, `]` and the quote."""


class Config(SinkConfig, frozen=True, kw_only=True):
    """Where to send syslog messages, and in which form."""

    address: Annotated[str, msgspec.Meta(examples=["tls://logs.example.com", "udp://10.0.0.5:514"])]
    """`host`, `host:port`, or either after `tcp://`, `tls://` or `udp://`. Without a scheme it is
    TLS where there is a `tls` table, else TCP."""
    format: Literal["rfc5424", "rfc3164"] = "rfc5424"
    """`rfc3164` has no year, no zone and no fraction of a second: its time is local (`TZ`)."""
    framing: Framing = "octet-counting"
    """How messages are told apart over TCP and TLS; without meaning for UDP."""
    facility: Facility = "daemon"
    """The default is that of Docker's own syslog driver."""
    proc_id: ProcId = "container"
    """PROCID: the container's short id; `pid`, the process id of the agent, as Docker's own syslog
    driver has that of dockerd; or `-` for none. The id has letters in it, and parsers that want a
    number there drop the message, such as the stock `syslog-rfc5424` of Fluent Bit. For those take
    one of the others; which container it was, only APP-NAME tells then."""
    structured_data: dict[_Name, dict[_Name, str]] = msgspec.field(default_factory=dict)
    """Parameters by SD-ID, for every message: `{ "origin@32473" = { site = "north" } }`."""
    max_message: Size = Size(0)
    """Longest message in bytes, its header included; 0 for what receivers take that were not
    configured, by transport and format."""
    tls: TLSConfig | None = None
    """Certificates, for TLS."""
    timeout: Duration = Duration(10)
    """For connecting, and again for the TLS handshake."""


class Syslog(OverSocket):
    """A datagram for each message, or a stream of framed ones."""

    def __init__(self, config: Config, context: Context) -> None:
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
        raise ConfigError(f"the least that makes sense is {_SMALLEST}", path="max_message")
    if udp and config.max_message > LARGEST:
        raise ConfigError(f"a datagram holds at most {LARGEST} bytes", path="max_message")
    return int(config.max_message)
