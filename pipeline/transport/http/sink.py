"""A sink over HTTP, but for what it encodes and sends."""

from __future__ import annotations

from pipeline.model.component import Data, Sink
from pipeline.transport.http.client import HttpClient


class OverHttp(Sink[Data]):
    """Opens, closes and names an `HttpClient`. Whoever derives from this sets `_http` when it is
    made, and has `encode` and `send`."""

    _http: HttpClient

    async def open(self) -> None:
        await self._http.open()

    def reached(self) -> str:
        return self._http.reached()

    async def close(self) -> None:
        await self._http.close()
