"""Reads one address of a sink, as `dockline run` takes it: `syslog+tls://HOST?format=rfc3164`.

What stands before the query is up to the sink: see `AddressForm`. The query has options of the
sink, stages, what the route takes, and Logspout's filters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from difflib import get_close_matches
from typing import Any, Final, NoReturn
from urllib.parse import unquote

from pipeline.config.hints import other_tools
from pipeline.config.locate import Path
from pipeline.config.one_line import filters, logspout
from pipeline.config.one_line.address import VARIABLE, Address, Span
from pipeline.config.one_line.from_text import from_text, option_type
from pipeline.config.problems import dotted, quote
from pipeline.config.secrecy import has_credentials, is_reference
from pipeline.config.settings import RouteConfig
from pipeline.config.wording import fields_of, is_secret, listed, nearest
from pipeline.model import registry
from pipeline.model.address_form import AddressForm
from pipeline.model.secrecy import sounds_secret
from pipeline.support.mistyped import meant

ROUTE: Final = ("from", "containers")
"""The keys of a route that may stand in the query."""
LONGEST: Final = 8192
"""Characters of an address at most; more settings are for a file."""
LONG: Final = 16
"""Characters of a word in a URL that may be a secret."""
NEAR: Final = 0.8
"""How like an option a key of a URL is, from 0 to 1, if it is taken for that mistyped."""
LONGEST_NAME: Final = 100
"""Longer names are not compared with those that there are."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+._-]*)://")
_SUBSTITUTION = re.compile(r"\$\{[^}]*\}")
_MASK = "\ue000"
"""Stands for every character of a `${…}`, in which `:`, `/`, `?` and `@` have no meaning."""
_WITH_PORT = re.compile(
    rf"(\[[^\],@]*\]|[^:@,]*)(:[\d{_MASK}]*)?(,(\[[^\],@]*\]|[^:@,]*)(:[\d{_MASK}]*)?)*"
)

_ANOTHER = re.compile(r",[A-Za-z][A-Za-z0-9+._-]*://")


class _Wrong(Exception):
    """The address cannot be read any further. The problem is noted."""


def read_address(argument: str) -> Address:
    """Reads an address. What is wrong is in `slips` of the result; raises nothing."""
    reader = _Reader(argument)
    with suppress(_Wrong):
        reader.read()
        reader.address.complete = True
    return reader.address


def schemes() -> dict[str, tuple[str, AddressForm]]:
    """Every scheme, with the type of its sink and the form: `lumberjack+tls` is `logstash`."""
    return {scheme: found for name in registry.names("sinks") for scheme, found in schemes_of(name)}


def schemes_of(name: str) -> Iterator[tuple[str, tuple[str, AddressForm]]]:
    """The schemes of one type of sink, each with the type and the form."""
    for form in registry.config_type("sinks", name).address_forms:
        for scheme in form.schemes:
            full = name + scheme if scheme == "" or scheme.startswith("+") else scheme
            yield full, (name, form)


