"""Intakes of logs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar

from aiohttp import web

from tests.servers.services.service import Service, Wrong, json_of, need


@dataclass
class Splunk(Service):
    """HTTP Event Collector: https://help.splunk.com/en/splunk-enterprise/get-data-in/collect-http-event-data/format-events-for-http-event-collector

    Its answers: https://help.splunk.com/en/splunk-enterprise/get-data-in/collect-http-event-data/troubleshoot-http-event-collector
    """

    PATH = "/services/collector/event"
    TOKEN: ClassVar[str] = "0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f"

    def take(self, request: web.Request, body: bytes) -> web.Response:
        given = request.headers.get("Authorization", "")
        need(given, self._wrong(401, 2, "Token is required"))
        need(given.startswith("Splunk "), self._wrong(401, 3, "Invalid authorization"))
        need(given == f"Splunk {self.TOKEN}", self._wrong(403, 4, "Invalid token"))
        text = body.decode()
        need(text.strip(), self._wrong(400, 5, "No data"))
        decoder, at, found = json.JSONDecoder(), 0, []
        while at < len(text.rstrip()):
            try:
                event, at = decoder.raw_decode(text, at)
            except ValueError:
                raise self._wrong(400, 6, "Invalid data format") from None
            at += len(text[at:]) - len(text[at:].lstrip())
            need(isinstance(event, dict), self._wrong(400, 6, "Invalid data format"))
            need("event" in event, self._wrong(400, 12, "Event field is required"))
            need(
                event["event"] not in ("", None),
                self._wrong(400, 13, "Event field cannot be blank"),
            )
            need(set(event) <= self._KEYS, self._wrong(400, 6, "Invalid data format"))
            need(
                isinstance(event.get("time", 0), (int, float))
                and all(isinstance(value, str) for value in event.get("fields", {}).values()),
                self._wrong(400, 15, "Error in handling indexed fields"),
            )
            found.append(event)
        self.taken += found
        return web.json_response({"text": "Success", "code": 0})

    _KEYS: ClassVar[set[str]] = {"time", "host", "source", "sourcetype", "index", "event", "fields"}

    @staticmethod
    def _wrong(status: int, code: int, text: str) -> Wrong:
        return Wrong(status, json.dumps({"text": text, "code": code}))


@dataclass
class Datadog(Service):
    """Send logs: https://docs.datadoghq.com/api/latest/logs/#send-logs

    5 MB uncompressed, 1,000 entries in an array; an entry beyond 1 MB is cut, and taken.
    """

    PATH = "/api/v2/logs"
    KEY: ClassVar[str] = "0123456789abcdef0123456789abcdef"
    MOST = 5_000_000

    def take(self, request: web.Request, body: bytes) -> web.Response:
        need(request.headers.get("DD-API-KEY") == self.KEY, self._wrong(403, "Forbidden"))
        found = json_of(body, request, self._wrong(400, "Bad Request"))
        found = found if isinstance(found, list) else [found]
        need(len(found) <= 1000, self._wrong(400, "Too many entries"))
        need(all(_has_message(entry) for entry in found), self._wrong(400, "Bad Request"))
        self.taken += found
        return web.json_response({}, status=202)

    @staticmethod
    def _wrong(status: int, text: str) -> Wrong:
        found = {"errors": [{"status": str(status), "title": text, "detail": text}]}
        return Wrong(status, json.dumps(found))


@dataclass
class NewRelic(Service):
    """Log API: https://docs.newrelic.com/docs/logs/log-api/introduction-log-api/

    1 MB (10^6 bytes) a request, 255 attributes an entry, names of 255 characters.
    """

    PATH = "/log/v1"
    KEY: ClassVar[str] = "0123456789abcdef0123456789abcdef0123NRAL"
    MOST = 10**6

    def take(self, request: web.Request, body: bytes) -> web.Response:
        need(request.headers.get("Api-Key") == self.KEY, Wrong(403, "{}"))
        wrong = Wrong(400, '{"error":"the body does not have the form of logs"}')
        blocks = json_of(body, request, wrong)
        need(isinstance(blocks, list), wrong)
        for block in blocks:
            need(isinstance(block, dict) and set(block) <= {"common", "logs"}, wrong)
            need(isinstance(block.get("logs"), list), wrong)
            for entry in block["logs"]:
                need(_has_message(entry) and type(entry.get("timestamp")) is int, wrong)
                attributes = {
                    **block.get("common", {}).get("attributes", {}),
                    **entry["attributes"],
                }
                need(len(attributes) <= 255 and max(map(len, attributes)) <= 255, wrong)
                self.taken.append({**entry, "attributes": attributes})
        return web.json_response({"requestId": "f0e7bfff-001a-b000-0000-0183ad9e9ee5"}, status=202)


def _has_message(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("message"), str)
