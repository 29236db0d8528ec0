"""The s3 sink at moto's S3, and at one that answers what no real one would."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
import sys
import zlib
from pathlib import Path
from typing import Any

import cramjam
import pyarrow.parquet
import pytest

from pipeline.config import load
from pipeline.model.batch import Batch
from pipeline.model.component import SinkContext, TLSConfig
from pipeline.model.errors import ConfigError, Unavailable
from pipeline.sinks.s3 import S3, Config, EncryptionConfig
from pipeline.testing.builders import batch, container
from pipeline.testing.sink_kit import SinkKit
from tests.delivery.sending import sending, until
from tests.servers.certificates import Authority
from tests.servers.http_receiver import OK, HttpReceiver, Request, answer, http_receiver
from tests.servers.ports import free_port
from tests.servers.receivers import server_context
from tests.servers.s3 import KEYS, S3Server

pytestmark = pytest.mark.server
A, B = container("a"), container("b", number=2)


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """There are no credentials but those that a test gives, and no instance that has a role."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws-credentials"))


def sink(url: str, **options: Any) -> S3:
    options = {"bucket": "logs", "endpoint": url, "path_style": True, **KEYS, **options}
    return S3(Config(type="s3", **options), SinkContext("archive", host="here"))


async def deliver(to: S3, *batches: Batch) -> None:
    await to.open()
    try:
        await to.send(to.encode(batches))
    finally:
        await to.close()


def lines(body: bytes) -> list[str]:
    return [json.loads(line)["message"] for line in body.splitlines()]


def plain(body: bytes) -> bytes:
    return bytes(cramjam.zstd.decompress(body))


# --------------------------------------------------------------------------------- at moto's


async def test_each_container_has_an_object_of_its_own(s3: S3Server) -> None:
    batches = [batch("one", "two", of=A), batch("three", of=B), batch("four", of=A, start=2)]
    await deliver(sink(s3.url), *batches)
    first, second = s3.objects()
    assert first.startswith("a/2026/01/31/20260131T235959.000000000Z-000000000000-0-")
    assert second.startswith("b/2026/01/31/20260131T235959.000000000Z-000000000000-0-")
    assert lines(plain(s3.body(first))) == ["one", "two", "four"]
    assert lines(plain(s3.body(second))) == ["three"]
    head = s3.head(first)
    assert (head["ContentType"], head["ContentEncoding"]) == ("application/x-ndjson", "zstd")
    assert head["Metadata"] == {"entries": "3"}


async def test_by_its_prefix_there_is_one_object_of_all(s3: S3Server) -> None:
    await deliver(sink(s3.url, prefix="%Y/%m/"), batch("one", of=A), batch("two", of=B))
    (key,) = s3.objects()
    assert lines(plain(s3.body(key))) == ["one", "two"]


async def test_what_is_sent_again_is_there_once(s3: S3Server) -> None:
    one = sink(s3.url)
    for _ in range(2):
        await deliver(one, batch("one", of=A), batch("two", of=B))
    payload = one.encode([batch("one", of=A), batch("two", of=B)])
    await one.open()
    await one.send(payload)
    await one.send(payload)
    await one.close()
    assert len(s3.objects()) == 2
    assert payload.entries == 2


async def test_a_table_is_what_was_sent(s3: S3Server) -> None:
    await deliver(sink(s3.url, format="parquet"), batch("one", "two", of=A))
    (key,) = s3.objects()
    assert key.endswith(".parquet")
    table = pyarrow.parquet.read_table(pyarrow.BufferReader(s3.body(key)))
    assert table["message"].to_pylist() == ["one", "two"]


async def test_objects_have_the_class_and_the_encryption_that_are_configured(
    s3: S3Server,
) -> None:
    encryption = EncryptionConfig(type="aws:kms", key="alias/logs")
    options = {"storage_class": "STANDARD_IA", "encryption": encryption}
    await deliver(sink(s3.url, **options), batch("one"))
    head = s3.head(s3.objects()[0])
    assert head["StorageClass"] == "STANDARD_IA"
    assert head["ServerSideEncryption"] == "aws:kms"
    assert head["SSEKMSKeyId"] == "alias/logs"


async def test_events_are_not_taken_for_logs(s3: S3Server) -> None:
    """Both are numbered from the same one on."""
    event = batch("started", of=A, streams="none", source="events")
    await deliver(sink(s3.url), batch("one", of=A))
    await deliver(sink(s3.url), event)
    assert len(s3.objects()) == 2


