"""Servers that tests of sinks may ask for."""

from tests.servers.certificates import authority, stranger
from tests.servers.nats import nats_server
from tests.servers.redis import redis_server
from tests.servers.rsyslog import rsyslog, rsyslog_server
from tests.servers.s3 import s3, s3_server
from tests.servers.syslog_ng import syslog_ng_server
from tests.servers.victoria import (
    tenant,
    victorialogs,
    victorialogs_server,
    victoriametrics,
    victoriametrics_server,
)

__all__ = [
    "authority",
    "nats_server",
    "redis_server",
    "rsyslog",
    "rsyslog_server",
    "s3",
    "s3_server",
    "stranger",
    "syslog_ng_server",
    "tenant",
    "victorialogs",
    "victorialogs_server",
    "victoriametrics",
    "victoriametrics_server",
]
