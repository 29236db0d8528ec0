"""`--print`: the TOML that addresses of sinks stand for."""

from __future__ import annotations

import sys

from pipeline.cli._terminal import colours, print_problems
from pipeline.config import ConfigFile, Given
from pipeline.config.one_line.addresses import Addresses


def print_toml(given: Given, reading: ConfigFile) -> int:
    """Prints the TOML of the addresses in `given`, which `reading` was read from.

    Secrets are not printed: environment variables stand for them, which standard error names.
    Returns the exit status: 0, or 2 if there is no address.
    """
    paint = colours(sys.stderr)
    if not given.addresses:
        example = "dockline run --print syslog+tls://logs.example.com"
        message = f"--print shows what addresses of sinks stand for: {example}"
        print(f"{paint('red', 'dockline:')} {message}", file=sys.stderr)
        return 2
    print_problems(reading.warnings, reading.file, sys.stderr, warning=True)
    addresses = Addresses(given.addresses)
    if addresses.variables:
        message = f"not printed; set in the environment: {', '.join(addresses.variables)}"
        print(f"{paint('yellow', 'secrets')}: {message}", file=sys.stderr)
    print(addresses.toml(), end="")
    return 0
