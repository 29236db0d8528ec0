"""Ports of this host that can be listened on."""

from __future__ import annotations

import socket


def bindable(port: int) -> int:
    """This port of 127.0.0.1, or another where it is taken. Raises `OSError` if there is none."""
    for candidate in (port, 0):
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            chosen: int = trial.getsockname()[1]
            return chosen
    raise OSError("no free port on 127.0.0.1")
