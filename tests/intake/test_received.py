"""What is made of messages that anybody may have written."""

from __future__ import annotations

import random
import time
import tracemalloc
import zlib
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest

from pipeline.buffer.columns import BIG, DEEP, ColumnCodec
from pipeline.encode.json import JsonEncoder
from pipeline.intake import received
from pipeline.intake.received import Received
from pipeline.model.container import Container
from pipeline.model.label_limits import MOST_LABELS, within_limit
from pipeline.testing.builders import batch, container, entries
from pipeline.testing.hostile import hostile

read = Received()


def test_all_that_a_dockline_sends_comes_back() -> None:
    for sent in hostile():
        if not len(sent):
            continue
        body, plain = ColumnCodec().encode([sent])
        ((came,), _) = read.columns(body, plain, len(sent))
        assert came.lines == list(sent.lines) and list(came.sequences) == list(sent.sequences)
        assert came.container.id == sent.container.id


def test_times_that_are_none_are_refused_since_encoders_write_them_as_they_are() -> None:
    bad = batch("x")
    bad.times[0] = b'2026-01-31T23:59:59.0000","a":1'[:30]
    body, plain = ColumnCodec().encode([bad])
    with pytest.raises(ValueError, match="not those of a batch"):
        read.columns(body, plain, 1)


GOOD: dict[str, Any] = {
    "facts": ("a" * 64, "web", "image", {"a": "b"}, "host", False),
    "way": (0, 1, "logs", "all"),
    "row": ([b"line"], [b"2026-01-31T23:59:59.000000000Z"], b"\1", ([1],), None, False, None),
}


def columns(**changes: Any) -> tuple[bytes, int]:
    it = GOOD | changes
    plain = msgpack.packb(([msgpack.packb(it["facts"])], [it["way"]])) + msgpack.packb([it["row"]])
    return plain, len(plain)


def replaced(row: str, place: int, value: Any) -> dict[str, Any]:
    new = list(GOOD[row])
    new[place] = value
    return {row: new}


def test_the_same_by_hand_is_read() -> None:
    ((one,), _) = read.columns(*columns(), 1)
    assert one.lines == [b"line"] and one.container.labels == {"a": "b"}


@pytest.mark.parametrize(
    "change",
    [
        replaced("facts", 0, "short"),
        replaced("facts", 0, 7),
        replaced("facts", 1, b"bytes"),
        replaced("facts", 3, []),
        replaced("facts", 3, {"a": 1}),
        replaced("facts", 3, {1: "a"}),
        {"facts": 7},
        replaced("way", 0, 5),
        replaced("way", 0, "x"),
        replaced("way", 1, 2),
        replaced("way", 2, "other"),
        replaced("way", 2, []),
        replaced("way", 3, 1),
        {"way": 1},
        replaced("row", 0, ["text"]),
        replaced("row", 0, b"l"),
        replaced("row", 0, {}),
        replaced("row", 1, []),
        replaced("row", 1, ["2026-01-31T23:59:59.000000000Z"]),
        replaced("row", 1, [b"x" * 30]),
        replaced("row", 2, b""),
        replaced("row", 2, b"\x09"),
        replaced("row", 2, "\1"),
        replaced("row", 3, ([-1],)),
        replaced("row", 3, (["1"],)),
        replaced("row", 3, (0, 1 << 60, 1)),
        replaced("row", 3, (0, 1, 0)),
        replaced("row", 3, ()),
        replaced("row", 4, [[]]),
        replaced("row", 4, []),
        replaced("facts", 1, "n" * 5000),
        replaced("facts", 3, {"a": "b" * 300_000}),
        replaced("facts", 5, {}),
        replaced("way", 3, "r" * 5000),
        replaced("row", 0, {b"line": 1}),
        replaced("row", 1, {b"2026-01-31T23:59:59.000000000Z": 1}),
        replaced("row", 1, [b"2026-13-31T23:59:59.000000000Z"]),
        replaced("row", 1, [b"2026-02-31T23:59:59.000000000Z"]),
        replaced("row", 1, [b"2026-01-31T24:59:59.000000000Z"]),
        replaced("row", 1, [b"2026-01-31T23:59:60.000000000Z"]),
        replaced("row", 1, [b"0000-01-31T23:59:59.000000000Z"]),
        replaced("row", 3, ({7: 1},)),
        replaced("row", 3, ([1 << 63],)),
        replaced("row", 3, (0, (1 << 64) - 1, 1)),
        replaced("row", 3, ([msgpack.ExtType(1, b"\x7f" * 10_000)],)),
        replaced("row", 4, {7: {}}),
        replaced("row", 5, {}),
        replaced("row", 6, {"1": "truncated"}),
        replaced("row", 6, [1]),
        {"row": [*GOOD["row"], [-1]]},
        {"row": [*GOOD["row"], 3]},
        {"row": [*GOOD["row"], {0: 1}]},
        {"row": [*GOOD["row"], None, [1.0, {}, {}]]},
        {"row": None},
    ],
    ids=lambda change: repr(change)[:80],
)
def test_columns_that_are_not_those_of_a_batch_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"no columns|not those of a batch"):
        read.columns(*columns(**change), 1)


