"""Objects into one bucket, and what its answers mean.

| answer                                              | means                                     |
|-----------------------------------------------------|-------------------------------------------|
| 200                                                 | stored                                    |
| EntityTooLarge                                      | `TooLarge`: a smaller object may do       |
| SlowDown, 429, 5xx, a request damaged on its way    | `Unavailable`; `Retry-After` is heeded    |
| NoSuchBucket, AccessDenied, keys, region, and every | `Unavailable`: the configuration is wrong,|
| other 4xx                                           | not the entries, which S3 does not look at|

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html. Credentials are found by
botocore's usual chain. It blocks when it reads files, makes a client or signs, and so has an event
loop of its own; it tries nothing again by itself.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import aiohttp
from yarl import URL

from pipeline.model.component import Secret, TLSConfig
from pipeline.model.errors import ConfigError, SinkError, Unavailable, untraced
from pipeline.model.extras import needed, overridden
from pipeline.transport.http import TooLarge, retry_after
from pipeline.transport.http.nodes import address_of, http_url
from pipeline.transport.net.errors import printable, sentence
from pipeline.transport.net.tls import check_key
from pipeline.transport.s3.background import Background

CONNECTING = 10.0
"""Seconds."""
SLOWEST = 50_000
"""Bytes a second that an upload may fall to before it is given up."""
LARGEST_ANSWER = 2**20
"""Bytes. S3's have some hundred."""

_CREDENTIALS = "check the credentials"
_HINTS: Final[Mapping[str, str]] = {
    "NoSuchBucket": "make the bucket, or check `bucket` and `endpoint`",
    "AccessDenied": "whoever the credentials are of needs s3:PutObject there",
    "AllAccessDisabled": "whoever the credentials are of needs s3:PutObject there",
    "InvalidAccessKeyId": _CREDENTIALS,
    "SignatureDoesNotMatch": _CREDENTIALS,
    "InvalidToken": _CREDENTIALS,
    "ExpiredToken": _CREDENTIALS,
    "TokenRefreshRequired": _CREDENTIALS,
    "RequestTimeTooSkewed": "set the clock of this host",
    "PermanentRedirect": "check `region`",
    "AuthorizationHeaderMalformed": "check `region`",
    "IllegalLocationConstraintException": "check `region`",
    "InvalidStorageClass": "check `storage_class`",
    "InvalidBucketName": "check `bucket`",
}

CHECKSUMS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "crc32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
    "sha256": lambda body: hashlib.sha256(body).digest(),
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Which bucket, where, and as whom."""

    bucket: str
    endpoint: str | None = None
    region: str | None = None
    path_style: bool | None = None
    profile: str | None = None
    access_key_id: str | None = None
    secret_access_key: Secret | None = None
    session_token: Secret | None = None
    tls: TLSConfig | None = None
    timeout: float = 60.0
    """Seconds of silence."""
    checksum: str | None = None
    """One of `CHECKSUMS`."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of every object, as `PutObject` has them."""


