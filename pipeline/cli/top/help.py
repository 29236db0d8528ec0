"""What `?` shows: the keys, and what the columns mean."""

from __future__ import annotations

from typing import Final

SORTED_BY: Final = {
    "n": "CONTAINER", "s": "STATE", "c": "CPU", "m": "MEMORY", "i": "NET IN", "o": "NET OUT",
    "b": "RESTARTS", "l": "LINES/S", "w": "WAITING", "d": "DROPPED",
}  # fmt: skip
"""The columns of the containers, by the key that sorts by them."""


def _few(first: int, last: int) -> list[tuple[str, str]]:
    return list(SORTED_BY.items())[first:last]


LINES: Final = (
    "Keys",
    "  ?  shows this, and hides it          q  quits",
    "  Tab  the next table                  up down page home end  scroll",
    "  < >  sort by the column beside       r  reverses the order",
    "  /  filter: containers with each word in name, image, project, state or id",
    "  sort containers: " + " ".join(f"{key} {title}" for key, title in _few(0, 5)),
    "                   " + " ".join(f"{key} {title}" for key, title in _few(5, 10)),
    "Containers",
    "  STATE     health if it has a check, else as in docker ps; exited CODE",
    "  CPU       of one core: 200% are two    MEMORY  without what can be reclaimed",
    "  NET       bytes a second               RESTARTS  of this container",
    "  WAITING   entries not delivered yet    LAG  age of the oldest of them",
    "  DROPPED   entries that a sink lost: dockline tap --dropped shows new ones",
    "  Columns are left out where the terminal is too narrow. - is not known.",
    "Sinks and routes",
    "  IS        down: it takes nothing; the reason is below it",
    "  MEMORY, DISK  bytes that wait for it   RETRY  attempts that were repeated",
    "  FILTERED BY   entries that each stage has left out",
)