async def test_a_bucket_that_is_not_there_is_told_and_nothing_is_lost(s3: S3Server) -> None:
    one = sink(s3.url, bucket="others")
    with pytest.raises(Unavailable, match=r"answers 404 NoSuchBucket.*make the bucket"):
        await one.open()
    s3.client.create_bucket(Bucket="others")
    await deliver(one, batch("one"))
    assert s3.client.list_objects_v2(Bucket="others")["KeyCount"] == 1


async def test_it_says_whom_it_has_reached(s3: S3Server) -> None:
    one = sink(s3.url, region="eu-west-1")
    await one.open()
    assert one.reached() == f"s3://logs at {s3.url}, region eu-west-1"
    await one.close()


async def test_while_it_is_restarted_entries_wait(s3: S3Server) -> None:
    one = sink(s3.url)
    payload = one.encode([batch("one")])
    await one.open()
    s3.stop()
    with pytest.raises(Unavailable, match=r"refused the connection|closed the connection"):
        await one.send(payload)
    s3.start()
    await one.open()
    await one.send(payload)
    await one.close()
    assert len(s3.objects()) == 1


# ------------------------------------------------------------------------------- credentials


def access_keys(to: HttpReceiver) -> set[str]:
    """Whose requests they were."""
    return {
        request.headers["authorization"].partition("Credential=")[2].partition("/")[0]
        for request in to.requests
    }


async def test_credentials_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "FROM-THE-ENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    async with http_receiver() as to:
        await deliver(sink(to.url, access_key_id=None, secret_access_key=None), batch("one"))
    assert access_keys(to) == {"FROM-THE-ENVIRONMENT"}


async def test_credentials_are_those_of_a_profile(tmp_path: Path) -> None:
    text = "[team]\naws_access_key_id = OF-THE-TEAM\naws_secret_access_key = x\n"
    await asyncio.to_thread((tmp_path / "aws-credentials").write_text, text)
    async with http_receiver() as to:
        options = {"access_key_id": None, "secret_access_key": None, "profile": "team"}
        await deliver(sink(to.url, **options), batch("one"))
    assert access_keys(to) == {"OF-THE-TEAM"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "there are no credentials for s3://logs.*set AWS_ACCESS_KEY_ID"),
        ({"profile": "nobody"}, r"The config profile \(nobody\) could not be found"),
    ],
)
async def test_where_there_are_none_it_is_said_in_a_sentence(
    options: dict[str, str], says: str
) -> None:
    one = sink("http://127.0.0.1:9", access_key_id=None, secret_access_key=None, **options)
    with pytest.raises(Unavailable, match=says):
        await one.open()
    await one.close()


# ------------------------------------------------------------------- what it may answer, too


def error(status: int, code: str, text: str = "no", **headers: str) -> bytes:
    body = f"<Error><Code>{code}</Code><Message>{text}</Message></Error>"
    return answer(status, body.encode(), Content_Type="application/xml", **headers)


def puts(to: HttpReceiver) -> list[Request]:
    return [request for request in to.requests if request.method == "PUT"]


def on_put(*answers: bytes) -> Any:
    """Takes everything but the first PUTs."""
    said = list(answers)
    return lambda request: said.pop(0) if said and request.method == "PUT" else OK


@pytest.mark.fault(28)
@pytest.mark.parametrize(
    ("said", "says"),
    [
        (error(503, "SlowDown", Retry_After="7"), "503 SlowDown"),
        (error(500, "InternalError"), "500 InternalError"),
        (error(403, "AccessDenied"), "AccessDenied.*needs s3:PutObject"),
        (error(403, "RequestTimeTooSkewed"), "set the clock of this host"),
        (error(403, "InvalidAccessKeyId"), "check the credentials"),
        (error(404, "NoSuchBucket"), "make the bucket"),
        (error(400, "InvalidStorageClass"), "check `storage_class`"),
        (error(400, "KMS.DisabledException"), "check `encryption`"),
        (error(400, "BadDigest"), "400 BadDigest"),
        (answer(200, b"x" * 100)[:60], "closed the connection before it had answered"),
        (answer(502, b"<html>rubbish & more"), "502"),
        (error(400, "Odd\nCode", "many\nlines"), "Odd"),
    ],
)
async def test_whatever_is_wrong_entries_wait_and_are_sent_again(said: bytes, says: str) -> None:
    async with http_receiver(on_put(said)) as to:
        one = sink(to.url)
        payload = one.encode([batch("one", of=A), batch("two", of=B)])
        await one.open()
        with pytest.raises(Unavailable, match=says) as trouble:
            await one.send(payload)
        assert "\n" not in str(trouble.value)
        assert trouble.value.retry_after == (7 if b"SlowDown" in said else None)
        assert not payload.refused
        await one.open()
        await one.send(payload)
        await one.close()
    first, again, second = puts(to)
    assert (first.path, first.body) == (again.path, again.body)
    assert second.path.startswith("/logs/b/")


