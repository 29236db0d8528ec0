"""Writes numbers for people, in few characters."""

from __future__ import annotations


def count(number: float) -> str:
    """A number: `0`, `0.5`, `999`, `1.2k`, `34M`. At most five characters below 10^15."""
    return _scaled(number, 1000, ("", "k", "M", "G", "T"))


def size(number: float) -> str:
    """Bytes, in powers of 1024: `0`, `999`, `1.2K`, `34M`."""
    return _scaled(number, 1024, ("", "K", "M", "G", "T"))


def _scaled(number: float, base: int, units: tuple[str, ...]) -> str:
    unit = units[0]
    for unit in units:
        if abs(number) < 999.5 or unit == units[-1]:
            break
        number /= base
    if number and abs(number) < 9.95 and (unit or number != int(number)):
        text = f"{number:.1f}"
        return (text.removesuffix(".0") if not unit else text) + unit
    return f"{number:.0f}{unit}"


def duration(seconds: float) -> str:
    """Seconds as `0s`, `0.4s`, `12s`, `3m`, `5h`, `2d`. A unit is used up to two of the next."""
    if 0.05 <= seconds < 9.95:
        return f"{seconds:.1f}s"
    for unit, length in (("s", 60), ("m", 60), ("h", 24)):
        if seconds < 2 * length:
            return f"{seconds:.0f}{unit}"
        seconds /= length
    return f"{seconds:.0f}d"
