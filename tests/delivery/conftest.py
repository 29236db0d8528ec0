"""Servers and certificates that tests of delivery may ask for."""

from tests.servers.certificates import authority
from tests.servers.rsyslog import rsyslog

__all__ = ["authority", "rsyslog"]
