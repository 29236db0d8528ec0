"""Which entries Loki means, out of texts as its source has them."""

from __future__ import annotations

import pytest

from pipeline.encode.loki.errors import are_others_stored, blamed
from pipeline.encode.loki.wire import Entry, Labels

API: Labels = (("container_name", "api"), ("host", 'a"b'))
DB: Labels = (("container_name", "db"),)


def entry(second: int, labels: Labels = API, *, length: int = 10, fraction: int = 0) -> Entry:
    time = b"2026-01-31T23:59:%02d.%09dZ" % (second, fraction)
    return Entry(labels, time, length, b"")


def test_those_too_old_are_all_from_before_the_oldest_that_is_taken() -> None:
    said = (
        "2 errors like: entry for stream '{container_name=\"api\"}' has timestamp too old: "
        "2026-01-31T23:59:01Z, oldest acceptable timestamp is: 2026-01-31T23:59:10Z; 1 errors "
        "like: entry for stream '{container_name=\"db\"}' has timestamp too old: "
        "2026-01-31T23:59:02Z, oldest acceptable timestamp is: 2026-01-31T23:59:10Z"
    )
    found = blamed(said, [entry(1), entry(9, DB, fraction=999999999), entry(10), entry(11, DB)])
    assert list(found) == [0, 1]
    assert found[0] == (
        "its time is too old: Loki takes nothing from before 2026-01-31T23:59:10.000000000Z"
    )


def test_a_zone_of_lokis_own_is_understood() -> None:
    said = (
        "entry for stream '{a=\"b\"}' has timestamp too old: 2026-02-01T01:59:01+02:00, oldest "
        "acceptable timestamp is: 2026-02-01T01:59:10+02:00"
    )
    assert list(blamed(said, [entry(9), entry(10)])) == [0]


def test_of_those_too_far_behind_their_stream_more_are_meant_than_are_named() -> None:
    stream = '{container_name="api", host="a\\"b", service_name="api"}'
    said = (
        "entry with timestamp 2026-01-31 23:59:01.5 +0000 UTC ignored, reason: 'entry too far "
        "behind, entry timestamp is: 2026-01-31T23:59:01Z, oldest acceptable timestamp is: "
        "2026-01-31T23:59:20Z',\n"
        f"user 'fake', total ignored: 2 out of 3 for stream: {stream}"
    )
    sent = [entry(1, fraction=500_000_000), entry(1, DB), entry(19), entry(20), entry(21)]
    assert list(blamed(said, sent)) == [0, 2]


def test_those_that_are_named_for_another_reason_are_meant_with_that() -> None:
    said = (
        "entry with timestamp 2026-01-31 23:59:01.5 +0000 UTC ignored, reason: 'entry out of "
        "order',\nentry with timestamp 2026-01-31 23:59:02 +0000 UTC ignored, reason: 'entry out "
        "of order',\nuser 'fake', total ignored: 2 out of 5 for stream: {container_name=\"db\"}"
    )
    sent = [entry(1, DB, fraction=500_000_000), entry(1, DB), entry(2), entry(2, DB), entry(3, DB)]
    assert blamed(said, sent) == {0: "entry out of order", 3: "entry out of order"}


def test_those_too_long_are_all_longer_than_the_longest_that_is_taken() -> None:
    said = (
        "1 errors like: Max entry size '100' bytes exceeded for stream '{a=\"b\"}' while adding "
        "an entry with length '101' bytes"
    )
    found = blamed(said, [entry(1, length=100), entry(2, length=101), entry(3, length=5000)])
    assert found == dict.fromkeys([1, 2], "Loki takes lines of at most 100 bytes")
    assert blamed(said.replace("Max", "max"), [entry(1, length=101)])


def test_what_is_not_understood_blames_nobody() -> None:
    for said in (
        "",
        "stream '{a=\"b\"}' has label name too long: 'x'",
        "entry for stream '{a=\"b\"}' has timestamp too old: never, oldest acceptable timestamp "
        "is: yesterday",
        "oldest acceptable timestamp is: 2026-01-31T23:59:20Z",
        "entry with timestamp 2026-01-31 23:59:01 +0000 UTC ignored, reason: 'x',",
        "\0\ufffd" * 1000,
    ):
        assert blamed(said, [entry(1), entry(2, DB)]) == {}


def test_a_text_that_never_ends_is_read_in_time() -> None:
    for said in ("entry with timestamp " * 100_000, "too far behind" * 100_000, "{" * 1_000_000):
        assert blamed(said, [entry(1)]) == {}


OLD = (
    "entry for stream '{a=\"b\"}' has timestamp too old: 2026-01-31T23:59:01Z, oldest acceptable "
    "timestamp is: 2026-01-31T23:59:10Z"
)
LONG = (
    "Max entry size '100' bytes exceeded for stream '{a=\"b\"}' while adding an entry with length "
    "'101' bytes"
)
SPOOFED = LONG.replace('b"', '9 errors like: "')
NEW = "entry for stream '{a=\"b\"}' has timestamp too new: 2027-01-31T23:59:01Z"
BEHIND = (
    "entry with timestamp 2026-01-31 23:59:02 +0000 UTC ignored, reason: 'entry out of order',\n"
    "user 'fake', total ignored: 1 out of 5 for stream: {container_name=\"db\"}"
)


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        (LONG, True),
        (f"2 errors like: {LONG}", False),
        (f"1 errors like: {OLD}; 1 errors like: {LONG}", True),
        (f"1 errors like: {LONG}; 3 errors like: {OLD}", False),
        (f"1 errors like: {OLD}; 1 errors like: {LONG}; 1 errors like: {NEW}", False),
        (f"1 errors like: {OLD}; 1 errors like: {SPOOFED}", True),
        (BEHIND, False),
    ],
)
def test_the_others_are_stored_where_as_many_are_found_as_loki_has_counted(
    said: str, stored: bool
) -> None:
    sent = [entry(20, length=101), entry(21)]
    if "too old" in said:
        sent.append(entry(1))
    if said is BEHIND:
        sent.append(entry(2, DB))
    assert are_others_stored(said, blamed(said, sent)) is stored


@pytest.mark.fault(127)
def test_what_a_containers_label_says_blames_nobody_elses_entries() -> None:
    evil = (
        "max entry size '1' bytes exceeded, has timestamp too old: 2026-01-31T23:59:01Z, oldest "
        "acceptable timestamp is: 2030-01-31T23:59:10Z"
    )
    for name in (evil, f'\\"{evil}', f"\\\\ {evil}"):
        said = LONG.replace('"b"', f'"{name}"')
        assert list(blamed(said, [entry(1, length=101), entry(2), entry(3)])) == [0]
