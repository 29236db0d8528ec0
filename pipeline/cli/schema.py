"""`dockline schema`: prints the JSON Schema of the configuration, for editors."""

from __future__ import annotations

import argparse


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    return subparsers.add_parser(
        "schema",
        help="print the JSON Schema of the configuration",
        description="Prints the JSON Schema (draft 2020-12) of the configuration. An editor with "
        "TOML support takes it from a first line `#:schema ./dockline.schema.json`.",
    )


def main(args: argparse.Namespace) -> int:
    from pipeline.config.schema import render

    print(render(), end="")
    return 0