class _Reader:
    def __init__(self, argument: str) -> None:
        self.address = Address(argument)
        self._text = argument
        self._masked = _SUBSTITUTION.sub(lambda found: _MASK * len(found[0]), argument)
        self._form = AddressForm(example="")
        self._config: Any = None
        self._begins = ""
        self._conditions: list[str] = []

    def read(self) -> None:
        """Reads the address. Raises `_Wrong` where it cannot go on."""
        if len(self._text) > LONGEST:
            self.address.hidden.append((0, len(self._text)))
            self._stop((0, 0), f"an address has at most {LONGEST:,} characters", "write a file")
        start = self._scheme()
        query = self._masked.find("?", start)
        end = len(self._text) if query < 0 else query
        self._check_password(start, end)
        for path, value in self._form.adds.items():
            self._put("sink", (path,), value, (0, start))
        rest = self._query(end + 1) if query >= 0 else ""
        if self._form.local:
            self._local(start, end)
        else:
            self._remote(start, end, rest)
        if self._conditions:
            self.address.route["containers"] = " and ".join(self._conditions)

    # ------------------------------------------------------------------------- the scheme

    def _scheme(self) -> int:
        """Finds the sink and the form; returns where the scheme ends."""
        found = _SCHEME.match(self._masked)
        if found is None:
            self._hide_login(0)
            hint = "write its type before it, such as syslog+tls://logs.example.com"
            if self._text.endswith(".toml"):
                hint = f"a file is given with -c {quote(self._text)[1:-1]}"
            self._stop((0, len(self._text)), "this is not the address of a sink", hint)
        scheme = found[1].lower()
        name = scheme.partition("+")[0].replace("-", "_")
        known = registry.names("sinks")
        own = dict(schemes_of(name)) if name in known else {}
        full = name + scheme[len(name) :]
        self.address.type, self._form = own.get(full) or schemes().get(scheme) or ("", self._form)
        if not self.address.type:
            self._hide_login(found.end())
            self._hide_values()
            self._stop((0, len(found[1])), f"there is no {found[1]}://", _hint(scheme, own))
        self._config = registry.config_type("sinks", self.address.type)
        rest = full.removeprefix(self.address.type)
        self._begins = self._form.schemes.get(rest, self._form.schemes.get(scheme, ""))
        if said := logspout.udp_warning(scheme):
            self.address.doubts.append(((0, len(found[1])), *said))
        self.address.spans["sink",] = self.address.spans["route",] = (0, len(self._text))
        return found.end()

    # ----------------------------------------------------------------- what is not shown

    def _hide_login(self, start: int) -> None:
        """Hides all up to the last `@` of a text that cannot be taken apart."""
        at = self._masked.rfind("@")
        if at > start:
            self.address.hidden.append((start, at))

    def _hide_values(self) -> None:
        """Hides the values of the query, for a sink that is not known."""
        for start, equal, end in self._pairs(self._masked.find("?") + 1 or len(self._text)):
            if equal < end and sounds_secret(self._text[start:equal].rpartition(".")[2]):
                self.address.hidden.append((equal + 1, end))

    def _check_password(self, start: int, end: int) -> None:
        """Reports a password with characters that mean something in an address."""
        at = self._masked.rfind("@")
        slash = self._masked.find("/", start, end)
        host_end = end if slash < 0 else slash
        before = self._masked[self._masked.rfind("@", start, host_end) + 1 or start : host_end]
        if at < host_end or self._form.local or not before or _WITH_PORT.fullmatch(before):
            return
        self.address.hidden.append((start, at))
        message = "a password has a character that ends it here"
        self._stop((start, at), message, "write / as %2F, ? as %3F, # as %23 and @ as %40")

    # ---------------------------------------------------------------- what is before the query

    def _local(self, start: int, end: int) -> None:
        path = self._text[start:end]
        if not path.startswith(("/", "./", "../", "${")):
            scheme = self._text[:start]
            hint = f"write {scheme}/{quote(path)[1:-1]}, or {scheme}./ for a relative one"
            self._stop((start, end), "a path begins with a slash", hint)
        self._put("sink", _path(self._form.to), self._begins + unquote(path), (start, end))

    def _remote(self, start: int, end: int, query: str) -> None:
        slash = self._masked.find("/", start, end)
        host_end = end if slash < 0 else slash
        at = self._masked.rfind("@", start, host_end)
        if at >= 0:
            self._login(start, at)
        if found := _ANOTHER.search(self._masked, start, end):
            several = (
                "the others after it without a scheme" if self._form.many else "a space between"
            )
            message = "one argument is the address of one sink"
            self._stop((found.start() + 1, end), message, f"write {several}")
        start = max(start, at + 1)
        form, host, path = self._form, self._text[start:host_end], self._text[host_end:end]
        if not form.to:
            if host or path:
                hint = f"write {form.example}, with options after a question mark"
                self._stop((start, end), f"{self.address.type} has no address", hint)
            return
        if form.path:
            self._path(host_end, end)
            path = ""
        if not host:
            if self._is_required(form.to):
                self._stop((0, end), "the address is missing", f"write it like {form.example}")
            return
        to, span = _path(form.to), (start, host_end if form.path else end)
        if form.many:
            hosts = [f"{self._begins}{one}{path}" for one in host.split(",")]
            self._put("sink", to, hosts, span)
            for index in range(len(hosts)):
                self.address.spans["sink", *to, index] = span
        else:
            value = f"{self._begins}{host}{path}{query}"
            self._put("sink", to, value, span)
            if is_secret(option_type(self._config, to)):
                if end > host_end + 1:
                    self.address.hidden.append((host_end + 1, end))
                self._keep_secret(to, path + query)

    def _keep_secret(self, to: Path, text: str) -> None:
        """Takes a URL for a secret if its path and query, `text`, have a long word or a key that
        sounds so."""
        words = re.split("[/?&=]", _SUBSTITUTION.sub("", text))
        if any(len(word) >= LONG or sounds_secret(word) for word in words):
            self.address.secrets[to] = VARIABLE.format(dotted(to))

    def _login(self, start: int, at: int) -> None:
        self.address.hidden.append((start, at))
        if self._form.login is None:
            message = f"{self.address.type} takes no user and no password here"
            self._stop((start, at), message, "leave out what stands before the @")
        colon = self._masked.find(":", start, at)
        user, password = self._form.login
        for option, begin, end in (
            (user, start, at if colon < 0 else colon),
            (password, colon + 1, at),
        ):
            written = self._text[begin:end]
            if written and (option == user or colon >= 0):
                secret = not is_reference(written) and (option == password or colon < 0)
                self._put("sink", _path(option), unquote(written), (begin, end), secret=secret)

    def _path(self, start: int, end: int) -> None:
        """Gives the parts of the path to the options for them."""
        options = list(self._form.path)
        at = start
        while at < end and options:
            option = options[0]
            stop = self._masked.find("/", at + 1, end)
            stop = end if stop < 0 else stop
            part = self._text[at + 1 : stop]
            if self._form.number and part.isdigit() and at == start:
                self._put("sink", _path(self._form.number), int(part[:18]), (at + 1, stop))
                at = stop
                continue
            options.pop(0)
            if not options:
                part, stop = self._text[at + 1 : end], end
            value = unquote(part)
            if option.startswith("/"):
                option, value = option[1:], f"/{value}"
            if part:
                self._put("sink", _path(option), value, (at + 1, stop))
            at = stop

    def _is_required(self, name: str) -> bool:
        found = {one.encode_name: one.required for one in fields_of(self._config)}
        return found[name]

    # ---------------------------------------------------------------------------- the query

    def _pairs(self, start: int) -> Iterator[tuple[int, int, int]]:
        """Start, equals sign and end of each part of the query; both are one without a sign."""
        while start < len(self._text):
            end = self._masked.find("&", start)
            end = len(self._text) if end < 0 else end
            equal = self._masked.find("=", start, end)
            if end > start:
                yield start, end if equal < 0 else equal, end
            start = end + 1

    def _query(self, start: int) -> str:
        """Reads the query; returns the part of it that belongs to the address, with its `?`."""
        fields = [one.encode_name for one in fields_of(self._config)]
        stages = registry.names("stages")
        left = []
        for begin, equal, end in self._pairs(start):
            key, value = unquote(self._text[begin:equal]), unquote(self._text[equal + 1 : end])
            span, path = (min(equal + 1, end), end), _path(key)
            if key in filters.FILTERS:
                self._filter(key, value, span)
            elif key in ROUTE:
                self._of_route(key, value, span)
            elif path[0] in fields:
                self._of_sink(path, value, span, (begin, equal))
            elif path[0] in stages:
                self._stage(path, value, span)
            elif self._form.keeps_query and not self._is_near(key, [*fields, *stages]):
                self.address.hidden.append(span)
                left.append(self._text[begin:end])
            else:
                self.address.hidden.append(span)
                self._unknown(key, [*fields, *stages], (begin, equal))
        return f"?{'&'.join(left)}" if left else ""

    def _of_sink(self, path: Path, value: str, span: Span, key: Span) -> None:
        if path == ("type",):
            self._note(key, "the type stands before ://", "leave this out")
        elif path == _path(self._form.to):
            self._note(key, "the address stands before the ?", "leave this out")
        else:
            typed = from_text(value, option_type(self._config, path))
            secret = self._is_secret(path, self._text[slice(*span)])
            self._put("sink", path, typed, span, secret=secret)

    def _of_route(self, key: str, value: str, span: Span) -> None:
        if key == "containers":
            self._conditions.append(f"({value})" if self._conditions else value)
            self.address.spans["route", "containers"] = span
        else:
            self._put("route", (key,), from_text(value, option_type(RouteConfig, (key,))), span)

    def _filter(self, key: str, value: str, span: Span) -> None:
        if not value:
            self._note(span, f"{key} is empty", "leave it out")
        elif key == "filter.sources":
            try:
                self._add_stage(filters.stream_stage(value), "keep", span)
            except ValueError as error:
                self._note(span, str(error))
        else:
            self._conditions.append(filters.containers(key, value))
            self.address.spans["route", "containers"] = span

    def _stage(self, path: Path, value: str, span: Span) -> None:
        """Adds a stage, or one more option to the last one."""
        name, *inner = path
        config = registry.config_type("stages", str(name))
        typed = from_text(value, option_type(config, tuple(inner)) if inner else config)
        stages = self.address.route.get("stages", [])
        if not inner or not stages or not _lacks(stages[-1], path):
            self._add_stage({str(name): {} if inner else typed}, str(name), span)
        if inner:
            index = len(self.address.route["stages"]) - 1
            self._put("route", ("stages", index, *path), typed, span)

    def _add_stage(self, stage: dict[str, Any], name: str, span: Span) -> None:
        stages = self.address.route.setdefault("stages", [])
        for path in (("stages", len(stages)), ("stages", len(stages), name)):
            self.address.spans["route", *path] = span
        stages.append(stage)

    def _is_secret(self, path: Path, written: str) -> bool:
        if is_reference(written) or not written:
            return False
        type_ = option_type(self._config, path)
        by_name = any(map(sounds_secret, path)) and not written.startswith("/")
        by_type = type_ is not None and is_secret(type_)
        return by_name or by_type or has_credentials(unquote(written), path)

    def _is_near(self, key: str, known: list[str]) -> bool:
        """Whether a key is most likely a mistyped option, and no key of the URL."""
        first = key.partition(".")[0]
        return len(first) < LONGEST_NAME and bool(get_close_matches(first, known, 1, NEAR))

    def _unknown(self, key: str, known: list[str], span: Span) -> None:
        known = [name for name in known if name not in ("type", self._form.to)]
        known += [*ROUTE, *filters.FILTERS]
        hint = logspout.option_hint(key)
        if not hint and len(key) < LONGEST_NAME:
            first, dot, rest = key.partition(".")
            near = "" if dot and first != "filter" else nearest(key, known)
            hint = near or nearest(first, known).replace('"?', f'{dot}{rest}"?')
        if not hint:
            hint = f"known here: {', '.join(known)}"
        self._note(span, f"unknown option {quote(key)}", hint)

    # ------------------------------------------------------------------------------- results

    def _put(self, table: str, path: Path, value: Any, span: Span, *, secret: bool = False) -> None:
        """Sets an option, and remembers its place and whether it is secret."""
        if secret:
            self.address.hidden.append(span)
            self.address.secrets[path] = VARIABLE.format(dotted(path))
        where: Any = self.address.sink if table == "sink" else self.address.route
        for index, key in enumerate(path[:-1]):
            self.address.spans.setdefault((table, *path[: index + 1]), span)
            if isinstance(where, dict):
                where = where.setdefault(key, {})
            elif isinstance(where, list):
                where = where[int(key)]
        if not isinstance(where, dict) or path[-1] in where:
            self._note(span, f"{dotted(path)} is given twice", "leave one of them out")
            return
        where[path[-1]] = value
        self.address.spans[(table, *path)] = span

    def _note(self, span: Span, message: str, hint: str = "") -> None:
        self.address.slips.append((span, message, hint))

    def _stop(self, span: Span, message: str, hint: str = "") -> NoReturn:
        self._note(span, message, hint)
        raise _Wrong


