"""A client, opened for a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pipeline.model.errors import Refused, Unavailable
from pipeline.transport.http import (
    HttpClient,
    HttpSinkConfig,
)
from tests.servers.http_receiver import HttpReceiver


def config(**options: Any) -> HttpSinkConfig:
    return HttpSinkConfig(type="test", **options)


@asynccontextmanager
async def opened(*urls: str, probe: str = "", **options: Any) -> AsyncIterator[HttpClient]:
    http = HttpClient(urls, config(**options), probe=probe)
    await http.open()
    try:
        yield http
    finally:
        await http.close()


async def said(to: HttpReceiver, **options: Any) -> str:
    """What is raised when something is posted there."""
    async with opened(to.url, **options) as http:
        with pytest.raises((Unavailable, Refused)) as raised:
            await http.post("/in", b"x")
    return f"{type(raised.value).__name__}: {raised.value}"
