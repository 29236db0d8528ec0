"""Incidents."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

from aiohttp import web

from tests.servers.services.service import Service, Wrong, json_of, need, texts


@dataclass
class PagerDuty(Service):
    """Events API v2: https://developer.pagerduty.com/docs/events-api-v2/trigger-events/

    512 KB an event, a summary of 1,024 characters, a `dedup_key` of 255.
    """

    PATH = "/v2/enqueue"
    MOST = 512 * 1024
    KEY: ClassVar[str] = "0123456789abcdef0123456789abcdef"

    def take(self, request: web.Request, body: bytes) -> web.Response:
        event = json_of(body, request, self._wrong("the body is no JSON"))
        key = event.get("routing_key") if isinstance(event, dict) else None
        length = "Length of 'routing_key' is incorrect (should be 32 characters)"
        need(isinstance(key, str) and len(key) == 32, self._wrong(length))
        need(key == self.KEY, self._wrong(f"Invalid routing key {key}"))
        action = event.get("event_action")
        need(
            action in ("trigger", "acknowledge", "resolve"), self._wrong("'event_action' is wrong")
        )
        need(len(event.get("dedup_key", "")) <= 255, self._wrong("'dedup_key' is too long"))
        if action == "trigger":
            payload = event.get("payload")
            need(
                texts(payload, "summary", "source", "severity"), self._wrong("'payload' is missing")
            )
            need(len(payload["summary"]) <= 1024, self._wrong("'payload.summary' is too long"))
            levels = ("critical", "error", "warning", "info")
            need(payload["severity"] in levels, self._wrong("'payload.severity' is wrong"))
        self.taken.append(event)
        told = {"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]}
        return web.json_response(told, status=202)

    @staticmethod
    def _wrong(message: str) -> Wrong:
        found = {
            "status": "invalid event",
            "message": "Event object is invalid",
            "errors": [message],
        }
        return Wrong(400, json.dumps(found))
