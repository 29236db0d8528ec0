"""`dockline check`: prints all errors of a configuration at once, or what a valid one does."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from pipeline.cli._options import add_addresses, add_allow_python

if TYPE_CHECKING:
    from pipeline.cli.check.live import Answer
    from pipeline.config import ConfigFile, Given, Problem

NAME = "./dockline.toml"
"""A file of this name in the working directory is not read unless `-c` names it."""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "check",
        help="validate the configuration",
        description="Prints every error of the configuration, each with its line, what is wrong "
        "and what was probably meant. For a valid configuration, prints what it does, and warns of "
        "what is probably not meant. Exit status: 0 it is valid; 1 it is, but --live did not reach "
        "everything; 2 it is not, or with --strict there are warnings, or bad usage.",
    )
    parser.add_argument(
        "--live",
        action="store_true",
        help="also reach the Docker Engine, every source and every sink",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="end with status 2 for warnings as well, for CI",
    )
    parser.add_argument(
        "--format",
        choices=("text", "json"),
        default="text",
        help="text for people, or json for programs (default: text)",
    )
    add_allow_python(parser)
    add_addresses(parser)
    return parser


def main(args: argparse.Namespace) -> int:
    from pipeline.config import ConfigErrors, find, read

    given = find(args.config, os.environ, args.addresses)
    overlooked = _overlooked(args, given)
    try:
        reading = read(given, os.environ, python=args.python)
    except ConfigErrors as errors:
        if args.format == "text":
            _print_warnings(overlooked, errors.file)
            raise
        problems = [_json(problem, errors.file) for problem in errors.problems]
        warnings = [_json(problem, errors.file) for problem in overlooked]
        _print_json(file=errors.file, valid=False, errors=problems, warnings=warnings)
        return 2
    if args.print:
        from pipeline.cli._print import print_toml

        return print_toml(given, reading)
    if args.print:
        from pipeline.cli._print import print_toml

        return print_toml(given, reading)
    reading.warnings[:0] = overlooked
    answers: list[Answer] = []
    if args.live:
        from pipeline.cli.check.live import reach

        answers = reach(reading, os.environ)
    if args.format == "json":
        _print_json(**_summary(reading), live=[answer.json() for answer in answers])
    else:
        _print_text(reading, answers, strict=args.strict)
    if args.strict and reading.warnings:
        return 2
    return 1 if any(answer.trouble for answer in answers) else 0


def _overlooked(args: argparse.Namespace, given: Given) -> list[Problem]:
    """A warning if there is a configuration in the working directory that isn't used."""
    from pathlib import Path

    from pipeline.config import Problem

    if args.config or args.addresses:
        return []
    try:
        if not Path(NAME).is_file() or any(one.samefile(NAME) for one in given.files):
            return []
    except OSError:  # the file that is used does not exist
        pass
    return [Problem(f"{NAME} is not used", hint=f"to use it, write -c {NAME}")]


def _print_warnings(warnings: list[Problem], file: str) -> None:
    from pipeline.cli._terminal import print_problems

    print_problems(warnings, file, sys.stderr, warning=True)


def _print_text(reading: ConfigFile, answers: list[Answer], *, strict: bool) -> None:
    from pipeline.cli._terminal import colours

    _print_warnings(reading.warnings, reading.file)
    paint, config = colours(sys.stdout), reading.config
    if strict and reading.warnings:
        print(f"{paint('yellow', 'not ok')}: {reading.file}: --strict allows no warnings")
    else:
        print(f"{paint('green', 'ok')}: {reading.file}")
    if not config.engine.enabled:
        print("  no Docker Engine is used (engine.enabled)")
    for name, source in config.sources.items():
        print(f"  source {paint('bold', name)}: {source.type}")
    for name, sink in config.sinks.items():
        print(f"  sink   {paint('bold', name)}: {sink.type}")
    for name, route in config.routes.items():
        expression = reading.conceal(route.containers or "")
        chosen = f" of containers where {expression}" if expression else ""
        origins = [f"route:{one}" for one in config.feeding(name)] or route.sources
        steps = [", ".join(origins) + chosen, *(stage.name for stage in route.stages)]
        print(f"  route  {paint('bold', name)}: {' → '.join([*steps, ', '.join(route.to)])}")
    if config.tests:
        print(f"  tests  {len(config.tests)}")
    for answer in answers:
        word = paint("red", "failed") if answer.trouble else paint("green", "reached")
        print(f"  {word} {answer.what}: {answer.sentence}")


def _summary(reading: ConfigFile) -> dict[str, Any]:
    config = reading.config
    return {
        "file": reading.file,
        "valid": True,
        "errors": [],
        "warnings": [_json(problem, reading.file) for problem in reading.warnings],
        "sources": {name: source.type for name, source in config.sources.items()},
        "sinks": {name: sink.type for name, sink in config.sinks.items()},
        "routes": {
            name: {
                "from": route.sources,
                "stages": [stage.name for stage in route.stages],
                "to": route.to,
            }
            for name, route in config.routes.items()
        },
    }


def _json(problem: Problem, file: str) -> dict[str, Any]:
    """The problem; `file` is the name of the configuration, if it is in no single file."""
    return {
        "file": problem.file or file,
        "line": problem.line,
        "path": problem.path,
        "message": problem.message,
        "hint": problem.hint,
    }


def _print_json(**values: Any) -> None:
    print(json.dumps(values, indent=2, ensure_ascii=False))
