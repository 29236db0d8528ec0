"""A syslog receiver that keeps the bytes of each connection in a file, and parses none of them.

Beside `0001.read` stands `0001.unread` when the connection was reset: what this receiver's kernel
had acknowledged and it had not read. That is what docs/reference/delivery.md says a broken
connection may lose, and it is kept to the byte, so that nothing else can pass for it. `0001.end`
says that nothing more comes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

from tests.chaos.receiving import PIECE, Connection, Receiver, main


class Syslog(Receiver):
    def __init__(self, port: int, folder: Path) -> None:
        super().__init__(port, folder)
        self._files: dict[int, IO[bytes]] = {}
        self._life = 1 + len({file.name.partition("-")[0] for file in folder.glob("*")})

    def data(self, connection: Connection, data: bytes) -> bool:
        file = self._files.get(connection.number)
        if file is None:
            file = self._files[connection.number] = self._path(connection, "read").open("wb", 0)
        _write(file.fileno(), data)
        return True

    def discard(self, connection: Connection) -> None:
        with self._path(connection, "unread").open("wb", 0) as file:
            while True:
                try:
                    data = connection.socket.recv(PIECE)
                except OSError:
                    break
                if not data:
                    break
                _write(file.fileno(), data)
        super().discard(connection)

    def closed(self, connection: Connection) -> None:
        if (file := self._files.pop(connection.number, None)) is not None:
            file.close()
        self._path(connection, "end").touch()

    def _path(self, connection: Connection, kind: str) -> Path:
        return self.folder / f"{self._life:03d}-{connection.number:04d}.{kind}"


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


if __name__ == "__main__":
    main(Syslog)
