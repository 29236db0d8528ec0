"""Objects in a bucket of S3, or of what speaks its protocol: MinIO, Ceph, R2, Google's.

```toml
[sinks.archive]
type = "s3"
bucket = "logs"
region = "eu-west-1"
prefix = "{container.name}/%Y/%m/%d/"
storage_class = "STANDARD_IA"

[sinks.minio]
type = "s3"
bucket = "logs"
endpoint = "https://minio:9000"
path_style = true
access_key_id = "${MINIO_USER}"
secret_access_key = "${MINIO_PASSWORD}"
```

An object has JSON lines with names of the Elastic Common Schema, compressed, or a table as Parquet
(`format = "parquet"`, which needs `pip install 'dockline[parquet]'`). Those that
`prefix` gives different texts for go into different objects: there is one for each container, or
with `prefix = "%Y/%m/%d/"` one of all. Times in it (`%Y %m %d %H %M`) are the entries', in UTC.
What a placeholder gives stays within its part of the prefix: slashes and control characters in it
become `_`, and so does all of it where it is empty, `.` or `..`; of a long one 128 characters are
used.

Entries gather for five minutes or up to 32 MiB of memory: unless said otherwise `batch.linger` is
`5m` here, `batch.bytes` `32MiB`, `batch.entries` 1,000,000, and `buffer.memory` `128MiB`.

A key ends in the time of the object's first entry, its container and its number. The same entries,
sent again, replace their object instead of adding one; so does, for an object of one container,
what a killed agent reads again from its first entry on. Entries count as delivered when S3 has
stored their object.

Credentials are found as by the AWS CLI: `access_key_id` and `secret_access_key` here, else the
environment, `profile` or the default one in `~/.aws`, a web identity, the role of the container or
of the instance. They need `s3:PutObject`. An object that is too large is halved; for any other
answer entries wait, since S3 does not look at them, and the configuration is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from pipeline.encode.json import JsonEncoder
from pipeline.encode.s3.objects import BatchSlice, Grouping, marked, name_of, part_of_key
from pipeline.encode.s3.packing import packer_of
from pipeline.expression import compile_template
from pipeline.expression.template import placeholders
from pipeline.model.batch import Batch
from pipeline.model.component import (
    BatchConfig,
    BufferConfig,
    Context,
    Duration,
    Payload,
    Secret,
    Sink,
    SinkConfig,
    Size,
    TLSConfig,
)
from pipeline.model.errors import ConfigError
from pipeline.transport.http import TooLarge
from pipeline.transport.s3.bucket import Bucket, Settings

_OF_THE_CONTAINER = re.compile(r'\s*container\.[a-z_.]+(\[("[^"]*"|\'[^\']*\')\])?\s*')


class S3BatchConfig(BatchConfig, frozen=True, kw_only=True):
    """How much is gathered for objects: until one of the limits is reached."""

    bytes: Annotated[Size, msgspec.Meta(ge=1)] = Size(32 * 2**20)
    """Bytes of memory; a quarter of `buffer.memory`, which has what is being sent, too."""
    entries: Annotated[int, msgspec.Meta(ge=1)] = 1_000_000
    """Number of entries."""
    linger: Duration = Duration(300)
    """How long to wait for more."""


class Waiting(BufferConfig, frozen=True, kw_only=True):
    """What may wait between the routes and this sink, and what happens when that is full."""

    memory: Annotated[Size, msgspec.Meta(ge=2**16)] = Size(128 * 2**20)
    """Bytes of memory, what is being sent included."""


class EncryptionConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the server encrypts objects, where it does not by itself."""

    type: Annotated[
        Literal["AES256", "aws:kms", "aws:kms:dsse"], msgspec.Meta(examples=["aws:kms"])
    ] = "AES256"
    """With a key of S3's own, or one of KMS."""
    key: Annotated[str | None, msgspec.Meta(examples=["alias/logs"])] = None
    """Of KMS: its id, ARN or alias; without it, the account's own."""


class Config(SinkConfig, frozen=True, kw_only=True):
    """Which bucket, as whom, and what objects are like."""

    bucket: Annotated[str, msgspec.Meta(min_length=1, examples=["logs"])]
    """Its name, or the ARN of an access point."""
    prefix: Annotated[str, msgspec.Meta(examples=["logs/{container.host}/%Y/%m/%d/"])] = (
        "{container.name}/%Y/%m/%d/"
    )
    """What keys begin with: a text with expressions in braces, as in `set`, and parts of times."""
    format: Literal["ndjson", "parquet"] = "ndjson"
    """Lines of JSON, or a table."""
    compression: Literal["zstd", "gzip", "none"] = "zstd"
    """How objects are compressed; of Parquet, its pages."""
    region: Annotated[str | None, msgspec.Meta(examples=["eu-west-1"])] = None
    """By default what `AWS_REGION` or the profile says, else `us-east-1`."""
    endpoint: Annotated[str | None, msgspec.Meta(examples=["https://minio:9000"])] = None
    """Address of what is not Amazon's."""
    path_style: Annotated[bool | None, msgspec.Meta(examples=[True])] = None
    """Whether the bucket stands in the path instead of the host's name; MinIO and Ceph mostly want
    it. By default it does where an endpoint is an IP address."""
    profile: Annotated[str | None, msgspec.Meta(examples=["logs"])] = None
    """A profile of `~/.aws/config`, which may say to take a role."""
    access_key_id: Annotated[str | None, msgspec.Meta(examples=["AKIAIOSFODNN7EXAMPLE"])] = None
    """With `secret_access_key`: whose requests they are."""
    secret_access_key: Annotated[
        Secret | None, msgspec.Meta(examples=["${file:/run/secrets/s3}"])
    ] = None
    """The key that goes with it."""
    session_token: Annotated[Secret | None, msgspec.Meta(examples=["${S3_SESSION_TOKEN}"])] = None
    """Where they are temporary."""
    storage_class: Annotated[
        str | None, msgspec.Meta(examples=["STANDARD_IA", "INTELLIGENT_TIERING", "GLACIER_IR"])
    ] = None
    """Of objects; by default `STANDARD`."""
    encryption: EncryptionConfig | None = None
    """How the server encrypts objects; without it, as the bucket says."""
    checksum: Literal["crc32", "sha256", "none"] = "crc32"
    """What the server verifies what it got by; `none` for one that does not know it."""
    tls: TLSConfig | None = None
    """Certificates, for `https://`."""
    timeout: Annotated[Duration, msgspec.Meta(gt=0)] = Duration(60)
    """Longest silence while an answer is waited for."""
    batch: S3BatchConfig = S3BatchConfig()
    """How much is gathered for objects."""
    buffer: Waiting = Waiting()
    """What may wait for this sink."""


