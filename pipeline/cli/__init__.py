"""The command line: `main` finds each command by its name in this folder.

A command is one file, or one folder when it needs several. What several commands use is in files
whose names begin with an underscore. There is no list to edit: a new file or folder is a new
command. Its module defines:

- `add(subparsers)`: adds the command's own parser, with its options, and returns it. The option
  `-c FILE` is added to every command.
- `main(args) -> int`: runs the command and returns its exit status. `args.config` has the values of
  `-c`; `pipeline.config.find` takes it. It may raise `DocklineError`.

Every start of the program imports all of these modules. So they import what is slow to import
inside `main`, and only the command that is run pays for it.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

from pipeline import __version__, native
from pipeline.model.errors import DocklineError, without_credentials

EPILOG = """\
Without -c the configuration is $DOCKLINE_CONFIG, or /etc/dockline/dockline.toml where it exists;
without any, every container's logs go to standard output. Several files are read as one. Sinks may
be given in one line instead: dockline run papertrail://logs7.papertrailapp.com:12345
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `dockline` with these arguments (those of the process by default).

    Returns the exit status: 0 done; 1 it could not be done; 2 bad usage or configuration; 130
    interrupted by the user.
    """
    try:
        args = _parsed(sys.argv[1:] if argv is None else argv)
        _open_what_is_closed(args.command)
        status: int = args.main(args)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader has gone, as in `dockline schema | head`. The interpreter must not try to write
        # the rest of the buffer when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except DocklineError as error:
        return _report(error)
    except SystemExit as end:  # from argparse: --help, --version, or a usage error
        return int(end.code or 0)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors show no credentials of an address that was not expected."""

    def error(self, message: str) -> NoReturn:
        super().error(without_credentials(message))


def _parsed(argv: Sequence[str]) -> argparse.Namespace:
    parser = command_line()
    words = [word for last, word in pairwise(["", *argv]) if last not in ("-c", "--config")]
    first = next((word for word in words if not word.startswith("-")), "")
    if "://" in first:
        from pipeline.config.one_line.reader import read_address

        parser.error(f"a command is missing; write: dockline run {read_address(first).label}")
    args, rest = parser.parse_known_args(argv)
    if rest:
        if "addresses" not in args or any(word.startswith("-") for word in rest):
            parser.error(f"unrecognized arguments: {' '.join(rest)}")
        args.addresses += rest  # argparse takes only those before the next option
    args.config = [*args.config, *args.config_of_command]
    return args


def _open_what_is_closed(command: str) -> None:
    """Replaces standard streams that are closed: input is empty, output is discarded.

    Not the output of `run`: the sink `console` must not count lines as delivered that were
    discarded.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None and (command, name) != ("run", "stdout"):
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 - it stays open


def command_line() -> argparse.ArgumentParser:
    """The argparse parser of the whole command line, with a subparser for each command."""
    parser = _Parser(
        prog="dockline",
        description="Every container's logs, stats and events, routed to where you read them.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action="version", version=f"dockline {__version__} ({native.described})"
    )
    _add_config(parser, "config")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("_"):
            command = importlib.import_module(f"{__name__}.{module.name}")
            own = command.add(commands)
            own.set_defaults(main=command.main)
            _add_config(own, "config_of_command")
    return parser


def _add_config(parser: argparse.ArgumentParser, dest: str) -> None:
    """Adds `-c`. What stands before the command and after it has a `dest` of its own: a subparser
    replaces what the parser has."""
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        dest=dest,
        action="append",
        default=[],
        help="the configuration (TOML), or a folder for the *.toml in it; may be repeated",
    )


def _report(error: DocklineError) -> int:
    from pipeline.cli._terminal import colours, print_problems
    from pipeline.config import ConfigErrors

    if isinstance(error, ConfigErrors):
        print_problems(error.problems, error.file, sys.stderr)
        return 2
    paint = colours(sys.stderr)
    print(f"{paint('red', 'dockline:')} {error}", file=sys.stderr)
    return 1
