"""`dockline completion`: prints the script with which a shell completes the command line.

There is one module for each shell. The scripts are our own because no library does as much, tried
in real shells with this parser in 2026. argcomplete 3 starts the program at each press of Tab, and
supports bash and zsh only. shtab 1.13 makes scripts that start nothing, for all three shells, and
takes shell functions for the names of routes, sinks and containers. But its scripts for bash and
zsh do not complete `--option=VALUE`, and the one for bash completes no option after `audit
--verify`. The shell functions would be ours in any case.
"""

from __future__ import annotations

import argparse
import importlib

SHELLS = ("bash", "fish", "zsh")


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "completion",
        help="print what a shell needs to complete the command line",
        description="Prints a script for a shell, which then completes commands, options, their "
        "choices and files, the names of routes and sinks that the configuration has, and those "
        "of containers. For bash, in ~/.bashrc: `source <(dockline completion bash)`; for zsh: "
        '`dockline completion zsh > "${fpath[1]}/_dockline"`; for fish: `dockline completion fish '
        "> ~/.config/fish/completions/dockline.fish`. Completing starts no dockline.",
    )
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS))
    return parser


def main(args: argparse.Namespace) -> int:
    from pipeline.cli import command_line
    from pipeline.cli.completion.commands import program

    shell = importlib.import_module(f"{__name__}.{args.shell}")
    print(shell.script(program(command_line())), end="")
    return 0
