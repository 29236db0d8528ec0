"""Any server that takes requests over HTTP: a collector, a chat's webhook, the intake of a service.

```toml
[sinks.collector]
type = "http"
url = "https://collector.example.com/ingest?source=docker"
auth = { bearer = "${COLLECTOR_TOKEN}" }
compression = "zstd"
```

A request has many entries, with the names of the Elastic Common Schema: one per line
(`application/x-ndjson`), or with `format = "array"` in one JSON array (`application/json`).

With `template` an entry is whatever the other end wants, by default one in each request:

```toml
[sinks.chat]
type = "http"
url = "${CHAT_WEBHOOK}"
template = '{{"text": "{container.name}: {message}"}}'
limits = { rate = "1/s" }
```

A template that begins with `{{`, `[` or `"` is JSON: what stands for `{…}` in a string is escaped,
and outside of one it is a JSON value, `null` if it is missing. One that could never be valid JSON
is an error of the configuration. Any other template is plain text. `content_type` decides where
that is not meant. With `wrap` a request has many entries again, with something around them.

An entry counts as delivered when its request was answered with 2xx; what else the answer says does
not matter, unless `success` is set. After 408, 425, 429, 5xx or no answer the request is retried,
as `Retry-After` says; so it is after redirects, which are not followed, and after 401, 403, 404,
405, 407 and 415, which mostly mean a wrong configuration. After 413 or another 4xx it is split in
halves until the rejected entries are found: these are refused, and may go to the `dead_letter`
sink; the others are delivered. While the server takes nothing at all, the configuration is probably
wrong: nothing is refused, and the sink counts as down. A single entry that always makes the server
answer 403, 500 or 503 is found in the same way, once others have been taken.

The path and the query of `url` are never shown, since those of webhooks are secret. When it opens,
the sink asks `url` with GET, or with OPTIONS if there is a `template`: some webhooks act on GET.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar, Literal, cast

import msgspec

from pipeline.encode.json import JsonEncoder
from pipeline.expression import compile_json, compile_template
from pipeline.expression.json_template import (
    Wrapper,
    inside,
    looks_like_json,
    looks_like_text,
    read_wrapper,
)
from pipeline.expression.patterns import compile_pattern
from pipeline.model.address_form import AUTH, AddressForm
from pipeline.model.batch import Batch
from pipeline.model.component import (
    Payload,
    Rate,
    SecretURL,
    SinkContext,
    Size,
    TemplateText,
)
from pipeline.model.errors import ConfigError, Unquoted, at
from pipeline.model.pieces import size_of, whole
from pipeline.transport.evidence import Evidence
from pipeline.transport.http import (
    LONGEST_STATUS,
    Answer,
    Compression,
    HttpClient,
    HttpOptions,
    OverHttp,
    RequestFailed,
)
from pipeline.transport.limited_requests import Form, LimitedRequests
from pipeline.transport.net.errors import printable
from pipeline.transport.pace import Pace
from pipeline.transport.split_retry import Part, SplitRetry, lines

Format = Literal["ndjson", "array", "lines", "each"]

_JSON, _NDJSON, _TEXT = "application/json", "application/x-ndjson", "text/plain; charset=utf-8"
_IS_JSON = re.compile(r"(?:[^;]*[/+])?(?:x-nd|nd|x-)?json(?:lines)?", re.IGNORECASE)
"""Matches the media types of JSON."""


class LimitsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the destination allows."""

    entries: Annotated[int | None, msgspec.Meta(ge=1, examples=[1000])] = None
    """Entries in one request."""
    bytes: Annotated[Size | None, msgspec.Meta(ge=1, examples=["5MB"])] = None
    """Bytes of a request's body, before it is compressed. An entry that is larger by itself is
    refused."""
    rate: Annotated[Rate | None, msgspec.Meta(gt=0, examples=["1/s"])] = None
    """Requests in a time, evenly: after `1/s` one begins a second after the one before. What comes
    faster waits in the buffer."""


