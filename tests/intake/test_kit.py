"""The kit for sources, with a source that keeps all promises."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from pipeline.model.component import SourceContext
from pipeline.testing.source_kit import Connect, SourceKit
from tests.intake.lines import LONGEST, Config, Lines, Peer


class TestLines(SourceKit):
    complaint = "in use"
    rubbish = (b"\xff\n", b"x" * (LONGEST * 3))

    @pytest.fixture
    def source(self) -> Lines:
        return Lines(Config(type="lines"), SourceContext("in"))

    @pytest.fixture
    def connect(self, source: Lines) -> Connect:
        return lambda: Peer(source).connect()

    @pytest.fixture
    def unusable(self) -> Iterator[Lines]:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            yield Lines(Config(type="lines", port=port), SourceContext("in"))
