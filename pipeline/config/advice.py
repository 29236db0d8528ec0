"""Warnings about a valid configuration that does less than it seems to, or exposes too much.

No stage or sink is known here by name: stages describe themselves in `Stage.effect`, sinks in
`Sink.takes`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from typing import Any, Final

from pipeline.config.components import hides_something, inside
from pipeline.config.locate import Path
from pipeline.config.problems import ProblemReport, dotted, quote
from pipeline.config.settings import DOCKER, FEED, SORTS, Config, RouteConfig, StageConfig
from pipeline.config.substitute import Substituted
from pipeline.config.wording import listed, nearest
from pipeline.expression.insight import never_true
from pipeline.model import registry
from pipeline.model.component import Effect, FieldUse
from pipeline.model.secrecy import sounds_secret


def advise(config: Config, tree: dict[str, Any], report: ProblemReport) -> None:
    """Adds warnings about `config` to `report`.

    `tree` is the file's own tables, after substitution and defaults, that `config` was made from.
    """
    if not config.engine.enabled and not config.sources:
        hint = "add [sources.NAME], or remove this"
        report.warning(("engine", "enabled"), "nothing is read: there is no source either", hint)
    _unfed_sinks(config, report)
    for name, route in config.routes.items():
        path = ("routes", name)
        _sources(route, config, path, report)
        _containers(route, config, path, report)
        advise_stages(route, config, tree["routes"][name], path, report)
    _last_lines(config, report)
    _secrets(tree, report)
    _listeners(tree, report)
    _token(config, report)
    _trusted_proxy(config, report)


def takes_from(sink_type: str) -> frozenset[str]:
    """What sinks of this type can use, of `logs`, `events` and `stats`.

    `sink_type` is the `type` of the configuration, such as `loki`; it must exist.
    """
    takes: frozenset[str] = registry.implementation("sinks", sink_type).takes
    return takes


# ------------------------------------------------------------------------- what leads where


def _unfed_sinks(config: Config, report: ProblemReport) -> None:
    fed: set[str] = set()
    reached = [name for route in config.routes.values() for name in route.sinks]
    while reached:
        name = reached.pop()
        fed.add(name)
        letter = config.sinks[name].dead_letter
        reached += [letter] if letter and letter not in fed else []
    for name in config.sinks:
        if name not in fed:
            hint = "name it in the `to` of a route, or remove it"
            report.warning(("sinks", name), "no route leads to this sink", hint)


def _sources(route: RouteConfig, config: Config, path: Path, report: ProblemReport) -> None:
    place = (*path, "from")
    if not route.sources:
        report.warning(place, "this route takes nothing", 'write "logs", "events" or "stats"')
    if not config.engine.enabled and DOCKER in route.sources:
        report.warning(place, "takes what comes from Docker, which engine.enabled turns off")
    if not config.sources and config.engine.enabled:
        if "stats" in route.sources and config.stats.every is None:
            report.warning(place, "takes stats, which stats.every turns off")
        if "events" in route.sources and not config.events.enabled:
            report.warning(place, "takes events, which events.enabled turns off")
    if not set(route.sources) <= set(SORTS):
        return  # a named source may bring anything
    for index, target in enumerate(route.to):
        if target.startswith(FEED):
            takes = frozenset[str](config.routes[target.removeprefix(FEED)].sources)
        else:
            takes = takes_from(config.sinks[target].type)
        if route.sources and takes <= set(SORTS) and not takes & set(route.sources):
            message = f"{quote(target)} takes only {listed(sorted(takes))}; this route has none"
            report.warning((*path, "to", index), message)


def _containers(route: RouteConfig, config: Config, path: Path, report: ProblemReport) -> None:
    """Warns of a route that no container can match."""
    text, of_all = route.containers, config.logs.containers
    if text is None or (route.labels and "route" in config.labels.honour):
        return
    if never_true(text, containers=True):
        message = "no container can match: this is never true, so the route takes nothing"
        report.warning((*path, "containers"), message, "is an `and` meant to be an `or`?")
    elif of_all is not None and never_true(text, of_all, containers=True):
        message = "no container can match: logs.containers leaves out every one that this could"
        report.warning((*path, "containers"), message, "allow them there, or remove the route")


# --------------------------------------------------------------------------------- stages


def advise_stages(
    route: RouteConfig, config: Config, table: Any, path: Path, report: ProblemReport
) -> None:
    """Warns of stages that let nothing through, and of fields that no stage has made.

    `table` is the route's own table at `path`, which ends in the route's name. Of `config`, what
    labels may do, sources, and which routes feed it are looked at.
    """
    labels = sorted({"parse", "tag"} & set(config.labels.honour))
    fed = any(path[-1] in other.feeds for other in config.routes.values())
    bare = route.sources == ["logs"] and not config.sources and not fed
    made: frozenset[str] | None = frozenset() if bare else None
    conditions: list[str] = []
    for index, stage in enumerate(route.stages):
        place = (*path, "stages", index, stage.name)
        effect = _effect(stage)
        value = table["stages"][index][stage.name]
        if made is not None and not hides_something(value):
            for use in _missing(effect.reads, made):
                where = (*place, *inside(value, use.key))
                message = f"no stage before this one makes a field {quote(use.written)}"
                hint = nearest(use.written, made) or _how_to_make(labels)
                report.warning(where, message, hint, column=use.column)
        conditions = [*conditions, effect.condition] if effect.condition else []
        if conditions and never_true(*conditions):
            _report_end(effect.condition, index == len(route.stages) - 1, place, report)
            return
        made = None if made is None or effect.makes is None else made | effect.makes


def _effect(stage: StageConfig) -> Effect:
    effect: Effect = registry.implementation("stages", stage.name)(stage.config).effect()
    return effect


def _last_lines(config: Config, report: ProblemReport) -> None:
    """Warns when a route hides parts of the logs that another shows as a container's last lines."""
    events = config.events
    if not config.engine.enabled or not events.enabled or not events.last_lines:
        return
    hiding = [name for name, route in config.routes.items() if any(map(_hides, route.stages))]
    of_logs = [name for name in hiding if "logs" in config.routes[name].sources]
    for name, route in config.routes.items():
        if of_logs and "events" in route.sources and route.sinks and name not in hiding:
            message = "a `die` has its container's last lines, and no stage here hides what route "
            hint = "give it such stages too, or set events.last_lines = 0"
            report.warning(("routes", name, "from"), f"{message}{quote(of_logs[0])} does", hint)


