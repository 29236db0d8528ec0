"""Servers that tests of sinks may ask for."""

from tests.servers.certificates import authority, stranger
from tests.servers.rsyslog import rsyslog
from tests.servers.s3 import s3, s3_server
from tests.servers.syslog_ng import syslog_ng
from tests.servers.victoria import victorialogs, victoriametrics

__all__ = [
    "authority",
    "rsyslog",
    "s3",
    "s3_server",
    "stranger",
    "syslog_ng",
    "victorialogs",
    "victoriametrics",
]