def _path(key: str) -> Path:
    return tuple(key.split("."))


def _lacks(stage: dict[str, Any], path: Path) -> bool:
    """Whether this is the stage that `path` begins with, as a table without that option."""
    value: Any = stage
    for key in path:
        if not isinstance(value, dict):
            return False
        if key not in value:
            return value is not stage
        value = value[key]
    return False


def _hint(scheme: str, own: Iterable[str]) -> str:
    """What to write for a scheme that there is not. `own`: the schemes of its sink, if any."""
    if said := _written(own) or logspout.scheme_hint(scheme):
        return said
    first = scheme.partition("+")[0]
    elsewhere = other_tools.of_sink(first)
    if found := re.match(r'write type = "(\w+)"', elsewhere):
        return _written(one for one, _ in schemes_of(found[1]))
    known = [*schemes()]
    firsts = list(dict.fromkeys(one.partition("+")[0] for one in known))
    near = meant(first, firsts) if len(first) < LONGEST_NAME else None
    if elsewhere or near is None:
        return elsewhere or f"known: {', '.join(firsts)}"
    alike = [one for one in known if one.partition("+")[0] == near]
    if near in alike and first == scheme:
        return f'did you mean "{near}://"?'
    return _written(alike)


def _written(schemes: Iterable[str]) -> str:
    names = [f"{one}://" for one in schemes]
    return f"write {listed(names, 'or')}" if names else ""
