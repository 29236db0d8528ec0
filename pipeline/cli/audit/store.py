"""`dockline audit --verify`: reads files of entries, and prints what is missing and repeated."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from pipeline.cli._terminal import colours
from pipeline.cli.audit.entries import LOGS, Rubbish, Verifier
from pipeline.cli.audit.sequences import Gap, Series
from pipeline.support.plural import plural

STANDARD_INPUT = "standard input"
SHOWN = 10
"""Gaps, and ranges of repeats, that are printed for each container. JSON has all of them."""


def verify(files: list[str], *, json: bool) -> int:
    """Verifies files of JSON lines, gzipped or not; "-" is standard input.

    Prints text, or JSON. Returns the exit status: 0 complete; 1 something is missing or repeated; 2
    there is nothing to verify, or a file can't be read.
    """
    verifier = Verifier()
    for file in files:
        name = STANDARD_INPUT if file == "-" else file
        try:
            with _opened(file) as stream:
                verifier.read(stream, name)
        except (OSError, EOFError, zlib.error) as error:
            reason = getattr(error, "strerror", None) or error
            return _cannot(f"cannot read {name}: {reason}")
    series = verifier.series
    if json:
        sys.stdout.write(orjson.dumps(_json(series, verifier.rubbish), option=_INDENT).decode())
    else:
        _print_rubbish(verifier.rubbish)
        _print_text(series)
    if not series:
        return _cannot("there are no entries of dockline to verify")
    return 1 if any(one.missing or one.repeats for one in series) else 0


def _cannot(reason: str) -> int:
    print(f"{colours(sys.stderr)('red', 'dockline:')} {reason}", file=sys.stderr)
    return 2


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    """The bytes of a file, unzipped if they are gzipped."""
    if file == "-":
        yield _unzipped(sys.stdin.buffer)
    else:
        with Path(file).open("rb") as stream:
            yield _unzipped(stream)


def _unzipped(stream: Any) -> BinaryIO:
    zipped = stream.peek(2)[:2] == b"\x1f\x8b"
    return gzip.open(stream) if zipped else stream  # type: ignore[return-value]


# -------------------------------------------------------------------------------- for people


def _print_text(series: list[Series]) -> None:
    paint = colours(sys.stdout)
    for one in series:
        bad = one.missing or one.repeats
        what = "" if one.dataset == LOGS else f" ({_shown(one.dataset)})"
        begins = "" if one.first == 1 else f", begins at {one.first}"
        print(
            f"{paint('bold', _shown(one.name))} {_shown(one.container[:12])}{what}: "
            f"{_entries(one.entries)}, {_range(one.first, one.last)}{begins}; "
            + paint("red" if bad else "green", _counts(one.missing, one.repeats))
        )
        gaps = one.gaps
        _print_some("missing", [_gap(gap) for gap in islice(gaps, SHOWN)])
        _print_rest(sum(1 for _ in gaps))
        repeated = one.repeated
        _print_some("repeated", [_range(*numbers) for numbers in repeated[:SHOWN]])
        _print_rest(len(repeated) - SHOWN)
    containers = len({one.container for one in series})
    print(
        f"total: {containers:,} {plural(containers, 'container')}, "
        f"{_entries(sum(one.entries for one in series))}; "
        + _counts(sum(one.missing for one in series), sum(one.repeats for one in series))
    )


def _entries(count: int) -> str:
    return f"{count:,} {plural(count, 'entry')}"


def _counts(missing: int, repeats: int) -> str:
    return f"{missing:,} missing, {repeats:,} repeated" if missing or repeats else "complete"


def _print_some(word: str, texts: list[str]) -> None:
    for text in texts:
        print(f"  {word} {text}")


def _print_rest(count: int) -> None:
    if count > 0:
        print(f"  … and {count:,} more such {plural(count, 'place')}; --json has all")


def _gap(gap: Gap) -> str:
    text = _range(gap.first, gap.last)
    if gap.after is None or gap.before is None:
        return text
    return f"{text}, between {_shown(gap.after)} and {_shown(gap.before)}"


def _range(first: int, last: int) -> str:
    return str(first) if first == last else f"{first} to {last}"


def _print_rubbish(rubbish: Rubbish) -> None:
    paint = colours(sys.stderr)
    for name, number, reason in rubbish.first:
        print(
            f"{paint('bold', f'{name}:{number}:')} not an entry: {_shown(reason)}", file=sys.stderr
        )
    if rubbish.count:
        noun = plural(rubbish.count, "line is no entry", "lines are no entries")
        text = f"{rubbish.count:,} {noun} of dockline"
        print(paint("yellow", text), file=sys.stderr)


def _shown(value: object) -> str:
    """The text without characters that could control the terminal: a file may have any."""
    return "".join(character if character.isprintable() else "�" for character in str(value))


# ------------------------------------------------------------------------------ for programs

_INDENT = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


def _json(series: list[Series], rubbish: Rubbish) -> dict[str, Any]:
    return {
        "complete": bool(series) and not any(one.missing or one.repeats for one in series),
        "containers": [_series_json(one) for one in series],
        "entries": sum(one.entries for one in series),
        "missing": sum(one.missing for one in series),
        "repeated": sum(one.repeats for one in series),
        "rubbish": {
            "lines": rubbish.count,
            "first": [
                {"file": name, "line": number, "reason": reason}
                for name, number, reason in rubbish.first
            ],
        },
    }


def _series_json(one: Series) -> dict[str, Any]:
    return {
        "id": one.container,
        "name": one.name,
        "dataset": one.dataset,
        "entries": one.entries,
        "first": one.first,
        "last": one.last,
        "missing": one.missing,
        "gaps": [
            {"first": gap.first, "last": gap.last, "after": gap.after, "before": gap.before}
            for gap in one.gaps
        ],
        "repeated": one.repeats,
        "repeats": [{"first": first, "last": last} for first, last in one.repeated],
    }
