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
POSITION = Room(
    (f"{DOCKER}/logs/test_cursor.py",),
    (
        f"{DOCKER}/logs/test_follower.py",
        f"{DOCKER}/engine/test_gathered_reads.py",
        f"{DOCKER}/discovery/test_start_position.py",
    ),
)
"""Of the files that tell together where an agent is in a log."""

ROOMS = {
    "pipeline/sources/docker/decode/frames.py": Room(
        (f"{DOCKER}/decode/test_frames.py",),
        (f"{DOCKER}/decode/test_frames_at_once.py", "tests/native/test_frames.py"),
    ),
    "pipeline/sources/docker/logs/cursor.py": POSITION,
    "pipeline/sources/docker/logs/replay.py": POSITION,
    "pipeline/sources/docker/logs/batcher.py": Room(
        (f"{DOCKER}/logs/test_batcher.py",),
        (f"{DOCKER}/logs/test_follower.py",),
    ),
    "pipeline/sources/docker/logs/distributor.py": Room(
        (f"{DOCKER}/logs/test_follower.py",),
        (f"{DOCKER}/test_source_faults.py",),
    ),
    "pipeline/accounting/acks.py": Room(
        ("tests/accounting/test_acks.py",),
        (
            "tests/topology/test_router.py",
            "tests/accounting/test_checkpoint.py",
            "tests/topology/test_output.py",
        ),
    ),
    "pipeline/accounting/offsets.py": Room(
        ("tests/accounting/test_offsets.py",),
        ("tests/topology/test_router.py", "tests/accounting/test_checkpoint.py"),
    ),
    "pipeline/accounting/checkpoint.py": Room(
        ("tests/accounting/test_checkpoint.py",),
        (
            f"{DOCKER}/logs/test_cursor.py",
            f"{DOCKER}/discovery/test_start_position.py",
            "tests/support/test_private_folder.py",
        ),
    ),
    "pipeline/accounting/journal.py": Room(
        ("tests/accounting/test_journal.py",), ("tests/accounting/test_checkpoint.py",)
    ),
    "pipeline/buffer/spool.py": Room(
        ("tests/buffer/test_spool.py", "tests/buffer/test_recovery.py"),
        ("tests/buffer/test_spooled.py", "tests/buffer/test_disk_faults.py"),
    ),
    "pipeline/buffer/spooled.py": Room(
        ("tests/buffer/test_spooled.py",),
        ("tests/buffer/test_spooled_delivery.py", "tests/buffer/test_disk_faults.py"),
    ),
    "pipeline/topology/delivery.py": Room(
        ("tests/topology/test_delivery.py",),
        (
            "tests/buffer/test_spooled_delivery.py",
            "tests/topology/test_send_pace.py",
            "tests/topology/test_output.py",
        ),
    ),
    "pipeline/topology/container_lanes.py": Room(
        ("tests/topology/test_router.py",),
        ("tests/topology/test_stage_budget.py", "tests/topology/test_output.py"),
    ),
    **{
        f"pipeline/stages/{name}.py": Room(
            ("tests/stages/test_redaction.py",), ("tests/stages/test_redact.py",)
        )
        for name in ("_redaction", "_redaction_keys", "_redaction_kinds")
    },
}