class Config(HttpOptions, frozen=True, kw_only=True):
    """The address, and the form of the requests."""

    address_forms: ClassVar[tuple[AddressForm, ...]] = (
        AddressForm(
            schemes={"http": "http://", "https": "https://"},
            to="url",
            login=AUTH,
            keeps_query=True,
            example="https://collector.example.com/ingest",
        ),
    )

    url: Annotated[SecretURL, msgspec.Meta(examples=["https://collector.example.com/ingest"])]
    """Address of the requests, with path and query, which are never shown."""
    method: Literal["POST", "PUT"] = "POST"
    """Method of the requests."""
    template: Annotated[
        TemplateText | None,
        msgspec.Meta(examples=['{{"text": "{container.name}: {message}"}}']),
    ] = None
    """An entry, with expressions in braces; `{{` and `}}` are braces. By default an entry is an
    object with the names of the Elastic Common Schema."""
    format: Annotated[Format | None, msgspec.Meta(examples=["array"])] = None
    """Body of a request: `ndjson`, a line of JSON per entry (the default without `template`);
    `array`, one JSON array; `lines`, a line of text per entry, in which line breaks of values are
    written `\\n`; `each`, one entry and nothing else (the default with `template`)."""
    wrap: Annotated[
        TemplateText | None,
        msgspec.Meta(examples=['{{"embeds": {entries}}}', '{{"text": "{entries}"}}']),
    ] = None
    """What stands around the entries of a request, instead of `format`, with `{entries}` in it:
    outside of a JSON string it is an array of them, in one they are lines of text."""
    content_type: Annotated[str | None, msgspec.Meta(examples=["application/json"])] = None
    """The header `Content-Type`, if it is not the usual one of the format. JSON in it makes
    `template` JSON, anything else makes it text."""
    compression: Annotated[Compression | None, msgspec.Meta(examples=["zstd"])] = None
    """How bodies are compressed: `none`, `gzip` (the default without `template`) or `zstd`. Many
    webhooks take only `none`, the default with `template`."""
    limits: LimitsConfig = LimitsConfig()
    """What the destination allows in a request, and how often."""
    success: Annotated[str | None, msgspec.Meta(examples=['"ok": ?true'])] = None
    """A pattern that an answer of 2xx has to have in its first 64 KiB, for servers that answer 200
    with an error. Without it the request is retried."""


class HttpSink(OverHttp[SplitRetry]):
    """Sends entries over HTTP.

    What answers mean is decided in `pipeline.transport.http` and `split_retry`.
    """

    def __init__(self, config: Config, context: SinkContext) -> None:
        plain = config.template is None
        self._http = HttpClient(
            [str(config.url)],
            config,
            compression=config.compression or ("gzip" if plain else "none"),
            own=("Content-Type",) if config.content_type is not None else (),
            probe_method="GET" if plain else "OPTIONS",
            longest=LONGEST_STATUS,
            whole=config.success is not None,
        )
        self._is_plain = plain
        self._method = config.method
        self._json = JsonEncoder(host=context.host)
        form = _Forming(config)
        self._form, self._pieces = form.form, form.pieces or self._lines
        limits = config.limits
        self._lines_alone = (
            plain and form.is_plain and (limits.entries, limits.bytes) == (None, None)
        )
        self._array = form.format == "array"
        self.most_entries = self._form.most_entries
        self._pace = Pace(1 / limits.rate if limits.rate else 0)
        self._headers = {} if form.content_type is None else {"Content-Type": form.content_type}
        self._evidence = Evidence()
        self._success = None
        if config.success is not None:
            with at("success"):
                self._success = compile_pattern(config.success).search

    def reached(self) -> str:
        reached, status = super().reached(), self._http.status
        if self._is_plain and status in (403, 404):
            return f"{reached}, which answers {status} to GET"
        return reached

    async def probe(self) -> None:
        self._http.probe_by_get()

    def encode(self, batches: Sequence[Batch]) -> Payload[SplitRetry]:
        if self._lines_alone:
            pieces = self._json.pieces(batches)
            data = SplitRetry(pieces, batches, lines, evidence=self._evidence)
            return Payload(data, sum(map(len, batches)), size_of(pieces))
        return cast(Payload[SplitRetry], self._encode_each(batches))

    def _encode_each(self, batches: Sequence[Batch]) -> Payload[LimitedRequests]:
        found: list[bytes] = []
        refused: list[tuple[Batch, int, str]] = []
        room = self._form.room()
        for batch in batches:
            pieces = self._pieces(batch)
            if room is None or max(map(len, pieces), default=0) <= room:
                found += pieces
                continue
            for row, piece in enumerate(pieces):
                if len(piece) <= room:
                    found.append(piece)
                else:
                    reason = f"its {len(piece)} bytes are more than limits.bytes allows"
                    refused.append((batch, row, reason))
        data = LimitedRequests(self._form, found, batches, self._evidence)
        return Payload(data, len(found), sum(map(len, found)), refused=refused)

    def _lines(self, batch: Batch) -> list[bytes]:
        return self._json.encode([batch]).split(b"\n")[:-1]

    def preview(self, batch: Batch) -> str:
        if self._is_plain:
            return ""
        payload = self._encode_each([batch])
        return "\n".join([
            *(" ".join(body.decode("utf-8", "replace").split()) for body in payload.data.bodies()),
            *(f"refused: {reason}" for _, _, reason in payload.refused),
        ])  # fmt: skip

    async def send(self, payload: Payload[SplitRetry]) -> None:
        await payload.data.send(payload, self._post)

    async def _post(self, part: Part) -> None:
        body = part.body
        if self._lines_alone and self._array:
            body = b"[" + whole(body)[:-1].replace(b"\n", b",") + b"]"  # JSON escapes line feeds
        await self._pace.turn()
        answer = await self._http.post("", body, self._headers, method=self._method)
        if self._success is not None:
            self._check_success(answer)

    def _check_success(self, answer: Answer) -> None:
        text = answer.body.decode("utf-8", "replace")
        assert self._success is not None
        if self._success(text) is None:
            raise RequestFailed(
                f"{answer.where} answers {answer.status} without what `success` looks for: "
                f"{printable(text[:1000]) or 'nothing'}"
            )


