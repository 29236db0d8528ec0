"""HTTP requests to one destination, which may be several equal nodes.

A sink has a `Config` that derives from `HttpSinkConfig`, derives from `OverHttp`, and posts with
an `HttpClient`, whose errors say what the answer means (`answers`). `nodes` has which of several
servers is asked.
"""

from __future__ import annotations

from pipeline.transport.http.answers import (
    LARGEST_ANSWER,
    Answer,
    Misconfigured,
    Rejected,
    RequestFailed,
    ServerFault,
    TooLarge,
    retry_after,
)
from pipeline.transport.http.client import LONGEST_STATUS, HttpClient
from pipeline.transport.http.config import AuthConfig, Compression, HttpOptions, HttpSinkConfig
from pipeline.transport.http.sink import OverHttp

__all__ = [
    "LARGEST_ANSWER",
    "LONGEST_STATUS",
    "Answer",
    "AuthConfig",
    "Compression",
    "HttpClient",
    "HttpOptions",
    "HttpSinkConfig",
    "Misconfigured",
    "OverHttp",
    "Rejected",
    "RequestFailed",
    "ServerFault",
    "TooLarge",
    "retry_after",
]
