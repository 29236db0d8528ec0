"""Certificates for tests of TLS."""

from tests.servers.certificates import authority, stranger
from tests.servers.nats import nats_server, old_nats_server

__all__ = ["authority", "nats_server", "old_nats_server", "stranger"]
