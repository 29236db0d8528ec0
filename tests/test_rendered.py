"""What sinks keep of containers goes with them, and is bounded whoever makes containers up."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable

import pytest

from pipeline.batch import Batch, Container
from pipeline.encode.ecs import Forms
from pipeline.encode.gelf import GelfEncoder
from pipeline.encode.json import JsonEncoder
from pipeline.rendered import OVERHEAD, RENDERED, Rendered
from pipeline.testing.builders import batch


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
    assert (len(kept), kept.size) == (1, 500 + OVERHEAD)
    del other
    gc.collect()
    assert (len(kept), kept.size) == (0, 0)


def test_beyond_the_bound_what_was_made_first_is_made_again() -> None:
    kept = Rendered(most=10 * (100 + OVERHEAD))
    containers = [made_up(number) for number in range(25)]
    for one in containers:
        kept.keep(one, "a", one.id, 100)
    assert [kept.get(one, "a") is not None for one in containers] == [False] * 15 + [True] * 10
    kept.keep(containers[0], "a", "again", 100)
    assert kept.get(containers[0], "a") == "again"
    assert (len(kept), kept.size) == (10, 10 * (100 + OVERHEAD))


def test_what_is_larger_than_the_bound_is_kept_alone() -> None:
    kept, one, large = Rendered(most=1000), made_up(1), made_up(2)
    kept.keep(one, "a", "x", 1)
    kept.keep(large, "a", "y", 5000)
    assert (kept.get(one, "a"), kept.get(large, "a")) == (None, "y")


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


def json(host: str = "h") -> Callable[[Batch], bytes]:
    return lambda one: JsonEncoder(host=host).encode([one])


def gelf() -> Callable[[Batch], bytes]:
    encoder = GelfEncoder()
    return lambda one: encoder.encode(one)[0]


@pytest.mark.parametrize("make", [json, gelf])
def test_sinks_keep_no_more_of_made_up_containers_than_the_bound(
    make: Callable[[], Callable[[Batch], bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RENDERED, "_most", 1 << 20)
    encode = make()
    containers = [made_up(number, 10_000) for number in range(300)]
    for _ in range(2):
        for one in containers:
            assert one.id.encode() in encode(batch("line", of=one))
            assert RENDERED.size <= 1 << 20
    assert RENDERED.size > 500_000


def test_all_who_write_json_alike_share_what_they_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, one = Rendered(), made_up(1)
    monkeypatch.setattr("pipeline.encode.json.RENDERED", kept)
    line = json()(batch("line", of=one))
    size = kept.size
    assert json()(batch("line", of=one)) == line
    assert kept.size == size > 0
    assert json("elsewhere")(batch("line", of=one)) != line
    assert kept.size > size


def test_entries_of_a_batch_have_their_form_made_once_whatever_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.encode.ecs.RENDERED", Rendered(most=0))
    forms = Forms[str]()
    made: list[tuple[int, str]] = []
    flagged = batch("a", "b", "c", flags={1: "truncated"})

    def make(_: Batch, kind: int, flag: str) -> str:
        made.append((kind, flag))
        return flag

    for _ in range(2):
        assert forms.of(flagged, make) == ["", "truncated", ""]
    other = batch("a", of=made_up(2))
    assert forms.of(other, make) == [""]
    assert len(made) == 3
