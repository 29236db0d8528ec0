"""Certificates that tests of sources may ask for."""

from tests.servers.certificates import authority, stranger

__all__ = ["authority", "stranger"]