@pytest.mark.parametrize(
    "reading",
    [
        [float("nan"), {}, {}],
        [float("inf"), {}, {}],
        [1.0, [], {}],
        [1.0, {}, {"cgroup": 7}],
        [1.0, {}, {"health": None}],
        [1.0, {}, {"started": "x"}],
        [1.0, {}, {"cpu_quota": []}],
        [1.0, {"networks": {1: {"rx_bytes": 5}}}, {}],
        [1.0, {"networks": {b"x": {"rx_bytes": 5}}}, {}],
        [1.0, {"networks": {"x": b"y"}}, {}],
        [1.0, {"blkio_stats": {"x": [{"op": msgpack.ExtType(1, b"\x7f" * 5000)}]}}, {}],
    ],
    ids=lambda reading: repr(reading)[:60],
)
def test_readings_that_are_none_are_refused(reading: list[Any]) -> None:
    way = (0, 1, "stats", "")
    body = columns(way=way, row=[*GOOD["row"], None, [1.0, {"odd": []}, {"started": 1}]])
    assert read.columns(*body, 1)
    with pytest.raises(ValueError, match=r"no columns|not those of a batch"):
        read.columns(*columns(way=way, row=[*GOOD["row"], None, reading]), 1)


@pytest.mark.parametrize("tagged", [-1, 1 << 40, True, "1", 1.5, [1]])
def test_a_size_of_tags_that_is_none_is_refused(tagged: Any) -> None:
    body, plain = columns(row=(*GOOD["row"], None, None, tagged))
    with pytest.raises(ValueError, match="no columns"):
        read.columns(body, plain, 1)


