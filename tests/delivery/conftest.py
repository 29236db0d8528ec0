"""Servers and certificates that tests of delivery may ask for."""

from tests.servers.certificates import authority
from tests.servers.rsyslog import rsyslog
from tests.servers.s3 import s3, s3_server

__all__ = ["authority", "rsyslog", "s3", "s3_server"]
