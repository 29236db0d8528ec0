"""Objects in a bucket of S3, or of a compatible store: MinIO, Ceph, R2, Google Cloud Storage.

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

An object has compressed JSON lines with the names of the Elastic Common Schema, or is a Parquet
table (`format = "parquet"`, which needs `pip install 'dockline[parquet]'`). Entries with different
prefixes go into different objects: by default one per container, with `prefix = "%Y/%m/%d/"` one
for all. Times in `prefix` (`%Y %m %d %H %M`) are those of the entries, in UTC. The value of a
placeholder cannot add levels to the prefix: slashes and control characters become `_`, and so does
a value that is empty, `.` or `..`; of a long value 128 characters are used.

Entries are collected for five minutes or up to 32 MiB of memory: the defaults here are `5m` for
`batch.linger`, `32MiB` for `batch.bytes`, 1,000,000 for `batch.entries`, and `128MiB` for
`buffer.memory`.

A key ends in the time of the object's first entry, its container and its sequence number. If the
same entries are sent again, they replace their object; so do, for an object of one container, the
entries that a killed agent reads again from the first one on. Entries count as delivered when S3
has stored their object.

Credentials are found in the order of the AWS CLI: `access_key_id` and `secret_access_key` here, the
environment, `profile` or the default one in `~/.aws`, a web identity, the role of the container or
instance. They need `s3:PutObject`. An object that is too large is split in halves; after any other
answer entries wait, since S3 does not look into objects, so the configuration must be wrong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from pipeline.encode.json import JsonEncoder
from pipeline.encode.s3.objects import BatchSlice, Grouping, marked, name_of, part_of_key
from pipeline.encode.s3.packing import packer_of
from pipeline.expression import compile_template
from pipeline.expression.template import placeholders
from pipeline.model.address_form import HTTP, AddressForm
from pipeline.model.batch import Batch
from pipeline.model.component import (
    BatchConfig,
    BufferConfig,
    Duration,
    Payload,
    Secret,
    Sink,
    SinkConfig,
    SinkContext,
    Size,
    TLSConfig,
)
from pipeline.model.errors import ConfigError
from pipeline.transport.http import TooLarge
from pipeline.transport.s3.bucket import Bucket, Settings

_OF_THE_CONTAINER = re.compile(r'\s*container\.[a-z_.]+(\[("[^"]*"|\'[^\']*\')\])?\s*')


class S3BatchConfig(BatchConfig, frozen=True, kw_only=True):
    """How much is collected for objects: until one of the limits is reached."""

    bytes: Annotated[Size, msgspec.Meta(ge=1)] = Size(32 * 2**20)
    """Bytes of memory; a quarter of `buffer.memory`, which also has what is being sent."""
    entries: Annotated[int, msgspec.Meta(ge=1)] = 1_000_000
    """Number of entries."""
    linger: Duration = Duration(300)
    """How long to wait for more."""


class Waiting(BufferConfig, frozen=True, kw_only=True):
    """The buffer of this sink, and what happens when it is full."""

    memory: Annotated[Size, msgspec.Meta(ge=2**16)] = Size(128 * 2**20)
    """Bytes of memory, with what is being sent."""


class EncryptionConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Server-side encryption of objects, if it is not the bucket's default."""

    type: Annotated[
        Literal["AES256", "aws:kms", "aws:kms:dsse"], msgspec.Meta(examples=["aws:kms"])
    ] = "AES256"
    """Encryption with a key of S3 (`AES256`) or of KMS."""
    key: Annotated[str | None, msgspec.Meta(examples=["alias/logs"])] = None
    """Id, ARN or alias of a KMS key; without it, the account's default key."""


