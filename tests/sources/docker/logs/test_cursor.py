"""Resuming exactly, whatever the log looks like and wherever it was left."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.accounting.checkpoint import Position
from pipeline.sources.docker.decode.decoded import DecodedLines
from pipeline.sources.docker.decode.frames import FrameDecoder, TtyDecoder
from pipeline.sources.docker.logs import replay as module
from pipeline.sources.docker.logs.cursor import Cursor
from pipeline.sources.docker.logs.replay import Replay, fingerprint
from tests.suite.examples import examples

pytestmark = pytest.mark.usefixtures("either_loops")

Frame = tuple[bytes, int, bytes]
"""Time, stream, text with its newline, if it has one."""


def encode(frames: list[Frame]) -> bytes:
    payloads = [(stream, time + b" " + text) for time, stream, text in frames]
    return b"".join(struct.pack(">BxxxI", s, len(payload)) + payload for s, payload in payloads)


def since(frames: list[Frame], position: Position) -> list[Frame]:
    """What the Engine sends: all frames from the first at or past `since` on, filtered no more."""
    start = position.since.encode()
    for index, (time, _, _) in enumerate(frames):
        if time >= start:
            return frames[index:]
    return []


def read(
    frames: list[Frame], position: Position, *, stop: int | None = None, step: int = 97
) -> tuple[list[bytes], Position]:
    """The lines that are new from `position` on, and the position after them. `stop`: bytes of
    the stream after which the connection breaks."""
    data = encode(since(frames, position))[:stop]
    decoder = FrameDecoder(1 << 20, one_time=True)
    replay, cursor = Replay(position), Cursor(position)
    lines: list[bytes] = []
    for at in range(0, len(data), step):
        columns = decoder.feed(data[at : at + step])
        cursor.see(columns)
        columns = replay.filter(columns)
        if columns.lines:
            cursor.advance(columns)
            lines += columns.lines
    return lines, cursor.position


def stamp(number: int) -> bytes:
    return b"2026-01-31T23:59:59.%09dZ" % number


def log_of(seed: int) -> list[Frame]:
    """Lines of two streams, out of order across them and in order within, with many equal times,
    and now and then a line in parts, or one whose writer has ended in the middle of it."""
    source = random.Random(seed)
    frames: list[Frame] = []
    clocks = {1: 0, 2: 0}
    open_lines: dict[int, int] = {}
    for number in range(source.randrange(1, 60)):
        stream = source.choice([1, 2])
        if stream in open_lines:
            time = open_lines.pop(stream)
            if source.random() < 0.7:
                frames.append((stamp(time), stream, b"rest %d\n" % number))
                continue
            clocks[stream] += 1
        clocks[stream] += source.choice([0, 0, 1, 2, 5])
        if source.random() < 0.15:
            open_lines[stream] = clocks[stream]
            frames.append((stamp(clocks[stream]), stream, b"%04d" % number + b"p" * 16380))
        else:
            text = source.choice([b"same", b"%d" % number])
            frames.append((stamp(clocks[stream]), stream, text + b"\n"))
    return frames


@pytest.mark.fault(5, 8)
@settings(max_examples=examples(400))
@given(st.integers(0, 10**6), st.lists(st.floats(0, 1), max_size=5), st.integers(20, 50_000))
def test_breaking_off_anywhere_and_resuming_gives_every_line_once(
    seed: int, breaks: list[float], step: int
) -> None:
    frames = log_of(seed)
    everything, _ = read(frames, Position())
    position: Position = Position()
    lines: list[bytes] = []
    for share in breaks:
        stop = round(share * len(encode(since(frames, position))))
        more, position = read(frames, position, stop=stop, step=step)
        lines += more
    more, position = read(frames, position)
    lines += more
    assert lines == everything
    assert position.sequence == len(everything)


def podman_log_of(seed: int) -> list[tuple[int, bytes]]:
    """Seconds and texts of pieces: Podman cuts lines anywhere, and each piece has its own time."""
    source = random.Random(seed)
    pieces: list[tuple[int, bytes]] = []
    second = 0
    for number in range(source.randrange(1, 60)):
        text = b"%d" % number if source.random() < 0.7 else b"same"
        text += b"\n"
        at = source.randrange(1, len(text)) if source.random() < 0.3 else 0
        pieces += [(second, text[:at])] if at else []
        second += at > 0 and source.random() < 0.3
        pieces.append((second, text[at:]))
        second += source.random() < 0.1
    return pieces


@pytest.mark.fault(8)
@pytest.mark.parametrize("stream", ["frames", "terminal"])
@settings(max_examples=examples(400))
@given(st.integers(0, 10**6), st.lists(st.floats(0, 1), max_size=5), st.integers(1, 500))
def test_a_log_of_podman_is_resumed_exactly_where_a_line_comes_in_pieces_of_two_seconds(
    stream: str, seed: int, breaks: list[float], step: int
) -> None:
    log = podman_log_of(seed)
    texts = [text for _, text in log]
    whole = [text.removesuffix(b"\n") for text in b"".join(texts).splitlines()]
    position, lines, tty = Position(), [], stream == "terminal"
    for share in [*sorted(breaks), 1.0]:
        start = int(position.since[17:19]) if position.since else 0
        data = b""
        for second, text in log[: round(share * len(log))]:
            if second >= start:
                payload = b"2026-01-31T23:59:%02dZ " % second + text
                data += payload if tty else struct.pack(">BxxxI", 1, len(payload)) + payload
        decoder = TtyDecoder(1 << 20) if tty else FrameDecoder(1 << 20, podman=True)
        replay, cursor = Replay(position), Cursor(position)
        for at in range(0, len(data), step):
            columns = decoder.feed(data[at : at + step])
            cursor.see(columns)
            columns = replay.filter(columns)
            if columns.lines:
                lines += columns.lines
                position = cursor.advance(columns)
        assert not replay.inexact
    assert lines == whole


@settings(max_examples=examples(300))
@given(st.integers(0, 10**6), st.floats(0, 1), st.floats(0, 1))
def test_a_stream_given_up_at_any_of_its_lines_is_resumed_exactly_there(
    seed: int, share: float, at: float
) -> None:
    frames = log_of(seed)
    everything, _ = read(frames, Position())
    data = encode(frames)
    decoder, cursor = FrameDecoder(1 << 20, one_time=True), Cursor(Position())
    columns = decoder.feed(data[: round(share * len(data))])
    first = columns.first(round(at * len(columns.lines)))
    cursor.see(first)
    if first.lines:
        rest, _ = read(frames, cursor.advance(first))
        assert first.lines + rest == everything


@pytest.mark.fault(8)
def test_a_thousand_lines_of_the_same_second_are_resumed_exactly() -> None:
    frames = [(stamp(0), 1, b"line %d\n" % (n % 7)) for n in range(1000)]
    first, position = read(frames, Position(), stop=20_000)
    rest, _ = read(frames, position)
    assert first + rest == [b"line %d" % (n % 7) for n in range(1000)]


def test_the_clock_stepping_back_an_hour_loses_nothing() -> None:
    frames = [(stamp(500_000_000 + n), 1, b"before %d\n" % n) for n in range(50)]
    frames += [(stamp(n), 1, b"after %d\n" % n) for n in range(50)]
    first, position = read(frames, Position(), stop=len(encode(frames[:75])))
    rest, _ = read(frames, position)
    assert first + rest == [text[:-1] for _, _, text in frames]


@pytest.mark.fault(10)
def test_when_the_line_at_the_position_was_rotated_away_nothing_is_skipped_and_it_is_said() -> None:
    position = Position(since=stamp(5).decode(), skip=3, mark=1)
    replay = Replay(position)
    left = DecodedLines([b"a", b"b"], [stamp(8), stamp(9)], bytearray(b"\1\1"))
    assert replay.filter(left).lines == [b"a", b"b"]
    assert replay.gap
    assert replay.inexact
    assert replay.done


def test_a_gap_leaves_a_number_out() -> None:
    cursor = Cursor(Position(sequence=7))
    decoder = FrameDecoder(1 << 20)
    columns = decoder.feed(encode([(stamp(1), 1, b"one\n")]))
    cursor.see(columns)
    cursor.gap()
    assert cursor.advance(columns).sequence == 9


def test_a_stream_that_begins_before_the_position_is_filtered_as_the_engine_would() -> None:
    frames = [(stamp(n), 1, b"line %d\n" % n) for n in range(50)]
    _, position = read(frames, Position(), stop=len(encode(frames[:30])))
    replay = Replay(position, from_before=True)
    decoder, lines = FrameDecoder(1 << 20), list[bytes]()
    data = encode(frames[10:])
    for at in range(0, len(data), 97):
        lines += replay.filter(decoder.feed(data[at : at + 97])).lines
    assert lines == [b"line %d" % n for n in range(30, 50)]
    assert not (replay.gap or replay.inexact)


def test_lines_given_up_on_while_open_are_read_again_and_keep_their_numbers() -> None:
    frames = [(stamp(1), 1, b"whole\n"), (stamp(2), 1, b"p" * 16384)]
    decoder, cursor = FrameDecoder(1 << 20), Cursor(Position())
    columns = decoder.feed(encode(frames))
    cursor.see(columns)
    cursor.advance(columns)
    position = cursor.flushed(len(decoder.flush().lines))
    assert position.sequence == 2
    frames += [(stamp(2), 1, b"end\n"), (stamp(3), 1, b"next\n")]
    assert read(frames, position)[0] == [b"p" * 16384 + b"end", b"next"]


def test_a_position_goes_back_to_where_the_oldest_open_line_begins_and_no_further() -> None:
    part = b"p" * 16384
    first = [(stamp(1), 1, part), (stamp(2), 2, b"whole\n")]
    second = [(stamp(3), 2, part), (stamp(1), 1, b"end\n")]
    decoder, cursor = FrameDecoder(1 << 20), Cursor(Position())
    for frames in (first, second):
        columns = decoder.feed(encode(frames))
        cursor.see(columns)
        cursor.advance(columns)
    assert (cursor.position.since, cursor.position.skip) == (stamp(2).decode(), 2)
    everything = [*first, *second, (stamp(3), 2, b"rest\n")]
    assert read(everything, cursor.position)[0] == [part + b"rest"]


@pytest.mark.parametrize("whole", [0, 3])
def test_a_line_open_in_the_first_piece_of_a_log_leaves_the_position_a_time(whole: int) -> None:
    """It had none, so after a rotation nobody could tell that the lines at the position are gone:
    new ones were taken for those, and held back until as many had come."""
    frames = [(stamp(n), 1, b"line %d\n" % n) for n in range(whole)]
    frames += [(stamp(10), 2, b"p" * 16384)]
    frames += [(stamp(20 + n), 1, b"line %d\n" % n) for n in range(100)]
    lines, position = read(frames, Position(), step=len(encode(frames)))
    assert (len(lines), position.since) == (whole + 100, stamp(10).decode())
    after = [(stamp(200), 1, b"after\n")]
    assert read([*frames, after[0], (stamp(10), 2, b"end\n")], position)[0] == [
        b"after", b"p" * 16384 + b"end",
    ]  # fmt: skip
    assert read(after, position)[0] == [b"after"]


def test_a_log_emptied_in_the_middle_of_a_long_line_gives_all_that_came_after() -> None:
    """The rest of the line has the time of its beginning, so the log seems to begin at the
    position: as many new lines were skipped as had come after that time."""
    part = b"p" * 16384
    before = [(stamp(1), 1, part), (stamp(2), 2, b"one\n"), (stamp(3), 2, b"two\n")]
    lines, position = read(before, Position())
    assert (lines, position.since, position.skip) == ([b"one", b"two"], stamp(1).decode(), 2)
    after = [(stamp(1), 1, b"end\n"), (stamp(4), 2, b"three\n"), (stamp(5), 2, b"four\n")]
    assert read(after, position)[0] == [b"end", b"three", b"four"]


def test_a_position_before_an_open_line_that_is_gone_tells_of_a_gap() -> None:
    """Sinks that had got more than the others then passed over as many new lines."""
    frames = [(stamp(1), 1, b"one\n"), (stamp(2), 1, b"p" * 16384)]
    _, position = read(frames, Position(), step=20_000)
    assert (position.since, position.skip) == (stamp(2).decode(), 0)
    replay = Replay(position)
    new = columns_of(b"new", start=3)
    assert replay.filter(new).lines == [b"new"]
    assert (replay.gap, replay.inexact) == (True, True)


def test_a_long_line_of_which_only_the_end_comes_again_is_skipped_all_the_same() -> None:
    part = b"p" * 16384
    frames = [(stamp(1), 1, part), (stamp(2), 2, b"one\n"), (stamp(1), 1, b"end\n")]
    lines, position = read(frames, Position())
    assert (lines, position.since) == ([b"one", part + b"end"], stamp(2).decode())
    after = [(stamp(4), 2, b"two\n")]
    assert read([*frames, *after], position)[0] == [b"two"]


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_a_truncated_line_keeps_its_mark_when_lines_before_it_are_skipped(kept: int) -> None:
    position = Position(since=stamp(0).decode(), skip=kept)
    columns = DecodedLines([b"a", b"b", b"c"], [stamp(0)] * 3, bytearray(b"\1\1\1"), [2])
    filtered = Replay(position).filter(columns)
    assert filtered.truncated == [2 - kept]


@pytest.mark.parametrize("step", [16_464, 40_000])
def test_a_line_that_was_open_is_no_gap_though_another_is_complete_before_it(step: int) -> None:
    """Rare: 2 of 20,000 logs such as `log_of` makes, broken off anywhere."""
    part, whole = b"p" * 16_384, b"rest\n"
    frames = [
        (stamp(0), 1, b"0\n"), (stamp(2), 2, part), (stamp(5), 1, part), (stamp(5), 1, whole),
        (stamp(2), 2, whole), (stamp(6), 1, b"last\n"),
    ]  # fmt: skip
    first, position = read(frames, Position(), stop=len(encode(frames[:4])))
    assert [line[-4:] for line in first] == [b"0", b"rest"]
    rest, _ = read(frames, position, step=step)
    assert [line[:4] for line in rest] == [b"pppp", b"last"]


def test_counting_through_millions_of_lines_holds_few_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_HELD", 20_000)
    frames = [(stamp(0), 1, b"line %d\n" % n) for n in range(5000)]
    first, position = read(frames, Position(), stop=len(encode(frames[:4000])))
    assert (len(first), position.skip) == (4000, 4000)
    decoder, replay = FrameDecoder(1 << 20), Replay(position)
    data, fresh, most = encode(frames), list[bytes](), 0
    for at in range(0, len(data), 1000):
        fresh += replay.filter(decoder.feed(data[at : at + 1000])).lines
        most = max(most, sum(len(columns.lines) for columns in replay._held))
    assert fresh == [b"line %d" % n for n in range(4000, 5000)]
    assert not (replay.gap or replay.inexact)
    assert 0 < most < 200


# ------------------------------------------------------------- a log that is not what it was


def columns_of(*lines: bytes, start: int = 0) -> DecodedLines:
    frames = [(stamp(start + number), 1, line + b"\n") for number, line in enumerate(lines)]
    return FrameDecoder(1 << 20).feed(encode(frames))


def test_where_the_line_read_last_is_nowhere_nothing_is_skipped_and_a_gap_is_told() -> None:
    """A line was open from the very beginning, so the position has no time to be compared."""
    replay = Replay(Position(skip=2, mark=12345))
    new = columns_of(b"new 1", b"new 2", b"new 3")
    assert replay.filter(new).lines == new.lines
    assert (replay.gap, replay.inexact) == (True, True)


def test_a_stream_that_ends_before_the_line_read_last_gives_nothing_and_tells_nothing() -> None:
    replay = Replay(Position(skip=5, mark=12345))
    assert replay.filter(columns_of(b"1", b"2")).lines == []
    assert replay.filter(DecodedLines(), last=True).lines == []
    assert not replay.gap


@pytest.mark.parametrize("gone", [0, 1])
def test_where_nothing_was_consumed_the_line_that_came_first_tells_whether_it_is_the_same_log(
    gone: int,
) -> None:
    seen = columns_of(b"1", b"2", b"3")
    replay = Replay(Position(first=fingerprint(seen, 0)))
    again = columns_of(*[b"1", b"2", b"3"][gone:], start=gone)
    assert replay.filter(again).lines == again.lines
    assert (replay.done, replay.gap) == (True, bool(gone))


def test_a_piece_of_a_line_that_comes_alone_is_the_newest_that_was_seen() -> None:
    """It was not, so the stream of a container that let half a minute pass in the middle of a long
    line was taken for one that gives no more lines, and opened again every ten seconds."""
    decoder, cursor = FrameDecoder(1 << 20), Cursor(Position())
    cursor.see(decoder.feed(encode([(stamp(1), 1, b"whole\n")])))
    cursor.see(decoder.feed(encode([(stamp(2), 1, b"x" * 16_384)])))
    assert cursor.newest == stamp(2)
