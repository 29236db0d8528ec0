"""Types for values in a component's configuration that TOML doesn't have.

Each has a classmethod `parse`, which makes a value of a text and raises `ValueError` for one of
another form, with a sentence for the user. Types of this kind that components define say what
messages and the JSON Schema need: `NOUN`, what to call such a text; `EXAMPLE`; `FORM`, a pattern.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar


class Size(int):
    """A number of bytes, written as `512KiB`, `16MiB`, `1GB`, or as an integer."""

    UNITS: ClassVar[dict[str, int]] = {
        "": 1, "B": 1,
        "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
        "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40,
    }  # fmt: skip
    """Factor of each unit, in upper case."""

    @classmethod
    def parse(cls, text: str | int) -> Size:
        """Reads a size. Raises `ValueError` with a sentence for the user."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", str(text).strip())
        unit = found and cls.UNITS.get(found[2].upper())
        if not found or not unit:
            raise ValueError(f'"{text}" is not a size; write it like "16MiB" or "512KiB"')
        return cls(float(found[1]) * unit)


class Duration(float):
    """A time in seconds, written as `200ms`, `5s`, `10m`, `2h`, `7d`, or several together:
    `1h30m`."""

    UNITS: ClassVar[dict[str, float]] = {
        "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0,
    }  # fmt: skip
    """Seconds of each unit."""

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Reads a duration. Raises `ValueError` with a sentence for the user."""
        if not re.fullmatch(r"(\d+(\.\d+)?(us|ms|s|m|h|d))+", str(text)):
            raise ValueError(f'"{text}" is not a duration; write it like "200ms", "5s" or "10m"')
        parts = re.findall(r"(\d+(?:\.\d+)?)(us|ms|s|m|h|d)", text)
        return cls(sum(float(number) * cls.UNITS[unit] for number, unit in parts))


class Rate(float):
    """A number of entries in a time, written as `100/s`, `30/m`, `1000/h` or `20/10m`.

    As a number it is the entries per second.
    """

    NOUN: ClassVar[str] = "rate"
    EXAMPLE: ClassVar[str] = "100/s"
    FORM: ClassVar[str] = r"^\d+(\.\d+)?/((us|ms|s|m|h|d)|(\d+(\.\d+)?(us|ms|s|m|h|d))+)$"

    count: float
    """How many entries."""
    per: Duration
    """In which time."""

    @classmethod
    def parse(cls, text: str) -> Rate:
        """Reads a rate. Raises `ValueError` with a sentence for the user."""
        text = text.replace(" ", "")
        if not re.match(cls.FORM, text, re.ASCII):
            raise ValueError(f'"{text}" is not a rate; write it like "100/s", "30/m" or "20/10m"')
        count, _, per = text.partition("/")
        time = Duration.parse(per if per[0].isdigit() else f"1{per}")
        if not time:
            raise ValueError(f'"{text}" is not a rate: its time is 0')
        rate = cls(float(count) / time)
        rate.count, rate.per = float(count), time
        return rate


class FileToRead(str):
    """The path of a file that is read. A file that cannot be read is a warning of `check`."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> FileToRead:
        """Checks a path. Raises `ValueError` with a sentence for the user."""
        if not text or "\0" in text:
            raise ValueError(f'"{text}" is not a path; write it like "/certs/ca.pem"')
        return cls(text)


class Secret(str):
    """A string whose `repr` is stars, so that it is never shown by accident. `str(secret)` is the
    value."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def secrets(self) -> tuple[str, ...]:
        """What of it is hidden in texts of others: all of it."""
        return (str(self),)


class SecretURL(Secret):
    """A URL whose path and query are secret, as those of webhooks are. Scheme, host and port may be
    shown."""

    __slots__ = ()

    def secrets(self) -> tuple[str, ...]:
        """The path and the query, and the longer parts of both; all of a text without `://`. A path
        that is a short word, such as `logs`, is one only behind its slash."""
        if "://" not in self:
            return (str(self),)
        path, _, query = self.partition("://")[2].partition("/")[2].partition("?")
        parts = re.split(r"[/&=]", f"{path}&{query}")
        path = path.strip("/")
        path = f"/{path}" if 0 < len(path) < 8 else path
        return tuple(dict.fromkeys((
            *filter(None, (path, query)), *(part for part in parts if len(part) >= 12)
        )))  # fmt: skip

    @property
    def looks_secret(self) -> bool:
        """Whether path or query have something that nobody would type: a token, or a signature."""
        words = re.split(r"[^A-Za-z0-9_-]", self.partition("://")[2].partition("/")[2])
        return any(len(word) >= 20 and re.search(r"[0-9]", word) for word in words)


class TemplateText(str):
    """A template. `of_environment` are those texts in it that `${…}` was written for."""

    of_environment: tuple[str, ...] = ()

    @classmethod
    def filled(cls, text: str, values: Iterable[str]) -> TemplateText:
        """A template in which `values` were put in place of `${…}`."""
        made = cls(text)
        made.of_environment = tuple(filter(None, values))
        return made

    def __repr__(self) -> str:
        return "'***'" if self.of_environment else super().__repr__()

    def secrets(self) -> tuple[str, ...]:
        """What of it is hidden in texts of others: what `${…}` was written for."""
        return self.of_environment
