"""What sinks keep of containers goes with them, and is bounded whoever makes containers up."""

from __future__ import annotations

import gc
import sys
import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.buffer.columns import ColumnCodec
from pipeline.encode.ecs import Forms
from pipeline.encode.forward import ForwardEncoder
from pipeline.encode.gelf import GelfEncoder
from pipeline.encode.json import JsonEncoder
from pipeline.encode.kafka import KafkaEncoder
from pipeline.encode.loki import encoder as loki
from pipeline.encode.loki.wire import Json
from pipeline.encode.otlp.requests import Requests
from pipeline.encode.otlp.resource import Resources
from pipeline.encode.redis import Commands, RedisEncoder
from pipeline.encode.syslog import SyslogEncoder
from pipeline.encode.text import TextEncoder
from pipeline.model.batch import Batch
from pipeline.model.container import Container
from pipeline.model.rendered import OF_A_CONTAINER, OVERHEAD, Rendered
from pipeline.testing.builders import batch

EACH = OVERHEAD + OF_A_CONTAINER


def made_up(number: int, labels: int = 0) -> Container:
    return Container(f"{number:064x}", f"c-{number}", "busybox", {"label": "x" * labels})


def test_what_is_kept_is_found_by_its_container_and_key() -> None:
    kept, one, other = Rendered(), made_up(1), made_up(2)
    assert kept.keep(one, ("json", "a"), b"line", 4) == b"line"
    assert kept.get(one, ("json", "a")) == b"line"
    assert kept.get(one, ("json", "b")) is None
    assert kept.get(other, ("json", "a")) is None


def test_it_goes_with_its_container() -> None:
    kept, one, other = Rendered(), made_up(1), made_up(2)
    kept.keep(one, "a", b"x", 1000)
    kept.keep(other, "a", b"x", 500)
    del one
    gc.collect()
    assert (len(kept), kept.size) == (1, 500 + EACH)
    del other
    gc.collect()
    assert (len(kept), kept.size) == (0, 0)


def test_beyond_the_bound_some_are_forgotten_and_made_again() -> None:
    kept = Rendered(most=20 * (100 + EACH))
    containers = [made_up(number) for number in range(50)]
    for one in containers:
        assert kept.keep(one, "a", one.id, 100) == one.id
    assert (len(kept), kept.size) == (20, 20 * (100 + EACH))
    assert sum(kept.get(one, "a") == one.id for one in containers) == 20


def test_where_a_few_too_many_log_in_turn_most_are_found() -> None:
    kept = Rendered(most=100 * (100 + EACH))
    containers = [made_up(number) for number in range(110)]
    found = 0
    for turn in range(20):
        for one in containers:
            if kept.get(one, "a") is None:
                kept.keep(one, "a", one.id, 100)
            elif turn > 9:
                found += 1
    assert found > 10 * 110 / 2


def test_one_container_has_a_share_of_it_and_no_more() -> None:
    kept, small, large = Rendered(most=80_000), made_up(1), made_up(2)
    kept.keep(small, "a", "x", 1)
    for key in range(100):
        assert kept.keep(large, key, key, 1000) == key
        assert kept.size < 12_000
        assert kept.get(large, key) == key
    assert kept.get(small, "a") == "x"


def test_what_is_larger_than_the_bound_is_kept_nowhere() -> None:
    kept, one = Rendered(most=1000), made_up(1)
    assert kept.keep(one, "a", "y", 5000) == "y"
    assert (kept.get(one, "a"), kept.size) == (None, 0)