class Config(SinkConfig, frozen=True, kw_only=True):
    """The bucket, the credentials, and the keys and format of objects."""

    address_forms: ClassVar[tuple[AddressForm, ...]] = (
        AddressForm(
            to="bucket",
            path=("prefix",),
            example="s3://logs/{container.name}/%Y/%m/%d/",
        ),
        AddressForm(
            schemes=HTTP,
            to="endpoint",
            path=("bucket", "prefix"),
            login=("access_key_id", "secret_access_key"),
            adds={"path_style": True},
            example="s3+https://minio:9000/logs",
        ),
    )

    bucket: Annotated[str, msgspec.Meta(min_length=1, examples=["logs"])]
    """Name of the bucket, or ARN of an access point."""
    prefix: Annotated[str, msgspec.Meta(examples=["logs/{container.host}/%Y/%m/%d/"])] = (
        "{container.name}/%Y/%m/%d/"
    )
    """Start of the keys: a text with expressions in braces, as in `set`, and parts of the time."""
    format: Literal["ndjson", "parquet"] = "ndjson"
    """JSON lines, or a Parquet table."""
    compression: Literal["zstd", "gzip", "none"] = "zstd"
    """Compression of objects; with Parquet, of its pages."""
    region: Annotated[str | None, msgspec.Meta(examples=["eu-west-1"])] = None
    """Region of the bucket; by default that of `AWS_REGION` or the profile, else `us-east-1`."""
    endpoint: Annotated[str | None, msgspec.Meta(examples=["https://minio:9000"])] = None
    """Address of a store other than Amazon's."""
    path_style: Annotated[bool | None, msgspec.Meta(examples=[True])] = None
    """Whether the bucket is in the path of a URL instead of the host name, as MinIO and Ceph mostly
    need. The default is to do so only if the endpoint is an IP address."""
    profile: Annotated[str | None, msgspec.Meta(examples=["logs"])] = None
    """Profile of `~/.aws/config`, which may assume a role."""
    access_key_id: Annotated[str | None, msgspec.Meta(examples=["AKIAIOSFODNN7EXAMPLE"])] = None
    """Access key, together with `secret_access_key`."""
    secret_access_key: Annotated[
        Secret | None, msgspec.Meta(examples=["${file:/run/secrets/s3}"])
    ] = None
    """Secret of the access key."""
    session_token: Annotated[Secret | None, msgspec.Meta(examples=["${S3_SESSION_TOKEN}"])] = None
    """Session token, for temporary credentials."""
    storage_class: Annotated[
        str | None, msgspec.Meta(examples=["STANDARD_IA", "INTELLIGENT_TIERING", "GLACIER_IR"])
    ] = None
    """Storage class of objects; by default `STANDARD`."""
    encryption: EncryptionConfig | None = None
    """Server-side encryption of objects; without it, the bucket's default."""
    checksum: Literal["crc32", "sha256", "none"] = "crc32"
    """Checksum that the server verifies; `none` for a server that does not support it."""
    tls: TLSConfig | None = None
    """Certificates, for `https://`."""
    timeout: Annotated[Duration, msgspec.Meta(gt=0)] = Duration(60)
    """Longest silence of the server while waiting for an answer."""
    batch: S3BatchConfig = S3BatchConfig()
    """How much is collected for objects."""
    buffer: Annotated[Waiting, msgspec.Meta(examples=["256MiB"])] = Waiting()
    """The buffer of this sink."""


@dataclass(slots=True)
class Item:
    """An object that is still to be stored. Its length is the number of entries."""

    prefix: str
    """Start of its key."""
    slices: list[BatchSlice]
    """Its entries, in order."""
    body: bytes | None = None
    """Its content, once it was encoded for the first attempt."""

    def __len__(self) -> int:
        return sum(len(each.indexes) for each in self.slices)


@dataclass(slots=True)
class Items:
    """The data of a payload: the objects that are still to be stored."""

    left: list[Item]
    """Objects to store, in order."""
    stored: int = 0
    """Bytes of the objects that were stored."""


class S3(Sink[Items]):
    """Stores objects in a bucket. An object is encoded when it is sent, a piece at a time.

    Entries that were collected for minutes are too many to encode at once.
    """

    tends = 30.0
    """So a missing bucket is reported within 30 s, not after minutes; `tend` sends nothing."""

    def __init__(self, config: Config, context: SinkContext) -> None:
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
    """Two items with half of the entries each; none if there is only one entry."""
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
