"""A batch is encoded once for all sinks that want it the same way, in bounded memory."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline import shared
from pipeline.batch import UNTRACKED, Batch
from pipeline.encode.json import JsonEncoder
from pipeline.encode.syslog import SyslogEncoder
from pipeline.ledger import NOBODY
from pipeline.shared import MOST, Kept, Part, Shared
from pipeline.testing.builders import batch


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Kept:
    """What is kept, and nothing of what other tests have left in a traceback."""
    made = Kept()
    monkeypatch.setattr(shared, "KEPT", made)
    return made


def addressed(*lines: bytes, sinks: int = 2, **kwargs: Any) -> list[Batch]:
    one, common = batch(*lines, **kwargs), Shared()
    return [one.addressed("all", NOBODY, UNTRACKED, common) for _ in range(sinks)]


def test_sinks_of_one_encoding_send_the_very_same_bytes(kept: Kept) -> None:
    first, second = addressed(b"a", b"b")
    data = SyslogEncoder().stream([first]).data
    assert SyslogEncoder().stream([second]).data is data
    assert kept.size == len(data)


def test_what_was_cut_is_counted_by_each_of_them() -> None:
    first, second = addressed(b"x" * 9000)
    assert SyslogEncoder().stream([first]).truncated == 1
    assert SyslogEncoder().stream([second]).truncated == 1


@pytest.mark.parametrize(
    "other",
    [
        {"framing": "lf"},
        {"standard": "rfc3164"},
        {"facility": "user"},
        {"max_message": 500},
        {"structured_data": '[a b="c"]'},
        {"host": "other"},
    ],
)
def test_sinks_with_other_options_get_their_own(other: dict[str, Any]) -> None:
    for encoder in (SyslogEncoder(), SyslogEncoder(**other)):
        alone = encoder.stream(addressed(b"a" * 700, sinks=1)).data
        first, second = addressed(b"a" * 700)
        SyslogEncoder(facility="mail").stream([first])
        assert encoder.stream([second]).data == alone


def test_json_and_syslog_of_one_batch_do_not_mix() -> None:
    fields = [{"level": "error"}]
    first, second, third = addressed(b"a", sinks=3, fields=fields)
    JsonEncoder().encode([first])
    assert SyslogEncoder().stream([second]).data == SyslogEncoder().stream([third]).data
    assert JsonEncoder().encode([third]) == JsonEncoder().encode(
        [batch(b"a", fields=[{"level": "error"}])]
    )


def test_entries_that_were_taken_out_for_one_sink_are_in_nobody_elses() -> None:
    first, second = addressed(b"a", b"b")
    whole = SyslogEncoder().stream([first]).data
    half = second.select([False, True])
    assert half is not None
    assert half.shared is None
    assert whole.endswith(SyslogEncoder().stream([half]).data)


def test_nothing_is_kept_when_the_last_sink_has_let_go(kept: Kept) -> None:
    first, second = addressed(b"a")
    SyslogEncoder().stream([first])
    del first
    assert kept.size > 0
    SyslogEncoder().stream([second])
    JsonEncoder().encode([second])
    del second
    assert kept.size == 0
    assert not kept._parts


def test_a_sink_that_is_far_behind_costs_no_more_than_so_much_and_encodes_for_itself(
    kept: Kept,
) -> None:
    behind = []
    for _ in range(3 * MOST // 100_000):
        first, second = addressed(b"x" * 7000, *[b"x" * 5000] * 19)
        JsonEncoder().encode([first])
        behind.append(second)
        assert kept.size <= MOST
    assert len(kept._parts) < len(behind) / 2
    assert JsonEncoder().encode(behind[:1]) == JsonEncoder().encode(behind[-1:])


def test_a_batch_of_one_sink_is_not_kept(kept: Kept) -> None:
    one = batch(b"a")
    SyslogEncoder().stream([one])
    assert one.shared is None
    assert kept.size == 0


def test_an_encoder_that_fails_keeps_nothing(kept: Kept) -> None:
    def fails(one: Batch) -> Part:
        raise ZeroDivisionError

    common = Shared()
    with pytest.raises(ZeroDivisionError):
        common.once("x", fails, None)
    assert common.once("x", lambda one: (b"y", 0), None) == (b"y", 0)
    assert kept.size == 1
