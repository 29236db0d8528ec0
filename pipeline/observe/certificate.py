"""The TLS of an HTTP server, with a certificate that may be renewed while it runs."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import time
from collections.abc import Callable
from typing import Final

from pipeline.model.errors import DocklineError, Unavailable
from pipeline.model.values import FileToRead
from pipeline.transport.net.listen import ListenTLSConfig, server_context

LOOK_EVERY: Final = 10.0
"""Seconds after which the files are looked at again, when a client connects."""

log = logging.getLogger(__name__)

Signature = tuple[tuple[int, int, int], ...]
"""Of each file: inode, size, and time of its last change."""


class Certificate:
    """The certificate and key of a server, read again when their files change.

    Files that can't be used do no harm: the certificate from before stays in use, with a warning.
    """

    def __init__(
        self, cert: str, key: str | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`cert`, `key`: PEM files; without `key`, it is in `cert`. `clock`: seconds, monotonic."""
        self._config = ListenTLSConfig(
            cert=FileToRead(cert), key=None if key is None else FileToRead(key)
        )
        self._clock = clock
        self._context: ssl.SSLContext
        self._seen: Signature = ()
        self._looked = 0.0
        self._looking: asyncio.Future[None] | None = None

    async def open(self) -> None:
        """Reads the files. Raises `DocklineError` if they can't be used."""
        try:
            await asyncio.to_thread(self._read)
        except Unavailable as error:
            raise DocklineError(f"http.{error}") from error
        self._looked = self._clock()

    def context(self) -> ssl.SSLContext:
        """The TLS for a new connection. Has the files looked at, in a thread, if that is due."""
        if self._looking is None and self._clock() - self._looked >= LOOK_EVERY:
            self._looking = asyncio.get_running_loop().run_in_executor(None, self._look)
            self._looking.add_done_callback(self._done)
        return self._context

    def _done(self, looking: asyncio.Future[None]) -> None:
        self._looking, self._looked = None, self._clock()

    def _look(self) -> None:
        """Reads the files again if they have changed. Blocks."""
        try:
            if self._signature() != self._seen:
                self._read()
                log.info("http.tls.cert: %s was renewed and is used now", self._config.cert)
        except (OSError, Unavailable) as error:
            log.warning("http.%s: the certificate from before stays in use", error)

    def _read(self) -> None:
        try:
            self._seen = self._signature()
        except OSError:  # the next line says it better
            self._seen = ()
        self._context = server_context(self._config)

    def _signature(self) -> Signature:
        files = [name for name in (self._config.cert, self._config.key) if name]
        found = [os.stat(name) for name in files]  # noqa: PTH116 - as short
        return tuple((one.st_ino, one.st_size, one.st_mtime_ns) for one in found)
