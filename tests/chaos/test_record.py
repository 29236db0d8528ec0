"""What the receivers have kept, read while it grows and after they were killed."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.record import BeatsRecord, SyslogRecord
from tests.chaos.tally import Tally


def syslog(number: int) -> bytes:
    text = f"<30>1 2026-11-24T08:00:00.123456Z host c1 0123456789ab - - c1 7 o {number} 0 ."
    return f"{len(text)} {text}".encode()


def counts(tally: Tally) -> list[int]:
    return list(tally.streams[(b"c1", 7, b"o")].counts)[1:]


def test_beats_lines_are_read_as_they_come_and_a_torn_one_is_not(tmp_path: Path) -> None:
    record = BeatsRecord(tmp_path)
    (tmp_path / "001.record").write_bytes(b"c1\tc1 7 o 1 0 .\nc1\tc1 7 o 2")
    record.read()
    assert counts(record.tally) == [1]
    (tmp_path / "002.record").write_bytes(b"c1\tc1 7 o 2 0 .\n")
    record.read()
    record.read()
    assert counts(record.tally) == [1, 1]
    assert record.tally.fragments == {}


def test_syslog_messages_are_read_as_they_come_wherever_they_are_cut(tmp_path: Path) -> None:
    record = SyslogRecord(tmp_path)
    data = syslog(1) + syslog(2) + syslog(3)
    for end in range(len(data) + 1):
        (tmp_path / "001-0001.read").write_bytes(data[:end])
        record.read()
    assert counts(record.tally) == [1, 1, 1]
    assert record.errors == []


def test_a_connection_is_read_after_the_one_before_it_has_ended(tmp_path: Path) -> None:
    record = SyslogRecord(tmp_path)
    (tmp_path / "001-0001.read").write_bytes(syslog(1))
    (tmp_path / "001-0002.read").write_bytes(syslog(3))
    record.read()
    assert counts(record.tally) == [1]
    (tmp_path / "001-0001.read").write_bytes(syslog(1) + syslog(2))
    (tmp_path / "001-0001.end").touch()
    record.read()
    assert counts(record.tally) == [1, 1, 1]
    assert record.tally.disordered == []


def test_what_was_not_read_when_a_connection_was_reset_is_excused(tmp_path: Path) -> None:
    """Its first message had been read in part; of its last a part had come."""
    data = syslog(1) + syslog(2) + syslog(3) + syslog(4)
    middle, end = len(syslog(1)) + 5, len(data) - 5
    (tmp_path / "001-0001.read").write_bytes(data[:middle])
    (tmp_path / "001-0001.unread").write_bytes(data[middle:end])
    (tmp_path / "001-0001.end").touch()
    record = SyslogRecord(tmp_path)
    record.read()
    assert counts(record.tally)[:1] == [1]
    assert record.tally.streams[(b"c1", 7, b"o")].excused == {2, 3}


def test_what_is_no_syslog_is_said(tmp_path: Path) -> None:
    (tmp_path / "001-0001.read").write_bytes(b"5 hello")
    record = SyslogRecord(tmp_path)
    record.read()
    assert record.errors == ["no RFC 5424: b'hello'"]
