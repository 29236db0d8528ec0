"""Replaces what is personal or secret, in the message and in all fields.

    { redact = ["email", "card"] }
    { redact = { what = ["bearer"], keys = ["password", "secret"], with = "***" } }
    { redact = { what = ["email", "ip"], with = "sha256" } }

- `email`: addresses such as `bob@example.com`, `bob%40example.com` as well.
- `card`: numbers of payment cards: 13 to 19 digits, with or without single spaces or dashes, of a
  known issuer and with the right check digit (Luhn).
- `ip`: addresses of IPv4 and IPv6. A port, a prefix length or a zone after the address stays.
- `jwt`: JSON Web Tokens, signed and encrypted ones.
- `aws_key`: identifiers of AWS access keys, such as `AKIA…`. A secret access key looks like any
  other text of 40 characters; use a pattern with what stands before it.
- `bearer`: the token after `Bearer`. The word itself stays.

`keys` are names whose values are replaced, whatever they are, in upper or lower case and at any
depth: names of fields, and names in messages and other texts, written as JSON, `name=value` or
`name: value`. `patterns` are for everything else.

The message and the fields that were parsed from it are both treated, whether `parse` comes before
or after: texts at any depth, names of fields, and for cards and patterns also numbers. Values
nested more than 100 levels deep are replaced as a whole. Write `parse` before `redact`, since
`{"card":[redacted]}` is not JSON. What belongs to the container is not treated: its name and its
labels, such as the `maintainer` of many public images, go to JSON sinks as they are.

If this stage fails on an entry, which would be a bug, the entry is dropped, counted in
`dockline_dropped_entries_total{reason="stage_failed"}`, and the log says so. It goes to no sink,
not even to a dead-letter sink. The same is true for `remove`, `truncate`, `keep` and `drop`, and
for stages that make fields before one that redacts or removes.

Some texts are made to keep the agent busy. If a text has more than 10,000 things of a kind, or
places that look like one, or 64 KiB of digits that may be cards, everything behind them is replaced
as one. If more than 2,000 names and values in the fields of an entry have such a thing, or 10,000
look like it (counted for each kind), each further one is replaced as a whole.

With `with = "sha256"` each thing becomes a short keyed hash (HMAC), such as
`sha256:5e884898da280471`. Equal things become equal texts, so they can still be counted and
followed. A hash without a key would protect nothing: all card numbers of a bank, and all IPv4
addresses, can be tried in seconds. So there is always a key, and anybody who has it can try them:
keep it from people who read the logs. Without `key` it is random, never stored, and a new one at
each start of the agent: hashes can be compared until the next start, on one host.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Final
from weakref import WeakKeyDictionary

import msgspec
from msgspec.structs import astuple

from pipeline.expression.paths import Path
from pipeline.expression.patterns import compile_linear
from pipeline.model import component
from pipeline.model.batch import Batch
from pipeline.model.component import Secret
from pipeline.model.errors import ConfigError, at
from pipeline.model.records import MISSING, Fields, Missing, Records, Shape
from pipeline.stages._redaction import Kind, is_escaped, is_literal, is_local, own, unescaped
from pipeline.stages._redaction_keys import named
from pipeline.stages._redaction_kinds import KINDS, What

_REDACTED: Final = "[redacted]"
_HASH: Final = "sha256"
_DEEPEST: Final = 100
_MOST_LOOKED_AT: Final = 10_000
"""Names and values of one entry that are searched closely: 1 to 3 µs each."""
_FOUND: Final = 5
"""For how many of them one counts in which something is found."""
_MOST_PLAIN: Final = 1000
_LONGEST_PLAIN: Final = 100
"""How many names of fields with nothing to hide are remembered, and how long they may be."""
_SHORTEST_KEY: Final = 16
_RANDOM_KEY: Final = secrets.token_bytes(32)


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is replaced, where, and with what."""

    what: Annotated[list[What], msgspec.Meta(examples=[["email", "card"]])] = msgspec.field(
        default_factory=list
    )
    """The kinds of things to replace, as above."""
    keys: Annotated[list[str], msgspec.Meta(examples=[["password", "authorization"]])] = (
        msgspec.field(default_factory=list)
    )
    """Names whose values are replaced, without dots: `password` stands for that name in any object,
    and for flattened names such as `user.password`."""
    patterns: Annotated[list[str], msgspec.Meta(examples=[[r"secret=\S+"]])] = msgspec.field(
        default_factory=list
    )
    """Regular expressions of Python's. What one matches is replaced. Texts may have any length, so
    a
    pattern whose time could grow with the square of the length is refused."""
    fields: Annotated[list[str] | None, msgspec.Meta(examples=[["message", "http.headers"]])] = None
    """The only fields to treat; `message` is the message itself. Without it, everything."""
    with_: str = msgspec.field(default=_REDACTED, name="with")
    """The text that replaces each thing, or `sha256` for a keyed hash of it."""
    key: Annotated[
        Secret | None, msgspec.Meta(min_length=_SHORTEST_KEY, examples=["${REDACTION_KEY}"])
    ] = None
    """The key of the hashes. The same key gives the same hashes everywhere."""


