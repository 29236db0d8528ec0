"""How long messages took, from Docker's time to the receiver's."""

from __future__ import annotations

import re
from datetime import datetime

from benchmarks.receiver import Receiver

MARK = b">1 20"
"""In the header of each RFC 5424 message, and never in the lines that benchmarks write."""


def syslog_lags(receiver: Receiver, app: str, since: float = 0) -> list[float]:
    """Seconds of each message that came after `since` (`time.time()`), sorted.

    Messages whose APP-NAME begins with `app` are looked at, others were only received.
    """
    header = re.compile(rb">1 (20\S{25}) \S+ " + re.escape(app.encode()))
    moment = datetime.fromisoformat
    lags = []
    for connection in receiver.used():
        with connection.content() as content:
            for found in header.finditer(content):
                arrived = connection.arrived(found.start())
                if arrived >= since:
                    lags.append(arrived - moment(found[1].decode()).timestamp())
    return sorted(lags)