def test_what_there_is_no_memory_to_read_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes again."""

    def decode(self: ColumnCodec, payload: bytes, plain: int) -> list[Any]:
        raise MemoryError

    body, plain = ColumnCodec().encode([batch("x")])
    monkeypatch.setattr(ColumnCodec, "decode", decode)
    with pytest.raises(MemoryError):
        read.columns(body, plain, 1)


def test_labels_of_a_container_at_the_limit_come_from_an_agent_to_a_hub() -> None:
    labels = {f"{number:05}": "x" * 995 for number in range(300)}
    of = container(labels=within_limit(labels))
    assert of.label_size > MOST_LABELS - 1010
    body, plain = ColumnCodec().encode([batch("x", of=of)])
    ((came,), _) = read.columns(body, plain, 1)
    assert came.container.labels == of.labels


def test_a_message_is_of_one_container() -> None:
    facts = msgpack.packb(GOOD["facts"])
    plain = msgpack.packb(([facts, facts], [GOOD["way"]])) + msgpack.packb([GOOD["row"]])
    with pytest.raises(ValueError, match="no columns"):
        read.columns(plain, len(plain), 1)


def test_what_stands_behind_a_message_is_no_part_of_it() -> None:
    plain, size = columns()
    with pytest.raises(ValueError, match="no columns"):
        read.columns(plain + b"\x91", size + 1, 1)


def test_what_is_deep_inside_of_what_is_deep_is_refused() -> None:
    """Each took a part of the C stack: some hundred of them, 3 KB, ended the process."""
    deep: Any = None
    for _ in range(900):
        deep = msgpack.ExtType(2, msgpack.packb(deep))
    with pytest.raises(ValueError, match="no columns"):
        read.columns(*columns(**replaced("row", 4, deep)), 1)


@pytest.mark.fault(35)
@pytest.mark.parametrize("unit", [b"\x90", b"\x80", b"\x81\x01\xc0", b"\xa2bb"], ids=repr)
@pytest.mark.parametrize(
    "length",
    [
        pytest.param(20 << 20, id="20M", marks=pytest.mark.slow),
        pytest.param(4 << 20, id="4M"),
        pytest.param(900 << 10, id="900K", marks=pytest.mark.slow),
        pytest.param(200 << 10, id="200K"),
    ],
)
def test_memory_is_bounded_whatever_a_message_becomes(unit: bytes, length: int) -> None:
    """Of 30 KB in the queue, 20 MB of empty maps would be 1.4 GB of dictionaries."""
    many = b"".join(b"\xdd%b%b" % ((length // 20 // len(unit)).to_bytes(4, "big"),
                    unit * (length // 20 // len(unit))) for _ in range(20))  # fmt: skip
    row = msgpack.packb(GOOD["row"][:4])[1:] + b"\x91\x81\xa1a\xdc\0\x14" + many + b"\xc2\xc0"
    plain = columns()[0]
    plain = plain[: plain.index(msgpack.packb([GOOD["row"]]))] + b"\x91\x97" + row
    tracemalloc.start()
    try:
        try:
            _, size = read.columns(zlib.compress(plain), len(plain), 1)
        except ValueError as error:
            assert "no columns" in str(error)
            assert length > received.SMALL, "that much is taken"
        else:
            assert tracemalloc.get_traced_memory()[0] < 2 * size, "it counts as what it is"
        assert tracemalloc.get_traced_memory()[1] < 2 * received.HEAVIEST
    finally:
        tracemalloc.stop()


def test_what_is_cut_or_changed_anywhere_is_refused_or_read_and_nothing_else() -> None:
    body, plain = ColumnCodec().encode([batch("one", "two", fields=[{"a": 1}, {"b": [1, 2]}])])
    chance = random.Random(7)
    for _ in range(3000):
        broken = bytearray(body)
        for _ in range(chance.randrange(1, 4)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        cut = bytes(broken[: chance.randrange(1, len(broken) + 1)])
        try:
            for one in read.columns(cut, chance.choice((plain, len(cut), 7)), 2)[0]:
                JsonEncoder().encode([one])
        except ValueError:
            continue


@pytest.mark.parametrize("plain", [0, -1, received.LARGEST_COLUMNS + 1])
def test_sizes_beyond_all_bounds_are_refused_before_anything_is_made_of_them(plain: int) -> None:
    with pytest.raises(ValueError, match="larger than"):
        read.columns(b"x", plain, 1)


@pytest.mark.fault(35)
def test_a_decompression_bomb_is_not_decompressed() -> None:
    bomb = zlib.compress(b"\0" * (64 << 20))
    with pytest.raises(ValueError, match="not what its header says"):
        read.columns(bomb, 1000, 1)


@pytest.mark.fault(35)
def test_a_claim_of_four_billion_elements_is_not_believed() -> None:
    for bomb in (b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"):
        with pytest.raises(ValueError, match="no columns"):
            read.columns(bomb * 3, len(bomb) * 3, 1)
    with pytest.raises(ValueError, match="no columns"):
        read.columns(b"\x91" * 100_000, 100_000, 1)


def test_json_of_a_dockline_is_an_entry_with_its_parts() -> None:
    of = container(labels={"team": "a"}, image="shop/api:1.4")
    sent = batch("x", of=of, start=4, parts=[2], fields=[{"status": 1}], source="events")
    came = read.json(JsonEncoder().encode([sent]))
    assert entries(came) == entries(sent)
    assert (came.source, came.container.image) == ("events", "shop/api:1.4")


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{}", b"\xff",
        b'{"@timestamp":"x","event":{"sequence":1},"container":{"id":1}}',
        b'{"@timestamp":"2026-01-31T23:59:59Z","event":{"sequence":true},"container":{"id":"a"}}',
        b'{"@timestamp":"2026-01-31T23:59:59Z","event":7,"container":[]}',
        b'{"@timestamp":"2026-13-31T23:59:59Z","event":{"sequence":1},"container":{"id":"a"}}',
        b'{"@timestamp":"2026-01-31T23:59:59Z","event":{"sequence":-1},"container":{"id":"a"}}',
        b'{"@timestamp":"2026-01-31T23:59:59Z","event":{"sequence":9223372036854775808},'
        b'"container":{"id":"a"}}',
        b'{"@timestamp":"2026-01-31T23:59:59Z","event":{"sequence":1,"part":-1},'
        b'"container":{"id":"a"}}',
        b'{"@timestamp":"2026-01-31T23:59:59Z","event":{"sequence":1},"container":{"id":'
        + b"[" * 900 + b"]" * 900 + b"}}",
        b'{"@timestamp":"2026-01-31T23:59:59Z","event":{"sequence":1},"container":{"id":"a","name":"'
        + b"n" * 5000 + b'"}}',
    ],
)  # fmt: skip
def test_json_that_is_no_entry_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"no JSON|no entry of a dockline"):
        read.json(body)


def test_json_of_more_values_than_memory_is_for_is_not_read() -> None:
    with pytest.raises(ValueError, match="larger than an entry may be"):
        read.json(b'{"a":[' + b"[]," * (received.HEAVIEST // 64) + b"0]}")


def test_odd_json_of_an_entry_is_one() -> None:
    body = (
        b'{"@timestamp":"2026-01-31T23:59:59Z","message":{"a":1},"event":{"sequence":1,"part":"x"},'
        b'"container":{"id":"other runtime","labels":{"n":1},"image":7},"log":{"flags":7}}'
    )
    came = read.json(body)
    assert came.lines == [b'{"a":1}'] and came.parts is None and came.flags is None
    assert len(came.container.id) == 64 and came.container.labels == {"n": "1"}
    assert JsonEncoder().encode([came])


@pytest.mark.fault(121)
def test_names_of_a_hub_are_valid_and_of_flags_those_come_that_there_are() -> None:
    facts = ("a" * 64, "we\nb\ud800", "im\0age", {"a\n": "b\0\n"}, "ho\udfffst", False)
    packed = msgpack.packb(facts, unicode_errors="surrogatepass")
    row = replaced("row", 6, {1: "made up"})["row"]
    plain = msgpack.packb(([packed], [GOOD["way"]])) + msgpack.packb([row])
    ((one,), _) = read.columns(plain, len(plain), 1)
    it = one.container
    assert (it.name, it.image, it.host) == ("we\ufffdb\ufffd", "im\ufffdage", "ho\ufffdst")
    assert (it.labels, one.flags) == ({"a\ufffd": "b\ufffd\n"}, {})
    ((other,), _) = read.columns(plain, len(plain), 1)
    assert other.container is it
    assert read.foreign(b"x", "S", "a.\x01b", 0, 1).container.name == "a.\ufffdb"
    written = (
        b'{"@timestamp":"2026-01-31T23:59:59.000000000Z","event":{"sequence":1},"message":"m",'
    )
    written += (
        b'"log":{"flags":["x"]},"container":{"id":"i","name":"a\\u0000"},"host":{"name":"\\n"}}'
    )
    one = read.json(written)
    assert (one.container.name, one.container.host, one.flags) == ("a\ufffd", "\ufffd", None)


@pytest.mark.parametrize(
    ("cgroup", "kept"),
    [("/docker/" + "a" * 64, True), ("/docker/" + "b" * 64, False), ("/x", False)],
)
def test_a_reading_of_a_hub_has_the_path_of_its_own_container(cgroup: str, kept: bool) -> None:
    """Else two containers could have the same series."""
    reading = [1.0, {"k\ud800": float("nan")}, {"cgroup": cgroup}]
    packed = msgpack.packb([[*GOOD["row"], None, reading]], unicode_errors="surrogatepass")
    way = (0, 1, "stats", "all")
    plain = msgpack.packb(([msgpack.packb(GOOD["facts"])], [way])) + packed
    ((one,), _) = read.columns(plain, len(plain), 1)
    assert one.samples is not None
    assert one.samples.inspection.cgroup == (cgroup if kept else "")
    assert one.samples.stats == {"k\ufffd": None}


def test_what_is_no_container_comes_back_as_such() -> None:
    of = Container("e" * 64, "cron", "", host="gw-1", module="syslog")
    sent = [batch("a", of=of), batch("b")]
    for came in (
        [read.columns(*ColumnCodec().encode([one]), 1)[0][0] for one in sent],
        [read.json(JsonEncoder().encode([one])) for one in sent],
    ):
        assert [one.dataset for one in came] == ["syslog.logs", "docker.logs"]
        assert (came[0].container.name, came[0].container.image) == ("cron", "")
    assert read.foreign(b"x", "S", "a.b", 0, 1).dataset == "nats.logs"
    with pytest.raises(ValueError, match="not those of a batch"):
        read.columns(*columns(facts=(*GOOD["facts"], "a b")), 1)
    other = (
        b'{"@timestamp":"2026-01-31T23:59:59.000000000Z","event":{"sequence":1,"dataset":"x.logs"},'
    )
    assert read.json(other + b'"container":{"id":"i"}}').dataset == "docker.logs"


@pytest.mark.fault(130)
def test_keys_that_all_have_the_same_hash_take_no_time() -> None:
    """100,000 of them took half a minute."""

    def of(count: int) -> bytes:
        keys = [(2**61 - 1) * number for number in range(100, 100 + count)]
        data = [one.to_bytes(one.bit_length() // 8 + 1, "little") for one in keys]
        pairs = [msgpack.packb(msgpack.ExtType(BIG, one)) + b"\xc0" for one in data]
        return b"\xdf" + count.to_bytes(4, "big") + b"".join(pairs)

    many, labels = of(50_000), of(15_000)
    deep = msgpack.packb(msgpack.ExtType(DEEP, b"\x92\x91\x01" + many))
    who = msgpack.packb([GOOD["way"]])
    facts, good = msgpack.packb(GOOD["facts"]), list(map(msgpack.packb, GOOD["row"]))
    of_labels = b"\x96" + b"".join([*map(msgpack.packb, GOOD["facts"][:3]), labels, b"\xa0\xc2"])
    before = time.thread_time()
    for fields, about in ((b"\x91" + many, facts), (deep, facts), (good[4], of_labels)):
        row = b"\x91\x97" + b"".join([*good[:4], fields, *good[5:]])
        plain = b"\x92\x91" + msgpack.packb(about) + who + row
        with pytest.raises(ValueError, match="unhashable"):
            read.columns(plain, len(plain), 1)
    assert time.thread_time() - before < 10


def _singly(received: Received, bodies: list[bytes]) -> tuple[dict[str, bytes], list[int]]:
    """What each container has, and which bodies are no entries, one body at a time."""
    found: dict[str, bytes] = {}
    bad = []
    for index, body in enumerate(bodies):
        try:
            one = received.json(body)
        except ValueError:
            bad.append(index)
        else:
            found[one.container.id] = found.get(one.container.id, b"") + JsonEncoder().encode([one])
    return found, bad


@pytest.mark.parametrize("seed", range(100))
def test_json_entries_together_are_what_they_are_one_by_one(seed: int) -> None:
    chance = random.Random(seed)
    batches = []
    for number in range(20):
        of = container(f"c{number % 3}", number=number % 3, labels={"v": str(chance.randint(1, 2))})
        count = chance.randint(1, 4)
        fields = chance.choice([None, [{"a": {"b": 1}} for _ in range(count)]])
        more = chance.choice([
            {}, {}, {}, {"parts": [1] * count}, {"flags": {number * 10: "truncated"}},
            {"bare": True}, {"source": "events"},
        ])  # fmt: skip
        start = chance.choice([number * 10, number * 10, 3])
        batches.append(
            batch(*[f"line {n}" for n in range(count)], of=of, start=start, fields=fields, **more)
        )
    bodies = JsonEncoder(host="here").encode(batches).split(b"\n")[:-1]
    for _ in range(chance.randint(0, 6)):
        index = chance.randrange(len(bodies))
        data = bytearray(bodies[index])
        data[chance.randrange(len(data))] = chance.randrange(256)
        bodies[index] = bytes(data)
    strange = [b"", b"{}", b"[" * 1000, b"x" * 70_000, bodies[0].replace(b"2026-01", b"2026-77")]
    for body in chance.sample(strange, 2):
        bodies.insert(chance.randrange(len(bodies)), body)
    expected, bad = _singly(Received(), bodies)
    received = Received()
    for _ in range(2):  # the second time containers are known
        came, refused = received.entries(bodies)
        together: dict[str, bytes] = {}
        for one in came:
            together.setdefault(one.container.id, b"")
            together[one.container.id] += JsonEncoder().encode([one])
        assert (together, refused) == (expected, bad)
    assert len(came) < len(bodies)
