"""Certificates for tests of TLS."""

from tests.servers.certificates import authority, stranger

__all__ = ["authority", "stranger"]
