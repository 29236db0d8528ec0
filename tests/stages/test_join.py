"""The stage `join`."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.model.batch import Batch
from pipeline.model.component import Stage
from pipeline.model.errors import ConfigError
from pipeline.stages import join
from pipeline.testing.builders import Entry, batch, container, entries
from pipeline.testing.stage_kit import StageKit
from tests.suite.examples import examples


class TestJoinOfALanguage(StageKit):
    def make(self) -> Stage:
        return join.Stage("python")


class TestJoinOfIndentedLines(StageKit):
    def make(self) -> Stage:
        return join.Stage("indent")


class TestJoinByAStart(StageKit):
    def make(self) -> Stage:
        return join.Stage(join.Own(start="^[{a-z]"))


class TestJoinByAContinuation(StageKit):
    def make(self) -> Stage:
        return join.Stage(join.Own(continue_="^[{a-z]", lines=2))


def joining(config: Any) -> Stage:
    return join.Stage(config).bind(container())


def rows(*results: Batch | None) -> list[Entry]:
    return [row for result in results for row in entries(result)]


def joined(config: Any, *batches: Batch) -> list[bytes]:
    """The messages that come of them, all let go at the end."""
    stage = joining(config)
    results = [*map(stage, batches), stage.flush(math.inf)]
    assert stage.held == 0
    return [row.message for row in rows(*results)]


# ----------------------------------------------------------------------- real stack traces

PYTHON_CHAINED = """\
Traceback (most recent call last):
  File "/app/shop.py", line 12, in charge
    return rates[currency] / total
           ~~~~~~~~~~~~~~~~^~~~~~~
ZeroDivisionError: division by zero

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/shop.py", line 31, in <module>
    main()
  File "/app/shop.py", line 26, in main
    raise PaymentFailed("card") from None
  [Previous line repeated 996 more times]
shop.errors.PaymentFailed: card"""

JAVA = """\
Exception in thread "main" java.lang.IllegalStateException: A book has a null property
\tat com.example.Author.getBookIds(Author.java:38)
\tat com.example.Bootstrap.main(Bootstrap.java:14)
\tSuppressed: java.io.IOException: close
\t\tat com.example.Res.close(Res.java:5)
\t\t... 1 more
Caused by: java.lang.NullPointerException
\tat com.example.Book.getId(Book.java:22)
\tat java.base/java.lang.Thread.run(Thread.java:840)
\t... 14 common frames omitted"""

JAVA_OWN_NAME = """\
org.acme.Overdrawn: account 7
    at org.acme.Bank.pay(Bank.kt:12)
    at org.acme.MainKt.main(Main.kt)"""

GO = """\
panic: runtime error: invalid memory address or nil pointer dereference [recovered]
\tpanic: again
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x47d1c3]

goroutine 1 [running]:
main.(*Server).handle(0x0, {0xc000012345, 0x1})
\t/src/main.go:12 +0x1d
main.main()
\t/src/main.go:20 +0x25

goroutine 18 [chan receive, 2 minutes]:
main.Map[...](0xc00007e060)
\t/src/map.go:9 +0x45
created by main.main in goroutine 1
\t/src/main.go:18 +0x6f
exit status 2"""

GO_DEADLOCK = """\
fatal error: all goroutines are asleep - deadlock!

goroutine 1 [chan receive]:
main.main()
\t/tmp/sandbox/prog.go:5 +0x2d"""

NODE = """\
TypeError: Cannot read properties of undefined (reading 'id')
    at charge (/app/shop.js:10:17)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)
    at async Promise.all (index 0) {
  code: 'E_SHOP',
  [cause]: Error: connect ECONNREFUSED 127.0.0.1:5432
      at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1555:16)
}"""

NODE_UNCAUGHT = """\
/app/index.js:3
    throw new Error("boom");
    ^

Error: boom
    at Object.<anonymous> (/app/index.js:3:11)
    at Module._compile (node:internal/modules/cjs/loader:1369:14)

Node.js v20.12.2"""

RUBY = """\
/app/shop.rb:7:in `rescue in charge': payment failed (RuntimeError)
\tfrom /app/shop.rb:4:in `charge'
\tfrom /app/shop.rb:11:in `<main>'
/app/shop.rb:5:in `/': divided by 0 (ZeroDivisionError)
\tfrom /app/shop.rb:5:in `charge'
\tfrom /app/shop.rb:11:in `<main>'"""

