"""What is mutated, and by which tests a mutant of it should be killed.

The rooms are those where the loss of log lines would hide. All these tests are quick and run in CI.
"""

from __future__ import annotations

from typing import NamedTuple


class Room(NamedTuple):
    own: tuple[str, ...]
    """The tests that mirror it."""
    wider: tuple[str, ...]
    """Tests of what it is used by, for mutants that survive its own."""


DOCKER = "tests/sources/docker"

ROOMS = {
    "pipeline/sources/docker/frames.py": Room(
        (f"{DOCKER}/test_frames.py",),
        (f"{DOCKER}/test_whole.py", "tests/native/test_frames.py"),
    ),
    "pipeline/sources/docker/cursor.py": Room(
        (f"{DOCKER}/test_cursor.py",),
        (f"{DOCKER}/test_tail.py", f"{DOCKER}/test_gathering.py", f"{DOCKER}/test_beginning.py"),
    ),
    "pipeline/sources/docker/emission.py": Room(
        (f"{DOCKER}/test_emission.py",),
        (f"{DOCKER}/test_tail.py", f"{DOCKER}/test_gathering.py"),
    ),
    "pipeline/settlement.py": Room(
        ("tests/test_settlement.py",),
        ("tests/test_routing.py", "tests/test_checkpoint.py", "tests/test_outlet.py"),
    ),
    "pipeline/checkpoint.py": Room(
        ("tests/test_checkpoint.py",),
        (f"{DOCKER}/test_cursor.py", f"{DOCKER}/test_beginning.py", "tests/test_privacy.py"),
    ),
    "pipeline/journal.py": Room(("tests/test_journal.py",), ("tests/test_checkpoint.py",)),
    "pipeline/buffer/spool.py": Room(
        ("tests/buffer/test_spool.py", "tests/buffer/test_recovery.py"),
        ("tests/buffer/test_spooled.py", "tests/buffer/test_disk_faults.py"),
    ),
    "pipeline/buffer/spooled.py": Room(
        ("tests/buffer/test_spooled.py",),
        ("tests/buffer/test_spooled_delivery.py", "tests/buffer/test_disk_faults.py"),
    ),
    "pipeline/delivery.py": Room(
        ("tests/test_delivery.py",),
        ("tests/buffer/test_spooled_delivery.py", "tests/test_pace.py", "tests/test_outlet.py"),
    ),
    "pipeline/routing/lanes.py": Room(
        ("tests/test_routing.py",), ("tests/test_turns.py", "tests/test_outlet.py")
    ),
    **{
        f"pipeline/stages/{name}.py": Room(
            ("tests/stages/test_redaction.py",), ("tests/stages/test_redact.py",)
        )
        for name in ("_redaction", "_redaction_keys", "_redaction_kinds")
    },
}
