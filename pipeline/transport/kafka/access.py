"""How a cluster is reached: addresses of brokers, TLS and SASL, as sinks and sources have them in
their tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from pipeline.model.component import Secret, TLSConfig
from pipeline.model.errors import ConfigError
from pipeline.model.extras import needed
from pipeline.transport.net.address import Address, parse
from pipeline.transport.net.tls import check_key

if TYPE_CHECKING:
    from pipeline.transport.kafka.cluster import Cluster


class SaslConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """User and password for SASL."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """How to prove knowledge of the password; `PLAIN` sends it."""
    user: Annotated[str, msgspec.Meta(min_length=1, examples=["dockline"])]
    """Name of the user."""
    password: Annotated[Secret, msgspec.Meta(examples=["${KAFKA_PASSWORD}"])]
    """The user's password."""


def cluster(
    servers: Sequence[str],
    tls: TLSConfig | None,
    sasl: SaslConfig | None,
    *,
    timeout: float,
    largest: int | None = None,
) -> Cluster:
    """The cluster that these options describe; nothing is connected yet. `timeout` in seconds and
    `largest` in bytes are for each answer.

    Raises `ConfigError` for options that cannot work, and `MissingPackage`.
    """
    addresses = [_server(text) for text in servers]
    check_key(tls)
    if tls is not None and tls.server_name:
        raise ConfigError("each broker is verified by its own name", path="tls.server_name")
    kafka: Any = needed("pipeline.transport.kafka.cluster", "kafka")
    who = kafka.Sasl(sasl.mechanism, sasl.user, sasl.password) if sasl else None
    largest = largest or kafka.LARGEST_ANSWER
    made: Cluster = kafka.Cluster(addresses, tls, who, timeout=timeout, largest=largest)
    return made


def _server(text: str) -> Address:
    try:
        return parse(text, {"kafka": 9092}, "kafka")
    except ConfigError as error:
        raise ConfigError(error.message, path="bootstrap_servers") from None