@dataclass(slots=True)
class Item:
    """One object that is still to be stored."""

    prefix: str
    slices: list[BatchSlice]
    body: bytes | None = None
    """Once it was tried."""

    def __len__(self) -> int:
        return sum(len(each.indexes) for each in self.slices)


@dataclass(slots=True)
class Items:
    """A payload: what of it is still to be stored."""

    left: list[Item]
    stored: int = 0
    """Bytes."""


class S3(Sink[Items]):
    """Objects are made as they are sent, a piece at a time: what has gathered for minutes is too
    much to be encoded in one go."""

    tends = 30.0
    """Nothing has to be sent, but a bucket that is not there is said before minutes have passed."""

    def __init__(self, config: Config, context: Context) -> None:
        if (config.access_key_id is None) != (config.secret_access_key is None):
            raise ConfigError("write both access_key_id and secret_access_key", "access_key_id")
        self._bucket = Bucket(_settings(config), f"sink {context.name}")
        self._grouping = _grouping(config.prefix)
        self._packer = packer_of(
            config.format, config.compression, JsonEncoder(host=context.host), context.host
        )

    async def open(self) -> None:
        await self._bucket.open()

    def reached(self) -> str:
        return self._bucket.reached()

    def encode(self, batches: Sequence[Batch]) -> Payload[Items]:
        items = [Item(prefix, slices) for prefix, slices in self._grouping(batches).items()]
        size = sum(sum(map(len, batch.lines)) for batch in batches)
        return Payload(Items(items), sum(map(len, batches)), size)

    async def send(self, payload: Payload[Items]) -> None:
        items = payload.data
        while items.left:
            item = items.left[0]
            if item.body is None:
                item.body = await self._packer.pack(item.slices)
            try:
                await self._store(item, item.body)
            except TooLarge as refusal:
                items.left[:1] = _halves(item)
                if len(item) == 1:
                    (each,) = item.slices
                    payload.refuse(each.batch, each.indexes[0], str(refusal))
            else:
                items.stored += len(item.body)
                del items.left[0]
        payload.size = items.stored

    async def _store(self, item: Item, body: bytes) -> None:
        it = self._packer
        options = {"ContentType": it.content_type, "Metadata": {"entries": str(len(item))}}
        if it.content_encoding:
            options["ContentEncoding"] = it.content_encoding
        await self._bucket.put(f"{item.prefix}{name_of(item.slices)}{it.suffix}", body, options)

    async def close(self) -> None:
        self._packer.close()
        await self._bucket.close()


def _halves(item: Item) -> list[Item]:
    """Two items with half of the entries each; none of a single one."""
    if len(item) == 1:
        return []
    slices = list(item.slices) if len(item.slices) > 1 else list(item.slices[0].halves())
    middle = len(slices) // 2
    return [Item(item.prefix, slices[:middle]), Item(item.prefix, slices[middle:])]


def _grouping(prefix: str) -> Grouping:
    try:
        template = marked(prefix)
    except ValueError as error:
        raise ConfigError(str(error), "prefix") from None
    try:
        render = compile_template(template, part_of_key)
    except ConfigError as error:
        raise ConfigError(error.message, "prefix", error.column) from None
    constant = all(_OF_THE_CONTAINER.fullmatch(text) for _, text in placeholders(template))
    return Grouping(prefix, render, constant=constant)


def _settings(config: Config) -> Settings:
    options: dict[str, Any] = {}
    if config.storage_class is not None:
        options["StorageClass"] = config.storage_class
    if config.encryption is not None:
        options["ServerSideEncryption"] = config.encryption.type
        if config.encryption.key is not None:
            if config.encryption.type == "AES256":
                raise ConfigError("a key is for aws:kms", "encryption.key")
            options["SSEKMSKeyId"] = config.encryption.key
    return Settings(
        bucket=config.bucket,
        endpoint=config.endpoint,
        region=config.region,
        path_style=config.path_style,
        profile=config.profile,
        access_key_id=config.access_key_id,
        secret_access_key=config.secret_access_key,
        session_token=config.session_token,
        tls=config.tls,
        timeout=float(config.timeout),
        checksum=None if config.checksum == "none" else config.checksum,
        options=options,
    )