class _Forming:
    """What follows from the settings about the form of requests."""

    def __init__(self, config: Config) -> None:
        """Raises `ConfigError`."""
        self.is_plain = config.wrap is None and config.format in (None, "ndjson", "array")
        self.format: Format = config.format or ("ndjson" if config.template is None else "each")
        given = config.content_type or _content_type(config)
        wrapper = self._wrapper(config, given)
        self.pieces = self._pieces_of(config, given, wrapper)
        self.form = self._form_of(config, wrapper)
        self.content_type: str | None = self._usual_type(wrapper) if given is None else None
        if config.content_type is not None:
            if not re.fullmatch(r"[\t\x20-\x7e]+", config.content_type):
                raise ConfigError("a media type is one line of ASCII", "content_type")
            self.content_type = config.content_type

    def _wrapper(self, config: Config, given: str | None) -> Wrapper | None:
        if config.wrap is None:
            return None
        with at("wrap"):
            if config.format is not None:
                raise Unquoted("with wrap there is no format: where {entries} stands decides it")
            is_json = looks_like_json(config.wrap) if given is None else _is_json(given)
            wrapper = read_wrapper(config.wrap, is_json=is_json)
            if config.template is None and wrapper.place != "value":
                raise Unquoted("here entries are text, so it needs a template for them")
        return wrapper

    def _pieces_of(
        self, config: Config, given: str | None, wrapper: Wrapper | None
    ) -> Callable[[Batch], list[bytes]] | None:
        """Makes the bytes of each entry; None for objects of the Elastic Common Schema."""
        self.makes_json = True
        if config.template is None:
            if self.format == "lines":
                raise ConfigError("lines of text need a template; for JSON write ndjson", "format")
            return None
        with at("template"):
            self.makes_json = self._wants_json(config.template, given, wrapper)
            render = self._render(config.template)
        quoted = wrapper is not None and wrapper.place == "string"

        def pieces(batch: Batch) -> list[bytes]:
            texts = map(inside, render(batch)) if quoted else render(batch)
            return [text.encode("utf-8", "replace") for text in texts]

        return pieces

    def _wants_json(self, template: str, given: str | None, wrapper: Wrapper | None) -> bool:
        if wrapper is not None:
            return wrapper.place == "value" or looks_like_json(template)
        if self.format == "each":
            return looks_like_json(template) if given is None else _is_json(given)
        return self.format != "lines"

    def _render(self, template: str) -> Callable[[Batch], list[str]]:
        if self.makes_json:
            if looks_like_text(template):
                raise Unquoted("JSON is wanted here, and this is text; put it in quotes, '\"…\"'")
            return compile_json(template)
        if self.format == "lines":
            if "\n" in template or "\r" in template:
                raise Unquoted("a line has no line break", column=None)
            return compile_template(template, _on_one_line)
        return compile_template(template)

    def _form_of(self, config: Config, wrapper: Wrapper | None) -> Form:
        limits = config.limits
        most, size = limits.entries, None if limits.bytes is None else int(limits.bytes)
        if wrapper is not None:
            before, after = wrapper.before.encode(), wrapper.after.encode()
            if wrapper.place == "value":
                return Form(before + b"[", b",", b"]" + after, most, size)
            between = rb"\n" if wrapper.place == "string" else b"\n"
            return Form(before, between, after, most, size)
        if self.format == "each":
            if most is not None:
                raise ConfigError('with format = "each" a request has one entry', "limits.entries")
            return Form(most_entries=1, most_bytes=size)
        if self.format == "array":
            return Form(b"[", b",", b"]", most, size)
        return Form(b"", b"\n", b"\n", most, size)

    def _usual_type(self, wrapper: Wrapper | None) -> str:
        if wrapper is not None:
            return _TEXT if wrapper.place == "text" else _JSON
        if self.format == "ndjson":
            return _NDJSON
        return _JSON if self.makes_json and self.format != "lines" else _TEXT


def _content_type(config: Config) -> str | None:
    """What the headers of the configuration say."""
    found = (str(value) for name, value in config.headers.items() if name.lower() == "content-type")
    return next(found, None)


def _is_json(content_type: str) -> bool:
    return bool(_IS_JSON.fullmatch(content_type.partition(";")[0].strip()))


def _on_one_line(text: str) -> str:
    return text.replace("\r\n", r"\n").replace("\n", r"\n").replace("\r", r"\n")
