"""Which member of a group reads which partition."""

from __future__ import annotations

import random

import pytest

from pipeline.transport.kafka.assignment import (
    Member,
    Partition,
    assignment,
    assignments,
    member_of,
    share_out,
    subscription,
)


def hub(name: str, *owned: Partition, generation: int = 1, topics: str = "t") -> Member:
    return Member(name, f"host-{name}", topics.split(), owned, generation)


def parts(*numbers: int, topic: str = "t") -> set[Partition]:
    return {(topic, number) for number in numbers}


def test_the_first_has_all() -> None:
    given, readers = share_out([hub("a")], {"t": 3})
    assert given == {"a": parts(0, 1, 2)}
    assert set(readers.values()) == {"a"}


def test_what_is_to_move_is_given_to_nobody_until_it_is_free() -> None:
    first = hub("a", *parts(0, 1, 2, 3))
    given, readers = share_out([first, hub("b", generation=-1)], {"t": 4})
    assert given == {"a": parts(0, 1), "b": set()}
    assert readers == dict.fromkeys(parts(0, 1, 2, 3), "a"), "it is read until it is free"
    given, _ = share_out([hub("a", *parts(0, 1)), hub("b")], {"t": 4})
    assert given == {"a": parts(0, 1), "b": parts(2, 3)}


def test_what_a_dead_member_had_goes_to_those_who_have_least() -> None:
    given, _ = share_out([hub("a", *parts(0, 1)), hub("b", *parts(2))], {"t": 6})
    assert given["a"] >= parts(0, 1) and given["b"] >= parts(2)
    assert sorted(map(len, given.values())) == [3, 3]


def test_of_two_that_say_they_have_it_the_later_generation_does() -> None:
    both = [hub("a", ("t", 0), generation=4), hub("b", ("t", 0), generation=7)]
    given, readers = share_out(both, {"t": 1})
    assert given == {"a": set(), "b": parts(0)} and readers == {("t", 0): "b"}


def test_members_get_only_what_they_read_and_nobody_what_is_gone() -> None:
    given, _ = share_out(
        [hub("a", ("old", 0), ("t", 9), topics="t"), hub("b", topics="t u")], {"t": 2, "u": 2}
    )
    assert given["a"] <= parts(0, 1) and given["b"] >= parts(0, 1, topic="u")


def test_nobody_reads_what_no_member_wants() -> None:
    assert share_out([hub("a", topics="")], {"t": 2}) == ({"a": set()}, {})


@pytest.mark.parametrize("seed", range(50))
def test_whoever_comes_and_goes_all_is_read_once_evenly_and_little_moves(seed: int) -> None:
    chance = random.Random(seed)
    topics = {f"t{n}": chance.randint(1, 20) for n in range(chance.randint(1, 3))}
    everything = {(topic, number) for topic, count in topics.items() for number in range(count)}
    has: dict[str, set[Partition]] = {"0": set()}
    for step in range(1, 20):
        before = {one: set(those) for one, those in has.items()}
        if chance.random() < 0.5:
            has[str(step)] = set()
        elif len(has) > 1:
            del has[chance.choice(sorted(has))]
        for _ in range(3):  # each gives up what it is to, and joins again
            members = [Member(one, one, list(topics), those, step) for one, those in has.items()]
            given, _ = share_out(members, topics)
            taken = [one for those in given.values() for one in those]
            assert len(taken) == len(set(taken)), "never two at once"
            for one, those in given.items():
                for partition in those - has[one]:
                    assert not any(partition in others for others in has.values())
            has = given
        sizes = sorted(map(len, has.values()))
        assert sizes[-1] - sizes[0] <= 1, "even"
        assert set().union(*has.values()) == everything
        if has.keys() == before.keys() and any(before.values()):
            assert has == before, "nothing moves for nothing"


def test_what_is_said_is_understood() -> None:
    one = Member("id", "höst", {"t", "u"}, [("t", 1), ("t", 2), ("u", 0)], 7)
    assert member_of("id", subscription(one)) == one
    given = dict(assignments([one, Member("z", "other", {"t"}, (), -1)], {"t": 3, "u": 1}))
    mine = assignment(given["id"])
    assert mine.hosts == ["höst", "other"]
    assert mine.partitions == {("t", 1), ("u", 0)} or len(mine.partitions) in (2, 3)
    assert set(mine.readers) >= mine.partitions
    assert all(mine.readers[partition] == "höst" for partition in mine.partitions)


@pytest.mark.parametrize("seed", range(200))
def test_rubbish_is_a_member_that_reads_nothing_or_an_assignment_that_is_refused(seed: int) -> None:
    chance = random.Random(seed)
    good = subscription(Member("id", "host", {"t"}, [("t", 1)], 7))
    data = bytearray(good)
    for _ in range(chance.randint(1, 4)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    share_out([member_of("x", bytes(data[: chance.randint(0, len(data))]))], {"t": 2})
    try:
        assignment(chance.randbytes(chance.randint(0, 60)))
    except ValueError as error:
        assert len(str(error)) < 200
