"""Warnings about a valid configuration that does less than it seems to, or exposes too much.

No sink is known here by name: sinks describe themselves in `Sink.takes`. The stages of routes are
looked at in `stages`.
"""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Any, Final

from pipeline.config.advice.files import advise_files
from pipeline.config.advice.stages import advise_all, effect_of
from pipeline.config.locate import Path
from pipeline.config.problems import ProblemReport, dotted, quote
from pipeline.config.settings import DOCKER, FEED, SORTS, Config, RouteConfig, StageConfig
from pipeline.config.strings import strings
from pipeline.config.substitute import Substituted
from pipeline.config.wording import listed
from pipeline.expression.truth import never_true
from pipeline.model import registry
from pipeline.model.secrecy import sounds_secret


def advise(config: Config, tree: dict[str, Any], report: ProblemReport) -> None:
    """Adds warnings about `config` to `report`, and errors that only show once all is read.

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
    advise_all(config, tree, report)
    _unused_sources(config, report)
    advise_files(config, tree, report)
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


def _unused_sources(config: Config, report: ProblemReport) -> None:
    for name in config.sources:
        if not any({name, *SORTS} & set(route.sources) for route in config.routes.values()):
            hint = f"name it in the `from` of a route, or remove it; {quote('logs')} takes all"
            report.warning(("sources", name), "no route takes from this source", hint)


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
    elif feeding := _feeding_others(text, str(path[-1]), config):
        message = "no container can match: this route gets entries only from "
        message += f"{listed(map(quote, feeding))}, and of other containers"
        report.warning((*path, "containers"), message, "change one of the expressions")
    elif of_all is not None and never_true(text, of_all, containers=True):
        message = "no container can match: logs.containers leaves out every one that this could"
        report.warning((*path, "containers"), message, "allow them there, or remove the route")


def _feeding_others(text: str, name: str, config: Config) -> list[str]:
    """The routes that feed a route, if none takes a container that its `containers` can match."""
    feeding = {other: route for other, route in config.routes.items() if name in route.feeds}
    for route in feeding.values():
        by_label = route.labels and "route" in config.labels.honour
        if by_label or route.containers is None:
            return []
        if not never_true(text, route.containers, containers=True):
            return []
    return list(feeding)


# -------------------------------------------------------------------- events, secrets, listeners


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
    return effect_of(stage).hides


_WITH_PASSWORD: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\s@:]*:([^/?#\s@]+)@", re.IGNORECASE)

_EVERYWHERE: Final = re.compile(r"(?:\w+://)?(?:0\.0\.0\.0|\[::\]|\*)?:\d+")


def _secrets(tree: dict[str, Any], report: ProblemReport) -> None:
    """Warns of secrets in plain text. Settings of the type `Secret` were reported on conversion."""
    known = {problem.path for problem in report.warnings}
    for path, value in strings(tree):
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
    for path, value in strings(tree):
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
    http, path = config.http, ("http", "listen")
    sent = http.page or http.token is not None or http.metrics == "token"
    if not (sent and http.listen and path in report.places and http.tls is None):
        return
    from pipeline.observe.access import names_this_host  # brings aiohttp: a tenth of a second

    if not names_this_host(http.listen):
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
