"""Which object entries go into, and what it is called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.encode.s3.objects import (
    CODES,
    MOST,
    BatchSlice,
    Grouping,
    marked,
    name_of,
    part_of_key,
)
from pipeline.expression import compile_template
from pipeline.model.batch import Batch
from pipeline.model.container import Container
from pipeline.testing.builders import batch, container
from pipeline.testing.hostile import hostile

A, B = container("a"), container("b", number=2)


def grouping(template: str, *, constant: bool = False) -> Grouping:
    return Grouping(template, compile_template(marked(template), part_of_key), constant=constant)


def keys(template: str, *batches: Batch, constant: bool = False) -> dict[str, list[bytes]]:
    """The messages by the beginnings of keys."""
    groups = grouping(template, constant=constant)(batches)
    return {
        prefix: [line for each in slices for line in each.picked().lines]
        for prefix, slices in groups.items()
    }


def at(*times: str, of: Container = A, **columns: Any) -> Batch:
    made = batch(*times, of=of, **columns)
    return made.replace(times=[f"{time}:00.000000000Z".encode() for time in times])


def whole(*batches: Batch) -> list[BatchSlice]:
    return [BatchSlice(one, range(len(one))) for one in batches]


@pytest.mark.parametrize("constant", [False, True])
def test_containers_and_times_tell_objects_apart(constant: bool) -> None:
    one = at("2026-01-31T22:59", "2026-01-31T23:10", "2026-01-31T22:58")
    two = at("2026-02-01T00:00", of=B)
    assert keys("{container.name}/%Y/%m/%d/%H/", one, two, constant=constant) == {
        "a/2026/01/31/22/": [b"2026-01-31T22:59", b"2026-01-31T22:58"],
        "a/2026/01/31/23/": [b"2026-01-31T23:10"],
        "b/2026/02/01/00/": [b"2026-02-01T00:00"],
    }


def test_without_a_container_all_go_into_one() -> None:
    assert keys("%Y-%m/", at("2026-01-31T22:59"), at("2026-01-01T00:00", of=B)) == {
        "2026-01/": [b"2026-01-31T22:59", b"2026-01-01T00:00"]
    }
    assert list(keys("", at("2026-01-31T22:59"), at("2027-01-31T22:59", of=B))) == [""]


def test_fields_of_entries_may_tell_objects_apart() -> None:
    one = batch("x", "y", "z", fields=[{"team": "shop"}, {"team": "db"}, {"team": "shop"}])
    assert keys("{team}/", one) == {"shop/": [b"x", b"z"], "db/": [b"y"]}


def test_a_percent_sign_may_be_meant_and_what_is_no_code_is_said() -> None:
    assert list(keys("100%%/%Y/", at("2026-01-31T22:59"))) == ["100_/2026/"]
    for wrong in ("%q/", "%"):
        with pytest.raises(ValueError, match="is no part of a time; known are %Y, %m, %d, %H, %M"):
            marked(wrong)


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("../../etc", "logs/.._.._etc/"),
        ("..", "logs/_/"),
        (".", "logs/_/"),
        ("a\nb\x00\ud800\"'", "logs/a_b___'/"),
        ("", "logs/_/"),
        ("%Y\ue000Y", "logs/_Y_Y/"),
        ("shop/api", "logs/shop_api/"),
        ("é☃", "logs/é_/"),
    ],
)
def test_what_is_unfit_for_a_key_is_replaced(name: str, prefix: str) -> None:
    (found,) = keys("logs/{container.name}/", batch("x", of=container(name)))
    assert found == prefix


def test_a_key_is_never_too_long() -> None:
    (found,) = keys("{container.name}/", batch("x", of=container("é" * 5000)))
    assert len(found.encode()) <= MOST


@given(st.text(st.characters()), st.lists(st.sampled_from([f"%{code}" for code in CODES])))
def test_no_name_breaks_a_key(name: str, codes: Sequence[str]) -> None:
    template = "x/{container.name}/" + "".join(codes)
    (found,) = keys(template, batch("x", of=container(name)))
    assert found.startswith("x/")
    assert found.isprintable()
    assert not {"..", ""} & set(found.split("/")[:-1])
    assert found.count("/") == 2


@pytest.mark.fault(101)
def test_a_container_cannot_choose_the_prefix_of_another() -> None:
    template = "tenants/{container.labels['tenant']}/{container.name}/"
    for tenant in ("../tenants/other", "/other", "other/x", "..", "", "a" * 5000):
        one = batch("x", of=container("api", labels={"tenant": tenant}))
        (found,) = keys(template, one)
        assert found.endswith("/api/")
        assert len(found.split("/")) == 4
    assert "/" not in name_of(whole(batch("x", of=replace(A, id="../../x"))))


def test_every_entry_is_in_one_object_whatever_it_is() -> None:
    for template in ("{container.name}/%H%M/", "{status}{message}/", "{level}"):
        slices = [each for slices in grouping(template)(hostile()).values() for each in slices]
        found = Counter((id(each.batch), index) for each in slices for index in each.indexes)
        assert sum(found.values()) == len(found) == sum(map(len, hostile()))


# ------------------------------------------------------------------------------------ names


def test_a_name_has_the_first_time_the_container_and_the_number() -> None:
    name = name_of(whole(batch("x", start=42, of=B)))
    assert name.startswith("20260131T235959.000000000Z-000000000000-42-")


def test_what_is_sent_again_has_the_same_name_and_so_has_more_of_the_same_container() -> None:
    one, more = batch("x", "y"), batch("z", start=2)
    again = container("a")  # as the agent has it after a restart
    assert name_of(whole(one.replace(container=A))) == name_of(whole(one.replace(container=again)))
    assert name_of(whole(one)) == name_of(whole(one, more))


def test_what_differs_in_anything_has_another_name() -> None:
    one = batch("x", "y", of=A, start=7)
    others = [
        one.replace(container=B),
        one.replace(route="errors"),
        one.replace(source="events"),
        one.replace(sequences=range(8, 10)),
        one.replace(times=[b"2026-01-31T23:59:59.000000001Z"] * 2),
        one.replace(parts=[1, 2]),
        one.replace(parts=[2, 3]),
    ]
    names = [name_of(whole(each)) for each in (one, *others)]
    assert len(set(names)) == len(names)


def test_of_several_containers_an_object_is_told_apart_by_all_that_it_has() -> None:
    """What one of them resumes at says nothing of the others."""
    one, two = batch("x", "y", of=A), batch("z", of=B)
    less = batch("x", of=A)
    names = {name_of(whole(*them)) for them in ([one, two], [less, two], [one], [two, one])}
    assert len(names) == 4
    assert name_of(whole(one, two)) == name_of(whole(one, two))


def test_halves_have_all_and_names_of_their_own() -> None:
    each = BatchSlice(batch(*"abcde"), range(5))
    first, second = each.halves()
    assert [*first.indexes, *second.indexes] == [0, 1, 2, 3, 4]
    assert first.picked().lines + second.picked().lines == each.picked().lines
    assert name_of([first]) == name_of([each]) != name_of([second])
