"""Servers that tests of the page may ask for."""

from tests.servers.nats import nats_server

__all__ = ["nats_server"]