def _hides(stage: StageConfig) -> bool:
    return _effect(stage).hides


def _report_end(condition: str, is_last: bool, place: Path, report: ProblemReport) -> None:
    alone = never_true(condition)
    message = "lets nothing through" + ("" if alone else " of what the stages before it leave")
    rest = "its sinks" if is_last else "the stages after it and the sinks of this route"
    report.warning(place, message, f"{rest} get nothing; correct the expression, or remove it")


def _missing(reads: Sequence[FieldUse], made: frozenset[str]) -> list[FieldUse]:
    """The first use of each field that no stage has made."""
    first: dict[str, FieldUse] = {}
    for use in reads:
        if not made & {use.field, use.written}:
            first.setdefault(use.written, use)
    return list(first.values())


def _how_to_make(labels: list[str]) -> str:
    """A hint for a field that no stage makes. `labels` are the honoured ones that could make it."""
    if labels:
        names = listed((f"dockline.{name}" for name in labels), "or")
        return f'only a label of a container could ({names}); put {{ parse = "auto" }} before it'
    return 'it is always missing; put what reads it, such as { parse = "auto" }, before this'


# ------------------------------------------------------- secrets and listening addresses

_WITH_PASSWORD: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\s@:]*:([^/?#\s@]+)@", re.IGNORECASE)

_EVERYWHERE: Final = re.compile(r"(?:\w+://)?(?:0\.0\.0\.0|\[::\]|\*)?:\d+")

_OF_USERS: Final = ("routes", "tests")
"""Tables whose keys are names of fields and labels, not settings."""


def _secrets(tree: dict[str, Any], report: ProblemReport) -> None:
    """Warns of secrets in plain text. Settings of the type `Secret` were reported on conversion."""
    known = {problem.path for problem in report.warnings}
    for path, value in _strings(tree):
        written = value.written if isinstance(value, Substituted) else str(value)
        found = _WITH_PASSWORD.match(written)
        hint = "write ${NAME} or ${file:/run/secrets/NAME}"
        if dotted(path) in known:
            continue
        if found and "${" not in found[1]:
            report.warning(path, "a password in plain text, in an address", f"{hint} in its place")
        elif sounds_secret(path[-1]) and value and "${" not in written and value[0] != "/":
            report.warning(path, "a secret in plain text", hint)


def _listeners(tree: dict[str, Any], report: ProblemReport) -> None:
    """Warns of addresses that listen on every interface.

    Only if the file says so: the image's default, 0.0.0.0, is meant for a container's own network.
    """
    for path, value in _strings(tree):
        if path[-1] == "listen" and path in report.places and _EVERYWHERE.fullmatch(value):
            message = "listens on every address of this host, for anyone who can reach it"
            hint = "listen on 127.0.0.1 or on one address, unless a firewall or a container's own "
            report.warning(path, message, hint + "network protects it")


def _token(config: Config, report: ProblemReport) -> None:
    """Warns of a token that other hosts would send over plain HTTP: to see the page, or whatever
    else it is for.

    Only if the file says where to listen: the image's default is for a container's own network,
    and whether its port is published beyond the host can't be seen from inside.
    """
    from pipeline.observe.access import names_this_host  # brings aiohttp: a tenth of a second

    http, path = config.http, ("http", "listen")
    sent = http.page or http.token is not None or http.metrics == "token"
    open_to_others = http.listen and path in report.places and not names_this_host(http.listen)
    if sent and open_to_others and http.tls is None:
        message = "the token, and what it protects, go over plain HTTP from other hosts"
        hint = (
            "set http.tls, or listen on 127.0.0.1 (behind a proxy with TLS, or reached by ssh -L)"
        )
        report.warning(path, message, hint)


def _trusted_proxy(config: Config, report: ProblemReport) -> None:
    """Warns of a proxy on this host: whoever may connect from its address is taken for it."""
    proxy = config.http.trust_proxy
    if proxy is None:
        return
    addresses = proxy.address if isinstance(proxy.address, list) else [proxy.address]
    if any(ip_network(address).is_loopback for address in addresses):
        message = "every user of this host gets in without the token, by sending that header"
        hint = "have the proxy send the token instead, as `Authorization: Bearer …`"
        report.warning(("http", "trust_proxy", "address"), message, hint)


def _strings(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every string of the configuration and its path, without routes and tests."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if path or key not in _OF_USERS:
                yield from _strings(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _strings(inner, (*path, index))
    elif isinstance(value, str) and path:
        yield path, value
