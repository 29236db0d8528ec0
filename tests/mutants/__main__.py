"""`python -m tests.mutants --seed 1 --count 130`: 0 when no mutant survived that changes something.

The same seed gives the same mutants of the same code, which are printed with `--list` and not
tried. Tests run in copies of the tree: what is edited meanwhile counts for nothing.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

from tests.mutants.checkout import ROOT
from tests.mutants.equivalence import reason, reasons
from tests.mutants.mutation import mutants_of
from tests.mutants.report import survivors, table
from tests.mutants.rooms import ROOMS
from tests.mutants.sample import Chosen, sample
from tests.mutants.trial import Outcome, Unmutated, tried


def main() -> int:
    arguments = _arguments()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    modules = arguments.module or list(ROOMS)
    sources = {module: (ROOT / module).read_bytes() for module in modules}
    found = {module: mutants_of(source) for module, source in sources.items()}
    if arguments.again:
        named = set(arguments.again.read_text().splitlines())
        chosen = [(m, one) for m in modules for one in found[m] if f"{m}:{one}" in named]
    elif arguments.line:
        chosen = [(m, one) for m in modules for one in found[m] if one.line in arguments.line]
    else:
        chosen = sample(found, arguments.seed, arguments.count)
    if arguments.list:
        print("\n".join(f"{module}:{mutant}" for module, mutant in chosen))
        return 0
    try:
        outcomes = _run(sources, chosen, arguments.jobs)
    except KeyboardInterrupt:
        _say("interrupted")
        return 1
    except RuntimeError as error:
        _say(str(error))
        return 1
    print("\n" + table(outcomes) + "\n", flush=True)
    left = survivors(outcomes)
    print("\n".join(["survived:", *left] if left else ["none survived"]), flush=True)
    return 1 if left else 0


def _run(sources: dict[str, bytes], chosen: Chosen, jobs: int) -> list[Outcome]:
    known = reasons()
    outcomes = [
        Outcome(module, mutant, "equivalent", because)
        for module, mutant in chosen
        if (because := reason(known, module, mutant))
    ]
    left = [(module, one) for module, one in chosen if not reason(known, module, one)]
    for number, outcome in enumerate(tried(sources, left, Unmutated(_say), jobs), 1):
        by = f"  {outcome.by}" if outcome.by else ""
        _say(f"{number}/{len(left)}  {outcome.how:<8} {outcome.module}:{outcome.mutant}{by}")
        outcomes.append(outcome)
    return sorted(outcomes)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=130)
    parser.add_argument(
        "--module", action="append", choices=list(ROOMS), metavar="FILE",
        help="mutate that one alone, such as pipeline/accounting/journal.py; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--line", action="append", type=int, metavar="N",
        help="all mutants of that line instead of a sample; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--again", type=Path, metavar="FILE",
        help="those that it names instead, one in a line as a run prints what survived",
    )  # fmt: skip
    parser.add_argument("--jobs", type=int, default=2, help="at a time (default: 2)")
    parser.add_argument("--list", action="store_true", help="print the mutants, and try none")
    return parser.parse_args()


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
