"""Batches as messages of a queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.buffer.columns import ColumnCodec
from pipeline.encode.columns import CHUNK
from pipeline.encode.nats.messages import ColumnsMessages, JsonMessages, Published, headed
from pipeline.model.batch import Batch
from pipeline.testing.builders import batch, container, entries
from pipeline.testing.hostile import hostile
from tests.servers.nats_commands import sent


def subject(of: Batch) -> str:
    return f"s.{of.container.name}"


def columns(*batches: Batch) -> list[Published]:
    return ColumnsMessages(ColumnCodec().encode, subject, {"Common": "x"}, host="here").of(batches)


def read(message: Published) -> list[Batch]:
    """As a source reads it."""
    return ColumnCodec().decode(message.body, int(message.headers["Dockline-Size"]))


def rows(batches: Sequence[Batch]) -> list[Any]:
    return [(one.container.id, one.source, one.route, *entries(one)) for one in batches]


def test_what_a_payload_has_of_a_container_and_route_is_one_message() -> None:
    one, two = container("one", number=1), container("two", number=2)
    batches = [
        batch("a", "b", of=one, route="r", fields=[{"x": 1}, {}]),
        batch("c", of=two, route="r"),
        batch("d", of=one, route="r", start=2),
        batch("e", of=one, route="other"),
        batch("f", of=one, route="r", source="events"),
    ]
    messages = columns(*batches)
    assert [message.subject for message in messages] == ["s.one", "s.two", "s.one", "s.one"]
    assert rows(read(messages[0])) == rows([batches[0], batches[2]])
    assert messages[0].headers == {
        "Common": "x",
        "Dockline-Format": "columns/1",
        "Dockline-Size": messages[0].headers["Dockline-Size"],
        "Dockline-Entries": "3",
        "Dockline-Container": "one",
        "Dockline-Host": "web-1",
        "Dockline-Image": "shop/api:1.4",
        "Nats-Msg-Id": messages[0].headers["Nats-Msg-Id"],
    }
    assert rows([b for m in messages for b in read(m)]) == rows(
        [batches[i] for i in (0, 2, 1, 3, 4)]
    )


def test_everything_of_an_entry_is_there_again() -> None:
    assert columns(batch()) == []
    for message in columns(*hostile()):
        for piece, back in zip(message.pieces, read(message), strict=True):
            sent = piece[0]
            assert (back.lines, back.times, back.streams) == (sent.lines, sent.times, sent.streams)
            assert [list(one.identities) for one in (back, sent)] == [list(sent.identities)] * 2
            assert (back.fields is None) is (sent.fields is None)  # tests/buffer looks at values
            assert (back.container.labels, back.container.image) == (
                sent.container.labels,
                sent.container.image,
            )
            assert back.flags == (sent.flags or None) and back.bare == sent.bare


def test_one_container_has_several_messages_where_it_has_much() -> None:
    some, it = ["x" * 1000] * 400, container()
    messages = columns(*[batch(*some, of=it, start=400 * n) for n in range(10)])
    assert len(messages) > 1
    assert [b.sequences[0] for m in messages for b in read(m)] == [400 * n for n in range(10)]
    for message in messages:
        assert sum(piece[0].size for piece in message.pieces) < 2 * CHUNK


def test_the_halves_of_a_message_have_its_entries_in_order() -> None:
    encoder = ColumnsMessages(ColumnCodec().encode, subject, {})
    it = container()
    some = batch("a", "b", "c", of=it), batch("d", of=it, start=3), batch("e", "f", of=it, start=4)
    (whole,) = encoder.of(some)
    todo, lines = [whole], []
    while todo:
        message = todo.pop()
        if halves := encoder.halves(message):
            todo += reversed(halves)
        else:
            (one,) = read(message)
            lines += [*map(bytes.decode, one.lines), *one.sequences]
    assert lines == ["a", 0, "b", 1, "c", 2, "d", 3, "e", 4, "f", 5]


def test_the_same_entries_have_the_same_identity_and_no_others_have() -> None:
    one = container("one", number=1)
    variants = [
        [batch("a", "b", of=one)],
        [batch("a", of=one)],
        [batch("a", "b", of=container("two", number=2))],
        [batch("a", "b", of=one, start=1)],
        [batch("a", "b", of=one, route="r")],
        [batch("a", "b", of=one, source="events")],
        [batch("a", "b", of=one, parts=[1, 2])],
        [batch("a", "x", of=one)],
    ]
    columns = ColumnsMessages(ColumnCodec().encode, subject, {})
    json = JsonMessages(subject, {})
    for encoder in (columns, json):
        ids, again = (
            [sent(encoder.of(some))[-1].headers["Nats-Msg-Id"] for some in variants]
            for _ in range(2)
        )
        assert len(set(ids)) == len(variants)
        assert again == ids


def test_headers_are_printable_whatever_a_container_is_called() -> None:
    odd = container("n\r\nX: y\u2603\udcff", image="i" * 1000, host="")
    (message,) = columns(batch("a", of=odd))
    assert message.headers["Dockline-Container"] == "n??X: y??"
    assert message.headers["Dockline-Host"] == "here"
    assert len(message.headers["Dockline-Image"]) == 256
    assert all(value.isascii() and value.isprintable() for value in message.headers.values())


def test_the_size_is_what_the_server_counts() -> None:
    message = Published("s", b"12345", headed({"A": "bc"}), [])
    assert message.headers == {"A": "bc"}
    assert message.whole == len(b"NATS/1.0\r\nA: bc\r\n\r\n12345")
    assert message.oversized(message.whole) == [] and message.oversized(message.whole - 1) == [0]
    assert (message.size(0, 1), message.reach(0, 1, 0)) == (5, 1)


def test_a_message_is_sent_as_it_is() -> None:
    message = Published("s", b"12345", headed({"A": "bc"}), [])
    assert message.commands(0, 1, b"in.p", 7) == (
        b"HPUB s in.p7 19 24\r\nNATS/1.0\r\nA: bc\r\n\r\n12345\r\n"
    )


def test_an_earlier_version_of_the_format_can_still_be_read() -> None:
    """These bytes were published once. Whoever changes the format so that they cannot be read any
    more gives it another name than `columns/1`, and keeps reading this one: in a fleet, agents and
    hubs are never all of one version."""
    (back,) = ColumnCodec().decode(bytes.fromhex(FIRST), PLAIN)
    assert (back.container.name, back.container.host) == ("api-1", "web-1")
    assert back.route == "r" and back.source == "logs"
    assert entries(back) == entries(batch("a", "b", fields=[{"x": 1}, {}], start=7))


FIRST = (
    "78019b34f148dcb49b0e069401c3a5890599ba866b8a33f20bf4814c2b433d9386a5e5a949ba8687"
    "264e61605a92939f5ebcb068e2f4494718138f30264d3a2267646064a66b60a86b6c1862646c656a"
    "09447a704744e1913704aa8a3ac2c4c838999d937152e3c20ac68643070057c83732"
)
PLAIN = 199