@pytest.mark.parametrize("said", [[b"", b""], [b"SSH-2.0-OpenSSH_9.2\r\n\r\n"]])
async def test_a_connection_that_breaks_is_told_and_made_anew(said: list[bytes]) -> None:
    """aiohttp takes the first end for that of one that was idle, and tries again."""
    async with http_receiver(on_put(*said)) as to:
        one = sink(to.url)
        payload = one.encode([batch("one")])
        await one.open()
        with pytest.raises(Unavailable, match=r"closed the connection|is no HTTP"):
            await one.send(payload)
        await one.open()
        await one.send(payload)
        await one.close()
    assert len({request.path for request in puts(to)}) == 1


async def test_the_library_tries_nothing_again_by_itself() -> None:
    async with http_receiver(on_put(error(503, "SlowDown"))) as to:
        one = sink(to.url)
        await one.open()
        with pytest.raises(Unavailable):
            await one.send(one.encode([batch("one")]))
        await one.close()
    assert len(puts(to)) == 1


async def test_what_was_stored_is_not_stored_again_with_the_rest() -> None:
    async with http_receiver(on_put(OK, error(503, "SlowDown"))) as to:
        one = sink(to.url)
        payload = one.encode([batch("one", of=A), batch("two", of=B)])
        await one.open()
        with pytest.raises(Unavailable):
            await one.send(payload)
        await one.send(payload)
        await one.close()
    assert [request.path[:8] for request in puts(to)] == ["/logs/a/", "/logs/b/", "/logs/b/"]
    assert payload.size == sum(int(r.headers["content-length"]) for r in puts(to)[:2])


@pytest.mark.fault(29)
async def test_what_is_too_large_is_halved_and_a_single_entry_refused() -> None:
    def judge(request: Request) -> bytes:
        many = len(request.lines) > 3 or b"huge" in request.body
        return error(400, "EntityTooLarge") if many else OK

    async with http_receiver(judge) as to:
        one = sink(to.url, compression="none")
        batches = [batch(*map(str, range(5)), of=A), batch("huge", "5", of=A, start=5)]
        payload = one.encode(batches)
        await one.open()
        await one.send(payload)
        await one.close()
    taken = [request for request in puts(to) if judge(request) == OK]
    assert [line for request in taken for line in lines(request.body)] == list("012345")
    assert len({request.path for request in taken}) == len(taken)
    ((refused, index, reason),) = payload.refused
    assert (refused, index) == (batches[1], 0)
    assert "EntityTooLarge" in reason
    assert payload.entries == 6


async def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    async with http_receiver(lambda r: None if r.method == "PUT" else OK) as to:
        one = sink(to.url)
        await one.open()
        bucket = one._bucket
        bucket._settings = dataclasses.replace(bucket._settings, timeout=1.0)
        with pytest.raises(Unavailable, match="does not answer"):
            await one.send(one.encode([batch("one")]))
        await one.close()


async def test_an_answer_without_an_end_is_not_read_to_its_end() -> None:
    endless = b"HTTP/1.1 500 No\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 3_000_000
    async with http_receiver(on_put(endless)) as to:
        one = sink(to.url)
        await one.open()
        with pytest.raises(Unavailable, match=r"no end|closed the connection"):
            await one.send(one.encode([batch("one")]))
        await one.close()


async def test_who_may_only_write_may_write() -> None:
    """Whether the bucket is there cannot be seen then."""
    async with http_receiver(lambda r: answer(403) if r.method == "HEAD" else OK) as to:
        one = sink(to.url)
        await deliver(one, batch("one"))
        assert "whether it may be written to is not known" in one.reached()
    assert len(puts(to)) == 1


async def test_a_bucket_that_is_not_there_is_said_though_entries_gather_for_minutes() -> None:
    async with http_receiver(lambda request: answer(404)) as to:
        settings = {"bucket": "nothing", "endpoint": to.url, "path_style": True, **KEYS}
        async with sending("s3", **settings) as sent:
            await until(lambda: "make the bucket" in (sent.output.delivery.problem or ""))


async def test_a_status_without_a_code_is_said_once() -> None:
    async with http_receiver(lambda request: answer(400)) as to:
        one = sink(to.url)
        with pytest.raises(Unavailable, match=r"answers 400: Bad Request$"):
            await one.open()
        await one.close()


