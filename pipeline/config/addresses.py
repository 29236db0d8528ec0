"""Where sinks and sources are, for people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from pipeline.model.component import SinkConfig, SourceConfig
from pipeline.model.secrecy import Stars

_ADDRESSES: Final = (
    "address", "url", "urls", "servers", "brokers", "endpoint", "listen", "path", "bucket",
)  # fmt: skip
"""Settings that say where a sink or source is, of which each component has one."""
LONGEST: Final = 200
"""Characters of an address that are shown."""


def address_of(config: SinkConfig | SourceConfig | Struct, conceal: Callable[[str], str]) -> str:
    """Where a sink or source is; empty if it has no address. `conceal` hides in a text of the
    configuration what must not be shown; secrets are hidden here."""
    for key in _ADDRESSES:
        value = getattr(config, key, None)
        if value:
            text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            return Stars(config)(conceal(text))[:LONGEST]  # of a secret that is cut, the rest stays
    return ""
