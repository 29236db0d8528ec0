"""Batches as requests of Elasticsearch's bulk API, and what its answers say of each entry.

Two lines for each entry: what to do, and the document (see `json`):

    {"create":{"_index":"logs-docker.logs-default","_id":"…"}}
    {"@timestamp":"2026-01-31T23:59:59.123456789Z","message":"…",…}

`_id` is made of what tells an entry from all others: container, source, route, time, sequence and
part. The same entry sent again has the same, so that it is not stored twice.

https://www.elastic.co/guide/en/elasticsearch/reference/current/docs-bulk.html
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

import msgspec

from pipeline import native
from pipeline.encode.joined import joined
from pipeline.encode.json import JsonEncoder
from pipeline.model.batch import Batch
from pipeline.model.dumps import dumps
from pipeline.model.errors import ConfigError
from pipeline.model.pieces import gathered
from pipeline.model.rendered import RENDERED
from pipeline.support.plural import plural

LONGEST_NAME: Final = 255
"""Bytes that the name of an index may have."""
NAMELESS: Final = "dockline"
"""The index where a name comes out empty."""

_DATES: Final = {"%Y": (0, 4), "%m": (5, 7), "%d": (8, 10), "%H": (11, 13)}
"""Where each stands in a time."""
_MARKS: Final = dict(zip(_DATES, (mark * 2 for mark in "\ue000\ue001\ue002\ue003"), strict=True))
"""Stand for them in a template, and are as long."""
_FORBIDDEN: Final = re.compile(r'[\\/*?"<>| ,#:\x00-\x1f\x7f\ud800-\udfff]')


class Template(Protocol):
    """A text with expressions, compiled."""

    is_constant: bool
    """Whether it gives the same for all entries of a container and source."""

    def __call__(self, batch: Batch) -> list[str]:
        """A text for each entry."""


class Index:
    """The name of the index that an entry goes to: a template, in which `%Y`, `%m`, `%d` and `%H`
    are of the entry's own time, in UTC."""

    def __init__(self, text: str, compile_: Callable[[str], Template]) -> None:
        """Raises `ConfigError`, with the column."""
        self._marks = [(_MARKS[name], *_DATES[name]) for name in _DATES if name in text]
        self._width = max((end for *_, end in self._marks), default=0)
        self._names = compile_(_DATE.sub(_marked, text))
        self._odd = "-_+" if text.startswith(".") else "-_+."
        """What a name does not begin with: after a dot, indexes are the system's own."""

    def __call__(self, batch: Batch) -> list[str]:
        """One name for all entries, or one for each."""
        names = self._names(batch)
        if self._names.is_constant:
            names = names[:1]
        if not self._marks:
            fits = {name: fit(name, self._odd) for name in set(names)}
            return [fits[name] for name in names]
        moments = [time[: self._width] for time in batch.times]
        if moments.count(moments[0]) == len(moments):
            moments = moments[:1]
        if len(names) == len(moments) == 1:
            return [self._dated(names[0], moments[0])]
        names = list(names) * len(batch) if len(names) == 1 else names
        moments = moments * len(batch) if len(moments) == 1 else moments
        pairs = list(zip(names, moments, strict=True))
        known = {pair: self._dated(*pair) for pair in set(pairs)}
        return [known[pair] for pair in pairs]

    def _dated(self, name: str, moment: bytes) -> str:
        for mark, start, end in self._marks:
            name = name.replace(mark, moment[start:end].decode())
        return fit(name, self._odd)


_DATE: Final = re.compile(r"\{[^{}]*\}|%.?", re.DOTALL)


def _marked(found: re.Match[str]) -> str:
    text = found[0]
    if text.startswith("{"):
        return text
    if text not in _MARKS:
        raise ConfigError(f"there are {', '.join(_MARKS)}, but no {text}", column=found.start())
    return _MARKS[text]


def fit(name: str, odd: str = "-_+") -> str:
    """`name` made fit to be the name of an index: in lower case, with `_` for what a name may not
    have, and without the characters of `odd` at its beginning."""
    name = _FORBIDDEN.sub("_", name.lower()).lstrip(odd)
    name = name.encode()[:LONGEST_NAME].decode("utf-8", "ignore")
    return NAMELESS if name in ("", ".", "..") else name


_HEAD: Final = b'{"create":{"_index":'
_ID: Final = b',"_id":"'


