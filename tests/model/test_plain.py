"""What comes from others is made what JSON has, and their names what any store takes."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families

from pipeline.config.file import parse
from pipeline.model import plain
from pipeline.runtime.agent import Agent
from pipeline.testing.intake_room import until
from tests.sources.fluent_client import Client


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("shop-api_1.2", "shop-api_1.2"),
        ("größe ☃", "größe ☃"),
        ("a\udcffb", "a\ufffdb"),
        ("a\0b\nc\x1b[2J\x7f\x85", "a\ufffdb\ufffdc\ufffd[2J\ufffd\ufffd"),
        ("a\u202eb\u2028", "a\ufffdb\ufffd"),
        ("no-break\u00a0space", "no-break\u00a0space"),
    ],
)
def test_names_are_text_on_one_line(given: str, made: str) -> None:
    assert plain.name(given) == made
    made.encode()


def test_labels_keep_their_lines_and_those_that_are_text_are_the_same() -> None:
    whole = {"a": "b", "é": "☃"}
    assert plain.labels(whole) is whole
    assert plain.labels({"a\n\udcff": "one\ntwo\t\0\udcff"}) == {
        "a\ufffd\ufffd": "one\ntwo\t\ufffd\ufffd"
    }


def test_fields_that_json_has_are_the_same_and_others_are_made_so() -> None:
    whole = {"a": [1, 2.5, True, {"b": "é"}]}
    assert plain.fields(whole) is whole
    odd: dict[Any, Any] = {
        b"\xff": float("inf"),
        None: None,
        True: 1,
        2.5: (b"x",),
        7: 2**64,
        "h": 1 << 20_000,
    }
    assert plain.fields(odd) == {
        "\ufffd": None, "null": None, "true": 1, "2.5": ["x"], "7": 2**64, "h": hex(1 << 20_000),
    }  # fmt: skip
    same: dict[Any, Any] = {"a": 1, b"a": 2}
    assert plain.fields(same) == {"a": 2}
    deep: Any = b"end"
    for _ in range(5000):
        deep = [deep]
    assert json.dumps(plain.fields({"deep": deep})).count("[") == plain.DEEPEST - 1


SOURCES = """
[engine]
enabled = false
[state]
directory = "{folder}/state"
[http]
listen = "127.0.0.1:0"
token = "abcdefghijklmnopqrstuvwxyz0123456789"
[sources.fluent]
type = "forward"
listen = "127.0.0.1:0"
[sources.hosts]
type = "syslog"
listen = "tcp://127.0.0.1:0"
[sinks.out]
type = "file"
path = "{folder}/out"
[routes.all]
from = ["logs"]
to = ["out"]
"""


@pytest.mark.fault(121)
async def test_whatever_is_in_names_the_books_are_open_and_no_series_is_there_twice(
    tmp_path: Path,
) -> None:
    text = SOURCES.format(folder=tmp_path)
    agent = await asyncio.to_thread(lambda: Agent(parse(text, {}), {}))
    assert agent.admin is not None
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(agent.run(stop), name="agent")
        named = agent.runners.named
        await until(lambda: all(runner.is_open for runner in named.values()))
        client = await Client(named["fluent"].source.port).connect()  # type: ignore[attr-defined]
        for number, name in enumerate(("\udcff", "\udcfe", "\0", "a\nb", "\udced\udca0\udc80")):
            named_so = {"container_id": f"{number:064x}", "container_name": name}
            for record in ({**named_so, "log": "x", "label\udcff": "\udcfe\0"}, {"log": "y"}):
                await client.say([f"tag{name}", 1, record])
        port = named["hosts"].source.port  # type: ignore[attr-defined]
        _, syslog = await asyncio.open_connection("127.0.0.1", port)
        syslog.write(b"<14>1 - h\x01\xff a\x02\xff - - - z\n<14>1 - h\x01\xfe a\x03\xff - - - z\n")
        out = tmp_path / "out"
        await until(lambda: out.exists() and len(out.read_bytes().splitlines()) == 12)
        async with ClientSession(
            f"http://{agent.admin.address}",
            headers={"Authorization": "Bearer abcdefghijklmnopqrstuvwxyz0123456789"},
        ) as http:
            for path in ("/audit", "/top"):
                async with http.get(path) as answer:
                    assert answer.status == 200, path
                    assert len((await answer.json())["containers"]) == 12
            async with http.get("/metrics") as answer:
                page = await answer.text()
        series = Counter(line.rpartition(" ")[0] for line in page.split("\n") if line)
        assert [one for one, count in series.items() if count > 1] == []
        assert list(text_string_to_metric_families(page))
        for entry in map(json.loads, out.read_bytes().splitlines()):
            for text in (entry["container"]["name"], entry["host"]["name"]):
                assert text.isprintable()
        await client.close()
        syslog.close()
        stop.set()
        assert await asyncio.wait_for(task, 60)