Config = Annotated[
    list[What] | Options,
    msgspec.Meta(examples=[["email", "card"], {"what": ["ip"], "with": "sha256"}]),
]

_Places = Mapping[int, Sequence[Kind]]
"""Indexes of entries that may have something, and of which kinds."""

_written: Final = msgspec.json.Encoder().encode_lines


class Stage(component.Stage):
    """Searches the text of a whole batch first: most batches have nothing, and cost only that."""

    def __init__(self, config: list[What] | Options) -> None:
        options = config if isinstance(config, Options) else Options(what=config)
        if not options.what and not options.patterns and not options.keys:
            raise ConfigError("write what to redact: what = […], keys = […] or patterns = […]")
        self._put = _replacement(options)
        self._left = 0
        """Names and values of the current entry that may still be searched closely."""
        self._closely: Sequence[Kind] = ()
        """The kinds for which a text is searched in which one of the current entry's is."""
        self._numbers: Sequence[Kind] = ()
        """The kinds that a number in the current entry may be."""
        self._shapes: WeakKeyDictionary[Shape, list[bool] | None] = WeakKeyDictionary()
        """What `_keys_of` has found."""
        self._plain: set[str] = set()
        """Names of fields that have nothing of any kind and are none of the keys."""
        self._too_deep = _REDACTED if options.with_ == _HASH else options.with_
        self._patterns = [_pattern(text, n) for n, text in enumerate(options.patterns)]
        self._all_local = all(map(is_local, options.patterns))
        self._names = frozenset(_name(text, n) for n, text in enumerate(options.keys))
        self._kinds = [named(sorted(self._names))] if self._names else []
        self._kinds += [kind for name, kind in KINDS.items() if name in options.what]
        asked = options.fields
        if asked == []:
            raise ConfigError("name the fields, or leave this out for all of them", "fields")
        self._message = asked is None or "message" in asked
        self._paths = None if asked is None else [Path.parse(f) for f in asked if f != "message"]

    def effect(self) -> component.Effect:
        if self._paths:
            wrong = "what it hides in fields is read out of the message again"
        else:
            wrong = "JSON in which a number was replaced is not JSON any more, and not parsed"
        return component.Effect(hides=True, spoils={"parse": wrong})

    def __call__(self, batch: Batch) -> Batch | None:
        lines, is_known = batch.lines, False
        places: _Places = {}
        if self._message:
            joined = b"\n".join(lines)
            own, kinds = self._own_in(joined), _kinds_in(joined, self._kinds)
            is_known = batch.literal and not self._patterns and is_literal(joined)
            if own:
                every = [*own, *kinds]
                places = dict.fromkeys(range(len(lines)), every)
            elif kinds:
                places = _places_of(lines, kinds, joined)
            if places:
                batch = self._with_lines(batch, places, [*own, *kinds])
        if batch.parsed is None or self._paths == []:
            return batch
        if self._paths is not None:
            return self._with_fields(batch)
        if is_known:  # nothing is in the fields that is not in the messages
            return self._with_entries(batch, places, kinds) if places else batch
        return self._with_all_fields(batch)

    # -- the message -----------------------------------------------------------------------

    def _own_in(self, joined: bytes) -> list[Kind]:
        """The user's patterns that some message may match."""
        own = self._patterns
        if own and self._all_local:
            text = unescaped(_text(joined))
            own = [kind for kind in own if kind.may_have(text)]
        return own

    def _with_lines(self, batch: Batch, places: _Places, kinds: Sequence[Kind]) -> Batch:
        lines = list(batch.lines)
        changed = False
        for place in places:
            text = unescaped(_text(lines[place]))
            if (new := self._clean(text, kinds)) != text:
                lines[place], changed = _bytes(new), True
        return batch.replace(lines=lines) if changed else batch

    def _clean(self, text: str, kinds: Sequence[Kind]) -> str:
        for kind in kinds:
            if kind.may_have(text):
                text = kind.replace(text, self._put)
        return text

    # -- the fields ------------------------------------------------------------------------

    def _with_fields(self, batch: Batch) -> Batch:
        """Treats the fields that are asked for."""
        fields = batch.fields or []
        left = [_MOST_LOOKED_AT] * len(fields)
        kinds = [*self._patterns, *self._kinds]
        for path in self._paths or ():
            found = [path.get(one) for one in fields]
            if str(path.keys[-1]).lower() in self._names:
                values = [self._hidden(value) for value in found]
            else:
                values = self._values(found, kinds, left)
            path.put_all(fields, values)
        return batch.replace(fields=fields)

    def _with_all_fields(self, batch: Batch) -> Batch:
        parsed, kinds = batch.parsed or [], self._kinds
        written = _json(parsed) if kinds else b""
        if written is not None:
            kinds = _kinds_in(written, kinds)
        if written is None or self._patterns:
            kinds = [*self._patterns, *kinds]
            places: _Places = dict.fromkeys(range(len(parsed)), kinds)
        elif kinds:
            places = _places_of(written.splitlines(), kinds, written)
        else:
            return batch
        return self._with_entries(batch, places, kinds)

    def _with_entries(self, batch: Batch, places: _Places, kinds: Sequence[Kind]) -> Batch:
        """Treats the fields of the entries at `places`."""
        parsed = batch.parsed or []
        self._closely = kinds
        if type(parsed) is not Records:
            new = self._changed(places, [parsed[place] for place in places])
            fields = list(parsed)
        elif (is_key := self._keys_of(parsed.shape)) is not None:
            return self._with_records(batch, parsed, places, is_key)
        else:
            some = Records(parsed.shape, [parsed[place] for place in places])
            new = self._changed(places, some.dictionaries())
            fields = parsed.dictionaries() if new else []
        for place, entry in new.items():
            fields[place] = entry
        return batch.replace(fields=fields) if new else batch

    def _changed(self, places: _Places, entries: Sequence[Fields]) -> dict[int, Fields]:
        """The new fields of those of the entries at `places` that have something to hide."""
        new = {}
        for (place, kinds), old in zip(places.items(), entries, strict=True):
            self._begin(kinds)
            if (entry := self._object(old, kinds, _DEEPEST)) != old:
                new[place] = entry
        return new

    def _with_records(
        self, batch: Batch, parsed: Records, places: _Places, is_key: Sequence[bool]
    ) -> Batch:
        """As `_with_entries`, for records whose names stay as they are."""
        records = Records(parsed.shape, parsed)
        changed = False
        for place, kinds in places.items():
            self._begin(kinds)
            old = astuple(parsed[place])
            new = tuple(
                [
                    self._hidden(value) if hides else self._value(value, kinds, _DEEPEST - 1)
                    for value, hides in zip(old, is_key, strict=True)
                ]
            )
            if new != old:
                records[place], changed = parsed.shape.record(*new), True
        return batch.replace(parsed=records) if changed else batch

    def _keys_of(self, shape: Shape) -> Sequence[bool] | None:
        """Which names of the shape are keys whose values are replaced. None if a name is."""
        if shape not in self._shapes:
            kinds = [*self._patterns, *self._kinds]
            stay = all(self._clean(unescaped(name), kinds) == name for name in shape.names)
            self._shapes[shape] = [self._is_named(name) for name in shape.names] if stay else None
        return self._shapes[shape]

    def _begin(self, kinds: Sequence[Kind]) -> None:
        """Goes on to the next entry."""
        self._left = _MOST_LOOKED_AT
        self._numbers = [kind for kind in kinds if kind.numbers]

    def _values(self, values: Sequence[Any], kinds: Sequence[Kind], left: list[int]) -> list[Any]:
        """The new values, one for each entry. `left`: how many more may be searched in each."""
        new = []
        self._closely, self._numbers = kinds, [kind for kind in kinds if kind.numbers]
        for place, value in enumerate(values):
            self._left = left[place]
            new.append(self._value(value, kinds, _DEEPEST))
            left[place] = self._left
        return new

    def _value(self, value: Any, kinds: Sequence[Kind], levels: int) -> Any:
        """The value without things to hide, never changed in place: inner objects are shared.

        `kinds`: what the value may have.
        """
        type_ = type(value)
        if type_ is str:
            return self._clean_text(value, kinds)
        if type_ is int or type_ is float:
            return self._number(value) if self._numbers else value
        if type_ is dict:
            return self._object(value, kinds, levels) if levels else self._too_deep
        if type_ is list:
            if not levels:
                return self._too_deep
            return [self._value(one, kinds, levels - 1) for one in value]
        return value if value is None or type_ in (bool, Missing) else self._too_deep

    def _object(self, fields: Fields, kinds: Sequence[Kind], levels: int) -> Fields:
        new: Fields = {}
        taken: dict[str, int] = {}
        plain, is_renamed = self._plain, False
        for name, value in fields.items():
            if is_plain := name in plain or self._is_plain(name):
                key = name
            else:
                key = self._clean_text(name, kinds)
                is_renamed = is_renamed or key != name
            if is_renamed and key in new:
                key = _another(key, new, taken)
            if not is_plain and self._is_named(name):
                new[key] = self._hidden(value)
            else:
                new[key] = self._value(value, kinds, levels - 1)
        return new

    def _is_plain(self, name: str) -> bool:
        """Whether a name stays as it is, with its value, whatever is searched. It is remembered."""
        if len(name) > _LONGEST_PLAIN or self._is_named(name) or unescaped(name) != name:
            return False
        if any(kind.may_have(name) for kind in (*self._patterns, *self._kinds)):
            return False
        if len(self._plain) >= _MOST_PLAIN:
            self._plain.clear()
        self._plain.add(name)
        return True

    def _is_named(self, name: str) -> bool:
        """Whether a name is one of the keys, also as `user.password`, as in logfmt."""
        small = name.lower()
        return small in self._names or small.rpartition(".")[2] in self._names

    def _clean_text(self, value: str, kinds: Sequence[Kind]) -> str:
        text = unescaped(value)
        for kind in kinds:
            if kind.may_have(text):
                return value if (new := self._found(text, self._closely)) == text else new
        return value

    def _found(self, text: str, kinds: Sequence[Kind]) -> str:
        """As `_clean`, for one of many texts in an entry."""
        new = text
        for kind in kinds:
            if kind.may_have(new):
                if self._left <= 0:
                    return self._put(text)
                self._left -= 1
                new = kind.replace(new, self._put)
        if new != text:
            self._left -= _FOUND - 1
        return new

    def _hidden(self, value: Any) -> Any:
        """The text that replaces the value of one of the keys."""
        if value is None or value is MISSING or value == "":
            return value
        if type(value) not in (str, int, float):
            return self._too_deep
        try:
            return self._put(str(value))
        except ValueError:  # CPython's limit on decimal digits
            return self._too_deep

    def _number(self, value: float) -> Any:
        try:
            text = str(value)
        except ValueError:  # CPython's limit on decimal digits
            return value
        new = self._found(text, self._numbers)
        return value if new == text else new


