"""`dockline test`: runs the `[[tests]]` of the configuration, without an Engine and without sinks.

    [[tests]]
    route = "errors"
    container = { name = "api-1", labels = { "com.docker.compose.project" = "shop" } }
    input = ['{"level":"error","msg":"boom"}', '{"level":"info"}']
    expect = [{ level = "error", msg = "boom", env = "prod" }]

The lines go through the route's own stages, and what comes out is compared as JSON. Only fields
that are named in `expect` are compared.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from pipeline.cli._options import add_allow_python
from pipeline.support.plural import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.cli._terminal import Colour
    from pipeline.cli.test.cases import Result
    from pipeline.config import ConfigFile
    from pipeline.config.locate import KeyPlace


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "test",
        help="run the tests of the configuration",
        description="Runs the [[tests]] of the configuration: sends their lines through a route, "
        "and compares what comes out with what they expect. Needs no Docker Engine and no sink. "
        "Exit status: 0 all passed; 1 some did not; 2 bad configuration or usage.",
    )
    parser.add_argument("--route", metavar="R", help="only the tests of this route")
    parser.add_argument(
        "--update",
        action="store_true",
        help="write what comes out into the configuration, as the new expectation; the rest of the "
        "file stays as it is",
    )
    parser.add_argument("--junit", metavar="FILE", help="also write a JUnit XML report")
    add_allow_python(parser)
    return parser


def main(args: argparse.Namespace) -> int:
    from pipeline.cli.test.cases import run
    from pipeline.cli.test.report import concealed
    from pipeline.config import find, read

    reading = read(find(args.config, os.environ), os.environ, python=args.python)
    if args.route is not None and args.route not in reading.config.routes:
        return _no_such_route(args.route, reading)
    results = [
        run(reading, index)
        for index, case in enumerate(reading.config.tests)
        if args.route in (None, case.route)
    ]
    changed: list[Result] = []
    changing = [one for one in results if not one.trouble and not one.as_expected]
    if args.update and changing:
        from pipeline.cli.test.update import update

        reading, changed = update(reading, changing, os.environ, args.python)
        anew = {result.index: result for result in changed}
        results = [anew.get(result.index, result) for result in results]
    shown = [concealed(result, reading.conceal) for result in results]
    places = [place for path, place in reading.places().items() if path[:-1] == ("tests",)]
    _print(reading.file, places, shown, {result.index for result in changed})
    if args.junit:
        from pipeline.cli.test.junit import write_junit

        write_junit(args.junit, reading.file, places, shown)
    return 0 if all(result.passed for result in results) else 1


def _no_such_route(name: str, reading: ConfigFile) -> int:
    from pipeline.cli._terminal import colours
    from pipeline.config.problems import quote
    from pipeline.config.wording import nearest

    hint = nearest(name, reading.config.routes) or f"known: {', '.join(reading.config.routes)}"
    message = f"there is no route {quote(name)}; {hint}"
    print(f"{colours(sys.stderr)('red', 'dockline:')} {message}", file=sys.stderr)
    return 2


def _print(file: str, places: Sequence[KeyPlace], results: list[Result], changed: set[int]) -> None:
    from pipeline.cli._terminal import colours
    from pipeline.cli.test.report import explained, title

    paint = colours(sys.stdout)
    for result in results:
        where = places[result.index]
        place = "" if result.passed else f" ({where.file}:{where.line})"
        if not result.passed:
            word = paint("red", "FAILED")
        else:
            word = paint("yellow", "updated") if result.index in changed else paint("green", "ok")
        print(f"{word} {paint('bold', title(result))}{place and paint('dim', place)}")
        for tint, text in () if result.passed else explained(result):
            print(paint(tint, text) if tint else text)
    if not results:
        print(f"{file} has no [[tests]] to run")
        return
    failed = sum(not result.passed for result in results)
    counts: list[tuple[int, Colour, str]] = [
        (len(results) - failed, "green", "passed"),
        (failed, "red", "failed"),
        (len(changed), "yellow", "updated"),
    ]
    said = ", ".join(paint(colour, f"{count} {word}") for count, colour, word in counts if count)
    print(f"{len(results)} {plural(len(results), 'test')}: {said}")