async def test_each_object_has_its_checksum() -> None:
    async with http_receiver() as to:
        await deliver(sink(to.url, compression="none"), batch("one"))
        await deliver(sink(to.url, compression="none", checksum="sha256"), batch("one"))
        await deliver(sink(to.url, compression="none", checksum="none"), batch("one"))
    crc, sha, none = puts(to)
    digest = base64.b64encode(zlib.crc32(crc.body).to_bytes(4, "big")).decode()
    assert crc.headers["x-amz-checksum-crc32"] == digest
    assert "x-amz-checksum-sha256" in sha.headers
    assert not [name for name in none.headers if name.startswith("x-amz-checksum")]
    assert crc.body == sha.body == none.body


async def test_the_bucket_is_in_the_path_or_in_the_hosts_name() -> None:
    async with http_receiver() as to:
        url = to.url.replace("127.0.0.1", "s3.localhost")
        await deliver(sink(to.url), batch("one"))
    assert puts(to)[0].path.startswith("/logs/a")
    one = sink(url, path_style=False)
    with pytest.raises(Unavailable):  # logs.s3.localhost, where nobody listens any more
        await one.open()
    await one.close()


async def test_over_tls_it_is_verified(authority: Authority) -> None:
    context = server_context(authority.issue("s3"))
    async with http_receiver(tls=context) as to:
        url = to.url.replace("http://127.0.0.1", "https://localhost")
        await deliver(sink(url, tls=TLSConfig(ca=authority.ca)), batch("one"))
        assert len(puts(to)) == 1
        stranger = sink(url)
        with pytest.raises(Unavailable, match="authority that is not trusted here"):
            await stranger.open()
        await stranger.close()


async def test_what_has_gathered_is_made_in_pieces() -> None:
    """Nobody else waits for it: 30 MB of JSON."""
    async with http_receiver() as to:
        one = sink(to.url)
        payload = one.encode([batch(*["x" * 100] * 1000, start=1000 * n) for n in range(60)])
        await one.open()
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(one.send(payload), name="send")
            turns = 0
            while not task.done():
                await asyncio.sleep(0)
                turns += 1
        await one.close()
    assert turns > 30
    assert len(lines(puts(to)[0].body)) == 60_000


# ------------------------------------------------------------------------------ configuration


@pytest.mark.parametrize(
    ("options", "says", "path"),
    [
        ({"prefix": "%q"}, "is no part of a time", "prefix"),
        ({"prefix": "{container.nam}"}, "nam", "prefix"),
        ({"prefix": "{"}, "braces", "prefix"),
        ({"endpoint": "minio:9000"}, "is not a URL", "endpoint"),
        ({"endpoint": "http://a:b@minio:9000"}, "do not belong into an address", "endpoint"),
        ({"tls": TLSConfig()}, "not encrypted", "tls"),
        ({"secret_access_key": None}, "write both", "access_key_id"),
        ({"encryption": EncryptionConfig(key="k")}, "for aws:kms", "encryption.key"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(
    options: dict[str, Any], says: str, path: str
) -> None:
    with pytest.raises(ConfigError, match=says) as found:
        sink(options.pop("endpoint", "http://minio:9000"), **options)
    assert found.value.path == path


def test_without_its_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiobotocore.session", None)
    with pytest.raises(ConfigError, match=r"pip install 'dockline\[s3\]'"):
        sink("http://minio:9000")


def test_what_is_not_said_of_a_batch_stays_as_it_is_for_objects(tmp_path: Path) -> None:
    file = tmp_path / "dockline.toml"
    file.write_text('[sinks.archive]\ntype = "s3"\nbucket = "logs"\nbatch = { linger = "1m" }\n')
    batch = load(file, {}).sinks["archive"].batch
    assert (batch.linger, batch.bytes, batch.entries) == (60, 32 * 2**20, 1_000_000)


# ------------------------------------------------------------------- what every sink promises


class TestS3(SinkKit):
    leaves = frozenset(("Bounded",))
    complaint = "refused the connection"

    @pytest.fixture
    def sink(self, s3: S3Server) -> S3:
        return sink(s3.url)

    @pytest.fixture
    def unreachable(self) -> S3:
        return sink(f"http://127.0.0.1:{free_port()}")


class TestParquet(SinkKit):
    complaint = "NoSuchBucket"

    @pytest.fixture
    def sink(self, s3: S3Server) -> S3:
        return sink(s3.url, format="parquet", prefix="%Y/")

    @pytest.fixture
    def unreachable(self, s3: S3Server) -> S3:
        return sink(s3.url, bucket="others")