RUBY_WITH_SNIPPET = """\
t.rb:1:in '<main>': undefined method 'foo' for nil (NoMethodError)

nil.foo
   ^^^^
Did you mean?  for
\tfrom t.rb:9:in 'Kernel#load'"""

DOTNET = """\
Unhandled exception. System.InvalidOperationException: charging failed
 ---> System.DivideByZeroException: Attempted to divide by zero.
   at Shop.Rates.Of(String currency) in /src/Rates.cs:line 12
   --- End of inner exception stack trace ---
   at Shop.Program.Charge() in /src/Program.cs:line 30
--- End of stack trace from previous location ---
   at Shop.Program.Main(String[] args) in /src/Program.cs:line 5"""

DOTNET_LOGGED = """\
fail: Shop.Payments[42]
      charging failed
      System.DivideByZeroException: Attempted to divide by zero.
         at Shop.Rates.Of(String currency) in /src/Rates.cs:line 12"""

TRACES = {
    "python": [PYTHON_CHAINED],
    "java": [JAVA, JAVA_OWN_NAME],
    "go": [GO, GO_DEADLOCK],
    "node": [NODE, NODE_UNCAUGHT],
    "ruby": [RUBY, RUBY_WITH_SNIPPET],
    "dotnet": [DOTNET, DOTNET_LOGGED],
}
PLAIN = ["2026-01-31 INFO listening on :80", '{"level":"info","msg":"ok"}', "GET / 200"]
CASES = [(language, trace) for language, traces in TRACES.items() for trace in traces]


@pytest.mark.parametrize(("language", "trace"), CASES)
def test_a_trace_between_plain_lines_is_one_entry(language: str, trace: str) -> None:
    lines = [*PLAIN, *trace.split("\n"), *PLAIN]
    expected = [line.encode() for line in (*PLAIN, trace, *PLAIN)]
    assert joined(language, batch(*lines)) == expected


@pytest.mark.parametrize(("language", "trace"), CASES)
def test_a_trace_that_comes_line_by_line_is_one_entry(language: str, trace: str) -> None:
    lines = [*PLAIN, *trace.split("\n"), *PLAIN]
    batches = [batch(line, start=number) for number, line in enumerate(lines)]
    expected = [line.encode() for line in (*PLAIN, trace, *PLAIN)]
    assert joined(language, *batches) == expected


@pytest.mark.parametrize("language", TRACES)
def test_lines_that_begin_no_trace_are_the_same_batch_and_nothing_is_held(language: str) -> None:
    stage, whole = joining(language), batch(*PLAIN)
    assert stage(whole) is whole
    assert stage.held == 0


PROGRAM = """
import traceback
def divide(): 1 / 0
def group(): raise ExceptionGroup("several", [ValueError("a"), TypeError("b")])
def chained():
    try: divide()
    except ZeroDivisionError as error: raise RuntimeError("again") from error
def deep(n=0): deep(n + 1)
def wrong(): compile("x = = 1", "f.py", "exec")
for raising in (divide, chained, group, deep, wrong):
    print("before")
    try: raising()
    except BaseException: traceback.print_exc()
print("after")
"""


@pytest.mark.server
def test_what_this_very_interpreter_prints_is_one_entry_each() -> None:
    command = [sys.executable, "-u", "-c", PROGRAM]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True)
    messages = joined("python", batch(*done.stdout.splitlines()))
    assert messages[::2] == [b"before"] * 5 + [b"after"]
    assert [message.split(b"\n")[-1].split(b":")[0] for message in messages[1::2]] == [
        b"ZeroDivisionError", b"RuntimeError", b"    +------------------------------------",
        b"RecursionError", b"SyntaxError",
    ]  # fmt: skip


# ---------------------------------------------------------------------- one's own patterns


def test_indented_lines_belong_to_the_one_before() -> None:
    lines = ["a", "  b", "\tc", "", "d", "e", " f"]
    assert joined("indent", batch(*lines)) == [b"a\n  b\n\tc", b"", b"d", b"e\n f"]