class Bucket:
    """One bucket. All methods but `close` raise `Unavailable`; none may overlap with another,
    `close` excepted."""

    def __init__(self, settings: Settings, name: str) -> None:
        """`name` is that of the thread. Raises `ConfigError` where settings do not go together, or
        a package is missing."""
        self._session = needed("aiobotocore.session", "s3")
        self._config = needed("aiobotocore.config", "s3")
        self._http = needed("aiobotocore.httpsession", "s3")
        self._errors: Any = needed("botocore.exceptions", "s3")
        http = self._http.AIOHTTPSession
        overridden("aiobotocore", "s3", http, _get_session=("self", "proxy_url"))
        overridden(
            "aiohttp", "s3", aiohttp.ClientResponse, read=("self",), _wait_released=("self",)
        )
        self._settings = it = settings
        self._url: URL | None = None
        if it.endpoint is not None:
            self._url = http_url(
                it.endpoint,
                "endpoint",
                example="https://minio.example.com:9000",
                hint="credentials do not belong into an address",
            )
        if it.tls is not None:
            if self._url is not None and self._url.scheme == "http":
                raise ConfigError("http:// is not encrypted, so a tls table has no meaning", "tls")
            if it.tls.server_name:
                raise ConfigError("the name in the address is verified", "tls.server_name")
            check_key(it.tls)
        self._loader = _loader()
        self._background = Background(name)
        self._client: Any = None
        self._reached = ""
        at = f" at {self._url}" if self._url is not None else ""
        self.where = f"s3://{it.bucket}{at}"

    # ------------------------------------------------------------------- opening and closing

    async def open(self) -> None:
        """Looks for credentials, and whether the bucket is there."""
        await self._background.run(self._open)

    def reached(self) -> str:
        """Where the bucket is: its name, endpoint and region; once opened."""
        return self._reached

    async def close(self) -> None:
        """Ends all connections. Never raises, and may be called at any time."""
        try:
            if self._background.running:  # where opening was cancelled, once that has ended
                await self._background.run(self._shut)
        finally:
            self._background.stop()

    async def put(self, key: str, body: bytes, more: Mapping[str, Any]) -> None:
        """Stores an object, or replaces it. `more` are arguments of `PutObject` for this one.
        Raises `TooLarge` where a smaller one may do, and `Unavailable`."""
        await self._background.run(self._put, key, body, more)

    # ----------------------------------------------------------------- in the other thread

    async def _open(self) -> None:
        await self._shut()
        unseen = ""
        try:
            client = self._made()
            self._client = await client.__aenter__()
            async with asyncio.timeout(self._settings.timeout):
                await self._client.head_bucket(Bucket=self._settings.bucket)
        except Exception as error:
            if not self._may_write_all_the_same(error):
                raise self._problem(error) from untraced(error)
            unseen = "; 403 is all that is said of it, so whether it may be written to is not known"
        region = self._client.meta.region_name
        self._reached = f"{self.where}, region {region}{unseen}"

    def _made(self) -> Any:
        it, tls = self._settings, self._settings.tls or TLSConfig()
        session = self._session.AioSession(profile=it.profile)
        session.register_component("data_loader", self._loader)
        style = {None: "auto", True: "path", False: "virtual"}[it.path_style]
        config = self._config.AioConfig(
            region_name=it.region,
            connect_timeout=min(CONNECTING, it.timeout),
            read_timeout=it.timeout,
            retries={"total_max_attempts": 1, "mode": "standard"},
            s3={"addressing_style": style},
            client_cert=(tls.cert, tls.key) if tls.key else tls.cert,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            http_session_cls=_bounded(self._http.AIOHTTPSession),
            user_agent_extra="dockline",
        )
        return session.create_client(
            "s3",
            region_name=it.region or session.get_config_variable("region") or "us-east-1",
            endpoint_url=it.endpoint,
            verify=tls.ca,
            aws_access_key_id=it.access_key_id,
            aws_secret_access_key=it.secret_access_key and str(it.secret_access_key),
            aws_session_token=it.session_token and str(it.session_token),
            config=config,
        )

    async def _shut(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                await client.__aexit__(None, None, None)

    async def _put(self, key: str, body: bytes, more: Mapping[str, Any]) -> None:
        it = self._settings
        if self._client is None:
            raise Unavailable(f"{self.where} is not open")
        options = {**it.options, **more}
        if it.checksum is not None:
            digest = CHECKSUMS[it.checksum](body)
            options[f"Checksum{it.checksum.upper()}"] = base64.b64encode(digest).decode()
        try:
            async with asyncio.timeout(it.timeout + len(body) / SLOWEST):
                await self._client.put_object(Bucket=it.bucket, Key=key, Body=body, **options)
        except Exception as error:
            raise self._problem(error) from untraced(error)

    def _may_write_all_the_same(self, error: Exception) -> bool:
        """Who may only write may not look."""
        said: Any = getattr(error, "response", None) or {}
        return bool(said.get("ResponseMetadata", {}).get("HTTPStatusCode") == 403)

    # ------------------------------------------------------------------------------ trouble

    def _problem(self, error: Exception) -> SinkError:
        errors, where = self._errors, self.where
        if isinstance(error, errors.ClientError):
            return self._answered(error)
        if isinstance(error, (errors.NoCredentialsError, errors.PartialCredentialsError)):
            return Unavailable(
                f"there are no credentials for {where}: set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or `profile`, or give this host a role"
            )
        if isinstance(error, TimeoutError | errors.ReadTimeoutError | errors.ConnectTimeoutError):
            return Unavailable(f"{where} does not answer; check the network between")
        cause = getattr(error, "kwargs", {}).get("error")
        if isinstance(cause, aiohttp.ClientConnectorCertificateError):
            cause = cause.certificate_error
        elif isinstance(cause, aiohttp.ClientConnectorError):
            cause = cause.os_error
        if isinstance(cause, OSError) and not isinstance(cause, aiohttp.ClientError):
            url = self._url or URL("https://s3.amazonaws.com")
            return Unavailable(f"{where} {sentence(address_of(url), cause)}")
        if isinstance(cause, aiohttp.ClientResponseError):
            return Unavailable(f"{where} gave an answer that is no HTTP; check the port")
        if isinstance(error, errors.ConnectionClosedError):
            return Unavailable(f"{where} closed the connection before it had answered")
        return Unavailable(f"{where} cannot be used: {printable(str(cause or error))}")

    def _answered(self, error: Any) -> SinkError:
        said, meta = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
        code, status = str(said.get("Code", "")), int(meta.get("HTTPStatusCode", 0))
        code = {"404": "NoSuchBucket", "301": "PermanentRedirect"}.get(code, code)
        named = "" if code == str(status) else f" {printable(code)}"
        message = f"{self.where} answers {status}{named}"
        if text := printable(str(said.get("Message") or "")):
            message += f": {text}"
        if code == "EntityTooLarge" or status == 413:
            return TooLarge(message, status)
        hint = _HINTS.get(code) or ("check `encryption`" if code.startswith("KMS.") else "")
        headers = {name.title(): text for name, text in meta.get("HTTPHeaders", {}).items()}
        return Unavailable(f"{message}; {hint}" if hint else message, retry_after(headers))


@cache
def _loader() -> Any:
    """What the library knows of S3. It takes a second to read, and is kept."""
    return needed("botocore.loaders", "s3").Loader()


def _bounded(session: Any) -> Any:
    """A session of aiobotocore's that reads no endless answer."""

    class Bounded(session):  # type: ignore[misc]
        async def _get_session(self, proxy_url: str | None) -> Any:
            made = await super()._get_session(proxy_url)
            made._response_class = _Answer
            return made

    return Bounded


class _Answer(aiohttp.ClientResponse):
    async def read(self) -> bytes:
        if self._body is None:
            pieces, left = [], LARGEST_ANSWER
            try:
                while left > 0 and (piece := await self.content.read(left)):
                    pieces.append(piece)
                    left -= len(piece)
                if left <= 0:
                    raise aiohttp.ClientPayloadError("the answer has no end")
            except BaseException:
                self.close()
                raise
            self._body = b"".join(pieces)
            await self._wait_released()
        return self._body