def _another(key: str, new: Fields, taken: dict[str, int]) -> str:
    """A free name for a key that became the same as another: `key_2`, and so on.

    `taken`: the last number used for each key.
    """
    number = taken.get(key, 1)
    while True:
        number += 1
        if (free := f"{key}_{number}") not in new:
            taken[key] = number
            return free


def _replacement(options: Options) -> Callable[[str], str]:
    if options.with_ != _HASH:
        if options.key is not None:
            raise ConfigError('a key is for with = "sha256" only', "key")
        return lambda thing: options.with_
    key = _RANDOM_KEY if options.key is None else str(options.key).encode()

    def hashed(thing: str) -> str:
        digest = hmac.digest(key, thing.encode("utf-8", "surrogatepass"), "sha256")
        return f"sha256:{digest[:8].hex()}"

    return hashed


def _name(text: str, number: int) -> str:
    if not re.fullmatch(r"[\w-]+", text):
        hint = 'write a name of letters, digits, "_" and "-", as in "password"'
        raise ConfigError(hint, f"keys[{number}]")
    return text.lower()


def _pattern(text: str, number: int) -> Kind:
    with at(f"patterns[{number}]"):
        pattern = compile_linear(text)
        if pattern.search(""):
            raise ConfigError("the pattern matches an empty text")
    return own(pattern)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _kinds_in(texts: bytes, kinds: Sequence[Kind]) -> list[Kind]:
    """The kinds that one of these texts may have, which are joined by anything or written as
    JSON."""
    found = [kind for kind in kinds if kind.may_be_in is None or kind.may_be_in(texts)]
    return list(kinds) if len(found) < len(kinds) and is_escaped(texts) else found


def _places_of(texts: Sequence[bytes], kinds: Sequence[Kind], joined: bytes) -> _Places:
    """The indexes of the texts that may have one of these kinds."""
    places: dict[int, list[Kind]] = {}
    for kind in kinds:
        if kind.places_in is not None:
            found: Iterable[int] = kind.places_in(texts)
        elif (may_be_in := kind.may_be_in) is not None:
            found = [place for place, text in enumerate(texts) if may_be_in(text)]
        else:
            found = range(len(texts))
        for place in found:
            places.setdefault(place, []).append(kind)
    if not is_escaped(joined):
        return places
    escaped = [place for place, text in enumerate(texts) if is_escaped(text)]
    return {**places, **dict.fromkeys(escaped, kinds)}


def _json(parsed: list[Fields] | Records) -> bytes | None:
    """The fields of each entry as a line of JSON; None for what JSON does not have."""
    try:
        return _written(parsed)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return None