def test_all_that_does_not_begin_an_entry_belongs_to_the_one_before() -> None:
    one = join.Own(start=r"^\d{4}-")
    whole = batch("orphan", "2026-01 a", "java.lang.Error", "\tat x", "2026-02 b", start=10)
    stage = joining(one)
    found = rows(stage(whole), stage.flush(math.inf))
    assert [row.message for row in found] == [
        b"orphan", b"2026-01 a\njava.lang.Error\n\tat x", b"2026-02 b",
    ]  # fmt: skip
    assert [(row.sequence, row.time) for row in found] == [
        (number, whole.times[number - 10]) for number in (10, 11, 14)
    ]


def test_what_continues_belongs_to_the_one_before() -> None:
    one = join.Own(continue_=r"^\\|^and ")
    assert joined(one, batch("a", "and b", "\\c", "d")) == [b"a\nand b\n\\c", b"d"]


@pytest.mark.parametrize(
    ("config", "path"),
    [
        (join.Own(), ""),
        (join.Own(like="go", start="^a"), ""),
        (join.Own(start="("), "start"),
        (join.Own(continue_="(a+)+$"), "continue"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(config: join.Own, path: str) -> None:
    with pytest.raises(ConfigError) as refused:
        join.Stage(config)
    assert refused.value.path == path


@settings(max_examples=examples(1000))
@given(
    st.lists(st.sampled_from(["x", " y", "", "\tat a.B", "a.b.Gone: x"]), max_size=30), st.data()
)
@pytest.mark.parametrize("config", ["java", "indent", join.Own(like="java", lines=3)])
def test_batches_of_nothing_but_lines_are_joined_as_any_other(
    config: Any, lines: list[str], data: st.DataObject
) -> None:
    """The others go entry by entry: here those whose entries have a flag of no meaning."""
    plain, other = joining(config), joining(config)
    start, now = 0, 0.0
    while lines:
        size = data.draw(st.integers(1, 6))
        some, lines = lines[:size], lines[size:]
        found = rows(plain(batch(*some, start=start)))
        assert found == rows(other(batch(*some, start=start, flags={-1: "none"})))
        start, now = start + len(some), now + data.draw(st.sampled_from([0.0, 1.1]))
        assert rows(plain.flush(now)) == rows(other.flush(now))
        assert (plain.held, plain.oldest_held) == (other.held, other.oldest_held)
    assert rows(plain.flush(math.inf)) == rows(other.flush(math.inf))


# ---------------------------------------------------------------------- streams and order


def test_the_streams_are_joined_each_for_itself_and_stay_in_order() -> None:
    lines = ["A", "x", " A2", "y", " x?", " A3", "B"]
    streams = "out err out err err out out"
    stage = joining("indent")
    let_go = rows(stage(batch(*lines, streams=streams)))
    assert [(row.message, row.sequence, row.stream) for row in let_go] == [
        (b"A\n A2\n A3", 0, "stdout"),
        (b"x", 1, "stderr"),
    ]
    assert (stage.held, stage.oldest_held) == (3, 3)
    rest = rows(stage.flush(math.inf))
    assert [(row.message, row.sequence) for row in rest] == [(b"y\n x?", 3), (b"B", 6)]


def test_a_line_of_the_other_stream_waits_for_the_entry_that_began_before_it() -> None:
    stage = joining("indent")
    assert stage(batch("A", streams="out", start=1)) is None
    assert stage(batch("e1", "e2", streams="err err", start=2)) is None
    assert (stage.held, stage.oldest_held) == (3, 1)
    found = rows(stage(batch(" A2", "B", streams="out out", start=4)))
    assert [row.message for row in found] == [b"A\n A2", b"e1"]


def test_what_waits_behind_an_open_entry_is_bounded() -> None:
    stage = joining("indent")
    assert stage(batch("A", streams="out")) is None
    let_go = 0
    for start in range(1, 20_001, 1000):
        lines = ["x"] * 1000
        let_go += len(rows(stage(batch(*lines, streams="err " * 1000, start=start))))
        assert stage.held <= join.MOST_WAITING + 1
    assert let_go + stage.held == 20_001


def test_what_has_waited_is_let_go_little_by_little_and_at_the_end_all_of_it() -> None:
    """The stages behind this one would hold the event loop with all of it at once."""
    stage = joining("indent")
    assert stage(batch("A", streams="out")) is None
    line = "x" * 1000
    for start in range(1, 1001, 50):
        assert stage(batch(*[line] * 50, streams="err " * 50, start=start)) is None
    most = join.AT_ONCE // 1000 + 1
    found = [rows(stage(batch("B", streams="out", start=1001)))]
    found += [rows(stage.flush(10.0)) for _ in range(3)]
    assert [len(some) <= most for some in found] == [True] * 4
    assert [bool(some) for some in found] == [True] * 4
    rest = rows(stage.flush(math.inf))
    assert len(rest) > most
    sequences = [row.sequence for some in [*found, rest] for row in some]
    assert sequences == list(range(1002))[: len(sequences)]
    assert len(sequences) == 1002
    assert stage.held == 0


# -------------------------------------------------------------------------------- bounds


def test_an_entry_has_no_more_lines_and_bytes_than_it_may() -> None:
    many = batch("a", *[" b"] * 9)
    by_lines = joined(join.Own(like="indent", lines=4), many)
    assert [message.count(b"\n") + 1 for message in by_lines] == [4, 4, 2]
    by_bytes = joined(join.Own(like="indent", bytes=join.Size(10)), many)
    assert b"\n".join(by_bytes) == b"\n".join(many.lines)
    assert max(map(len, by_bytes)) <= 10


def test_what_is_held_is_let_go_when_nothing_was_joined_to_it_for_so_long() -> None:
    stage = joining(join.Own(like="indent", timeout=join.Duration(2)))
    assert stage(batch("a")) is None
    assert stage.flush(100.0) is None
    assert stage.flush(101.9) is None
    assert stage(batch(" b", start=1)) is None
    assert stage.flush(102.1) is None
    assert stage.flush(104.0) is None
    assert [row.message for row in rows(stage.flush(104.1))] == [b"a\n b"]
    assert stage.held == 0
    assert stage.flush(1000.0) is None


def test_a_join_that_never_pauses_is_let_go_after_ten_times_as_long() -> None:
    stage = joining("indent")
    found: list[Entry] = []
    for number in range(150):
        found += rows(stage(batch(" a", start=number)), stage.flush(number / 10))
    assert len(found) == 1
    assert found[0].message.count(b"\n") == 100


def test_what_comes_too_late_for_a_trace_is_still_joined_to_itself() -> None:
    stage = joining("python")
    head, *others = PYTHON_CHAINED.split("\n")
    assert stage(batch(head)) is None
    stage.flush(0.0)
    first = rows(stage.flush(1.0))
    second = rows(stage(batch(*others, start=1)), stage.flush(math.inf))
    assert [row.message.decode() for row in first + second] == [head, "\n".join(others)]


# -------------------------------------------------------------------- fields and remarks


def test_an_entry_has_the_fields_of_its_first_line_and_the_remarks_of_all() -> None:
    stage = joining("indent")
    one = batch("a", " b", "c", fields=[{"n": 1}, {"n": 2}, {"n": 3}], flags={1: "truncated"})
    (first,) = results = [stage(one)]
    assert [row.fields for row in rows(*results)] == [{"n": 1}]
    assert first is not None
    assert first.flags == {0: "truncated"}
    assert [row.fields for row in rows(stage(batch("d", start=3)))] == [{"n": 3}]


def test_events_and_stats_are_not_joined() -> None:
    one = batch("a", " b", source="events", streams="none none")
    stage = joining("indent")
    assert stage(one) is one
    assert stage.held == 0


def test_a_pattern_that_begins_with_a_caret_is_the_mark_of_a_first_line() -> None:
    stage = join.Stage(join.FirstLine.parse(r"^\d")).bind(container())
    joined = [*entries(stage(batch("1 a", " b", "2 c"))), *entries(stage.flush(math.inf))]
    assert [one.message for one in joined] == [b"1 a\n b", b"2 c"]
    with pytest.raises(ValueError, match="begins with"):
        join.FirstLine.parse("pyhton")
    with pytest.raises(ConfigError, match="take for ever"):
        join.FirstLine.parse("^(a+)+$")
