"""The best that a Python process can do with a log stream: it reads, and throws everything away.

    python -m benchmarks.bare SOCKET CONTAINER PAUSE

One HTTP/1.0 request, one buffer, and a pause of so many seconds between two reads, so that a read
finds more than a line. Prints the seconds from the request to the end of the log, the bytes, and
the reads. Nothing of ours is imported: what is measured is reading.
"""

from __future__ import annotations

import socket
import sys
import time

PAUSES = (0.0, 0.00035, 0.0007)
"""Seconds. Which is best depends on the machine, so all are tried."""


def drain(path: str, container: str, pause: float) -> tuple[float, int, int]:
    """Seconds, bytes and reads of the whole log."""
    query = "stdout=1&stderr=1&timestamps=1"
    request = f"GET /containers/{container}/logs?{query} HTTP/1.0\r\n\r\n"
    buffer = bytearray(1 << 20)
    total = reads = 0
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(path)
        began = time.perf_counter()
        peer.sendall(request.encode())
        while size := peer.recv_into(buffer):
            total += size
            reads += 1
            if pause:
                time.sleep(pause)
        return time.perf_counter() - began, total, reads


if __name__ == "__main__":
    print(*drain(sys.argv[1], sys.argv[2], float(sys.argv[3])))
