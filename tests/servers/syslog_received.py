"""What a syslog server made of a message, whichever server it was."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Received:
    """All as bytes, as the server wrote them."""

    raw: bytes
    """The message as it came off the wire, without its framing."""
    priority: bytes
    time: bytes
    """RFC 3339."""
    host: bytes
    app: bytes
    process: bytes
    data: bytes
    """STRUCTURED-DATA."""
    message: bytes
