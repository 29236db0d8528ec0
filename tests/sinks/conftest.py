"""Servers that tests of sinks may ask for."""

from tests.servers.certificates import authority, stranger
from tests.servers.rsyslog import rsyslog
from tests.servers.syslog_ng import syslog_ng
from tests.servers.victoria import victorialogs, victoriametrics

__all__ = ["authority", "rsyslog", "stranger", "syslog_ng", "victorialogs", "victoriametrics"]