def test_threads_may_use_it_and_containers_die_in_any() -> None:
    kept = Rendered(most=50_000)

    def work(first: int) -> None:
        for number in range(first, first + 2000):
            kept.keep(made_up(number), "a", "x", 100)

    threads = [threading.Thread(target=work, args=(10_000 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()
    assert (len(kept), kept.size) == (0, 0)


def _loki() -> loki.LokiEncoder:
    told = loki.StreamFields({"labels": lambda one: [str(dict(one.container.labels))]})
    return loki.LokiEncoder(Json(), loki.StreamFields(), told)


def _otlp() -> Requests:
    return Requests(Resources("h"), "message", "1")


ENCODERS: dict[str, Callable[[], Callable[[list[Batch]], Any]]] = {
    "columns": lambda: ColumnCodec().encode,
    "forward": lambda: lambda batches: ForwardEncoder(host="h").encode(batches[0]),
    "gelf": lambda: lambda batches: GelfEncoder(host="h").encode(batches[0]),
    "json": lambda: JsonEncoder(host="h").encode,
    "json with %": lambda: without_c(JsonEncoder(host="h")).encode,
    "kafka": lambda: KafkaEncoder(lambda _: ["topic"], host="h").encode,
    "loki": lambda: _loki().encode,
    "otlp": lambda: lambda batches: _otlp().logs(batches, 0),
    "redis": lambda: RedisEncoder(lambda _: ["stream"], flat=True, host="h").encode,
    "syslog": lambda: SyslogEncoder(host="h").stream,
    "syslog with %": lambda: without_c(SyslogEncoder(host="h")).stream,
    "text": lambda: TextEncoder(color=False).encode,
}  # fmt: skip


def without_c(encoder: Any) -> Any:
    encoder._loops = None
    return encoder


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Rendered:
    """All that encoders keep from now on."""
    own = Rendered()
    for name, module in list(sys.modules.items()):
        if name.startswith("pipeline.") and hasattr(module, "RENDERED"):
            monkeypatch.setattr(module, "RENDERED", own)
    return own


def _shown(encoded: Any) -> str:
    return repr(list(encoded) if isinstance(encoded, Commands) else encoded)


@pytest.mark.fault(112)
@pytest.mark.parametrize("name", ENCODERS)
def test_encoders_keep_no_more_of_made_up_containers_than_the_bound(
    name: str, kept: Rendered
) -> None:
    kept._most = 1 << 20
    encode = ENCODERS[name]()
    containers = [made_up(number, 10_000) for number in range(300)]
    first = [_shown(encode([batch("line", of=one)])) for one in containers]
    assert kept.size <= 1 << 20
    again = [_shown(encode([batch("line", of=one)])) for one in containers]
    assert first == again or name == "kafka"
    assert 50_000 < kept.size <= 1 << 20


@pytest.mark.fault(112)
@pytest.mark.parametrize("name", ENCODERS)
def test_what_is_kept_of_a_container_takes_no_more_memory_than_is_counted(
    name: str, kept: Rendered
) -> None:
    kept._most = 1 << 30
    encode = ENCODERS[name]()
    labels = {f"org.example.label-{number}": "x" * 40 for number in range(20)}
    containers = [
        Container(f"{number:064x}", f"c-{number}", "shop/api:1", labels) for number in range(300)
    ]
    batches = [batch("line", of=one) for one in containers]
    for one in batches:
        _ = one.container.facts_size, one.container.project, one.container.service
        _ = one.container.short_id
    for one in batches[:10]:
        encode([one])
    tracemalloc.start()
    try:
        before, counted = tracemalloc.get_traced_memory()[0], kept.size
        for one in batches[10:]:
            encode([one])
        gc.collect()
        took = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert 0 < took < 1.2 * (kept.size - counted)


@pytest.mark.parametrize("name", sorted(ENCODERS.keys() - {"loki"}))
def test_encoders_alike_share_what_they_keep(name: str, kept: Rendered) -> None:
    one = made_up(1)
    ENCODERS[name]()([batch("line", of=one)])
    size = kept.size
    ENCODERS[name]()([batch("line", of=one)])
    assert kept.size == size > 0


def test_entries_of_a_batch_have_their_form_made_once_whatever_is_kept(kept: Rendered) -> None:
    kept._most = 0
    forms = Forms[str]("forms", len)
    made: list[tuple[int, str]] = []
    flagged = batch("a", "b", "c", flags={1: "truncated"})

    def make(_: Batch, kind: int, flag: str) -> str:
        made.append((kind, flag))
        return flag

    assert forms.of(flagged, make) == ["", "truncated", ""]
    assert len(made) == 2
