"""The verdict finds each kind of fault: a benchmark that cannot see one is worth nothing."""

from __future__ import annotations

from benchmarks.checking import json_lines, judged, messages, syslog_lines
from benchmarks.lines import LENGTH, is_kept, line_of


def counted(message: bytes) -> bytes:
    return b"%d %s" % (len(message), message)


def syslog(number: int) -> bytes:
    return b"<30>1 2026-11-24T08:00:00.000000Z host lines 1 - - " + line_of(number)[:-1].encode()


def test_lines_have_their_length_and_half_are_kept() -> None:
    assert {len(line_of(number)) for number in (0, 9, 999_999)} == {LENGTH + 1}
    assert sum(map(is_kept, range(1000))) == 500


def test_a_status_of_500_is_never_kept() -> None:
    assert not any(is_kept(n) for n in range(1000) if '"status":500' in line_of(n))


def test_counted_and_ended_messages_are_told_apart() -> None:
    content = counted(b"<30>1 one\ntwo") + b"<30>1 three\n" + counted(b"<30>1 four") + b"<30>1 cut"
    assert list(messages(content)) == [
        b"<30>1 one\ntwo",
        b"<30>1 three\n",
        b"<30>1 four",
        b"<30>1 cut",
    ]


def test_lines_that_came_whole_are_known_by_their_number() -> None:
    assert list(syslog_lines(counted(syslog(7)) + syslog(8) + b"\n")) == [7, 8]


def test_a_line_that_is_cut_or_has_something_after_it_is_destroyed() -> None:
    cut = syslog(7)[:-20]
    assert list(syslog_lines(cut + b"\n" + syslog(8) + b"\x01\x00rubbish\n")) == [None, None]


def test_json_lines_need_the_number_and_the_name_of_the_container() -> None:
    content = b'{"seq":1,"name":"lines"}\n{"seq":2}\n{"seq":3,"name":"lin\n'
    assert list(json_lines(content, "lines")) == [1, None, None]


def test_the_verdict_counts_each_kind_of_fault() -> None:
    verdict = judged([0, 2, 1, 2, None, 9], range(5))
    assert (verdict.delivered, verdict.lost) == (3, 2)
    assert (verdict.repeated, verdict.destroyed, verdict.reordered, verdict.foreign) == (1, 1, 1, 1)
    assert not verdict.faultless
    assert str(verdict) == "2 lost, 1 repeated, 1 destroyed, 1 reordered, 1 foreign"


def test_all_lines_in_order_are_faultless() -> None:
    verdict = judged(range(5), range(5))
    assert verdict.faultless
    assert str(verdict) == "none"
