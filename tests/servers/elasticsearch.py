"""What Elasticsearch does with bulk requests, for what no server here can be made to do.

Written from https://www.elastic.co/guide/en/elasticsearch/reference/current/docs-bulk.html.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.servers.http_receiver import Request, answer

Document = dict[str, Any]
Judgement = tuple[int, str, str] | None
"""Status, type and reason, where a document is not stored."""

BUSY = (429, "es_rejected_execution_exception", "rejected execution of primary operation")
BAD = (400, "document_parsing_exception", "[1:9] failed to parse field [status] of type [long]")
NO_SHARD = (503, "unavailable_shards_exception", "primary shard is not active")


class Elasticsearch:
    """Keeps documents by index and `_id`; what `judge` objects to is not stored."""

    def __init__(self, judge: Callable[[Document], Judgement] = lambda document: None) -> None:
        self.judge = judge
        self.stored: dict[tuple[str, str], Document] = {}
        self.requests: list[list[Document]] = []
        self.conflicts = 0

    def __call__(self, request: Request) -> bytes:
        url = urlsplit(request.path)
        assert url.path == "/_bulk"
        assert request.headers["content-type"] == "application/x-ndjson"
        assert request.body.endswith(b"\n")
        lines = list(map(json.loads, request.body.split(b"\n")[:-1]))
        self.requests.append(lines[1::2])
        items = list(map(self._create, lines[0::2], lines[1::2]))
        wanted = parse_qs(url.query).get("filter_path")
        assert wanted == ["items.*.status,items.*.error.type,items.*.error.reason"]
        whole = {"items": [{"create": item} for item in items]}
        return answer(200, json.dumps(whole).encode(), Content_Type="application/json")

    def _create(self, action: Document, document: Document) -> Document:
        ((kind, where),) = action.items()
        assert kind == "create"
        assert "@timestamp" in document
        key = where["_index"], where.get("_id", f"of its own {len(self.stored)}")
        if objection := self.judge(document):
            status, type_, reason = objection
            return {"status": status, "error": {"type": type_, "reason": reason}}
        if key in self.stored:
            self.conflicts += 1
            type_, reason = "version_conflict_engine_exception", "document already exists"
            return {"status": 409, "error": {"type": type_, "reason": reason}}
        self.stored[key] = document
        return {"status": 201}

    @property
    def messages(self) -> list[str]:
        """Of what is stored, in order."""
        return [document["message"] for document in self.stored.values()]