class BulkEncoder:
    """Batches as bodies of bulk requests, for one destination."""

    def __init__(self, index: Index, *, ids: bool = True, host: str = "") -> None:
        """`ids`: whether documents have an `_id`. `host` is that of containers that do not tell
        theirs."""
        self._index = index
        self._ids = ids
        self._json = JsonEncoder(host=host)
        self._loops = native.loops

    def encode(self, batches: Sequence[Batch]) -> bytes:
        """Two lines for each entry, in order, each ended by LF: the action, and the document."""
        return b"".join(self.pieces(batches))

    def pieces(self, batches: Sequence[Batch]) -> list[bytes]:
        """The same in pieces."""
        return gathered([self._encode(batch) for batch in joined(batches)])

    def _encode(self, batch: Batch) -> bytes:
        if self._loops is not None and (data := self._in_c(self._loops, batch)) is not None:
            return data
        lines: list[bytes] = [b""] * (2 * len(batch))
        lines[0::2] = self._actions(batch)
        lines[1::2] = self._json.encode([batch]).split(b"\n")[:-1]
        lines.append(b"")
        return b"\n".join(lines)

    def _in_c(self, loops: native.Loops, batch: Batch) -> bytes | None:
        """None where the entries have several indexes, or documents are not all of one form."""
        names = self._index(batch)
        if batch.parts is not None or (len(names) > 1 and names.count(names[0]) < len(names)):
            return None
        if (rows := self._json.rows(batch)) is None:
            return None
        (first, *literals), columns = rows
        head = _HEAD + dumps(names[0])
        if not self._ids:
            return loops.interleave((head + b"}}\n" + first, *literals), columns, len(batch))
        action = head + _ID + self._prefix(batch) + b"-", b"-", b'"}}\n' + first
        ids = batch.times, batch.sequences
        return loops.interleave((*action, *literals), (*ids, *columns), len(batch))

    def _actions(self, batch: Batch) -> list[bytes]:
        names = self._index(batch)
        heads = {name: _HEAD + dumps(name) for name in set(names)}
        each = [heads[name] for name in names]
        if not self._ids:
            whole = [head + b"}}" for head in each]
            return whole if len(whole) == len(batch) else whole * len(batch)
        start = _ID + self._prefix(batch)
        if len(each) == 1:
            format_ = (each[0] + start).replace(b"%", b"%%") + b'-%b-%b"}}'
            return [format_ % pair for pair in zip(batch.times, _numbers(batch), strict=True)]
        format_ = b"%b" + start + b'-%b-%b"}}'
        columns = zip(each, batch.times, _numbers(batch), strict=True)
        return [format_ % column for column in columns]

    def _prefix(self, batch: Batch) -> bytes:
        """What is the same for all entries of a container, a source and a route."""
        key = "bulk", batch.source, batch.route

        def make() -> bytes:
            text = "\0".join((batch.container.id, *key[1:])).encode("utf-8", "replace")
            return base64.urlsafe_b64encode(hashlib.sha256(text).digest()[:15])

        return RENDERED.once(batch.container, key, make, len)


def _numbers(batch: Batch) -> list[bytes]:
    """Each sequence number, and which part it is, where it is one."""
    if batch.parts is None:
        return [b"%d" % sequence for sequence in batch.sequences]
    return [
        b"%d.%d" % (sequence, part) if part else b"%d" % sequence
        for sequence, part in zip(batch.sequences, batch.parts, strict=True)
    ]


def pairs(whole: bytes) -> list[bytes]:
    """Divides what `BulkEncoder.encode` has written: the two lines of each entry."""
    lines = whole.split(b"\n")
    return [b"%b\n%b\n" % pair for pair in zip(lines[0:-1:2], lines[1:-1:2], strict=True)]


# ------------------------------------------------------------------------------------ answers


class Result(NamedTuple):
    """What has become of one entry."""

    status: int
    """As of an answer of HTTP."""
    error: str
    """Type and reason; empty where there is none."""


class _Error(msgspec.Struct):
    type: str = ""
    reason: str | None = None


class _Item(msgspec.Struct):
    status: int
    error: _Error | str | None = None


class _Answer(msgspec.Struct):
    items: list[dict[str, _Item]]


_decode: Final = msgspec.json.Decoder(_Answer).decode


_ITEMS: Final = b'"items":['
_CREATED: Final = b'{"create":{"status":201}},'


def are_all_created(body: bytes, count: int) -> bool:
    """Whether an answer is of the usual form: JSON without blanks that says 201 of each of `count`
    entries, and nothing else of them. Takes a fiftieth of what `results` does."""
    head, _, items = body.partition(_ITEMS)
    if items != (_CREATED * count)[:-1] + b"]}":
        return False
    try:
        return isinstance(msgspec.json.decode(head + _ITEMS + b"]}"), dict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def results(body: bytes, count: int) -> list[Result]:
    """The result of each entry of a bulk request, in order, out of the body of its answer.
    `count` is how many the request had. Raises `ValueError` where the body is something else,
    saying what."""
    try:
        items = _decode(body).items
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError("is no answer to a bulk request") from error
    if len(items) != count or any(len(item) != 1 for item in items):
        found = f"{len(items)} {plural(len(items), 'entry')}"
        raise ValueError(f"has results of {found}, and {count} {plural(count, 'was', 'were')} sent")
    return [_result(result) for item in items for result in item.values()]


def _result(item: _Item) -> Result:
    error = item.error
    if isinstance(error, _Error):
        error = f"{error.type}: {error.reason}" if error.reason else error.type
    return Result(item.status, error or "")
