"""Chats and notifications."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Any, ClassVar

from aiohttp import web

from tests.servers.services.service import Service, Wrong, json_of, need, texts


@dataclass
class Slack(Service):
    """Incoming webhooks: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks

    Errors: https://api.slack.com/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks.
    Blocks: https://docs.slack.dev/reference/block-kit/blocks/section-block, 50 in a message and
    3,000 characters in each. Rate: https://docs.slack.dev/apis/web-api/rate-limits, one a second.
    """

    PATH = "/services/T0ABCDEFG/B0ABCDEFG/4fT7xK0aQ2mN9vB1cD3eF5gH"
    PER_SECOND: ClassVar[float] = 1.0
    """Messages that it takes; short bursts are allowed."""
    BURST: ClassVar[int] = 2
    _last: float = 0.0
    _tokens: float = 2.0

    def take(self, request: web.Request, body: bytes) -> web.Response:
        wrong = Wrong(400, "invalid_payload")
        need(request.headers.get("Content-Encoding") is None, wrong)
        message = json_of(body, request, wrong)
        need(isinstance(message, dict), wrong)
        need(texts(message, "text") or message.get("blocks"), Wrong(400, "no_text"))
        need(len(message.get("text", "")) <= 40_000, Wrong(400, "msg_too_long"))
        blocks = message.get("blocks", [])
        need(isinstance(blocks, list) and len(blocks) <= 50, Wrong(400, "invalid_blocks"))
        for block in blocks:
            need(self._is_block(block), Wrong(400, "invalid_blocks"))
        self._limit()
        self.taken += blocks or [message]
        return web.Response(text="ok")

    @staticmethod
    def _is_block(block: Any) -> bool:
        text = block.get("text") if isinstance(block, dict) else None
        return (
            texts(block, "type")
            and block["type"] == "section"
            and texts(text, "type", "text")
            and text["type"] in ("plain_text", "mrkdwn")
            and len(text["text"]) <= 3000
        )

    def _limit(self) -> None:
        now = asyncio.get_running_loop().time()
        more = (now - self._last) * self.PER_SECOND
        self._tokens, self._last = min(self.BURST, self._tokens + more), now
        need(self._tokens >= 1, Wrong(429, "rate_limited", Retry_After="1"))
        self._tokens -= 1


@dataclass
class Teams(Service):
    """A workflow that posts to a channel when a webhook request is received.

    https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook
    and https://learn.microsoft.com/connectors/teams: adaptive cards, 28 KB a message. A signature
    in the query says who sends, and what was asked for is answered with 202.
    """

    PATH = "/workflows/0a1b2c/triggers/manual/paths/invoke"
    QUERY: ClassVar[str] = (
        "api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=aB%2Bc_d-e%3DfGh1jK2m"
    )
    MOST = 28 * 1024

    def take(self, request: web.Request, body: bytes) -> web.Response:
        denied = (
            '{"error":{"code":"DirectApiAuthorizationRequired","message":"The signature is wrong"}}'
        )
        need(request.raw_path.partition("?")[2] == self.QUERY, Wrong(401, denied))
        wrong = Wrong(400, '{"error":{"code":"TriggerInputSchemaMismatch","message":"no card"}}')
        message = json_of(body, request, wrong)
        need(texts(message, "type") and message["type"] == "message", wrong)
        cards = message.get("attachments")
        need(isinstance(cards, list) and cards, wrong)
        for card in cards:
            need(texts(card, "contentType"), wrong)
            need(card["contentType"] == "application/vnd.microsoft.card.adaptive", wrong)
            content = card.get("content")
            need(texts(content, "type", "version") and content["type"] == "AdaptiveCard", wrong)
            need(isinstance(content.get("body"), list), wrong)
            need(all(texts(element, "type") for element in content["body"]), wrong)
            self.taken += content["body"]
        return web.Response(status=202)


@dataclass
class Discord(Service):
    """https://discord.com/developers/docs/resources/webhook#execute-webhook: 10 embeds.

    https://discord.com/developers/docs/resources/message#embed-object-embed-limits: 4,096
    characters of a description, 256 of a title, 6,000 of all embeds. Rates:
    https://discord.com/developers/docs/topics/rate-limits.
    """

    PATH = "/api/webhooks/1234567890123456789/4fT7xK0aQ2mN9vB1cD3eF5gH-4fT7xK0aQ2mN9vB1cD3eF5gH"

    def take(self, request: web.Request, body: bytes) -> web.Response:
        message = json_of(body, request, self._wrong("body", "not JSON"))
        need(isinstance(message, dict), self._wrong("body", "not an object"))
        content, embeds = message.get("content", ""), message.get("embeds", [])
        need(
            content or embeds, Wrong(400, '{"message":"Cannot send an empty message","code":50006}')
        )
        need(len(content) <= 2000, self._wrong("content", "Must be 2000 or fewer in length."))
        need(len(embeds) <= 10, self._wrong("embeds", "Must be 10 or fewer in length."))
        total = 0
        for embed in embeds:
            need(texts(embed, "description"), self._wrong("embeds", "This field is required"))
            need(len(embed["description"]) <= 4096, self._wrong("embeds", "Must be 4096 or fewer"))
            need(len(embed.get("title", "")) <= 256, self._wrong("embeds", "Must be 256 or fewer"))
            total += len(embed["description"]) + len(embed.get("title", ""))
        need(total <= 6000, self._wrong("embeds", "Embed size exceeds maximum size of 6000"))
        self.taken += embeds or [message]
        return web.Response(status=204)

    @staticmethod
    def _wrong(name: str, message: str) -> Wrong:
        found = {"message": "Invalid Form Body", "code": 50035, "errors": {name: [message]}}
        return Wrong(400, json.dumps(found))


@dataclass
class Ntfy(Service):
    """Publish as JSON: https://docs.ntfy.sh/publish/#publish-as-json

    Limits: https://docs.ntfy.sh/publish/#limitations. What is longer than 4,096 bytes becomes an
    attachment. Errors: `errHTTP…` in https://github.com/binwiederhier/ntfy/blob/main/server/errors.go.
    """

    METHODS = ("POST", "PUT")
    TOKEN: ClassVar[str] = "tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2"

    def take(self, request: web.Request, body: bytes) -> web.Response:
        need(
            request.headers.get("Authorization") == f"Bearer {self.TOKEN}",
            Wrong(401, '{"code":40101,"http":401,"error":"unauthorized"}'),
        )
        wrong = Wrong(
            400,
            '{"code":40024,"http":400,"error":"invalid request: request body must be valid JSON"}',
        )
        try:
            message = json.loads(body.decode())  # whatever the media type
        except ValueError:
            raise wrong from None
        need(
            texts(message, "topic"), Wrong(400, '{"code":40009,"http":400,"error":"invalid topic"}')
        )
        topic = re.fullmatch(r"[-_A-Za-z0-9]{1,64}", message["topic"])
        need(topic, Wrong(400, '{"code":40009,"http":400,"error":"invalid topic"}'))
        priority = message.get("priority", 3)
        need(type(priority) is int and 1 <= priority <= 5, wrong)
        need(isinstance(message.get("tags", []), list), wrong)
        length = len(message.get("message", "").encode())
        need(
            length <= 4096, Wrong(400, '{"code":40041,"http":400,"error":"would be an attachment"}')
        )
        self.taken.append(message)
        return web.json_response({"id": "x", "event": "message", "topic": message["topic"]})
