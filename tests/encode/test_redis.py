"""Entries as XADD commands, read back as RESP."""

from __future__ import annotations

import pytest

from pipeline.encode.redis import Commands, RedisEncoder, Trimming
from pipeline.model.batch import Batch
from pipeline.testing.builders import batch
from pipeline.testing.hostile import hostile
from pipeline.transport.redis.resp import Replies

pytestmark = pytest.mark.usefixtures("either_loops")


def read(commands: Commands) -> list[list[bytes]]:
    """The arguments of each: a command is a list of texts, as an answer may be."""
    found = Replies().feed(b"".join(commands))
    assert len(found) == len(commands)
    return found  # type: ignore[return-value]


def streams(some: Batch) -> list[str]:
    return ["logs"] * len(some)


def test_a_command_adds_its_entry_with_an_id_of_the_servers() -> None:
    (arguments,) = read(RedisEncoder(streams).encode([batch("one")]))
    assert arguments[:3] == [b"XADD", b"logs", b"*"]
    assert arguments[3::2] == [b"event.id", b"json"]
    assert b'"message":"one"' in arguments[6]


@pytest.mark.parametrize(
    ("trimming", "arguments"),
    [
        (Trimming(100, None, False), [b"MAXLEN", b"~", b"100"]),
        (Trimming(100, None, True), [b"MAXLEN", b"=", b"100"]),
        (Trimming(None, 60, True), [b"MINID", b"=", b"1769903939000"]),
        (Trimming(None, 1e12, False), [b"MINID", b"~", b"0"]),
    ],
)
def test_it_trims(trimming: Trimming, arguments: list[bytes]) -> None:
    (found,) = read(RedisEncoder(streams, trimming=trimming).encode([batch("one")]))
    assert found[2:5] == arguments
    assert found[5] == b"*"


def test_without_a_time_there_is_nothing_to_reckon_an_age_from() -> None:
    some = batch("one").replace(times=[b"2026-02-31T00:00:00.000000000Z"])
    (found,) = read(RedisEncoder(streams, trimming=Trimming(None, 60, True)).encode([some]))
    assert found[:3] == [b"XADD", b"logs", b"*"]


@pytest.mark.parametrize("flat", [False, True])
def test_no_batch_is_too_odd(flat: bool) -> None:
    def odd(some: Batch) -> list[str]:
        return [f"{number}\r\n\ud800" for number in range(len(some))]

    for some in hostile():
        for one in read_large(RedisEncoder(odd, flat=flat).encode([some])):
            assert len(one) % 2, "names and values in pairs"
            assert one[3] == b"event.id"


def read_large(commands: Commands) -> list[list[bytes]]:
    """One by one: some have twenty thousand arguments, more than any answer may have."""
    found = []
    for command in commands:
        head, _, rest = command.partition(b"\r\n")
        arguments, count = [], int(head[1:])
        for _ in range(count):
            size, _, rest = rest.partition(b"\r\n")
            length = int(size[1:])
            arguments.append(rest[:length])
            rest = rest[length + 2 :]
        assert rest == b""
        found.append(arguments)
    return found


def test_commands_are_found_by_their_indexes() -> None:
    commands = RedisEncoder(streams, flat=True).encode([batch("a", "b"), batch(), batch("c", "d")])
    each = list(commands)
    assert len(each) == len(commands) == 4
    assert commands.size == sum(map(len, each))
    for indexes in (range(4), range(1, 3), [0, 1, 3], [2], []):
        assert commands.run(indexes) == b"".join([each[index] for index in indexes])
