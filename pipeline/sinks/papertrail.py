"""Papertrail and SolarWinds Observability, over TLS: a preset of the `syslog` sink.

```toml
[sinks.papertrail]
type = "papertrail"
address = "logs7.papertrailapp.com:12345"

[sinks.observability]
type = "papertrail"
address = "syslog.collector.na-01.cloud.solarwinds.com:6514"
token = "${SWO_TOKEN}"
```

Messages are RFC 5424, each ended by LF, as their own clients send them; so line feeds, carriage
returns and NUL in a message become spaces. Messages over 100,000 bytes (1,024 over UDP) are cut and
counted. `tcp://` and `udp://` are accepted, and not encrypted.
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from msgspec import Meta

from pipeline.encode.syslog import Facility, ProcId
from pipeline.model.address_form import AddressForm
from pipeline.model.component import Duration, Secret, SinkConfig, SinkContext, Size, TLSConfig
from pipeline.model.errors import ConfigError
from pipeline.sinks import syslog
from pipeline.transport.net.address import parse

_SOLARWINDS = 41058
"""SolarWinds' private enterprise number, for the SD-ID that has the token (RFC 5424, 6.3.2)."""


class Config(SinkConfig, frozen=True, kw_only=True):
    """The address, which is all Papertrail needs, and the token for SolarWinds Observability."""

    address_forms: ClassVar[tuple[AddressForm, ...]] = (
        AddressForm(
            schemes={"": "", "+tcp": "tcp://", "+tls": "tls://", "+udp": "udp://"},
            to="address",
            example="papertrail://logs7.papertrailapp.com:12345",
        ),
    )

    address: Annotated[str, Meta(examples=["logs7.papertrailapp.com:12345"])]
    """Host and port of the account's log destination: `logs7.papertrailapp.com:12345`. TLS unless
    it starts with `tcp://` or `udp://`."""
    token: Annotated[Secret | None, Meta(examples=["${SWO_TOKEN}"])] = None
    """Token of the account, for hosts that need one; sent as `[TOKEN@41058]`."""
    facility: Facility = "daemon"
    """Facility of all messages."""
    proc_id: ProcId = "container"
    """PROCID: the container's short id; `pid`, the agent's process id; or `-` for none."""
    tls: TLSConfig | None = None
    """Certificates, instead of the system's authorities."""
    timeout: Duration = Duration(10)
    """Time limit for connecting, and again for the TLS handshake."""


class Papertrail(syslog.Syslog):
    """The syslog sink with the settings of Papertrail."""

    def __init__(self, config: Config, context: SinkContext) -> None:
        address = parse(config.address, {"tls": None, "tcp": None, "udp": None}, "tls")
        if config.token is not None and not re.fullmatch(r"[!#-<>-\\^-~]+", config.token):
            raise ConfigError("a token has no spaces, quotes, or other odd characters", "token")
        element = {f"{config.token}@{_SOLARWINDS}": dict[str, str]()} if config.token else {}
        super().__init__(
            syslog.Config(
                type="syslog",
                address=str(address),
                framing="lf",
                facility=config.facility,
                proc_id=config.proc_id,
                structured_data=element,
                max_message=Size(1024 if address.scheme == "udp" else 100_000),
                tls=config.tls,
                timeout=config.timeout,
            ),
            context,
        )
