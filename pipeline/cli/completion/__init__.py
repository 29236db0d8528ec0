"""`dockline completion`: what a shell needs to complete the command line."""

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
